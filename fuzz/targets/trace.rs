//! Fuzz target `trace`: a recorded trace and a file of spans with any content.
#![no_main]

use std::path::Path;

use eco2_report::{Trace, parse_spans};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = Path::new("fuzzed");
    if let Ok(trace) = Trace::parse(data, path) {
        assert!(trace.readings.iter().all(|(domain, _)| (*domain as usize) < trace.domains.len()));
    }
    let _ = parse_spans(data, path);
});

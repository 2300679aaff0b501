//! The C++ programs in tests/cpp, and Python without a wrapper.

use std::path::Path;
use std::process::Command;

use crate::installed::{have, passes, prefix, run};

#[test]
fn the_c_header_is_cpp_too() {
    passes("cpp/header.cpp");
}

#[test]
fn meters_and_spans_of_cpp() {
    passes("cpp/meter.cpp");
}

#[test]
fn python_needs_no_wrapper() {
    if !have("python3") {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/raw.py");
    let soname = concat!("libeco2.so.", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    run(Command::new("python3").arg(script).arg(prefix().join("lib").join(soname)));
}

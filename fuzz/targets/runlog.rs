//! Fuzz target `runlog`: reads and checks a run log with any content, as it is and with correct checksums, which random bytes never have.
#![no_main]

use std::path::Path;

use eco2_report::{check_log_bytes, parse_log};
use libfuzzer_sys::fuzz_target;

/// Bytes before a frame's payload: magic, kind, version, two zeros, length, checksum.
const HEAD_BYTES: usize = 16;

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&with_checksums(data));
});

fn read(bytes: &[u8]) {
    if let Ok(log) = parse_log(bytes, Path::new("fuzzed")) {
        let _ = (log.report(), log.history.len());
        if let Some(ends) = &log.ends {
            let domains: Vec<_> = log.domains.values().collect();
            let _ = (ends.energies(), ends.overlaps(&domains));
        }
    }
    if let Ok(check) = check_log_bytes(bytes, Path::new("fuzzed")) {
        assert!(check.cut_bytes <= check.bytes);
        // A log may end within its first frame.
        assert!(check.frames > 0 || check.cut_bytes == check.bytes);
    }
}

/// The same frames with correct length and checksum; each frame extends to the next magic.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + HEAD_BYTES);
    let mut rest = data;
    while let Some(start) = rest.windows(4).position(|window| window == b"eco2") {
        let frame = &rest[start..];
        let end = frame.windows(4).skip(4).position(|window| window == b"eco2").map_or(frame.len(), |at| at + 4);
        if let Some(payload) = frame[..end].get(HEAD_BYTES..) {
            // Version 1, or version 2, whose payload follows a slot of 32 bytes.
            let mut head = [frame[4], if frame[5] == 2 { 2 } else { 1 }, 0, 0, 0, 0, 0, 0];
            head[4..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            let mut checksum = crc32fast::Hasher::new();
            checksum.update(&head);
            checksum.update(payload);
            out.extend_from_slice(b"eco2");
            out.extend_from_slice(&head);
            out.extend_from_slice(&checksum.finalize().to_le_bytes());
            out.extend_from_slice(payload);
        }
        rest = &frame[end..];
    }
    out
}

//! `eco2 replay` against `oracle.py`, which knows the truth by other means and shares no code with the account.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and print when they skip")]

use std::process::Command;

#[test]
fn m35_replay_agrees_with_an_independent_oracle() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py");
    let run = Command::new("python3").args([script, env!("CARGO_BIN_EXE_eco2"), "40"]).output();
    let Ok(output) = run else {
        println!("skipped: python3 is not installed");
        return;
    };
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("40 cases, 0 failed"), "{printed}");
}

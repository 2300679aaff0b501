//! The C and C++ test programs under AddressSanitizer, UBSan and valgrind; a faulty program first shows that each detects.
//!
//! Slow, so ignored: `cargo test -p eco2-ffi --test native -- --ignored`.

use std::path::Path;
use std::process::Command;

use crate::installed::{BOTH, Link, compiled, have, run};

const SANITIZERS: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
/// Gives these programs other file names too, because other tests run the plain ones at the same time.
const FOR_VALGRIND: &[&str] = &["-fno-inline"];
const PROGRAMS: [&str; 5] = ["c/calls.c", "c/misuse.c", "c/fault.c", "c/fork.c", "cpp/meter.cpp"];

fn source(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

#[test]
#[ignore = "slow: sanitizers"]
fn clean_under_the_sanitizers() {
    let Some(faulty) = compiled(&source("c/faulty.c"), Link::Shared, SANITIZERS) else { return };
    let errors = |command: &mut Command| String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
    assert!(errors(&mut Command::new(&faulty)).contains("heap-use-after-free"), "AddressSanitizer is off");
    assert!(errors(Command::new(&faulty).arg("shift")).contains("runtime error: shift exponent"), "UBSan is off");
    // The sanitizer's own allocator may be locked in a forked child: gcc 12's takes no care of forks.
    for program in PROGRAMS.into_iter().filter(|program| *program != "c/fork.c") {
        for link in BOTH {
            run(&mut Command::new(compiled(&source(program), link, SANITIZERS).unwrap()));
        }
    }
}

#[test]
#[ignore = "slow: valgrind"]
fn clean_under_valgrind() {
    if !have("valgrind") {
        return;
    }
    let Some(faulty) = compiled(&source("c/faulty.c"), Link::Shared, FOR_VALGRIND) else { return };
    let valgrind = |leaks: &str| {
        let mut command = Command::new("valgrind");
        command.args([
            "--quiet",
            "--error-exitcode=9",
            "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite",
        ]);
        command.arg(format!("--leak-check={leaks}"));
        command
    };
    assert_eq!(valgrind("full").arg(faulty).status().unwrap().code(), Some(9), "the instrument is off");
    for program in PROGRAMS {
        // A forked child leaves its parent's meter alone: that memory is not freed there.
        let leaks = if program == "c/fork.c" { "no" } else { "full" };
        for link in BOTH {
            run(valgrind(leaks).arg(compiled(&source(program), link, FOR_VALGRIND).unwrap()));
        }
    }
}

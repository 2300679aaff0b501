//! The programs in `examples/` and in the comments of `include/eco2.h`, compiled and run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::installed::{BOTH, Link, compiled, root, run};

fn shows_every_step(source: &str) {
    for link in BOTH {
        let Some(program) = compiled(&root().join("examples").join(source), link, &[]) else { return };
        let output = run(&mut Command::new(program));
        let text = String::from_utf8(output.stdout).unwrap();
        let steps: Vec<&str> = text.lines().filter(|line| line.starts_with("step ")).collect();
        assert_eq!(steps.len(), 5, "{text}");
        assert!(steps.iter().all(|line| line.contains(" J") || line.contains("energy not known")), "{text}");
        assert!(text.contains("train.c"), "no summary: {text}");
    }
}

#[test]
fn the_c_loop() {
    shows_every_step("c/train.c");
}

#[test]
fn the_cpp_loop() {
    shows_every_step("cpp/train.cpp");
}

#[test]
fn c_source_is_measured_and_released() {
    for link in BOTH {
        let Some(program) = compiled(&root().join("examples/c/source.c"), link, &[]) else { return };
        let text = String::from_utf8(run(&mut Command::new(program)).stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with("mains-0 ")).unwrap_or_else(|| panic!("{text}"));
        let watts: f64 = line.rsplit(' ').nth(1).unwrap().parse().unwrap();
        assert!((39.0..41.0).contains(&watts), "{text}");
        assert!(text.contains("released after several reads"), "{text}");
    }
}

/// The programs in the header's comments, with the line where each begins.
fn header_programs() -> Vec<(usize, String)> {
    let header = fs::read_to_string(root().join("include/eco2.h")).unwrap();
    let mut programs = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in header.lines().enumerate() {
        let text = line.strip_prefix(' ').unwrap_or(line);
        match (&mut open, text.trim()) {
            (None, "```c") => open = Some((index + 2, String::new())),
            (Some(_), "```") => programs.extend(open.take()),
            (Some((_, program)), _) => {
                program.push_str(text);
                program.push('\n');
            }
            (None, _) => {}
        }
    }
    programs
}

#[test]
fn programs_in_the_header_run() {
    let programs = header_programs();
    assert!(programs.len() >= 5, "{programs:?}");
    for (line, program) in programs {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("header-{line}.c"));
        fs::write(&source, program).unwrap();
        let Some(compiled) = compiled(&source, Link::Shared, &[]) else { return };
        let output = run(&mut Command::new(compiled));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "eco2.h:{line}: {output:?}");
    }
}

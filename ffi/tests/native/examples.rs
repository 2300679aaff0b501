//! The examples, built and run as their first lines say.

use std::process::Command;

use crate::installed::{BOTH, compiled, root, run};

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

//! Mistakes that the C++ header refuses to compile: each snippet is paired with one that differs in the mistake alone.

use std::fs;
use std::process::Command;

use crate::installed::{have, prefix};

/// `(rule, right, wrong, part of the compiler's message)`; both are compiled in a function with `meter`, `name` and `span`.
const MISTAKES: [(&str, &str, &str, &str); 8] = [
    ("a meter has one owner", "eco2::Meter b(std::move(meter));", "eco2::Meter b(meter);", "deleted function"),
    ("a meter is not copied by assignment", "meter = std::move(other);", "meter = other;", "deleted function"),
    ("a span ends once", "eco2::Span b(std::move(span));", "eco2::Span b(span);", "deleted function"),
    (
        "a span is not copied",
        "span = meter.span(name);",
        "eco2::Span b = meter.span(name); span = b;",
        "deleted function",
    ),
    ("a span needs a variable", "auto s = meter.span(name);", "meter.span(name);", "nodiscard"),
    ("a result must be used", "(void)meter.close();", "meter.close();", "nodiscard"),
    ("a number is no name", "meter.step(name);", "meter.step(7u);", "no matching function"),
    ("a handle has no public constructor", "(void)meter.get();", "eco2::Meter b(meter.get());", "is private"),
];

fn compiles(body: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("snippet.cpp");
    let signature = "void f(eco2::Meter &meter, eco2::Meter &other, eco2::Name name, eco2::Span &span)";
    let uses = "(void)meter; (void)other; (void)name; (void)span;";
    fs::write(&source, format!("#include <eco2.hpp>\n{signature};\n{signature} {{ {uses} {body} }}\n")).unwrap();
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-fsyntax-only", "-Werror=unused-result", "-I"]).arg(prefix().join("include"));
    let output = compiler.arg(&source).env("LC_ALL", "C").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_cpp_header_refuses_mistakes() {
    if !have("g++") {
        return;
    }
    for (rule, right, wrong, part) in MISTAKES {
        let (compiled, output) = compiles(right);
        assert!(compiled, "{rule}: {right}: {output}");
        let (compiled, output) = compiles(wrong);
        assert!(!compiled && output.contains(part), "{rule}: {wrong}: {output}");
    }
}

//! What the C++ header refuses to compile: each snippet beside one that differs in the mistake alone.

use std::fs;
use std::process::Command;

use crate::installed::{have, prefix};

/// `(what, right, wrong, the compiler's words)`; both stand in a function with `meter`, `name` and `span`.
const MISTAKES: [(&str, &str, &str, &str); 8] = [
    ("a meter has one owner", "eco2::Meter b(std::move(meter));", "eco2::Meter b(meter);", "deleted function"),
    ("and keeps it", "meter = std::move(other);", "meter = other;", "deleted function"),
    ("a span ends once", "eco2::Span b(std::move(span));", "eco2::Span b(span);", "deleted function"),
    ("and in one place", "span = meter.span(name);", "eco2::Span b = meter.span(name); span = b;", "deleted function"),
    ("a span that nobody holds", "auto s = meter.span(name);", "meter.span(name);", "nodiscard"),
    ("a result is looked at", "(void)meter.close();", "meter.close();", "nodiscard"),
    ("a name is no number", "meter.step(name);", "meter.step(7u);", "no matching function"),
    ("a handle is not made by hand", "(void)meter.get();", "eco2::Meter b(meter.get());", "is private"),
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
    for (what, right, wrong, words) in MISTAKES {
        let (compiled, said) = compiles(right);
        assert!(compiled, "{what}: {right}: {said}");
        let (compiled, said) = compiles(wrong);
        assert!(!compiled && said.contains(words), "{what}: {wrong}: {said}");
    }
}

//! Planted circles are found, and what only looks like one is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::path::Path;

use eco2_checks::circles;

/// Files of the circles of a crate made of these files; the first is its root.
fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let name = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
    let list = circles(&folder.path().join(files[0].0)).unwrap();
    list.iter().map(|circle| circle.files.iter().map(|file| name(file)).collect()).collect()
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let root = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "use super::a::A; pub struct B(A);");
    assert_eq!(found(&[root, ("a.rs", "use crate::b::B; pub struct A(Box<B>);"), b]), [["a.rs", "b.rs"]]);
    assert_eq!(found(&[root, ("a.rs", "pub struct A(Box<crate::b::B>);"), b]), [["a.rs", "b.rs"]], "a path in code");
    assert_eq!(
        found(&[root, ("a.rs", "pub struct A; fn f() { assert!(crate::b::g()) }"), b]),
        [["a.rs", "b.rs"]],
        "in a macro"
    );
    assert_eq!(
        found(&[root, ("a.rs", "pub struct A; fn f() { use super::b::{B, C}; }"), b]),
        [["a.rs", "b.rs"]],
        "in a function"
    );
    assert!(found(&[root, ("a.rs", "pub struct A;"), b]).is_empty(), "one direction");
}

#[test]
fn child_that_imports_from_a_parent_that_uses_it_is_a_circle() {
    let child = ("a/child.rs", "use super::A; pub fn build() -> A { A }");
    let root = ("lib.rs", "mod a;");
    let circle = [["a.rs", "a/child.rs"]];
    assert_eq!(found(&[root, ("a.rs", "mod child; pub struct A; pub fn f() { child::build(); }"), child]), circle);
    assert_eq!(found(&[root, ("a.rs", "mod child; use child::build; pub struct A;"), child]), circle);
    assert_eq!(
        found(&[root, ("a.rs", "mod child; pub use child::build; pub struct A; fn f() { build(); }"), child]),
        circle
    );
    assert_eq!(
        found(&[root, ("a.rs", "mod child; pub struct A; fn f() { use self::child::*; build(); }"), child]).len(),
        0,
        "a gap: globs in functions"
    );
}

#[test]
fn parent_that_only_declares_and_exports_is_no_circle() {
    let child = ("a/child.rs", "use super::A; pub fn build() -> A { A }");
    let root = ("lib.rs", "mod a; pub use a::build;");
    assert!(found(&[root, ("a.rs", "mod child; pub use child::build; pub struct A;"), child]).is_empty());
    let tested = "mod child; pub struct A; #[cfg(test)] mod tests { use super::child::build; }";
    assert!(found(&[root, ("a.rs", tested), child]).is_empty(), "tests do not count");
}

#[test]
fn export_is_followed_to_the_file_that_defines_the_item() {
    // Both import from the root, which only exports; the items lie in each other's files.
    let root = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;");
    let files = [root, ("a.rs", "use crate::B; pub struct A(B);"), ("b.rs", "use crate::A; pub struct B(Box<A>);")];
    assert_eq!(found(&files), [["a.rs", "b.rs"]]);
    let files = [root, ("a.rs", "pub struct A;"), ("b.rs", "use crate::A; pub struct B(A);")];
    assert!(found(&files).is_empty(), "the root is no part of it");
}

#[test]
fn circle_of_three_is_one() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use crate::c::C; pub struct B(C);"),
        ("c.rs", "use crate::a::A; pub struct C(Box<A>);"),
        ("d.rs", "use crate::a::A; pub struct D(A);"),
    ];
    assert_eq!(found(&files), [["a.rs", "b.rs", "c.rs"]]);
}

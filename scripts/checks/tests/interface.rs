//! The public Rust interface against that of released versions, in `released/VERSION/CRATE.txt`: a version of the same series (before
//! 1.0 the same minor) has every public item of it. `ECO2_INTERFACE=write` adds the folder of this version, for a release.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eco2_checks::{broken, interface};

/// Folders of the crates that are published as libraries.
const CRATES: [&str; 6] = ["core", "samplers", "net", "grid", "report", "meter"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn now(folder: &str) -> BTreeSet<String> {
    interface(&here("../..").join(folder).join("src/lib.rs")).unwrap()
}

fn of(source: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lib.rs");
    fs::write(&root, source).unwrap();
    interface(&root).unwrap()
}

#[test]
fn no_public_item_of_a_released_version_is_missing_in_its_series() {
    let version = env!("CARGO_PKG_VERSION");
    if std::env::var("ECO2_INTERFACE").is_ok_and(|word| word == "write") {
        let folder = here("released").join(version);
        fs::create_dir_all(&folder).unwrap();
        for name in CRATES {
            let lines: Vec<String> = now(name).into_iter().collect();
            fs::write(folder.join(format!("{name}.txt")), lines.join("\n") + "\n").unwrap();
        }
    }
    let mut missing = Vec::new();
    for folder in fs::read_dir(here("released")).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let released = folder.file_name().unwrap().to_str().unwrap();
        for name in CRATES {
            let lines = fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
            let lines = lines.lines().map(str::to_owned).collect();
            missing.extend(
                broken((released, &lines), (version, &now(name)))
                    .iter()
                    .map(|line| format!("{released} {name}: {line}")),
            );
        }
    }
    assert_eq!(missing, [""; 0], "removed or changed since a version of the same series");
}

#[test]
fn removed_and_changed_items_break_a_series_and_new_ones_do_not() {
    let before = "pub fn f(a: u32) {} pub struct S { pub a: u8, b: u8 } #[derive(Clone)] pub enum E { A, B(u8) }
        impl S { pub fn new() -> Self { S { a: 0, b: 0 } } fn private() {} } pub trait T { fn m(&self); } impl T for S {}
        pub mod inner { pub const C: u8 = 1; } pub use inner::C as Named; pub type Alias = u8; #[macro_export] macro_rules! m { () => {} }";
    for (from, to) in [
        ("a: u32", "a: u64"),
        ("pub fn f(a: u32) {}", ""),
        ("pub a: u8", "a: u8"),
        ("B(u8)", ""),
        ("#[derive(Clone)]", ""),
        ("pub fn new", "fn new"),
        ("impl T for S {}", ""),
        ("pub mod inner", "pub(crate) mod inner"),
        ("C: u8", "C: u16"),
        ("pub use inner::C as Named;", ""),
        ("Alias = u8", "Alias = u16"),
        ("#[macro_export]", ""),
    ] {
        let (old, new) = (of(before), of(&before.replace(from, to)));
        assert!(!broken(("0.2.0", &old), ("0.2.1", &new)).is_empty(), "{from}");
        assert_eq!(broken(("0.2.0", &old), ("0.3.0", &new)), [""; 0], "{from}");
        assert_eq!(broken(("1.9.0", &old), ("2.0.0", &new)), [""; 0], "{from}");
        assert!(!broken(("1.0.0", &old), ("1.1.0", &new)).is_empty(), "{from}");
    }
    let added = format!("{before} pub fn g() {{}} fn h() {{}} #[cfg(test)] pub fn tests() {{}}");
    assert_eq!(broken(("0.2.0", &of(before)), ("0.2.1", &of(&added))), [""; 0]);
    let (moved, inline) = ("mod a { pub struct S; } pub use a::S;", "mod b { pub struct S; } pub use b::S;");
    assert_eq!(
        broken(("0.2.0", &of(moved)), ("0.2.1", &of(inline))),
        [""; 0],
        "an item may move between private modules"
    );
}

#[test]
fn interface_has_what_users_call() {
    let (meter, core) = (now("meter"), now("core"));
    assert!(meter.iter().any(|line| line.starts_with("Meter::fn builder")), "{meter:?}");
    assert!(
        meter.contains("struct Meter")
            && core.iter().any(|line| line.starts_with("Report.energy :") || line.starts_with("Report.energy:"))
    );
}

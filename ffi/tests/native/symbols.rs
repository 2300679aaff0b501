//! Symbols, soname and flags of the shared library.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::installed::{have, prefix, root, succeeds};

fn tool(name: &str, arguments: &[&str]) -> String {
    let library = prefix().join("lib/libeco2.so");
    String::from_utf8(succeeds(Command::new(name).args(arguments).arg(library)).stdout).unwrap()
}

/// Functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/eco2.h")).unwrap();
    let code: Vec<&str> = header.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let before_parentheses = code.concat();
    let names =
        before_parentheses.split('(').filter_map(|part| part.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next());
    names.filter(|name| name.starts_with("eco2_")).map(str::to_owned).collect()
}

fn exported() -> BTreeSet<String> {
    let listed = tool("nm", &["-D", "--defined-only"]);
    listed.lines().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect()
}

#[test]
fn exported_symbols_are_the_headers_functions() {
    if !have("nm") {
        return;
    }
    assert_eq!(exported(), declared());
    assert!(exported().len() > 20);
}

/// The types behind them are compared by `scripts/abi`, which needs a build of its own.
#[test]
fn exported_symbols_are_those_of_the_committed_abi() {
    if !have("nm") {
        return;
    }
    let baseline = fs::read_to_string(root().join("ffi/abi/libeco2.abi")).unwrap();
    let names = baseline.lines().filter_map(|line| line.trim().strip_prefix("<elf-symbol name='")?.split('\'').next());
    let committed: BTreeSet<String> = names.map(str::to_owned).collect();
    assert_eq!(exported(), committed, "if that is meant: scripts/abi --write, and a line in CHANGELOG.md");
}

#[test]
fn the_soname_has_the_minor_version_and_the_library_stays_loaded() {
    if !have("readelf") {
        return;
    }
    let dynamic = tool("readelf", &["-d"]);
    let expected = format!("[libeco2.so.{}.{}]", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    assert!(dynamic.lines().any(|line| line.contains("SONAME") && line.contains(&expected)), "{dynamic}");
    assert!(dynamic.lines().any(|line| line.contains("FLAGS_1") && line.contains("NODELETE")), "{dynamic}");
}

#[test]
fn pointers_become_owners_in_one_file_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let allowed = name == "handle.rs" || name == "process.rs";
        assert!(allowed || !text.contains("Box::from_raw") && !text.contains("Box::into_raw"), "{name}");
    }
}

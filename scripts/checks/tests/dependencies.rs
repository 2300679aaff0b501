//! What cargo-deny cannot check: reasons of dependencies, and what reaches libeco2.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Names of the crates that a package is built with, on every target.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let fixed = ["tree", "--locked", "--edges", "normal", "--target", "all", "--prefix", "none", "--format", "{lib}"];
    let output = Command::new(env!("CARGO")).args(fixed).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn libeco2_without_providers_has_no_network_and_never_a_server() {
    let network = ["ureq", "rustls", "roxmltree"];
    let built = tree(&["-p", "eco2-ffi"]);
    assert!(network.iter().all(|name| built.contains(*name)), "the check can fail: {built:?}");
    for server in ["tokio", "hyper", "axum", "rusqlite", "libsqlite3_sys", "parquet", "arrow", "eco2_agent"] {
        assert!(!built.contains(server), "{server} in libeco2");
    }
    let bare = tree(&["-p", "eco2-ffi", "--no-default-features"]);
    assert!(network.iter().all(|name| !bare.contains(*name)), "{bare:?}");
}

#[test]
fn net_knows_no_other_crate_of_ours() {
    let built = tree(&["-p", "eco2-net", "--all-features"]);
    let ours: Vec<&String> = built.iter().filter(|name| name.starts_with("eco2")).collect();
    assert_eq!(ours, ["eco2_net"]);
}

#[test]
fn every_dependency_has_a_reason_and_every_reason_a_dependency() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let direct: BTreeSet<&str> =
        dependencies.iter().filter(|(_, spec)| spec.get("path").is_none()).map(|(name, _)| name.as_str()).collect();
    let page = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let reasons: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter(|(_, reason)| reason.len() > 2)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(direct, reasons, "docs/dependencies.md has one line with a reason for each direct dependency");
}

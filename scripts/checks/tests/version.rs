//! Every file that states the version of eco2 states that of `Cargo.toml`.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join(path)).unwrap()
}

/// Checks that a file has as many of these lines, or parts of lines, as stated.
fn states(path: &str, expected: &str, times: usize) {
    assert_eq!(read(path).matches(expected).count(), times, "{path}: {expected:?}");
}

#[test]
fn every_file_states_the_same_version() {
    let version = env!("CARGO_PKG_VERSION");
    let minor = version.rsplit_once('.').unwrap().0;
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let ours: Vec<&toml::Value> = dependencies.values().filter(|spec| spec.get("path").is_some()).collect();
    assert!(ours.len() >= 7 && ours.iter().all(|spec| spec["version"].as_str() == Some(version)), "{ours:?}");
    states("CITATION.cff", &format!("\nversion: {version}\n"), 1);
    states("CHANGELOG.md", &format!("\n## {version}"), 1);
    states("python/src/eco2/_version.py", &format!("\nVERSION = \"{version}\"\n"), 1);
    states("docs/first-run.md", &format!("eco2 {version}"), 2);
    states("scripts/dist", &format!("libeco2-{minor},"), 1);
    states("ffi/abi/libeco2.abi", &format!("soname='libeco2.so.{minor}'"), 1);
    states("include/eco2.h", &format!("#define ECO2_VERSION \"{version}\"\n"), 1);
    states("deploy/helm/eco2/Chart.yaml", &format!("ersion: {version}\n"), 2);
    for place in ["ffi/tests/cmake/CMakeLists.txt", "examples/libtorch/CMakeLists.txt", "docs/c.md"] {
        states(place, &format!("find_package(eco2 {minor} REQUIRED)"), 1);
    }
    for place in ["production", "staging"] {
        states(&format!("deploy/helm/eco2/values-{place}.yaml"), &format!("/eco2:{version}\n"), 1);
        states(&format!("deploy/kubernetes/overlays/{place}/kustomization.yaml"), &format!("newTag: {version}"), 1);
    }
}

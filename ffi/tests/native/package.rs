//! Programs outside this repository that use the library as `scripts/install` installs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installed::{have, native, prefix, root, run, succeeds, target};

fn pkg_config(arguments: &[&str]) -> Vec<String> {
    let place = prefix().join("lib/pkgconfig");
    let output = succeeds(Command::new("pkg-config").args(arguments).arg("eco2").env("PKG_CONFIG_PATH", place));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn pkg_config_gives_what_a_compiler_needs() {
    if !have("pkg-config") || !have("gcc") {
        return;
    }
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    assert!(native().iter().all(|library| pkg_config(&["--libs", "--static"]).contains(library)));
    by_pkg_config("gcc", "examples/c/train.c");
}

#[test]
fn pkg_config_serves_cpp_too() {
    if !have("pkg-config") || !have("g++") {
        return;
    }
    by_pkg_config("g++", "examples/cpp/train.cpp");
}

/// Compiles and runs a program of the repository with the flags of pkg-config alone.
fn by_pkg_config(compiler: &str, source: &str) {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("by-pkg-config-{compiler}"));
    let mut compile = Command::new(compiler);
    compile.arg(root().join(source)).args(pkg_config(&["--cflags", "--libs"])).arg("-o").arg(&program);
    succeeds(&mut compile);
    run(Command::new(program).env("LD_LIBRARY_PATH", prefix().join("lib")));
}

/// `examples/rust/linked` is a workspace of its own, without a single crate from a registry.
#[test]
fn a_rust_crate_outside_the_workspace_links_what_was_installed() {
    if !have("pkg-config") {
        return;
    }
    let built = cargo_builds("examples/rust/linked");
    let output = run(Command::new(built.join("linked")).env("LD_LIBRARY_PATH", prefix().join("lib")));
    assert!(String::from_utf8(output.stdout).unwrap().contains("3 steps, energy known: "));
}

/// `examples/rust/loop` is a workspace of its own that depends on the crate `eco2`.
#[test]
#[ignore = "slow: builds the crates again"]
fn a_rust_crate_outside_the_workspace_depends_on_the_crate() {
    let output = run(&mut Command::new(cargo_builds("examples/rust/loop").join("loop")));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("step ")).count(), 5, "{text}");
    assert!(text.contains("loop"), "no report: {text}");
}

/// Builds a copy of a crate outside the workspace, with the workspace's versions. Returns the folder of its programs.
fn cargo_builds(crate_folder: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(crate_folder);
    fs::create_dir_all(place.join("src")).unwrap();
    let from = root().join(crate_folder);
    for file in ["build.rs", "src/main.rs"].iter().filter(|file| from.join(file).exists()) {
        fs::copy(from.join(file), place.join(file)).unwrap();
    }
    let manifest = fs::read_to_string(from.join("Cargo.toml")).unwrap();
    fs::write(place.join("Cargo.toml"), manifest.replace("../../..", &root().to_string_lossy())).unwrap();
    fs::copy(root().join("Cargo.lock"), place.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // With the tests' own target folder, crates that are built already are not built again.
    cargo.args(["build", "--quiet"]).current_dir(&place).env("CARGO_TARGET_DIR", target()).env_remove("RUSTFLAGS");
    succeeds(cargo.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")));
    target().join("debug")
}

#[test]
fn cmake_finds_the_package() {
    if !have("cmake") || !have("g++") {
        return;
    }
    let build = tempfile::tempdir().unwrap();
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmake")).arg("-B").arg(build.path());
    configure.arg(format!("-DEXAMPLES={}", root().join("examples").display()));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()));
    succeeds(&mut configure);
    succeeds(Command::new("cmake").arg("--build").arg(build.path()));
    for program in ["c-shared", "c-static", "cpp-shared", "cpp-static"] {
        let output = run(&mut Command::new(build.path().join(program)));
        assert!(String::from_utf8(output.stdout).unwrap().contains("step 4: "), "{program}");
    }
}

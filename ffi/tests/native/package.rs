//! What `scripts/install` leaves behind works for programs outside this repository.

use std::path::Path;
use std::process::Command;

use crate::installed::{have, native, prefix, root, run, succeeds};

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
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("by-pkg-config");
    let mut compiler = Command::new("gcc");
    compiler.arg(root().join("examples/c/train.c")).args(pkg_config(&["--cflags", "--libs"])).arg("-o").arg(&program);
    succeeds(&mut compiler);
    run(Command::new(program).env("LD_LIBRARY_PATH", prefix().join("lib")));
}

#[test]
fn cmake_finds_the_package() {
    if !have("cmake") || !have("g++") {
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let build = tempfile::tempdir().unwrap();
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(tests.join("cmake")).arg("-B").arg(build.path());
    configure.arg(format!("-DSOURCES={}", tests.display())).arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()));
    succeeds(&mut configure);
    succeeds(Command::new("cmake").arg("--build").arg(build.path()));
    for program in ["shared", "static"] {
        run(&mut Command::new(build.path().join(program)));
    }
}

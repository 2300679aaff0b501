//! The libtorch example, where libtorch is installed. Slow to compile, so ignored by a plain run.

use std::path::Path;
use std::process::Command;

use crate::installed::{have, prefix, root, run, succeeds};

#[test]
#[ignore = "slow: compiles against libtorch"]
fn libtorch_loop_prints_the_energy_of_every_step() {
    if !have("cmake") || !have("g++") {
        return;
    }
    if !Path::new("/usr/include/torch").is_dir() && std::env::var_os("Torch_DIR").is_none() {
        eprintln!("skipped: libtorch is not installed (Debian: libtorch-dev)");
        return;
    }
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libtorch");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(root().join("examples/libtorch")).arg("-B").arg(&build);
    succeeds(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display())));
    succeeds(Command::new("cmake").arg("--build").arg(&build));
    let output = run(&mut Command::new(build.join("train")));
    let text = String::from_utf8(output.stdout).unwrap();
    let steps: Vec<&str> = text.lines().filter(|line| line.starts_with("step ")).collect();
    assert_eq!(steps.len(), 20, "{text}");
    assert!(steps.iter().all(|line| line.contains(" J") || line.contains("energy not known")), "{text}");
    assert!(text.contains("libtorch") && text.contains("tokens"), "no report: {text}");
}

//! Builds and installs the library once, compiles programs against it and runs them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// How a program is linked with the library.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    Shared,
    Static,
}

pub(crate) const BOTH: [Link; 2] = [Link::Shared, Link::Static];

const C: &[&str] = &["-std=c11", "-D_POSIX_C_SOURCE=200809L"];
const CPP: &[&str] = &["-std=c++17"];
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g"];

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The tests' own target folder, three above .../debug/deps/native-…
pub(crate) fn target() -> PathBuf {
    env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// The folder into which `scripts/install` installed the library.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libeco2");
        let mut install = Command::new(root().join("scripts/install"));
        install.arg("--prefix").arg(&prefix).arg("--library").env("CARGO_TARGET_DIR", target()).env_remove("RUSTFLAGS");
        succeeds(&mut install);
        prefix
    })
}

/// Whether a tool is installed; prints a line if it is not.
pub(crate) fn have(tool: &str) -> bool {
    let installed = Command::new(tool).arg("--version").output().is_ok();
    if !installed {
        eprintln!("skipped: {tool} is not installed");
    }
    installed
}

/// Runs a command, which must succeed, and returns its output.
pub(crate) fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// Libraries that the static library needs, from rustc.
pub(crate) fn native() -> Vec<String> {
    let file = std::fs::read_to_string(prefix().join("lib/pkgconfig/eco2.pc")).unwrap();
    let line = file.lines().find_map(|line| line.strip_prefix("Libs.private: ")).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

/// Compiles a program, C or C++ by its name; `None` without a compiler.
pub(crate) fn compiled(source: &Path, link: Link, flags: &[&str]) -> Option<PathBuf> {
    let cpp = source.extension().is_some_and(|extension| extension == "cpp");
    let compiler = if cpp { "g++" } else { "gcc" };
    if !have(compiler) {
        return None;
    }
    let stem = source.file_stem().unwrap().to_string_lossy();
    let kind = if cpp { "cpp" } else { "c" };
    let name = format!("{kind}-{stem}-{link:?}{}", flags.concat().replace(['=', ',', '/'], "-"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let lib = prefix().join("lib");
    let mut command = Command::new(compiler);
    command.args(if cpp { CPP } else { C }).args(STRICT).args(flags);
    command.arg("-I").arg(prefix().join("include")).arg(source).arg("-o").arg(&program);
    match link {
        Link::Shared => command.arg(lib.join("libeco2.so")).arg(format!("-Wl,-rpath,{}", lib.display())),
        Link::Static => command.arg(lib.join("libeco2.a")).args(native()),
    };
    succeeds(command.args(["-lpthread", "-lm"]));
    Some(program)
}

/// Runs a program with a temporary folder as its only argument, without the caller's settings.
pub(crate) fn run(command: &mut Command) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (variable, _) in env::vars_os().filter(|(variable, _)| variable.to_string_lossy().starts_with("ECO2_")) {
        command.env_remove(variable);
    }
    command.env("XDG_STATE_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path()).current_dir(folder.path());
    succeeds(command.arg(folder.path()))
}

/// Compiles and runs a test program with both kinds of library; a test prints nothing.
pub(crate) fn passes(source: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    for link in BOTH {
        let Some(program) = compiled(&source, link, &[]) else { return };
        let output = run(&mut Command::new(program));
        let written = [output.stdout, output.stderr].concat();
        assert!(written.is_empty(), "{link:?}: {}", String::from_utf8_lossy(&written));
    }
}

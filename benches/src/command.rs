//! Elapsed time that `eco2 run` adds to a command that does nothing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::measure::{Failure, Place, Samples, in_turns};
use crate::table::{Limit, Row};

const ROUNDS: usize = 25;

/// `eco2 run -- true` less `true`, wall time, as a user runs it and without estimate and log.
///
/// # Errors
/// Where the binary cannot be built, or does not pass a command's exit code through.
pub(crate) fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let eco2 = build(place)?;
    let folder = tempfile::tempdir()?;
    let run = |words: &[&str]| {
        let mut command = Command::new(&eco2);
        command.arg("run").arg("-q").args(words).args(["--", "true"]);
        in_folder(command, folder.path())
    };
    if !passes_codes(&eco2, folder.path()) {
        return Err("`eco2 run -- sh -c 'exit 7'` does not end with 7".into());
    }
    let [bare, full, lean, version] = in_turns(
        ROUNDS,
        [
            &mut || wall_ms(in_folder(Command::new("true"), folder.path())),
            &mut || wall_ms(run(&[])),
            &mut || wall_ms(run(&["--no-log", "--no-estimate"])),
            &mut || wall_ms(in_folder(version(&eco2), folder.path())),
        ],
    );
    let row = |name: &str, samples: &Samples, limit| {
        let more = samples.minus(&bare);
        Row::of(name, &more, "ms", limit).noting(format!(
            "least {:.1} ms; true alone {:.1} ms",
            more.min(),
            bare.median()
        ))
    };
    Ok(vec![
        row("eco2 run -- true, sources and log as by default, more than true (wall)", &full, Limit::AtMost(4.0)),
        row("eco2 run --no-log --no-estimate -- true, more than true (wall)", &lean, Limit::AtMost(4.0)),
        row("eco2 --version, more than true (wall)", &version, Limit::AtMost(3.0)),
    ])
}

fn version(eco2: &Path) -> Command {
    let mut command = Command::new(eco2);
    command.arg("--version");
    command
}

/// Builds the release binary from the current sources.
pub(crate) fn build(place: &Place) -> Result<std::path::PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "-p", "eco2-cli", "--target-dir"]).arg(&place.target);
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::null()).status()?;
    let eco2 = place.target.join("release/eco2");
    if built.success() && eco2.is_file() { Ok(eco2) } else { Err("cargo build --release -p eco2-cli failed".into()) }
}

/// Keeps the runs of the bench separate from the user's.
fn in_folder(mut command: Command, folder: &Path) -> Command {
    command.env("XDG_STATE_HOME", folder).env("XDG_CONFIG_HOME", folder).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn passes_codes(eco2: &Path, folder: &Path) -> bool {
    let mut command = Command::new(eco2);
    command.args(["run", "-q", "--", "sh", "-c", "exit 7"]);
    in_folder(command, folder).status().is_ok_and(|status| status.code() == Some(7))
}

fn wall_ms(mut command: Command) -> f64 {
    let begun = Instant::now();
    let ended = command.status();
    if ended.is_ok_and(|status| status.success()) { begun.elapsed().as_secs_f64() * 1e3 } else { f64::NAN }
}

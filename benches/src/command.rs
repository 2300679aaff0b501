//! Elapsed time that `eco2 run` adds to a command that does nothing, and after a command until its summary is printed.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::measure::{Failure, Place, Samples, in_turns};
use crate::table::{Limit, Row};

const ROUNDS: usize = 25;
/// Summaries for each period of a counter.
const SUMMARIES: usize = 15;

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
    let mut rows = vec![
        row("eco2 run -- true, sources and log as by default, more than true (wall)", &full, Limit::AtMost(4.0)),
        row("eco2 run --no-log --no-estimate -- true, more than true (wall)", &lean, Limit::AtMost(4.0)),
        row("eco2 --version, more than true (wall)", &version, Limit::AtMost(3.0)),
    ];
    for (period, name) in [(Duration::from_micros(500), "1 ms or less"), (Duration::from_millis(100), "100 ms")] {
        let samples = Samples::new(summaries(&eco2, period)?);
        let name =
            format!("end of the command to the last byte of the summary, counters that change every {name} (wall)");
        let row = Row::of(name, &samples, "ms", Limit::AtMost(300.0));
        rows.push(row.noting(format!("largest of {SUMMARIES}: {:.0} ms", samples.max())));
    }
    Ok(rows)
}

/// Returns the milliseconds from the end of a command to the last byte of its summary, with a fake counter of this period.
fn summaries(eco2: &Path, period: Duration) -> Result<Vec<f64>, Failure> {
    let folder = tempfile::tempdir()?;
    let zone = folder.path().join("sys/class/powercap/intel-rapl:0");
    fs::create_dir_all(&zone)?;
    fs::write(zone.join("name"), "package-0\n")?;
    fs::write(zone.join("max_energy_range_uj"), "262143328850\n")?;
    let counter = File::create(zone.join("energy_uj"))?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // The number of digits never changes, so that one write replaces it.
            for uj in (100_000_000_000_u64..).step_by(1_000) {
                if is_over.load(Ordering::Relaxed) || counter.write_at(format!("{uj}\n").as_bytes(), 0).is_err() {
                    return;
                }
                thread::sleep(period);
            }
        });
        let samples = (0..SUMMARIES).map(|_| summary_ms(eco2, folder.path())).collect();
        is_over.store(true, Ordering::Relaxed);
        samples
    })
}

/// Runs a command that prints the time at its end, and returns how long after it the last byte of the summary came.
fn summary_ms(eco2: &Path, folder: &Path) -> Result<f64, Failure> {
    let mut command = Command::new(eco2);
    command.args(["run", "--source", "rapl-sysfs", "--sysfs"]).arg(folder.join("sys"));
    command.args(["--", "sh", "-c", "sleep 0.3; exec date +%s%N"]);
    let mut child = in_folder(command, folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut summary, mut last, mut bytes) = (child.stderr.take().ok_or("no standard error")?, None, [0; 4096]);
    while summary.read(&mut bytes)? > 0 {
        last = Some(SystemTime::now());
    }
    let output = child.wait_with_output()?;
    let ended_ns: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let ended = SystemTime::UNIX_EPOCH + Duration::from_nanos(ended_ns);
    Ok(last.ok_or("no summary was printed")?.duration_since(ended)?.as_secs_f64() * 1e3)
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

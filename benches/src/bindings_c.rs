//! Cost of the calls from C: `benches/c/bindings.c`, compiled with `cc -O2` against the release library.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{Failure, Place, Samples};
use crate::table::{Limit, Row};

const ROUNDS: &str = "151";

/// Calls of the C interface against clock readings in the same C program.
///
/// # Errors
/// Without a C compiler, or where the library cannot be built.
pub(crate) fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let library = build(place, folder.path())?;
    let output = Output::of(&compiled(&library, folder.path())?)?;
    let (clock, clocks) = (output.samples("clock")?, output.samples("clocks")?);
    let row = |label: &str, case: &str, reference: &Samples, limit| {
        let samples = output.samples(case)?;
        let row = Row::of(format!("from C: {label}"), &samples.over(reference), "x", limit);
        Ok::<_, Failure>(row.noting(format!("{:.1} ns", samples.median())))
    };
    let span = Limit::AtMost(1.8);
    Ok(vec![
        Row::of("from C: two clock_gettime", &clocks, "ns", Limit::None).noting("the reference for spans"),
        row("a call that does nothing / clock_gettime", "no_work", &clock, Limit::None)?,
        row("eco2_span_begin and eco2_span_end / two clock_gettime", "pair", &clocks, Limit::AtMost(0.45))?,
        row("eco2_step / clock_gettime", "step", &clock, span)?,
        row("eco2_now / clock_gettime", "now", &clock, Limit::None)?,
        row(
            "immediate begin and end, 8 devices added up / two clock_gettime",
            "immediate_span",
            &clocks,
            Limit::AtMost(1.5),
        )?,
        row("immediate step, 8 devices added up / clock_gettime", "immediate_step", &clock, span)?,
    ])
}

/// Builds the release library and copies it to the file name that its soname requires.
pub(crate) fn build(place: &Place, folder: &Path) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "--locked", "-p", "eco2-ffi", "--target-dir"]).arg(&place.target);
    if !build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::null()).status()?.success() {
        return Err("cargo build --release -p eco2-ffi failed".into());
    }
    let version = env!("CARGO_PKG_VERSION");
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    let library = folder.join(format!("libeco2.so.{minor}"));
    std::fs::copy(place.target.join("release/libeco2.so"), &library)?;
    Ok(library)
}

fn compiled(library: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("bindings");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-I"]).arg(here.join("../include"));
    cc.arg(here.join("c/bindings.c"))
        .arg(library)
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .arg("-o")
        .arg(&program);
    let output = cc.output().map_err(|error| format!("cc: {error}"))?;
    if output.status.success() { Ok(program) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// The program's output: lines of a case's name and one time for each round.
struct Output(String);

impl Output {
    fn of(program: &Path) -> Result<Self, Failure> {
        let output = Command::new(program).arg(ROUNDS).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(Self(String::from_utf8(output.stdout)?))
    }

    /// Nanoseconds per operation, in the order of the rounds.
    fn samples(&self, case: &str) -> Result<Samples, Failure> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(case)?.strip_prefix(' '));
        let times = line.ok_or_else(|| format!("the program did not print {case}"))?;
        Ok(Samples::new(times.split(' ').map(str::parse).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_found_by_its_whole_name() {
        let output = Output("clocks 2.0 4.0\nclock 1.5\n".to_owned());
        assert_eq!(output.samples("clock").unwrap().sorted(), [1.5]);
        assert_eq!(output.samples("clocks").unwrap().median(), 4.0);
        assert!(output.samples("step").is_err());
    }
}

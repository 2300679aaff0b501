//! What the calls cost a C program: `benches/c/bindings.c`, compiled with `cc -O2` against the release library.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::Samples;
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const ROUNDS: &str = "151";

/// Calls of the C interface against clock readings in the same C program.
///
/// # Errors
/// Without a C compiler, or where the library cannot be built.
pub fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let library = build(place, folder.path())?;
    let figures = Figures::of(&compiled(&library, folder.path())?)?;
    let (clock, clocks) = (figures.samples("clock")?, figures.samples("clocks")?);
    let row = |what: &str, case: &str, over: &Samples, limit| {
        let samples = figures.samples(case)?;
        let row = Row::of(format!("from C: {what}"), &samples.over(over), "x", limit);
        Ok::<_, Failure>(row.noting(format!("{:.1} ns", samples.median())))
    };
    let span = Limit::AtMost(1.8);
    Ok(vec![
        Row::of("from C: two clock_gettime", &clocks, "ns", Limit::None).noting("what spans are compared with"),
        row("a call that does nothing / clock_gettime", "no_work", &clock, Limit::None)?,
        row("eco2_span_begin and eco2_span_end / two clock_gettime", "pair", &clocks, Limit::AtMost(0.5))?,
        row("eco2_step / clock_gettime", "step", &clock, span)?,
        row("eco2_now / clock_gettime", "now", &clock, Limit::None)?,
        row("immediate begin and end, 8 devices added up / two clock_gettime", "immediate_span", &clocks, span)?,
        row("immediate step, 8 devices added up / clock_gettime", "immediate_step", &clock, span)?,
    ])
}

/// The release library as the sources are now, under the name that its soname asks for.
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

/// The program's lines: a case's name, then a figure a round.
struct Figures(String);

impl Figures {
    fn of(program: &Path) -> Result<Self, Failure> {
        let output = Command::new(program).arg(ROUNDS).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(Self(String::from_utf8(output.stdout)?))
    }

    /// Nanoseconds an operation, in the order of the rounds.
    fn samples(&self, case: &str) -> Result<Samples, Failure> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(case)?.strip_prefix(' '));
        let figures = line.ok_or_else(|| format!("the program printed no values of {case}"))?;
        Ok(Samples::new(figures.split(' ').map(str::parse).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_found_by_its_whole_name() {
        let figures = Figures("clocks 2.0 4.0\nclock 1.5\n".to_owned());
        assert_eq!(figures.samples("clock").unwrap().sorted(), [1.5]);
        assert_eq!(figures.samples("clocks").unwrap().median(), 4.0);
        assert!(figures.samples("step").is_err());
    }
}

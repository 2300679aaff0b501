//! Cost of the calls from Python: `benches/python/bindings.py` with the package and the release library.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bindings_c;
use crate::measure::{Failure, Place, Samples};
use crate::table::{Limit, Row};

const ROUNDS: &str = "101";
/// Interpreters that are started to measure the import and the first reading.
const STARTS: usize = 15;

/// Calls of the Python package against `time.perf_counter_ns()`, next to a busy thread, and the import.
///
/// # Errors
/// Without `python3`, or where the library cannot be built.
pub(crate) fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let library = bindings_c::build(place, folder.path())?;
    let python = Python { library: &library, folder: folder.path() };
    let output: Value = serde_json::from_str(&python.run("bindings.py", &[ROUNDS])?)?;
    let mut rows = costs(&output["cases"], output["python"].as_str().unwrap_or_default())?;
    rows.extend(stalls(&output["stalls"])?);
    rows.extend(starts(&python)?);
    rows.extend(batch(&serde_json::from_str(&python.run("batch.py", &[])?)?)?);
    Ok(rows)
}

/// `calculate_carbon_impact_batch` on buffers against a copy of the same bytes, on lists against a plain loop.
fn batch(output: &Value) -> Result<[Row; 5], Failure> {
    let [buffers, lists, floor] = ["buffers", "lists", "floor"].map(|key| samples(output, key));
    let [buffers, lists, floor] = [buffers?, lists?, floor?];
    let text = |key: &str| output[key].as_str().unwrap_or_default().to_owned();
    let millions = |each: &Samples| format!("{:.1} M points/s", 1e3 / each.median());
    let row = |label: &str, reference: &str, each: &Samples, limit| {
        let name = format!("from Python: calculate_carbon_impact_batch, {label}");
        Ok::<_, Failure>(Row::of(name, &samples(output, reference)?.over(each), "x", limit).noting(millions(each)))
    };
    let copied = format!("{} copy of the same bytes / buffers", text("copier"));
    Ok([
        row(&copied, "copy", &buffers, Limit::AtLeast(0.5))?,
        row("plain loop with a record for every point / lists", "loop", &lists, Limit::AtLeast(5.0))?,
        row("leanest plain loop / lists", "lean_loop", &lists, Limit::None)?,
        row(
            "plain loop with a record for every point / making the lists of the results alone",
            "loop",
            &floor,
            Limit::None,
        )?,
        Row::new("from Python: calculate_carbon_impact_batch, lists", 1e3 / lists.median(), "M/s", Limit::AtLeast(5.0))
            .noting(format!("million points per second; Python {}", text("python"))),
    ])
}

fn costs(cases: &Value, version: &str) -> Result<Vec<Row>, Failure> {
    let clock = samples(cases, "clock")?;
    let row = |label: &str, case: &str, limit| {
        let samples = samples(cases, case)?;
        let row = Row::of(format!("from Python: {label} / perf_counter_ns()"), &samples.over(&clock), "x", limit);
        Ok::<_, Failure>(row.noting(format!("{:.0} ns", samples.median())))
    };
    Ok(vec![
        Row::of("from Python: time.perf_counter_ns()", &clock, "ns", Limit::None).noting(format!("Python {version}")),
        row("a call that does nothing", "nothing", Limit::None)?,
        row("step, prebound", "step", Limit::AtMost(3.0))?,
        row("begin and end, prebound", "edges", Limit::AtMost(4.0))?,
        row("with span", "with", Limit::AtMost(5.0))?,
        row("Meter.step()", "method_step", Limit::None)?,
        row("Meter.step(samples=, loss=)", "step_work", Limit::AtMost(6.0))?,
        row("Meter.now()", "now", Limit::AtMost(5.0))?,
    ])
}

/// Calls that took over a millisecond next to a busy thread, less those of an empty loop in the same round.
fn stalls(stalls: &Value) -> Result<Vec<Row>, Failure> {
    let (calls, empty) = (stalls["calls"].as_u64().unwrap_or(0), samples(stalls, "empty")?);
    let row = |label: &str, case: &str, limit| {
        let samples = samples(stalls, case)?;
        let row = Row::of(
            format!("from Python, with a busy thread: {label} over 1 ms"),
            &samples.minus(&empty),
            "more",
            limit,
        );
        Ok::<_, Failure>(row.noting(format!("than an empty loop, of {calls} calls a round")))
    };
    let none = Limit::AtMost(0.0);
    Ok(vec![
        row("step, prebound", "step", none)?,
        row("begin and end, prebound", "edges", none)?,
        row("Meter.step()", "method_step", none)?,
        row("Meter.now()", "now", none)?,
        row("the same step through ctypes.CDLL", "blocking", Limit::None)?,
    ])
}

fn starts(python: &Python<'_>) -> Result<Vec<Row>, Failure> {
    // The first start writes the bytecode.
    python.run("first_reading.py", &[])?;
    let (mut imports, mut readings) = (Samples::default(), Samples::default());
    for _ in 0..STARTS {
        let output = python.run("first_reading.py", &[])?;
        let (import, reading) = output.trim().split_once(' ').ok_or("two numbers are expected")?;
        imports.push(import.parse()?);
        readings.push(reading.parse()?);
    }
    let note = "CPU time, default options, after the interpreter's own start";
    Ok(vec![
        Row::of("from Python: import eco2", &imports, "ms", Limit::AtMost(8.0)).noting(note),
        Row::of("from Python: import eco2 and the first reading", &readings, "ms", Limit::AtMost(50.0)).noting(note),
    ])
}

fn samples(output: &Value, case: &str) -> Result<Samples, Failure> {
    let values = output[case].as_array().ok_or_else(|| format!("the program did not print {case}"))?;
    Ok(Samples::new(values.iter().filter_map(Value::as_f64).collect()))
}

/// The interpreter with the package of this checkout; bytecode, runs and configuration stay in the folder.
struct Python<'a> {
    library: &'a Path,
    folder: &'a Path,
}

impl Python<'_> {
    fn run(&self, script: &str, words: &[&str]) -> Result<String, Failure> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("python3");
        command.arg(here.join("python").join(script)).args(words).current_dir(self.folder);
        command.env("PYTHONPATH", here.join("../python/src")).env("ECO2_LIBRARY", self.library);
        command.env("PYTHONPYCACHEPREFIX", self.folder.join("bytecode")).env_remove("PYTHONDONTWRITEBYTECODE");
        command.env("XDG_STATE_HOME", self.folder).env("XDG_CONFIG_HOME", self.folder);
        let output = command.output().map_err(|error| format!("python3: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k20_batch_is_compared_with_a_copy_and_a_loop_round_by_round() {
        let output = serde_json::json!({
            "copy": [2, 2, 2], "buffers": [3, 3, 3], "lists": [100, 100, 100], "loop": [600, 600, 600],
            "floor": [60, 60, 60], "lean_loop": [200, 200, 200], "copier": "numpy 2", "python": "3",
        });
        let rows = batch(&output).unwrap();
        assert_eq!([rows[0].is_kept(), rows[1].is_kept(), rows[4].is_kept()], [Some(true); 3]);
        assert!(rows[0].to_string().contains("numpy 2 copy") && rows[4].to_string().contains("10.0"), "{}", rows[4]);
        assert!(batch(&serde_json::json!({})).is_err());
    }

    #[test]
    fn calls_are_compared_round_by_round() {
        let output = serde_json::json!({
            "calls": 400, "empty": [1, 0, 3], "step": [1, 0, 3], "edges": [1, 0, 3], "method_step": [2, 0, 3], "now": [0, 0, 3],
            "blocking": [9, 8, 9],
        });
        let rows = stalls(&output).unwrap();
        assert_eq!(rows[0].is_kept(), Some(true));
        assert!(rows[4].to_string().contains("8.00 more"), "{}", rows[4]);
        assert!(stalls(&serde_json::json!({"calls": 1})).is_err());
    }
}

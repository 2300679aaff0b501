//! Subjects that run the probe (`src/bin/probe.rs`) as a separate process: instructions per record, and memory.

use std::path::Path;
use std::process::Command;

use crate::measure::{Failure, Place};
use crate::table::{Limit, Row};

/// Records in one run of the probe.
pub const RECORDS: u64 = 20_000;

/// Instructions from the call to the return of each of the probe's recording functions.
///
/// # Errors
/// Without valgrind.
pub(crate) fn measure_instructions(place: &Place) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let limit = Limit::AtMost(40.0);
    let functions = [
        ("begin into the event ring", "ring_begin", limit),
        ("end into the event ring", "ring_end", limit),
        ("step into the event ring", "ring_step", limit),
        ("begin through the meter", "meter_begin", Limit::None),
        ("step through the meter", "meter_step", Limit::None),
    ];
    let mut rows = Vec::new();
    for (label, function, limit) in functions {
        let each = instructions_per_record(&place.probe, function, folder.path())?;
        rows.push(Row::new(format!("instructions of a record: {label}"), each, "instructions", limit));
    }
    Ok(rows)
}

fn instructions_per_record(probe: &Path, function: &str, folder: &Path) -> Result<f64, Failure> {
    let out = format!("--callgrind-out-file={}", folder.join(function).display());
    let toggle = format!("--toggle-collect=*probe_{function}*");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", &out, &toggle]).arg(probe).args(["records", function]);
    let output = valgrind.output().map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<f64>().ok());
    let collected = collected.ok_or_else(|| format!("valgrind printed {text}"))?;
    if collected == 0.0 {
        return Err(format!("callgrind did not see probe_{function}").into());
    }
    Ok(collected / RECORDS as f64)
}

/// Growth of the probe's peak resident memory from before a meter is opened to after its report.
///
/// # Errors
/// Where the probe fails.
pub(crate) fn measure_memory(place: &Place) -> Result<Vec<Row>, Failure> {
    let output = Command::new(&place.probe).arg("memory").output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut sizes_kib = text.split_whitespace().map(str::parse::<f64>);
    let (Some(Ok(before)), Some(Ok(open)), Some(Ok(after))) = (sizes_kib.next(), sizes_kib.next(), sizes_kib.next())
    else {
        return Err(format!("the probe printed {text:?}").into());
    };
    Ok(vec![
        Row::new(
            "meter's memory: growth of peak RSS over 1e5 steps and the report",
            (after - before) / 1024.0,
            "MiB",
            Limit::AtMost(6.0),
        )
        .noting(format!(
            "12 domains, 20,000 steps/s, log kept; {:.1} MiB once opened; the process alone {:.1} MiB",
            (open - before) / 1024.0,
            before / 1024.0
        )),
    ])
}

/// Allocations while recording: a row that names the test instead.
///
/// # Errors
/// None.
pub(crate) fn measure_allocations(_: &Place) -> Result<Vec<Row>, Failure> {
    Err("counted by a test: cargo test -p eco2-core --test no_alloc".into())
}

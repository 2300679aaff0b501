//! Instructions of one record, counted by callgrind.

use std::path::Path;
use std::process::Command;

use crate::table::{Limit, Row};
use crate::{Failure, Place};

/// Records in a run of the probe; must be its own number.
pub const RECORDS: u64 = 20_000;

/// Instructions from the call to the return of each of the probe's recording functions.
///
/// # Errors
/// Without valgrind.
pub fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
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
    for (what, function, limit) in functions {
        let each = count(&place.probe, function, folder.path())?;
        rows.push(Row::new(format!("instructions of a record: {what}"), each, "instructions", limit));
    }
    Ok(rows)
}

fn count(probe: &Path, function: &str, folder: &Path) -> Result<f64, Failure> {
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

//! The Python loops that the bulk kernel is compared with.

use std::process::Command;

use serde_json::Value;

/// Output of the loop.
#[derive(Debug)]
pub struct Looped {
    /// Points it went over.
    pub points: usize,
    /// Points a second of CPU time with a record for every point, best of its rounds.
    pub points_per_s: f64,
    /// The same with sums only.
    pub totals_per_s: f64,
    /// Energy in raw units: must be ours.
    pub energy_raw: u64,
    /// Grams: must be ours but for rounding.
    pub grams: f64,
    /// Python's version.
    pub version: String,
}

/// Runs `benches/python/loop.py` with `python3`.
///
/// # Errors
/// Why there is no result.
pub fn run() -> Result<Looped, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/loop.py");
    let output = Command::new("python3").arg(script).output().map_err(|error| format!("python3: {error}"))?;
    if !output.status.success() {
        return Err(format!("python3 ended with {}", output.status));
    }
    let printed: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("the loop's output: {error}"))?;
    let field = |key: &str| printed.get(key).cloned().ok_or(format!("the loop printed no {key}"));
    Ok(Looped {
        points: field("points")?.as_u64().and_then(|points| usize::try_from(points).ok()).unwrap_or(0),
        points_per_s: field("points_per_s")?.as_f64().unwrap_or(0.0),
        totals_per_s: field("totals_per_s")?.as_f64().unwrap_or(0.0),
        energy_raw: field("energy_raw")?.as_u64().unwrap_or(0),
        grams: field("grams")?.as_f64().unwrap_or(0.0),
        version: field("version")?.as_str().unwrap_or_default().to_owned(),
    })
}

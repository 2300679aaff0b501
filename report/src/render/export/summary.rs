//! A run as it may be shared: figures, hardware models, methods. No name, path, host, id, label, command or day.
//!
//! Schema `eco2.summary/1`, shipped as JSON Schema. It is built from the fields that are listed here, so that a new field
//! of the report is not shared before somebody decides so.

use eco2_core::report::{Carbon, Report};
use eco2_core::units::kwh;
use serde_json::{Value, json};

use super::super::{finite, word};
use super::{basis, document, factor_sources, hardware_by_type, kinds, mean_intensity, sensors};
use crate::Error;
use crate::footprint::is_measured;

/// The JSON Schema of a summary.
pub const SUMMARY_SCHEMA_JSON: &str = include_str!("../../../schema/eco2.summary-1.schema.json");

/// The summary; the time is cut to the month, the zone to its country.
///
/// # Errors
/// [`Error::Encode`].
pub fn summary_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let (energy, work) = (&report.energy, &report.work);
    let known = is_measured(&report);
    let of = |uj: u64| known.then(|| kwh(uj));
    let value = json!({
        "schema": "eco2.summary/1",
        "tool": format!("eco2 {}", report.run.tool.version),
        "month": report.run.started_at.get(..7),
        "state": word(&report.run.state),
        "duration_s": report.run.duration_ns as f64 / 1e9,
        "machines": report.merge.as_ref().map_or(1, |merge| merge.machines),
        "hardware": hardware(&report),
        "sensors": sensors(&report),
        "energy": {
            "kwh": of(energy.total_uj), "low_kwh": of(energy.low_uj), "high_kwh": energy.high_uj.and_then(of),
            "facility_kwh": of(energy.facility_uj), "pue": energy.pue, "basis": basis(&report),
        },
        "carbon": report.carbon.as_ref().filter(|_| known).map(carbon),
        "work": {"steps": counted(work.steps), "samples": counted(work.samples), "tokens": counted(work.tokens)},
    });
    document("the summary", &value)
}

fn counted(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

fn hardware(report: &Report) -> Vec<Value> {
    let one = |((kind, name), count)| json!({"type": kind, "model": name, "count": count});
    hardware_by_type(report).into_iter().map(one).collect()
}

fn carbon(carbon: &Carbon) -> Value {
    json!({
        "grams": carbon.grams, "low": carbon.low, "high": carbon.high,
        "country": super::country(carbon), "g_per_kwh": mean_intensity(carbon), "kinds": kinds(carbon),
        "sources": factor_sources(carbon).into_iter().map(without_path).collect::<Vec<_>>(),
        "embodied_grams": carbon.embodied,
    })
}

/// A series that states no source is named by its file, which is the user's.
fn without_path(source: String) -> String {
    if source.starts_with("series ") { "a series of the user".to_owned() } else { source }
}

//! Writes a summary of a run that can be shared: values, hardware models and methods, without name, path, host, id,
//! label, command or day.
//!
//! Schema `eco2.summary/1`, shipped as JSON Schema. It contains only the fields listed here, so a new field of the
//! report is not shared by accident.

use eco2_core::schema::{Carbon, Report};
use eco2_core::units::kwh;
use serde_json::{Value, json};

use super::super::{finite, word};
use super::{basis, document, factor_sources, hardware_by_type, kinds, mean_intensity, sensors};
use crate::Error;
use crate::analysis::{is_measured, scope_of};
use crate::wall::wall_clock;

/// The JSON Schema of a summary.
pub const SUMMARY_SCHEMA_JSON: &str = include_str!("../../../schema/eco2.summary-1.schema.json");

/// Source texts of carbon intensities from services, as `eco2_grid::provider` writes them. Any other text is the user's
/// own and could reveal a place.
const SERVICES: [&str; 6] = [
    "Carbon Aware SDK web API",
    "Electricity Maps",
    "Energy-Charts (Fraunhofer ISE)",
    "ENTSO-E generation by type, weighed with IPCC AR5 medians",
    "NESO Carbon Intensity API",
    "WattTime MOER",
];
/// Licences that can follow a source text; empty for a service without one.
const LICENCES: [&str; 3] = ["", " (CC BY 4.0)", " (commercial)"];
/// The reason that the summary states if the report has grams and the summary does not.
const WITHHELD: &str = "the intensity is that of a part of a country, or the user's own, so it and the grams would reveal \
                        where the run was";

/// Returns the summary, with the month instead of the time and the country instead of the zone. If the intensity would
/// reveal more than the country, the grams are left out and the reason is stated.
///
/// # Errors
/// [`Error::Encode`].
pub fn summary_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let (energy, work) = (&report.energy, &report.work);
    let known = is_measured(&report);
    let share = |uj: u64| known.then(|| kwh(uj));
    let own = report.carbon.as_ref().filter(|_| known);
    let shared = own.filter(|carbon| is_national(carbon));
    let value = json!({
        "schema": "eco2.summary/1",
        "tool": format!("eco2 {}", report.run.tool.version),
        "month": wall_clock(&report.run.started_at).and_then(|at| at.get(..7)),
        "state": word(&report.run.state),
        "duration_s": report.run.duration_ns as f64 / 1e9,
        "machines": report.merge.as_ref().map_or(1, |merge| merge.machines),
        "hardware": hardware(&report),
        "sensors": sensors(&report),
        "energy": {
            "kwh": energy.total_uj.and_then(share), "low_kwh": share(energy.low_uj), "high_kwh": energy.high_uj.and_then(share),
            "facility_kwh": energy.facility_uj.and_then(share), "pue": energy.pue, "basis": basis(&report),
            "scope": scope_of(&report),
        },
        "carbon": shared.map(carbon),
        "carbon_withheld": own.filter(|_| shared.is_none()).map(|_| WITHHELD),
        "work": {"steps": work.steps, "samples": work.samples, "tokens": work.tokens},
    });
    document("the summary", &value)
}

/// Returns the hardware models with their numbers.
fn hardware(report: &Report) -> Vec<Value> {
    let one = |((kind, name), count)| json!({"type": kind, "model": name, "count": count});
    hardware_by_type(report).into_iter().map(one).collect()
}

/// Returns the emissions of the summary.
fn carbon(carbon: &Carbon) -> Value {
    json!({
        "grams": carbon.grams, "low": carbon.low, "high": carbon.high,
        "country": super::country(carbon), "g_per_kwh": mean_intensity(carbon), "kinds": kinds(carbon),
        "sources": factor_sources(carbon), "embodied_grams": carbon.embodied,
    })
}

/// Whether the intensities are published values of whole countries or the world.
fn is_national(carbon: &Carbon) -> bool {
    let whole = |zone: &str| zone == "WORLD" || (zone.len() == 2 && zone.bytes().all(|byte| byte.is_ascii_uppercase()));
    carbon.zone.split(',').all(|zone| whole(zone.trim()))
        && carbon.segments.iter().all(|segment| is_published(&segment.source))
}

/// Whether a source text of an intensity is one of a service or a published table.
fn is_published(source: &str) -> bool {
    let is_service = |name: &&str| source.strip_prefix(*name).is_some_and(|licence| LICENCES.contains(&licence));
    SERVICES.iter().any(is_service) || eco2_grid::zones().iter().any(|zone| zone.citation() == source)
}

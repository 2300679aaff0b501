//! Writes texts about a run for publication: the emissions block of a model card, and the energy values that Regulation (EU)
//! 2024/1689 (AI Act) requires.

use super::super::{finite, presentable, word};
use super::{basis, document, grams_of, hardware, hardware_words, is_open, kinds, sensors};
use crate::Error;
use crate::analysis::{DeviceTime, is_measured, pue_words, scope_of};
use eco2_core::Component;
use eco2_core::schema::{Carbon, Report};
use eco2_core::units::kwh;
use serde_json::json;

/// Returns the block `co2_eq_emissions` of a model card on the Hugging Face Hub, as YAML, in grams.
///
/// `training_type` is the run's label of that name, `pre-training` or `fine-tuning`. `geographical_location` is the
/// grid zone. A field without a value is left out.
///
/// # Errors
/// [`Error::NoGrams`].
pub fn model_card(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let (carbon, grams) = grams_of(&report)?;
    let kinds = kinds(carbon).join(", ");
    let source = format!(
        "eco2 {}, energy {} {}, location-based{}{kinds}, PUE {}{}",
        report.run.tool.version,
        scope_of(&report).words(),
        basis(&report),
        if kinds.is_empty() { "" } else { ", " },
        pue_words(&report),
        if is_open(&report) { ", until the last record: the end of the run is not recorded" } else { "" },
    );
    let mut lines = vec!["co2_eq_emissions:".to_owned(), format!("  emissions: {}", plain(grams))];
    lines.push(format!("  source: {}", quoted(&source)));
    let stage = report.run.labels.get("training_type").filter(|stage| is_stage(stage));
    lines.extend(stage.map(|stage| format!("  training_type: {}", quoted(stage))));
    lines.extend(location(carbon).map(|zone| format!("  geographical_location: {}", quoted(zone))));
    lines.push(format!("  hardware_used: {}", quoted(&hardware_words(&report))));
    Ok(lines.join("\n") + "\n")
}

/// Returns the zone, if the user or the machine named one. The world average and a given intensity are no location.
fn location(carbon: &Carbon) -> Option<&str> {
    let replaced = ["default-world", "constant", "unknown"].contains(&carbon.zone_source.as_str());
    Some(carbon.zone.as_str()).filter(|zone| !replaced && !zone.is_empty() && *zone != "WORLD" && *zone != "constant")
}

/// Whether a label's value is one that the model card permits as training type.
fn is_stage(text: &str) -> bool {
    matches!(text, "pre-training" | "fine-tuning")
}

/// Formats grams as a number that every YAML reader accepts: all digits, no exponent.
fn plain(grams: f64) -> String {
    format!("{grams}")
}

/// Returns a text in quotes. A JSON string is also a double-quoted YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the energy that the technical documentation of a general-purpose model requires (Annex XI, section 1, point
/// 2(e), "known or estimated energy consumption of the model"): megawatt-hours with bounds, method, hardware and time.
///
/// Energy is `null` if it is not known; `energy_basis` states whether it is measured or estimated. `state` is `provisional` if the
/// values may be incomplete, and `until_last_record` whether that is so because the end of the run is not recorded.
///
/// # Errors
/// [`Error::Encode`].
pub fn ai_act_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let energy = &report.energy;
    let known = is_measured(&report);
    let mwh = |uj: u64| known.then(|| kwh(uj) / 1e3);
    let share = |uj: u64| known.then(|| kwh(uj));
    let hours = report.run.duration_ns as f64 / 3.6e12;
    let value = json!({
        "subject": "Regulation (EU) 2024/1689, Annex XI, section 1, point 2(e): energy consumption of the model",
        "note": "values of one run, for the technical documentation; not a statement on legal duties",
        "run_id": report.run.id,
        "period": {"from": report.run.started_at, "to": report.run.ended_at, "hours": hours},
        "state": word(&report.run.state),
        "until_last_record": is_open(&report),
        "energy_basis": basis(&report),
        "scope": scope_of(&report),
        "energy_mwh": energy.total_uj.and_then(mwh),
        "energy_low_mwh": mwh(energy.low_uj),
        "energy_high_mwh": energy.high_uj.and_then(mwh),
        "facility_energy_mwh": energy.facility_uj.and_then(mwh),
        "pue": energy.pue,
        "shares_kwh": {
            "measured": share(energy.measured_uj), "derived_from_power": share(energy.derived_uj),
            "estimated": share(energy.estimated_uj), "synthetic": share(energy.synthetic_uj),
        },
        "method": {"tool": format!("eco2 {}", report.run.tool.version), "sensors": sensors(&report)},
        "computational_resources": {"hardware": hardware(&report), "device_hours": gpu_hours(&report)},
        "boundary": "CPU packages, memory and GPU boards of the machines that were read; facility overhead by PUE only",
    });
    document("the energy block", &value)
}

/// Returns the hours for which the run had GPUs, summed over them; `None` without GPUs.
fn gpu_hours(report: &Report) -> Option<f64> {
    let time = DeviceTime::of(std::slice::from_ref(report)).filter(|time| time.component == Component::Gpu);
    time.map(DeviceTime::hours)
}

//! Writes texts about a run for publication: the methods paragraph of a paper, the emissions block of a model card, and
//! the energy values that Regulation (EU) 2024/1689 (AI Act) requires.

use super::super::figures::{Spelling, number, percent};
use super::super::{finite, presentable};
use super::{basis, document, factor_sources, grams_of, hardware, hardware_words, kinds, mean_intensity, sensors};
use crate::Error;
use crate::analysis::{Scope, is_measured, scope_of};
use eco2_core::schema::{Carbon, Device, Energy, Report, Supplements};
use eco2_core::units::kwh;
use eco2_core::{Component, RangeKind, Ranged};
use serde_json::json;

const SPELLING: Spelling = Spelling { ascii: false };

/// Returns the methods paragraph of a paper as one line. Values are rounded to what their bounds allow.
///
/// # Errors
/// [`Error::NoGrams`].
pub fn methods(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let (carbon, _) = grams_of(&report)?;
    let mut sentences = vec![measured(&report), parts(&report)];
    sentences.extend(of_command(&report));
    sentences.extend(gain(&report));
    sentences.push(facility(&report));
    sentences.push(emitted(carbon));
    sentences.extend(carbon.beside.as_deref().map(supplements).unwrap_or_default());
    sentences
        .push("Network, storage, other parts of the machines and energy outside the run are not included.".to_owned());
    sentences.extend(meters(&report));
    if report.energy.synthetic_uj > 0 {
        sentences.insert(0, "SYNTHETIC: this energy was generated, not measured.".to_owned());
    }
    // Tables have two spaces before an interval; a sentence has one.
    Ok(sentences.join(" ").replace("  [", " [") + "\n")
}

/// Returns the sentence about duration, hardware and energy.
fn measured(report: &Report) -> String {
    let energy = &report.energy;
    let used = SPELLING.energy(energy.bounded());
    format!(
        "Training ran for {} on {} and used {used}, recorded with eco2 {} ({}); {}.",
        SPELLING.duration(report.run.duration_ns),
        hardware_words(report),
        report.run.tool.version,
        sensors(report).join(", "),
        interval(energy),
    )
}

/// Returns what the interval covers. It holds for every load only if it uses no power limit and no model.
fn interval(energy: &Energy) -> &'static str {
    let modelled = energy.estimated_uj.saturating_add(energy.synthetic_uj);
    let hard = energy.range_kind == Some(RangeKind::Hard);
    let is_free = energy.low_uj == energy.free_low_uj && energy.high_uj == energy.free_high_uj;
    match (modelled, energy.measured_uj.saturating_add(energy.derived_uj)) {
        (0, _) if !hard => "the interval is a plausible range, not a bound for every load",
        (0, _) if !is_free => "the interval assumes that no device exceeded its power limit",
        (0, _) => "the interval holds for every load between two readings",
        (_, 0) => "the interval is that of the model",
        _ => "the interval combines that of the sensors with that of the model",
    }
}

/// Returns how the sensors were read; `None` for a replayed trace, whose sensors are not known.
fn meters(report: &Report) -> Option<String> {
    let energy = &report.energy;
    if energy.measured_uj == 0 && energy.derived_uj == 0 {
        return Some("No energy sensor was available.".to_owned());
    }
    let merged = report.merge.as_ref().map(|merge| &merge.parts[..]).filter(|parts| !parts.is_empty());
    let parts = merged.unwrap_or(std::slice::from_ref(report));
    let live = parts.iter().all(|part| part.run.boot_ns.is_some());
    live.then(|| "Sensors are read by software; no external power meter was used.".to_owned())
}

/// Returns the shares of the energy by the way in which they were determined, in words.
fn parts(report: &Report) -> String {
    let energy = &report.energy;
    let share = |uj: u64| percent(uj as f64, energy.total_uj.unwrap_or(0) as f64);
    let parts = [
        (energy.measured_uj, "from energy counters"),
        (energy.derived_uj, "from integrated power"),
        (energy.estimated_uj, "estimated by a model of utilisation"),
        (energy.synthetic_uj, "generated"),
    ];
    let words = parts.iter().filter(|(uj, _)| *uj > 0).map(|(uj, what)| format!("{} {what}", share(*uj)));
    let missing = match energy.missing_ns {
        0 => String::new(),
        ns => format!("; {} of device time have no readings, which the interval includes", SPELLING.duration(ns)),
    };
    format!("Of this energy: {}{missing}.", words.collect::<Vec<_>>().join(", "))
}

/// Returns the sentence about the sensors' gain error; `None` if none is declared.
fn gain(report: &Report) -> Option<String> {
    let most = report.devices.iter().filter_map(|device| device.gain_percent).reduce(f64::max)?;
    Some(format!("The sensors' declared gain error of up to {} % is not in the interval.", number(most)))
}

/// Returns the sentence that this energy is the command's part of the machine's; `None` if it is the machine's.
fn of_command(report: &Report) -> Option<String> {
    let method = &report.attribution.as_ref().filter(|_| scope_of(report) == Scope::Command)?.method;
    Some(format!("It is the part of the machine's energy that is attributed to the training ({method})."))
}

/// Returns the sentence about the facility's overhead.
fn facility(report: &Report) -> String {
    let energy = &report.energy;
    if energy.facility_uj == energy.total_uj {
        return "No facility overhead is included (PUE 1.0).".to_owned();
    }
    let facility = energy.facility_uj.map_or_else(|| "not known".to_owned(), |uj| SPELLING.energy_only(uj));
    format!("With facility overhead (PUE {}), this is {facility}.", energy.pue)
}

/// Returns the sentence about the emissions.
fn emitted(carbon: &Carbon) -> String {
    let grams = SPELLING.mass(carbon.bounded());
    let intensity = mean_intensity(carbon).map_or_else(String::new, |g| format!("{} g/kWh, ", number(g)));
    let kinds = kinds(carbon).join(", ");
    let kinds = if kinds.is_empty() { String::new() } else { format!("{kinds}, ") };
    let world = match carbon.zone_source.as_str() {
        "default-world" => "; no zone was set, so the world average applies",
        "unknown" => "; the zone is not known, so the world average applies",
        "country" => "; the region has no value, so that of its country applies",
        _ => "",
    };
    format!(
        "Location-based emissions were {grams}, at {intensity}{kinds}zone {} ({}{world}).",
        carbon.zone,
        factor_sources(carbon).join("; "),
    )
}

/// Returns one sentence for each value in addition to the location-based emissions.
fn supplements(supplements: &Supplements) -> Vec<String> {
    let market = supplements
        .market
        .as_ref()
        .map(|one| format!("Market-based emissions ({}) were {}.", one.instrument, SPELLING.mass(one.bounded())));
    let embodied = supplements.embodied.as_ref().map(|embodied| {
        let grams = SPELLING.mass(embodied.bounded());
        format!(
            "The run's share of the embodied emissions of the hardware ({}, {} years) was {grams}.",
            embodied.source, embodied.life_years
        )
    });
    let sci = supplements.sci.as_ref().map(|sci| {
        let without = if sci.embodied_g.is_none() { ", without embodied emissions" } else { "" };
        format!("Software carbon intensity was {} per {}{without}.", SPELLING.mass(sci.bounded()), sci.per)
    });
    [market, embodied, sci].into_iter().flatten().collect()
}

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
    let part = if scope_of(&report) == Scope::Command { " of the training's part of the machine" } else { "" };
    let source = format!(
        "eco2 {}, energy{part} {}, location-based{}{kinds}, PUE {}",
        report.run.tool.version,
        basis(&report),
        if kinds.is_empty() { "" } else { ", " },
        report.energy.pue,
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
/// Energy is `null` if it is not known; `energy_basis` states whether it is measured or estimated.
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
        "energy_basis": basis(&report),
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
        "computational_resources": {"hardware": hardware(&report), "device_hours": device_hours(&report, hours)},
        "boundary": "CPU packages, memory and GPU boards of the machines that were read; facility overhead by PUE only",
    });
    document("the energy block", &value)
}

/// Returns the duration in hours times the number of GPUs; `None` without GPUs.
fn device_hours(report: &Report, hours: f64) -> Option<f64> {
    let is_gpu = |device: &&Device| device.is_summed() && device.component == Component::Gpu;
    let gpus = report.devices.iter().filter(is_gpu).count();
    (gpus > 0).then_some(gpus as f64 * hours)
}

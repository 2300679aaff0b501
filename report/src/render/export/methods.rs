//! A paragraph for the methods section of a paper: measured values with their uncertainty, method, factors and boundary.

use eco2_core::schema::{Carbon, Energy, Report, Supplements};
use eco2_core::{RangeKind, Ranged};

use super::super::figures::{Spelling, number, percent};
use super::super::presentable;
use super::{factor_sources, grams_of, hardware_words, kinds, sensors};
use crate::Error;

const SPELLING: Spelling = Spelling { ascii: false };

/// The paragraph, one line. Figures are rounded to what their bounds allow.
///
/// # Errors
/// [`Error::NoGrams`].
pub fn methods(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let (carbon, _) = grams_of(&report)?;
    let mut sentences = vec![measured(&report), parts(&report)];
    sentences.extend(gain(&report));
    sentences.push(facility(&report));
    sentences.push(emitted(carbon));
    sentences.extend(carbon.beside.as_deref().map(beside).unwrap_or_default());
    sentences.push(
        "Not included are network, storage, other parts of the machines and what was used outside the run.".to_owned(),
    );
    sentences.extend(meters(&report));
    if report.energy.synthetic_uj > 0 {
        sentences.insert(0, "SYNTHETIC: these figures were generated and are no measurement.".to_owned());
    }
    // Intervals stand two spaces apart in tables.
    Ok(sentences.join(" ").replace("  [", " [") + "\n")
}

fn measured(report: &Report) -> String {
    let energy = &report.energy;
    let used = SPELLING.energy(energy.bounded());
    format!(
        "Energy was recorded with eco2 {} ({}) on {}: the run took {} and used {used}; {}.",
        report.run.tool.version,
        sensors(report).join(", "),
        hardware_words(report),
        SPELLING.duration(report.run.duration_ns),
        interval(energy),
    )
}

/// What the interval is good for: whatever the load did only where it rests on no power limit and no assumption.
fn interval(energy: &Energy) -> &'static str {
    let modelled = energy.estimated_uj.saturating_add(energy.synthetic_uj);
    let hard = energy.range_kind == Some(RangeKind::Hard);
    let is_free = energy.low_uj == energy.free_low_uj && energy.high_uj == energy.free_high_uj;
    match (modelled, energy.measured_uj.saturating_add(energy.derived_uj)) {
        (0, _) if !hard => "the interval is a plausible range, not a bound for every course of the load",
        (0, _) if !is_free => "the interval assumes that no device exceeded its power limit",
        (0, _) => "the interval holds for every course of the load between two readings",
        (_, 0) => "the interval is that of the model, and of no sensor",
        _ => "the interval combines that of the sensors with that of the model",
    }
}

/// How the sensors were read, where that is known: what a trace was recorded with is not.
fn meters(report: &Report) -> Option<String> {
    let energy = &report.energy;
    if energy.measured_uj == 0 && energy.derived_uj == 0 {
        return Some("No sensor was read.".to_owned());
    }
    let merged = report.merge.as_ref().map(|merge| &merge.parts[..]).filter(|parts| !parts.is_empty());
    let parts = merged.unwrap_or(std::slice::from_ref(report));
    let live = parts.iter().all(|part| part.run.boot_ns.is_some());
    live.then(|| "Sensors are read by software; no external power meter was used.".to_owned())
}

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
        ns => format!("; {} of device time are unknown and within the interval", SPELLING.duration(ns)),
    };
    format!("Of it {}{missing}.", words.collect::<Vec<_>>().join(", "))
}

fn gain(report: &Report) -> Option<String> {
    let most = report.devices.iter().filter_map(|device| device.gain_percent).reduce(f64::max)?;
    Some(format!("The sensors' declared gain error of up to {} % is not in the interval.", number(most)))
}

fn facility(report: &Report) -> String {
    let energy = &report.energy;
    if energy.facility_uj == energy.total_uj {
        return "No overhead of the facility was added (PUE 1).".to_owned();
    }
    let facility = energy.facility_uj.map_or_else(|| "not known".to_owned(), |uj| SPELLING.energy_only(uj));
    format!("With the facility's overhead (PUE {}) this is {facility}.", energy.pue)
}

fn emitted(carbon: &Carbon) -> String {
    let grams = SPELLING.mass(carbon.bounded());
    let intensity = super::mean_intensity(carbon).map_or_else(String::new, |g| format!("{} g/kWh, ", number(g)));
    let kinds = kinds(carbon).join(", ");
    let kinds = if kinds.is_empty() { String::new() } else { format!("{kinds}, ") };
    let world = match carbon.zone_source.as_str() {
        "default-world" => "; no zone was given, so this is the world's average",
        "unknown" => "; the zone is not known, so this is the world's average",
        "country" => "; the region has no value, so this is its country's",
        _ => "",
    };
    format!(
        "Location-based emissions were {grams}, at {intensity}{kinds}zone {} ({}{world}).",
        carbon.zone,
        factor_sources(carbon).join("; "),
    )
}

fn beside(beside: &Supplements) -> Vec<String> {
    let market = beside
        .market
        .as_ref()
        .map(|one| format!("Market-based emissions ({}) were {}.", one.instrument, SPELLING.mass(one.bounded())));
    let made = beside.embodied.as_ref().map(|made| {
        let grams = SPELLING.mass(made.bounded());
        format!("The run's share of making the hardware ({}, {} years) was {grams}.", made.source, made.life_years)
    });
    let sci = beside.sci.as_ref().map(|sci| {
        let without = if sci.embodied_g.is_none() { ", without embodied emissions" } else { "" };
        format!("Software carbon intensity was {} per {}{without}.", SPELLING.mass(sci.bounded()), sci.per)
    });
    [market, made, sci].into_iter().flatten().collect()
}

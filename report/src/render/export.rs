//! Holds the report in the formats of others: SCI (software carbon intensity), model card, BoAmps, Scope 2, the annex
//! of the EU AI Act, a methods paragraph, and a summary that can be shared. This file has the values that several
//! formats use.
//!
//! Values are those of the report and are rounded in prose only. A value that is not known is `null` or left out. None
//! of the formats states that a legal duty is met.

mod accounting;
mod boamps;
mod cyclonedx;
mod documents;
mod esg;
mod gpai;
mod methods;
mod summary;

use std::collections::BTreeMap;

use eco2_core::schema::{Carbon, Device, Report};
use eco2_core::{Component, Quality};
use serde_json::Value;

pub use accounting::{sci_json, scope2_csv};
pub use boamps::boamps_json;
pub use cyclonedx::cyclonedx_json;
pub use documents::{ai_act_json, model_card};
pub use esg::esg_csv;
pub use gpai::gpai;
pub use methods::{compute_checklist, methods, methods_of};
pub use summary::{SUMMARY_SCHEMA_JSON, summary_json};

use crate::Error;
use crate::analysis::{RunSum, is_measured};

/// Returns the carbon section and the grams of a run.
///
/// # Errors
/// [`Error::NoGrams`].
fn grams_of(report: &Report) -> Result<(&Carbon, f64), Error> {
    let carbon = report.carbon.as_ref().and_then(|carbon| Some((carbon, carbon.grams?)));
    carbon.ok_or_else(|| Error::NoGrams { run: report.run.id.clone() })
}

/// Returns a JSON document as indented text; `what` names the document in an error.
fn document(what: &'static str, value: &Value) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|cause| Error::Encode { what, cause })?;
    Ok(text + "\n")
}

/// Returns how the energy was determined: `measured`, `partly estimated`, `estimated`, `synthetic` or `not known`.
fn basis(report: &Report) -> &'static str {
    let energy = &report.energy;
    match (energy.estimated_uj, energy.measured_uj.saturating_add(energy.derived_uj)) {
        _ if !is_measured(report) => "not known",
        _ if energy.synthetic_uj > 0 => Quality::Synthetic.name(),
        // An energy of 0 has no parts: then the quality is that of the devices.
        (0, 0) => match worst_read(report) {
            Some(Quality::Derived) => Quality::Measured.name(),
            Some(quality) => quality.name(),
            None => "not known",
        },
        (0, _) => Quality::Measured.name(),
        (_, 0) => Quality::Estimated.name(),
        _ => "partly estimated",
    }
}

/// Returns the worst quality of the devices in the total; `None` if none was read.
fn worst_read(report: &Report) -> Option<Quality> {
    let read = |device: &&Device| device.is_summed() && device.quality != Quality::Missing;
    report.devices.iter().filter(read).map(|device| device.quality).max()
}

/// Returns the warning about generated energy; `None` for other energy.
fn synthetic_warning(report: &Report) -> Option<String> {
    (basis(report) == Quality::Synthetic.name())
        .then(|| "SYNTHETIC: this energy was generated, not measured.".to_owned())
}

/// Whether the end of the run is not recorded, for example because it was killed.
fn is_open(run: &Report) -> bool {
    run.run.is_open()
}

/// Returns the sentence about runs with a provisional record; `None` if there are none.
fn open_runs(runs: &[Report]) -> Option<String> {
    match (runs.iter().filter(|run| is_open(run)).count(), runs.len()) {
        (0, _) => None,
        (_, 1) => Some("The end of the run is not recorded: its values are those until its last record.".to_owned()),
        (open, all) => Some(format!(
            "The end of {open} of the {all} runs is not recorded: their values are those until the last record."
        )),
    }
}

/// Returns the sentence about runs at the same time on one machine; `None` if there are none.
fn overlap(all: &RunSum) -> Option<&'static str> {
    all.overlapped.then_some("Some runs were on one machine at the same time; a device's hours count once.")
}

/// Returns the models of the devices in the total, each with its number: `2 × NVIDIA H200`.
fn hardware(report: &Report) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for device in report.devices.iter().filter(|device| device.is_summed()) {
        *names.entry(device.hardware().to_owned()).or_default() += 1;
    }
    names
}

/// Returns the hardware in words: `2 × NVIDIA H200, 1 × AMD EPYC`.
pub(super) fn hardware_words(report: &Report) -> String {
    hardware_words_of(std::slice::from_ref(report))
}

/// Returns the hardware of several runs in words: of each model the most that one run had.
fn hardware_words_of(runs: &[Report]) -> String {
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for (name, count) in runs.iter().flat_map(hardware) {
        let known = most.entry(name).or_default();
        *known = count.max(*known);
    }
    let words = most.iter().map(|(name, count)| format!("{count} × {name}")).collect::<Vec<_>>().join(", ");
    if words.is_empty() { "hardware that is not known".to_owned() } else { words }
}

/// Returns the sources of the devices in the total, each once: `nvml`, `rapl-perf`.
fn sensors(report: &Report) -> Vec<&str> {
    let read = |device: &&Device| device.is_summed() && device.quality != Quality::Missing;
    let mut names: Vec<&str> = report.devices.iter().filter(read).map(|device| device.source.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the kinds of the intensities behind the grams, each once.
pub(super) fn kinds(carbon: &Carbon) -> Vec<&str> {
    distinct(carbon.segments.iter().filter_map(|segment| segment.kind.as_deref()))
}

/// Returns the sources of the intensities with their year, each once.
pub(super) fn factor_sources(carbon: &Carbon) -> Vec<String> {
    let cited = |segment: &eco2_core::schema::CarbonSegment| {
        segment.year.map_or_else(|| segment.source.clone(), |year| format!("{}, {year}", segment.source))
    };
    distinct(carbon.segments.iter().map(cited))
}

/// Returns the values sorted, each once.
fn distinct<T: Ord>(list: impl Iterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = list.collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// Returns the mean carbon intensity over all segments, weighted by energy, g/kWh; `None` for intensities of different
/// kinds.
pub(super) fn mean_intensity(carbon: &Carbon) -> Option<f64> {
    if kinds(carbon).len() > 1 {
        return None;
    }
    let energy: f64 = carbon.segments.iter().map(|segment| segment.energy_uj as f64).sum();
    let weighted: f64 = carbon.segments.iter().map(|segment| segment.energy_uj as f64 * segment.g_per_kwh).sum();
    (energy > 0.0).then(|| weighted / energy)
}

/// Returns the number of devices in the total by type and model: `("gpu", "NVIDIA H200")`.
fn hardware_by_type(report: &Report) -> BTreeMap<(&'static str, String), usize> {
    let mut models = BTreeMap::new();
    for device in report.devices.iter().filter(|device| device.is_summed()) {
        *models.entry((component_word(device), device.hardware().to_owned())).or_default() += 1;
    }
    models
}

/// Returns the word for a device's component in these formats.
fn component_word(device: &Device) -> &'static str {
    match device.component {
        Component::Cpu => "cpu",
        Component::Gpu => "gpu",
        Component::Memory => "ram",
        _ => "other",
    }
}

/// Returns the country of the zone, two letters; `None` for the world, a user's own intensity, and machines in several
/// countries.
pub(super) fn country(carbon: &Carbon) -> Option<&str> {
    let mut codes = carbon.zone.split(',').map(|zone| zone.trim().split('-').next().unwrap_or_default());
    let code = codes.next()?;
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_code && codes.all(|other| other == code)).then_some(code)
}

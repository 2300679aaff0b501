//! Writes the OpenMetrics families (`eco2_…`) of devices and sources. A *family* is a metric with its help text and
//! samples; a *source* is a program part that reads devices, such as `nvml`.

use std::collections::BTreeMap;

use eco2_core::schema::{Device, GapRecord, Report, State, Status};
use eco2_core::units::joules;

use super::exposition::{Family, Labels, MetricSet};
use crate::render::word;

const ENERGY: Family = Family::counter(
    "eco2_energy_joules",
    "Energy of devices that do not overlap, since the start of the run; their sum is the run's.",
)
.unit("joules");
const DOMAIN: Family = Family::counter(
    "eco2_domain_energy_joules",
    "Energy of domains that overlap a device: not to be added to eco2_energy_joules.",
)
.unit("joules");
const HOST: Family =
    Family::counter("eco2_host_energy_joules", "Energy of the whole platform as its own sensor has it.").unit("joules");
const POWER: Family =
    Family::gauge("eco2_power_watts", "Mean power since the start of the run, over the covered time.").unit("watts");
const DOMAIN_POWER: Family = Family::gauge(
    "eco2_domain_power_watts",
    "Mean power of domains that overlap a device: not to be added to eco2_power_watts.",
)
.unit("watts");
const UNCERTAINTY: Family = Family::gauge(
    "eco2_uncertainty_joules",
    "Half the distance between the bounds of the energy; absent where there is no upper bound.",
)
.unit("joules");
const GAPS: Family =
    Family::counter("eco2_gap_seconds", "Time without readings; while the run goes on, until the last reading.")
        .unit("seconds");
const UP: Family = Family::gauge("eco2_source_up", "Whether a requested source can be read.");
const ERRORS: Family = Family::counter("eco2_source_errors", "Reads of a device that failed.");
const WRAPS: Family = Family::counter("eco2_device_wraps", "Wraps of a counter, folded.");
const RESETS: Family = Family::counter("eco2_device_resets", "Resets of a counter.");
const DEVICE: Family = Family::info("eco2_device", "What is measured.");

/// Adds the families of devices and sources to the page.
pub(super) fn families(report: &Report, page: &mut MetricSet) {
    energies(report, page);
    let all = || report.devices.iter();
    for (family, is_summed) in [(POWER, true), (DOMAIN_POWER, false)] {
        let devices = all().filter(|device| device.is_summed() == is_summed);
        page.family(family, devices.filter_map(|device| Some((place(device), device.mean_w?))));
    }
    page.family(UNCERTAINTY, uncertainty(report).into_iter());
    page.family(GAPS, all().map(|device| (place(device), gap_s(report, device))));
    let up = |status| matches!(status, Status::Ok | Status::Degraded);
    let sources = report.sources.iter();
    page.family(UP, sources.map(|s| (vec![("source", source(&s.name))], f64::from(u8::from(up(s.status))))));
    for (family, count) in [
        (ERRORS, (|device| device.failures) as fn(&Device) -> u64),
        (WRAPS, |device| device.wraps),
        (RESETS, |device| device.resets),
    ] {
        let labels = |device: &Device| vec![("source", source(&device.source)), ("device", device.id.clone())];
        page.family(family, all().map(|device| (labels(device), count(device) as f64)));
    }
    let info = |device: &Device| {
        let labels = [("device", device.id.as_str()), ("model", device.hardware()), ("domain", &device.domain)];
        labels.map(|(name, value)| (name, value.to_owned())).to_vec()
    };
    page.family(DEVICE, all().map(|device| (info(device), 1.0)));
}

/// Returns the seconds without coverage. In a run that goes on, the time since the last reading does not count yet: the
/// next reading may cover it, and a counter metric must never fall.
fn gap_s(report: &Report, device: &Device) -> f64 {
    let lasted_ns = report.run.duration_ns;
    let is_open = |gap: &&GapRecord| report.run.state == State::Provisional && gap.to_ns >= lasted_ns;
    let open_ns =
        device.gaps.iter().filter(is_open).map(|gap| lasted_ns.saturating_sub(gap.from_ns)).max().unwrap_or(0);
    ((1.0 - device.coverage) * (lasted_ns as f64 / 1e9) - open_ns as f64 / 1e9).max(0.0)
}

/// Adds the energies of the devices.
fn energies(report: &Report, page: &mut MetricSet) {
    let read = || report.devices.iter().filter_map(|device| Some((device, joules(device.energy_uj?))));
    let origin = |device: &Device| [("source", source(&device.source)), ("quality", word(&device.quality))];
    let summed = read().filter(|(device, _)| device.is_summed());
    page.family(ENERGY, summed.map(|(device, joules)| ([place(device), origin(device).to_vec()].concat(), joules)));
    let overlapping = read().filter(|(device, _)| !device.is_summed() && !device.is_host_total());
    let domain = |device: &Device| vec![("domain", device.domain.clone())];
    page.family(
        DOMAIN,
        overlapping.map(|(device, joules)| ([place(device), domain(device), origin(device).to_vec()].concat(), joules)),
    );
    let hosts = read().filter(|(device, _)| device.is_host_total());
    let labels = |device: &Device| vec![("source", source(&device.source)), ("device", device.id.clone())];
    page.family(HOST, hosts.map(|(device, joules)| (labels(device), joules)));
}

/// Returns the labels of a device's samples: its component and its id.
fn place(device: &Device) -> Labels {
    vec![("component", word(&device.component)), ("device", device.id.clone())]
}

/// Returns the name of a source as a label value: without hyphens, which names of metrics do not have either.
fn source(name: &str) -> String {
    name.replace('-', "_")
}

/// Returns half the width of the energy's bounds by component, joules. A component without an upper bound is left out.
fn uncertainty(report: &Report) -> Vec<(Labels, f64)> {
    let mut by_component: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for device in report.devices.iter().filter(|device| device.is_summed()) {
        let width = device.high_uj.zip(device.low_uj).map(|(high, low)| high.saturating_sub(low));
        let sum = by_component.entry(word(&device.component)).or_insert(Some(0));
        *sum = sum.zip(width).map(|(sum, width)| sum.saturating_add(width));
    }
    let half = |(component, width): (String, Option<u64>)| Some((vec![("component", component)], joules(width?) / 2.0));
    by_component.into_iter().filter_map(half).collect()
}

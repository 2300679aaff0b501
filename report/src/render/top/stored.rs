//! A stored run at one instant, as `eco2 top --replay` shows it: the energies are those of the run's curves.

use eco2_core::schema::{Carbon, Device, Report};
use eco2_core::{Bounded, Curve, Quality, Ranged, units};

use super::super::budget::limit_used;
use super::super::export::mean_intensity;
use super::super::figures::Spelling;
use super::super::numbers::{clock, digits};
use super::{TopDevice, TopFrame, TopUse};

/// Least stretch over which power is the mean, nanoseconds.
const LEAST_NS: u64 = 1_000_000_000;
/// Points of a curve: power is the mean over the distance between two of them where that is longer.
const POINTS: u64 = 512;

/// Returns a run at an instant, nanoseconds since its start. Who used the energy is known for the whole run only.
#[must_use]
pub fn top_of_run(report: &Report, at_ns: u64) -> TopFrame {
    let end_ns = report.run.duration_ns;
    let at_ns = at_ns.min(end_ns);
    let from_ns = at_ns.saturating_sub((end_ns / POINTS).max(LEAST_NS));
    let devices: Vec<TopDevice> = report.devices.iter().map(|one| device(report, one, from_ns, at_ns)).collect();
    let whole = report.curve();
    let energy = if report.energy.total_uj.is_some() { whole.at(at_ns) } else { Bounded::unknown() };
    let power = devices.iter().filter(|one| one.is_summed).filter_map(|one| one.power_w);
    let is_end = at_ns == end_ns;
    TopFrame {
        name: if report.run.name.is_empty() { report.run.id.clone() } else { report.run.name.clone() },
        state: format!("stored run, {} of {}", clock(at_ns), clock(end_ns)),
        is_stale: false,
        power_w: power.reduce(|sum, watts| sum + watts),
        energy,
        quality: largest_quality(report),
        since_ns: at_ns,
        emissions: report.carbon.as_ref().and_then(|carbon| emissions(carbon, report, &energy)),
        intensity: report.carbon.as_ref().map_or_else(String::new, intensity),
        devices,
        uses: if is_end { uses(report) } else { Vec::new() },
        budgets: if is_end { budgets(report) } else { Vec::new() },
        limits: Vec::new(),
        sources: report.sources.clone(),
        is_restricted: false,
    }
}

fn device(report: &Report, device: &Device, from_ns: u64, at_ns: u64) -> TopDevice {
    let record = report.curves.iter().find(|curve| curve.devices.is_none() && curve.device == device.id);
    let known = device.energy_uj.is_some().then(|| device.bounded());
    let curve: Option<Curve> = record.zip(known).map(|(record, total)| record.curve(report.run.duration_ns, total));
    let is_end = at_ns == report.run.duration_ns;
    let energy = match &curve {
        Some(curve) => curve.at(at_ns),
        None if is_end => known.unwrap_or_else(Bounded::unknown),
        None => Bounded::unknown(),
    };
    let used_uj = curve.as_ref().and_then(|curve| curve.between(from_ns, at_ns).value);
    TopDevice {
        name: device.name.clone(),
        kind: if device.model.is_some() { device.hardware().to_owned() } else { device.domain.clone() },
        power_w: used_uj.and_then(|uj| units::watts(uj, at_ns - from_ns)),
        energy,
        quality: device.quality,
        celsius: None,
        is_summed: device.is_summed(),
    }
}

fn largest_quality(report: &Report) -> Quality {
    let energy = &report.energy;
    let parts = [
        (energy.synthetic_uj, Quality::Synthetic),
        (energy.estimated_uj, Quality::Estimated),
        (energy.derived_uj, Quality::Derived),
        (energy.measured_uj, Quality::Measured),
    ];
    let largest = parts.into_iter().max_by_key(|(uj, _)| *uj).filter(|(uj, _)| *uj > 0);
    largest.map_or(Quality::Missing, |(_, quality)| quality)
}

/// Returns the emissions of the energy so far: the parts of the run one after the other, each at its intensity. The bounds are those of
/// the energy.
fn emissions(carbon: &Carbon, report: &Report, energy: &Bounded<u64>) -> Option<Bounded<f64>> {
    let (grams, total_uj, used_uj) = (carbon.grams?, report.energy.total_uj? as f64, energy.value? as f64);
    let facility_uj: f64 = carbon.segments.iter().map(|segment| segment.energy_uj as f64).sum();
    if total_uj <= 0.0 || facility_uj <= 0.0 {
        return Some(Bounded { value: Some(grams), low: carbon.low, high: carbon.high, kind: energy.kind });
    }
    let until = |uj: f64| {
        let mut left = facility_uj * (uj / total_uj).min(1.0);
        let part = |segment: &eco2_core::schema::CarbonSegment| {
            let used = left.min(segment.energy_uj as f64);
            left -= used;
            used * segment.g_per_kwh
        };
        carbon.segments.iter().map(part).sum::<f64>() / 3.6e12
    };
    let value = until(used_uj);
    let rate = value / used_uj.max(1.0);
    let (low, high) = (energy.low as f64 * rate, energy.high.map(|high| high as f64 * rate));
    Some(Bounded { value: Some(value), low, high, kind: energy.kind })
}

fn intensity(carbon: &Carbon) -> String {
    match mean_intensity(carbon) {
        Some(mean) => format!("{}, {} g/kWh", carbon.zone, digits(mean, 3)),
        None => carbon.zone.clone(),
    }
}

fn uses(report: &Report) -> Vec<TopUse> {
    let Some(attribution) = &report.attribution else { return Vec::new() };
    let one = |name: &str, is_job: bool, energy: Bounded<u64>| TopUse {
        name: name.to_owned(),
        is_job,
        is_running: false,
        power_w: None,
        energy,
        grams: None,
        steps: report.work.steps.filter(|_| is_job),
    };
    let bounds =
        |uj| Bounded { value: Some(uj), low: attribution.low_uj, high: attribution.high_uj, ..Bounded::exact(uj) };
    let rest = [
        ("Other processes", attribution.others_uj),
        ("Idle devices", attribution.idle_uj),
        ("Not attributed", attribution.unattributed_uj),
    ];
    let job = one("This command", true, bounds(attribution.command_uj));
    std::iter::once(job).chain(rest.map(|(name, uj)| one(name, false, Bounded::exact(uj)))).collect()
}

fn budgets(report: &Report) -> Vec<String> {
    let limits = report.budget.iter().flat_map(|budget| &budget.limits);
    limits.map(|spent| limit_used(spent, Spelling { ascii: false })).collect()
}

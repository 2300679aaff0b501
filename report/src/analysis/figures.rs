//! Computes the figures of a report again from its parts ([`check_figures`]), for `eco2 verify`: sums over devices, the duration,
//! emissions from the segments of carbon intensity, cost at a flat price, and what the closing record of a run log repeats.

use std::fmt::Display;

use eco2_core::schema::{Device, Report};
use eco2_core::units::kwh;
use eco2_core::{Bounded, Quality, Ranged};
use eco2_grid::carbon::flat_cost;
use eco2_grid::{Pue, recompute};
use jiff::Timestamp;
use serde_json::Value;

use super::scope::{Scope, scope_of};
use crate::store::{LogContents, LogSummary, PricingRecord};

/// Relative error of a sum of some thousand doubles.
const ROUNDING: f64 = 1e-9;
/// Largest difference of a duration from the times around it, nanoseconds: texts of other programs have milliseconds.
const ROUNDED_TIME_NS: i128 = 1_000_000;
/// Largest number of differences that are kept.
const MAX_DIFFERENCES: usize = 1_000;

/// A figure that is not what its parts give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureDifference {
    /// Path of the field: `devices[2].energy_uj`.
    pub field: String,
    /// The stored value.
    pub stored: String,
    /// The value that its parts give.
    pub computed: String,
}

/// The result of [`check_figures`] and [`check_closing`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FigureCheck {
    /// Number of figures that were computed again.
    pub compared: u64,
    /// The figures that differ; at most 1,000.
    pub differences: Vec<FigureDifference>,
}

impl FigureCheck {
    /// Compares a figure. `are_equal`: whether stored and computed value are the same.
    pub fn compare<T: Display>(&mut self, field: &str, stored: T, computed: T, are_equal: bool) {
        self.compared += 1;
        if !are_equal && self.differences.len() < MAX_DIFFERENCES {
            let (stored, computed) = (stored.to_string(), computed.to_string());
            self.differences.push(FigureDifference { field: field.to_owned(), stored, computed });
        }
    }

    /// Adds the results of another check; `prefix` is put before its fields.
    pub fn extend(&mut self, prefix: &str, other: Self) {
        self.compared += other.compared;
        let prefixed = |one: FigureDifference| FigureDifference { field: format!("{prefix}{}", one.field), ..one };
        self.differences.extend(other.differences.into_iter().map(prefixed));
        self.differences.truncate(MAX_DIFFERENCES);
    }

    pub(super) fn integer(&mut self, field: &str, stored: Option<u64>, computed: Option<u64>) {
        self.compare(field, shown(stored), shown(computed), stored == computed);
    }

    fn amount(&mut self, field: &str, stored: Option<f64>, computed: Option<f64>) {
        let are_equal = match (stored, computed) {
            (Some(stored), Some(computed)) => (stored - computed).abs() <= ROUNDING * stored.abs().max(computed.abs()),
            (stored, computed) => stored.is_some() == computed.is_some(),
        };
        self.compare(field, shown(stored), shown(computed), are_equal);
    }
}

fn shown<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| value.to_string())
}

/// Computes the sums, emissions and costs of a report again. Of a merged report, whose energies are unions and not sums, the
/// parts are checked.
#[must_use]
pub fn check_figures(report: &Report) -> FigureCheck {
    let mut check = FigureCheck::default();
    if let Some(merge) = &report.merge {
        for (at, part) in merge.parts.iter().enumerate() {
            check.extend(&format!("merge.parts[{at}]."), check_figures(part));
        }
        return check;
    }
    // The energy of a command is no sum over devices, and its grams have the range of its share.
    let is_of_machine = scope_of(report) == Scope::Machine;
    if is_of_machine && !report.devices.is_empty() {
        sums(&mut check, report);
        qualities(&mut check, report);
    }
    // A sum over runs has no id: its duration is theirs together, and each has its own range of grams.
    let is_one_run = !report.run.id.is_empty();
    if is_one_run {
        duration(&mut check, report);
    }
    emissions(&mut check, report);
    if is_of_machine && is_one_run {
        range_of_grams(&mut check, report);
    }
    check
}

/// Compares the duration by the monotonic clock with the times of start and end, which it determines.
fn duration(check: &mut FigureCheck, report: &Report) {
    let at = |text: &str| text.parse::<Timestamp>().ok();
    let Some((from, to)) = at(&report.run.started_at).zip(at(&report.run.ended_at)) else { return };
    let computed = to.duration_since(from).as_nanos();
    let stored = i128::from(report.run.duration_ns);
    check.compare("run.duration_ns", stored, computed, (stored - computed).abs() <= ROUNDED_TIME_NS);
}

/// Compares the parts of the energy by quality, and the time without readings, with the sums over devices.
fn qualities(check: &mut FigureCheck, report: &Report) {
    let energy = &report.energy;
    let summed = || report.devices.iter().filter(|device| device.is_summed());
    let parts = [
        ("measured", energy.measured_uj, Quality::Measured),
        ("derived", energy.derived_uj, Quality::Derived),
        ("estimated", energy.estimated_uj, Quality::Estimated),
        ("synthetic", energy.synthetic_uj, Quality::Synthetic),
    ];
    for (name, stored, quality) in parts {
        let computed = summed().map(|device| device.uj_of(quality)).fold(0, u64::saturating_add);
        check.integer(&format!("energy.{name}_uj"), Some(stored), Some(computed));
    }
}

/// Compares the range of the grams with that of the energy: at one intensity it is that range times the intensity, at several it lies
/// within the lowest and the highest one.
fn range_of_grams(check: &mut FigureCheck, report: &Report) {
    let (energy, Some(carbon)) = (&report.energy, &report.carbon) else { return };
    let (Some(grams), Ok(pue)) = (carbon.grams, Pue::new(energy.pue)) else { return };
    let intensities = || carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let Some((least, most)) = intensities().reduce(f64::min).zip(intensities().reduce(f64::max)) else { return };
    if least < 0.0 || energy.facility_low_uj.is_some() {
        return;
    }
    let grams_at = |uj: u64, intensity: f64| kwh(pue.facility_uj(uj)) * intensity;
    // Pricing again scales the grams and not the microjoules, so that they differ by the rounding of a few of these.
    let tolerance = ROUNDING * grams.abs() + kwh(4) * most;
    let is_between = |value: f64, from: f64, to: f64| value >= from - tolerance && value <= to + tolerance;
    let (lowest, low_at_most) = (grams_at(energy.low_uj, least), grams_at(energy.low_uj, most).min(grams));
    let is_low = is_between(carbon.low, lowest.min(low_at_most), low_at_most);
    check.compare("carbon.low", carbon.low.to_string(), range_text(lowest, low_at_most), is_low);
    let highest = energy.high_uj.map(|uj| (grams_at(uj, least).max(grams), grams_at(uj, most)));
    let is_high = match (carbon.high, highest) {
        (Some(high), Some((from, to))) => is_between(high, from, to.max(from)),
        (stored, computed) => stored.is_some() == computed.is_some(),
    };
    let computed = highest.map(|(from, to)| range_text(from, to));
    check.compare("carbon.high", shown(carbon.high), shown(computed), is_high);
}

fn range_text(from: f64, to: f64) -> String {
    if from == to { from.to_string() } else { format!("between {from} and {to}") }
}

/// Compares the energy of the run with the sum over its devices, and a device's energy with the end of its curve.
fn sums(check: &mut FigureCheck, report: &Report) {
    let summed = || report.devices.iter().filter(|device| device.is_summed());
    let (total, free): (Bounded<u64>, Bounded<u64>) =
        (summed().map(Device::bounded).sum(), summed().map(Device::free).sum());
    let energy = &report.energy;
    check.integer("energy.total_uj", energy.total_uj, total.value);
    if total.value.is_some() {
        check.integer("energy.low_uj", Some(energy.low_uj), Some(total.low));
        check.integer("energy.high_uj", energy.high_uj, total.high);
        check.integer("energy.free_low_uj", Some(energy.free_low_uj), Some(free.low));
        check.integer("energy.free_high_uj", energy.free_high_uj, free.high);
    }
    for (at, curve) in report.curves.iter().enumerate().filter(|(_, curve)| curve.devices.is_none()) {
        let device = report.devices.iter().find(|device| device.id == curve.device);
        if let (Some(device), Some(end)) = (device, curve.energy_uj.last()) {
            check.integer(&format!("curves[{at}].energy_uj"), Some(*end), device.energy_uj);
        }
    }
}

/// Compares facility energy, emissions and cost with what energy, factors and prices give.
fn emissions(check: &mut FigureCheck, report: &Report) {
    let (energy, Some(carbon)) = (&report.energy, &report.carbon) else { return };
    if let Some(facility_uj) = energy.facility_uj {
        let pue = Pue::new(energy.pue).ok();
        let computed = pue.zip(energy.total_uj).map(|(pue, total_uj)| pue.facility_uj(total_uj));
        check.integer("energy.facility_uj", Some(facility_uj), computed);
        if !carbon.segments.is_empty() {
            let priced = carbon.segments.iter().map(|segment| segment.energy_uj).fold(0, u64::saturating_add);
            check.integer("carbon.segments.energy_uj", Some(priced), Some(facility_uj));
        }
    }
    if energy.total_uj.is_some() {
        let computed = (!carbon.segments.is_empty()).then(|| recompute(&carbon.segments));
        check.amount("carbon.grams", carbon.grams, computed);
        check.compare("carbon.segments", "none", "at least one, because energy is known", computed.is_some());
    }
    let cost = carbon.beside.as_ref().and_then(|beside| beside.cost.as_ref());
    if let Some(cost) = cost {
        let flat = carbon.price_terms().price_per_kwh.filter(|_| cost.method == "flat");
        if let Some(flat) = flat {
            let computed = flat_cost(energy, flat, None);
            check.amount("carbon.beside.cost.amount", cost.amount, computed.amount);
            check.amount("carbon.beside.cost.low", cost.low, computed.low);
            check.amount("carbon.beside.cost.high", cost.high, computed.high);
        }
        if cost.unpriced_uj == 0 {
            check.amount("carbon.cost", carbon.cost, cost.amount);
        }
    }
}

/// Compares the records of a log that repeat its final report: the closing record, and the factors of emissions and cost.
#[must_use]
pub fn check_closing(log: &LogContents) -> FigureCheck {
    let mut check = FigureCheck::default();
    let (Some(report), Some(summary)) = (&log.final_report, &log.summary) else { return check };
    compare_json(&mut check, "summary", &json(summary), &json(&LogSummary::of(report)));
    compare_json(&mut check, "pricing", &json(&log.pricing), &json(&PricingRecord::of(report)));
    check
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Compares the leaves of two documents, of which the first is stored and the second is computed.
fn compare_json(check: &mut FigureCheck, field: &str, stored: &Value, computed: &Value) {
    match (stored, computed) {
        (Value::Object(stored), Value::Object(computed)) => {
            let names = stored.keys().chain(computed.keys().filter(|name| !stored.contains_key(*name)));
            for name in names {
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                compare_json(check, &format!("{field}.{name}"), &of(stored), &of(computed));
            }
        }
        (Value::Array(stored), Value::Array(computed)) if stored.len() == computed.len() => {
            for (at, (stored, computed)) in stored.iter().zip(computed).enumerate() {
                compare_json(check, &format!("{field}[{at}]"), stored, computed);
            }
        }
        (Value::Array(stored), Value::Array(computed)) => {
            check.compare(field, format!("{} entries", stored.len()), format!("{} entries", computed.len()), false);
        }
        _ => check.compare(field, stored, computed, stored == computed),
    }
}

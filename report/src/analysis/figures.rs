//! Computes the figures of a report again from its parts ([`check_figures`]), for `eco2 verify`: sums over devices, emissions
//! from the segments of carbon intensity, cost at a flat price, and what the closing record of a run log repeats.

use std::fmt::Display;

use eco2_core::schema::{Device, Report};
use eco2_core::{Bounded, Ranged};
use eco2_grid::carbon::flat_cost;
use eco2_grid::{Pue, recompute};
use serde_json::Value;

use super::scope::{Scope, scope_of};
use crate::store::{LogContents, LogSummary, PricingRecord};

/// Relative error of a sum of some thousand doubles.
const ROUNDING: f64 = 1e-9;
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

    fn integer(&mut self, field: &str, stored: Option<u64>, computed: Option<u64>) {
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
    // The energy of a command is no sum over devices.
    if scope_of(report) == Scope::Machine && !report.devices.is_empty() {
        sums(&mut check, report);
    }
    emissions(&mut check, report);
    check
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
    if !carbon.segments.is_empty() && energy.total_uj.is_some() {
        check.amount("carbon.grams", carbon.grams, Some(recompute(&carbon.segments)));
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

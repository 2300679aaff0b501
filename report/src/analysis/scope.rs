//! Whose energy a text or export states: the machine's, or that of the measured command ([`Scope`]).
//!
//! A report has both: `energy` is the machine's, `attribution` has the command's part. [`in_scope`] returns a report whose
//! energy is that of the scope, so that each format needs no rule of its own.

use std::borrow::Cow;

use eco2_core::schema::{Attribution, Carbon, Cost, Device, Energy, Market, Report, Supplements, Water};
use eco2_core::{Bounded, Quality, RangeKind, Ranged, units};

/// Whose energy is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything that was measured on the machine during the run.
    #[default]
    Machine,
    /// The part that is attributed to the command and its children.
    Command,
}

impl Scope {
    /// Every scope, in the order of help.
    pub const ALL: [Self; 2] = [Self::Machine, Self::Command];

    /// Returns the name: `machine`, `command`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Command => "command",
        }
    }

    /// Returns whose energy it is, for texts: `of the whole machine`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Machine => "of the whole machine",
            Self::Command => "of the command's part of the machine",
        }
    }

    /// Returns the other scope.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Machine => Self::Command,
            Self::Command => Self::Machine,
        }
    }
}

/// Returns the report with the energy, emissions, water and cost of a scope.
///
/// For [`Scope::Command`] these are the command's part. Emissions are bounded by the lowest and the highest intensity of
/// the run, because the time at which the command used its energy is not known. What is not known of the command alone is
/// left out: energies of devices, spans, embodied emissions, SCI, costs of a tariff that changes. Without attribution the energy is
/// not known.
///
/// ```
/// use eco2_core::schema::{Attribution, Energy, Report, Run};
/// use eco2_report::{Scope, in_scope};
///
/// let mut report = Report::empty(Run::default());
/// report.energy = Energy { total_uj: Some(100), low_uj: 100, high_uj: Some(100), pue: 1.0, ..Energy::default() };
/// report.attribution = Some(Attribution { command_uj: 25, idle_uj: 75, low_uj: 20, high_uj: Some(30), ..Attribution::default() });
/// assert_eq!(in_scope(&report, Scope::Command).energy.total_uj, Some(25));
/// assert_eq!(in_scope(&report, Scope::Machine).energy.total_uj, Some(100));
/// ```
#[must_use]
pub fn in_scope(report: &Report, scope: Scope) -> Cow<'_, Report> {
    if scope == Scope::Machine {
        return Cow::Borrowed(report);
    }
    // A run that is too short for the process table has everything in `unattributed`: nothing is known then, not zero.
    let is_known = |job: &&Attribution| report.energy.total_uj.is_some() && job.unattributed_uj < job.total_uj();
    let job = report.attribution.as_ref().filter(is_known);
    let energy = job.map_or_else(|| nothing(report), |job| of_command(&report.energy, job));
    let carbon = report.carbon.as_ref().map(|carbon| carbon_of(carbon, &energy, report.energy.total_uj));
    Cow::Owned(Report {
        energy,
        carbon,
        devices: report.devices.iter().map(without_energy).collect(),
        spans: Vec::new(),
        curves: Vec::new(),
        counters: Vec::new(),
        step_curve: None,
        spells: Vec::new(),
        ..report.clone()
    })
}

/// Returns the scope of a report that [`in_scope`] returned: that of the command has devices, and none with an energy. If the
/// command's part is not known, the devices still have the quality of their readings.
pub(crate) fn scope_of(report: &Report) -> Scope {
    let is_part = report.attribution.as_ref().map(|job| Some(job.command_uj)) == Some(report.energy.total_uj);
    let was_read = report.devices.iter().any(|device| device.quality != Quality::Missing);
    let is_command = is_part || (report.energy.total_uj.is_none() && was_read);
    let has_device_energy = report.devices.iter().any(|device| device.energy_uj.is_some());
    if is_command && !report.devices.is_empty() && !has_device_energy { Scope::Command } else { Scope::Machine }
}

/// Returns a device without its energy and power, which are the machine's.
fn without_energy(device: &Device) -> Device {
    Device {
        energy_uj: None,
        low_uj: None,
        high_uj: None,
        free_low_uj: None,
        free_high_uj: None,
        mean_w: None,
        peak_w: None,
        power_w: None,
        replaced: Vec::new(),
        cross_check: None,
        ..device.clone()
    }
}

/// Returns an energy of which nothing is known.
fn nothing(report: &Report) -> Energy {
    Energy { pue: report.energy.pue, missing_ns: report.run.duration_ns, ..Energy::default() }
}

/// Returns the command's energy. The qualities have the shares that they have in the machine's.
fn of_command(energy: &Energy, job: &Attribution) -> Energy {
    let total_uj = energy.total_uj.unwrap_or(0);
    let share = |uj: u64| match total_uj {
        0 => 0,
        // At most the command's energy, which fits 64 bits.
        _ => u64::try_from(u128::from(uj) * u128::from(job.command_uj) / u128::from(total_uj)).unwrap_or(u64::MAX),
    };
    let facility = |uj: u64| (uj as f64 * energy.pue).round() as u64;
    Energy {
        total_uj: Some(job.command_uj),
        low_uj: job.low_uj,
        high_uj: job.high_uj,
        free_low_uj: job.free_low_uj,
        free_high_uj: job.free_high_uj,
        range_kind: Some(energy.range_kind.unwrap_or_default().and(RangeKind::Plausible)),
        measured_uj: share(energy.measured_uj),
        derived_uj: share(energy.derived_uj),
        estimated_uj: share(energy.estimated_uj),
        synthetic_uj: share(energy.synthetic_uj),
        facility_uj: Some(facility(job.command_uj)),
        facility_low_uj: Some(facility(job.low_uj)),
        facility_high_uj: job.high_uj.map(facility),
        ..energy.clone()
    }
}

/// Returns the emissions of the command's energy.
fn carbon_of(carbon: &Carbon, job: &Energy, machine_uj: Option<u64>) -> Carbon {
    let energy = job.bounded();
    let share =
        energy.value.zip(machine_uj).filter(|(_, whole)| *whole > 0).map(|(part, whole)| part as f64 / whole as f64);
    let values = carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), g| (least.min(g), most.max(g)));
    let grams = |uj: u64, g_per_kwh: f64| units::kwh(uj) * job.pue * g_per_kwh;
    let value = carbon.grams.zip(share).map(|(grams, share)| grams * share);
    let has_values = least.is_finite() && value.is_some();
    let segments = carbon.segments.iter().map(|segment| {
        let energy_uj = share.map_or(0, |share| (segment.energy_uj as f64 * share).round() as u64);
        eco2_core::schema::CarbonSegment { energy_uj, ..segment.clone() }
    });
    let beside = carbon.beside.as_deref().map(|beside| Box::new(supplements_of(beside, energy, machine_uj)));
    Carbon {
        grams: value,
        low: if has_values { grams(energy.low, least) } else { 0.0 },
        high: energy.high.filter(|_| has_values).map(|high| grams(high, most)),
        segments: segments.collect(),
        cost: beside.as_deref().and_then(|beside| beside.cost.as_ref()?.amount),
        embodied: None,
        sci: None,
        beside,
        ..carbon.clone()
    }
}

/// Returns the supplements that are proportional to the energy, of a part of it.
fn supplements_of(all: &Supplements, part: Bounded<u64>, machine_uj: Option<u64>) -> Supplements {
    let scaled = |amount: Option<f64>| {
        let each = amount.zip(machine_uj).filter(|(_, whole)| *whole > 0).map(|(amount, whole)| amount / whole as f64);
        let of = |uj: u64| each.map(|each| each * uj as f64);
        (part.value.and_then(of), of(part.low), part.high.and_then(of))
    };
    let market = all.market.as_ref().map(|market| {
        let (grams, low, high) = scaled(market.grams);
        Market { grams, low: low.unwrap_or(0.0), high, ..market.clone() }
    });
    let water = all.water.as_ref().map(|water| {
        let (litres, low, high) = scaled(water.litres);
        Water { litres, low: low.unwrap_or(0.0), high, ..water.clone() }
    });
    let cost = all.cost.as_ref().filter(|cost| cost.method == "flat").map(|cost| {
        let (amount, low, high) = scaled(cost.amount);
        Cost { amount, low, high, unpriced_uj: 0, ..cost.clone() }
    });
    Supplements { market, water, cost, ..Supplements::default() }
}

/// Whether a format of `eco2 report`, by its name there, states one energy, which the option `scope` chooses. The others have
/// the machine's energy and the command's part, or list devices.
///
/// ```
/// assert!(eco2_report::has_one_energy("gpai") && !eco2_report::has_one_energy("json"));
/// ```
#[must_use]
pub fn has_one_energy(format: &str) -> bool {
    let formats =
        ["ai-act", "boamps", "codecarbon", "cyclonedx", "gpai", "hf", "hf-json", "methods", "scope2", "summary"];
    formats.contains(&format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::schema::{CarbonSegment, Run};

    fn report() -> Report {
        let segment = |g_per_kwh, energy_uj| CarbonSegment {
            from: String::new(),
            to: String::new(),
            energy_uj,
            g_per_kwh,
            kind: None,
            source: String::new(),
            year: None,
            estimated: false,
            table_sha256: None,
            answer_sha256: None,
        };
        let kwh = 3_600_000_000_000;
        let energy =
            Energy { total_uj: Some(4 * kwh), low_uj: 4 * kwh, high_uj: Some(4 * kwh), pue: 1.5, ..Energy::default() };
        let segments = vec![segment(100.0, 2 * kwh), segment(300.0, 2 * kwh)];
        // 2 kWh × 100 g + 2 kWh × 300 g, times 1.5.
        let carbon = Carbon { grams: Some(1_200.0), low: 1_200.0, high: Some(1_200.0), segments, ..Carbon::default() };
        let attribution = Attribution {
            command_uj: kwh,
            others_uj: 3 * kwh,
            low_uj: kwh / 2,
            high_uj: Some(2 * kwh),
            ..Attribution::default()
        };
        let measured = Energy { measured_uj: 4 * kwh, ..energy };
        Report {
            energy: measured,
            carbon: Some(carbon),
            attribution: Some(attribution),
            ..Report::empty(Run::default())
        }
    }

    #[test]
    fn command_has_its_part_of_the_emissions_within_the_lowest_and_the_highest_intensity() {
        let report = report();
        let job = in_scope(&report, Scope::Command);
        assert_eq!((job.energy.measured_uj, job.energy.facility_uj), (3_600_000_000_000, Some(5_400_000_000_000)));
        let carbon = job.carbon.as_ref().unwrap();
        // A quarter of 1200 g; 0.5 kWh at 100 g and 2 kWh at 300 g, times 1.5.
        assert_eq!((carbon.grams, carbon.low, carbon.high), (Some(300.0), 75.0, Some(900.0)));
        assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), 3_600_000_000_000);
    }

    #[test]
    fn without_attribution_the_energy_of_the_command_is_not_known() {
        let report = Report { attribution: None, ..report() };
        let job = in_scope(&report, Scope::Command);
        assert_eq!((job.energy.total_uj, job.energy.low_uj, job.energy.high_uj), (None, 0, None));
        let carbon = job.carbon.as_ref().unwrap();
        assert_eq!((carbon.grams, carbon.low, carbon.high), (None, 0.0, None));
        assert!(matches!(in_scope(&report, Scope::Machine), Cow::Borrowed(_)));
    }

    #[test]
    fn costs_of_a_flat_price_are_proportional() {
        let cost = |method: &str| Cost {
            amount: Some(8.0),
            low: None,
            high: None,
            currency: None,
            method: method.to_owned(),
            unpriced_uj: 0,
        };
        let of = |method: &str| {
            let mut report = report();
            let beside = Supplements { cost: Some(cost(method)), ..Supplements::default() };
            report.carbon.as_mut().unwrap().beside = Some(Box::new(beside));
            in_scope(&report, Scope::Command).carbon.as_ref().unwrap().cost
        };
        assert_eq!((of("flat"), of("tariff")), (Some(2.0), None));
    }
}

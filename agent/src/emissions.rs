//! Defines what an energy of the node emits and costs ([`Emissions`]), and sums it up while the energy grows ([`Grams`]).

use eco2_core::{Bounded, Ranged};
use eco2_grid::IntensityKind;
use eco2_grid::pricing::RunningAmount;
use serde::{Deserialize, Serialize};

/// The intensity at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// Carbon intensity, grams CO2e per kilowatt-hour of the facility.
    pub(crate) g_per_kwh: f64,
    pub(crate) pue: f64,
    pub(crate) signal: String,
    pub(crate) provider: String,
    /// Whether it is an estimate, a forecast, or the last one that is known.
    pub(crate) is_estimated: bool,
    /// What it counts; `None`: not known.
    #[serde(default)]
    pub(crate) kind: Option<IntensityKind>,
}

impl Rate {
    /// Returns the grams per kilowatt-hour of the computers.
    pub(crate) fn per_kwh(&self) -> f64 {
        self.g_per_kwh * self.pue
    }
}

/// A change of the intensity within an interval.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RateChange {
    /// The part of the interval that had passed then, 0 to 1.
    pub(crate) part: f64,
    /// The intensity before; `None`: none was known.
    pub(crate) from: Option<Rate>,
    pub(crate) to: Rate,
}

/// What the energy emits and costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Emissions {
    /// Grams CO2e, with the overhead of the facility; `None`: not known. Of a node it never falls, also where its zone is changed.
    pub grams: Option<f64>,
    /// Lower bound, grams.
    pub low: f64,
    /// Upper bound, grams; `None`: unbounded.
    pub high: Option<f64>,
    /// Carbon intensity now, grams per kilowatt-hour; `None`: not known.
    pub g_per_kwh: Option<f64>,
    /// The grid zone.
    pub zone: String,
    /// How the zone was chosen, in the words of reports; `default-world` where none was named.
    pub zone_source: String,
    /// `average` or `marginal`.
    pub signal: String,
    /// Who publishes the intensity.
    pub provider: String,
    /// Cost at the present price; `None`: not known.
    pub cost: Option<f64>,
    /// ISO 4217 code of the cost; `None`: not stated.
    pub currency: Option<String>,
    /// Whether the present intensity is an estimate, a forecast, or the last one that is known.
    pub is_estimated: bool,
}

impl Emissions {
    /// Returns the emissions of a part of the energy.
    pub(crate) fn scaled(self, part: f64) -> Self {
        let of = |value: Option<f64>| value.map(|value| value * part);
        Self { grams: of(self.grams), low: self.low * part, high: of(self.high), cost: of(self.cost), ..self }
    }
}

/// Emissions of an energy that grows, each part with the intensity of its time: they never fall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "KeptGrams")]
pub(crate) struct Grams {
    /// `None`: the present intensity has applied since the energy began.
    amount: Option<RunningAmount>,
    /// Whether an earlier intensity of it was an estimate.
    is_estimated: bool,
}

/// As [`Grams`] are kept in files, also by versions in which the intensity never changed.
#[derive(Deserialize)]
struct KeptGrams {
    #[serde(default)]
    amount: Option<RunningAmount>,
    #[serde(default)]
    is_estimated: bool,
    /// Only in such a version.
    grams: Option<f64>,
}

impl From<KeptGrams> for Grams {
    fn from(kept: KeptGrams) -> Self {
        let amount = kept.amount.or_else(|| kept.grams.map(RunningAmount::counted));
        Self { amount, is_estimated: kept.is_estimated }
    }
}

impl Grams {
    /// Changes the intensity at the time when this was the energy. `grows`: whether the energy grows in this interval; else its last
    /// intensity stays.
    pub(crate) fn change(&mut self, energy: &Bounded<u64>, change: &RateChange, grows: bool) {
        let from = change.from.as_ref();
        let of_before = from.map(|rate| RunningAmount::new(rate.per_kwh()));
        // Without an intensity before, the new one applies since the energy began.
        let Some(mut amount) = self.amount.or(of_before) else { return };
        self.is_estimated |= (grows || self.amount.is_none()) && from.is_some_and(|rate| rate.is_estimated);
        if grows {
            amount.change(energy, change.to.per_kwh());
        }
        self.amount = Some(amount);
    }

    /// Returns the emissions of the energy. `rate`: the present intensity.
    pub(crate) fn bounded(&self, energy: &Bounded<u64>, rate: Option<&Rate>) -> Bounded<f64> {
        let amount = self.amount.or_else(|| rate.map(|rate| RunningAmount::new(rate.per_kwh())));
        amount.map_or_else(Bounded::unknown, |amount| amount.amount(energy))
    }

    /// Whether an intensity of it was an estimate. `rate`: the present one, if it applies.
    pub(crate) fn is_estimated(&self, rate: Option<&Rate>) -> bool {
        self.is_estimated || rate.is_some_and(|rate| rate.is_estimated)
    }
}

impl Ranged for Emissions {
    type Amount = f64;

    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, ..Bounded::unknown() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KWH: u64 = 3_600_000_000_000;

    fn rate(g_per_kwh: f64, is_estimated: bool) -> Rate {
        Rate { g_per_kwh, pue: 1.5, signal: "average".into(), provider: "Ember".into(), is_estimated, kind: None }
    }

    fn change(from: &Rate, to: &Rate) -> RateChange {
        RateChange { part: 0.0, from: Some(from.clone()), to: to.clone() }
    }

    #[test]
    fn each_part_emits_with_the_intensity_of_its_time() {
        let (day, night) = (rate(400.0, true), rate(100.0, false));
        let mut grams = Grams::default();
        assert_eq!(grams.bounded(&Bounded::exact(KWH), None).value, None, "not known, and not zero");
        assert_eq!(grams.bounded(&Bounded::exact(KWH), Some(&day)).value, Some(600.0), "with half as much overhead");
        grams.change(&Bounded::exact(KWH), &change(&day, &night), true);
        let energy = Bounded::hard(2 * KWH, KWH, Some(3 * KWH));
        assert_eq!(grams.bounded(&energy, Some(&night)), Bounded::hard(750.0, 600.0, Some(900.0)));
        assert!(grams.is_estimated(Some(&night)), "the first kilowatt-hour");
        // One that has ended keeps its last intensity, and its range.
        grams.change(&energy, &change(&night, &day), false);
        assert_eq!(grams.bounded(&energy, Some(&day)), Bounded::hard(750.0, 600.0, Some(900.0)));
    }

    #[test]
    fn grams_that_an_older_version_kept_go_on() {
        let mut grams: Grams = serde_json::from_str("{\"uj\": 3600000000000, \"grams\": 600.0}").unwrap();
        grams.change(&Bounded::exact(KWH), &RateChange { part: 0.0, from: None, to: rate(100.0, false) }, true);
        assert_eq!(grams.bounded(&Bounded::exact(2 * KWH), None).value, Some(750.0));
        let text = serde_json::to_string(&grams).unwrap();
        assert_eq!(serde_json::from_str::<Grams>(&text).unwrap(), grams);
    }
}

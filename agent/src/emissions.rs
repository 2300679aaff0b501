//! Computes what the energy of the node emits and costs ([`Emissions`]).

use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Ranged};
use serde::{Deserialize, Serialize};

/// What a kilowatt-hour emits and costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// Carbon intensity, grams CO2e per kilowatt-hour of the facility.
    pub g_per_kwh: f64,
    /// The grid zone.
    pub zone: String,
    /// How the zone was chosen, in the words of reports; `default-world` where none was named.
    pub zone_source: String,
    /// `average` or `marginal`.
    pub signal: String,
    /// Who publishes the intensity.
    pub provider: String,
    /// Energy of the facility divided by that of its computers, at least 1.
    pub pue: f64,
    /// Price of a kilowatt-hour; `None`: not known.
    pub price_per_kwh: Option<f64>,
    /// ISO 4217 code of the price; `None`: not stated.
    pub currency: Option<String>,
}

impl Rates {
    fn g_per_uj(&self) -> f64 {
        self.g_per_kwh * self.pue / UJ_PER_KWH
    }

    /// Returns the emissions and the cost of an energy, of which `grams` were emitted so far.
    pub(crate) fn emissions(&self, energy: &Bounded<u64>, grams: Grams) -> Emissions {
        let emitted = grams.bounded(energy);
        let price_per_uj = self.price_per_kwh.map(|price| price * self.pue / UJ_PER_KWH);
        let cost = price_per_uj.zip(energy.value).map(|(price, uj)| uj as f64 * price);
        Emissions {
            grams: emitted.value,
            low: emitted.low,
            high: emitted.high,
            g_per_kwh: Some(self.g_per_kwh),
            zone: self.zone.clone(),
            zone_source: self.zone_source.clone(),
            signal: self.signal.clone(),
            provider: self.provider.clone(),
            cost,
            currency: self.currency.clone(),
        }
    }
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
pub(crate) struct Grams {
    /// The energy whose emissions are in the sum, microjoules.
    uj: u64,
    grams: f64,
}

impl Grams {
    /// Adds the emissions of what the energy has grown by.
    pub(crate) fn grow(&mut self, uj: u64, rates: &Rates) {
        self.grams += uj.saturating_sub(self.uj) as f64 * rates.g_per_uj();
        self.uj = self.uj.max(uj);
    }

    /// Leaves out the energy until now, whose intensity is not known, where no emissions were ever counted.
    pub(crate) fn begin(&mut self, uj: u64) {
        if *self == Self::default() {
            self.uj = uj;
        }
    }

    /// Returns the emissions of both energies.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { uj: self.uj.saturating_add(other.uj), grams: self.grams + other.grams }
    }

    /// Returns the emissions with the range of their energy.
    pub(crate) fn bounded(self, energy: &Bounded<u64>) -> Bounded<f64> {
        let Some(uj) = energy.value else { return Bounded::unknown() };
        let per_uj = if uj > 0 { self.grams / uj as f64 } else { 0.0 };
        let high = energy.high.map(|high| (high as f64 * per_uj).max(self.grams));
        Bounded { value: Some(self.grams), low: (energy.low as f64 * per_uj).min(self.grams), high, kind: energy.kind }
    }
}

impl Ranged for Emissions {
    type Amount = f64;

    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, ..Bounded::unknown() }
    }
}

#[cfg(test)]
pub(crate) fn rates(g_per_kwh: f64) -> Rates {
    Rates {
        g_per_kwh,
        zone: "DE".to_owned(),
        zone_source: "given".to_owned(),
        signal: "average".to_owned(),
        provider: "Ember".to_owned(),
        pue: 1.5,
        price_per_kwh: Some(0.3),
        currency: Some("EUR".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_emits_with_the_intensity_of_its_time_and_the_sum_never_falls() {
        let mut grams = Grams::default();
        grams.grow(3_600_000_000_000, &rates(400.0));
        assert_eq!(grams.grams, 600.0, "a kilowatt-hour with half as much overhead");
        grams.begin(9);
        grams.grow(7_200_000_000_000, &rates(0.0));
        grams.grow(1, &rates(400.0));
        let energy = Bounded::hard(7_200_000_000_000, 3_600_000_000_000, None);
        assert_eq!(grams.bounded(&energy), Bounded { low: 300.0, high: None, ..Bounded::exact(600.0) });
        assert_eq!(grams.bounded(&Bounded::unknown()).value, None);
    }

    #[test]
    fn cost_has_the_overhead_of_the_facility_and_is_unknown_without_a_price() {
        let energy = Bounded::exact(7_200_000_000_000);
        assert_eq!(
            rates(1.0).emissions(&energy, Grams::default()).cost.map(|cost| (cost * 1e6).round()),
            Some(900_000.0)
        );
        let free = Rates { price_per_kwh: None, ..rates(1.0) };
        assert_eq!(free.emissions(&energy, Grams::default()).cost, None);
    }
}

//! Multiplies an energy that goes on growing by a rate that changes at times ([`RunningAmount`]): the result is that of
//! [`weigh`](super::weigh), and no energy over time is kept. The node agent computes the emissions of its jobs so.

use eco2_core::Bounded;
use eco2_core::units::kwh;
use serde::{Deserialize, Serialize};

use super::rates::tighter;

/// The amount of an energy at a rate over time. Its bounds have the form `v_n E_n + Σ E_k (v_k − v_{k+1})`, where `v` are the rates and
/// `E` the energies at their ends: only the sum is kept. Its value is that of the last change plus what came since, so that it never
/// falls, not even by rounding.
///
/// ```
/// use eco2_core::Bounded;
/// use eco2_grid::pricing::RunningAmount;
///
/// const KWH: u64 = 3_600_000_000_000;
/// let mut grams = RunningAmount::new(100.0);
/// grams.change(&Bounded::exact(3 * KWH), 500.0);
/// assert_eq!(grams.amount(&Bounded::exact(4 * KWH)), Bounded::exact(800.0)); // 3 kWh at 100 g/kWh, 1 kWh at 500
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunningAmount {
    /// The present rate per kilowatt-hour.
    per_kwh: f64,
    /// The amount when the rate changed last, and the energy then, microjoules.
    value: f64,
    at_uj: u64,
    /// Bounds of the sum; `None`: there is none, because an energy had no upper bound when the rate changed.
    low: Option<f64>,
    high: Option<f64>,
    /// The lowest and the highest rate so far; `None`: not known.
    least: f64,
    most: Option<f64>,
}

impl RunningAmount {
    /// Returns the amount of an energy that has had this rate per kilowatt-hour since it began.
    #[must_use]
    pub fn new(per_kwh: f64) -> Self {
        Self { per_kwh, value: 0.0, at_uj: 0, low: Some(0.0), high: Some(0.0), least: per_kwh, most: Some(per_kwh) }
    }

    /// Returns the amount of an energy for which `amount` was counted at rates of zero or more that are not known any more. Until
    /// the next [`Self::change`] nothing is added, so that it is at least that: there is no upper bound.
    #[must_use]
    pub fn counted(amount: f64) -> Self {
        Self { per_kwh: 0.0, value: amount, at_uj: 0, low: Some(0.0), high: None, least: 0.0, most: None }
    }

    /// Returns the present rate per kilowatt-hour.
    #[must_use]
    pub fn per_kwh(&self) -> f64 {
        self.per_kwh
    }

    /// Changes the rate at the time when this was the energy, microjoules.
    pub fn change(&mut self, energy: &Bounded<u64>, per_kwh: f64) {
        let factor = self.per_kwh - per_kwh;
        if factor == 0.0 {
            return;
        }
        let uj = energy.value.unwrap_or(energy.low);
        (self.value, self.at_uj) = (self.value_at(uj), uj);
        let (least, most) = (Some(kwh(energy.low) * factor), energy.high.map(|uj| kwh(uj) * factor));
        let (worst, best) = if factor >= 0.0 { (least, most) } else { (most, least) };
        self.low = self.low.zip(worst).map(|(sum, term)| sum + term);
        self.high = self.high.zip(best).map(|(sum, term)| sum + term);
        self.per_kwh = per_kwh;
        self.least = self.least.min(per_kwh);
        self.most = self.most.map(|most| most.max(per_kwh));
    }

    fn value_at(&self, uj: u64) -> f64 {
        self.value + kwh(uj.saturating_sub(self.at_uj)) * self.per_kwh
    }

    /// Returns the amount at the time when this is the energy, microjoules. Unknown energy has an unknown amount.
    #[must_use]
    pub fn amount(&self, energy: &Bounded<u64>) -> Bounded<f64> {
        let value = energy.value.map(|uj| self.value_at(uj));
        let low = self.low.map(|sum| sum + kwh(energy.low) * self.per_kwh);
        let high = self.high.zip(energy.high).map(|(sum, uj)| sum + kwh(uj) * self.per_kwh);
        let floor = (self.least >= 0.0).then(|| kwh(energy.low) * self.least);
        let ceiling = self.most.zip(energy.high).map(|(most, uj)| kwh(uj) * most.max(0.0));
        let low = tighter(low, floor, f64::max).unwrap_or(f64::NEG_INFINITY);
        // Rounding must not move a bound to the wrong side of the value.
        Bounded { value, low, high: tighter(high, ceiling, f64::min), kind: energy.kind }.around_value()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Pue;
    use crate::pricing::{RateStep, Steps, weigh};

    const KWH: u64 = 3_600_000_000_000;

    #[test]
    fn uncertain_energy_at_a_change_widens_the_bounds_by_what_the_rates_differ() {
        let mut grams = RunningAmount::new(100.0);
        // Of 4 kWh, between 2 and 3 were used before the change: 2 × 100 + 2 × 500 to 3 × 100 + 1 × 500 grams.
        grams.change(&Bounded::hard(3 * KWH, 2 * KWH, Some(3 * KWH)), 500.0);
        assert_eq!(grams.amount(&Bounded::exact(4 * KWH)), Bounded::hard(800.0, 800.0, Some(1_200.0)));
        assert_eq!(grams.amount(&Bounded::unknown()).value, None);
        let mut open = RunningAmount::new(100.0);
        open.change(&Bounded::hard(3 * KWH, 2 * KWH, None), 500.0);
        let amount = open.amount(&Bounded::exact(4 * KWH));
        assert_eq!(amount, Bounded::hard(800.0, 400.0, Some(1_200.0)), "all of it at the lower rate");
    }

    #[test]
    fn what_was_counted_at_rates_that_are_not_known_stays() {
        let mut grams = RunningAmount::counted(150.0);
        grams.change(&Bounded::exact(2 * KWH), 300.0);
        assert_eq!(grams.amount(&Bounded::exact(3 * KWH)), Bounded::hard(450.0, 300.0, None));
    }

    proptest! {
        #[test]
        fn running_amount_is_that_of_the_steps(
            steps in prop::collection::vec((0.0..1000.0_f64, 0..1u64 << 44, 0..1u64 << 40, prop::option::of(0..1u64 << 40)), 1..12),
        ) {
            let mut reached = 0;
            let levels: Vec<Bounded<u64>> = steps.iter().map(|(_, energy, below, above)| {
                reached += energy;
                Bounded::hard(reached, reached.saturating_sub(*below), above.map(|above| reached + above))
            }).collect();
            let rates: Vec<f64> = steps.iter().map(|step| step.0).collect();
            let parts = (1_u64..).zip(&rates).map(|(to_ns, rate)| RateStep { to_ns, per_kwh: Some(*rate) });
            let curve = |at_ns: u64| levels[at_ns as usize - 1];
            let whole = weigh(&curve, &Steps::new(parts), Pue::ONE);
            let mut running = RunningAmount::new(rates[0]);
            levels.iter().zip(&rates[1..]).for_each(|(level, rate)| running.change(level, *rate));
            let amount = running.amount(levels.last().unwrap());
            let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + whole.value.unwrap());
            prop_assert!(is_near(amount.value.unwrap(), whole.value.unwrap()), "{amount:?} {whole:?}");
            prop_assert!(is_near(amount.low, whole.low), "{amount:?} {whole:?}");
            prop_assert!(amount.high.zip(whole.high).map_or(amount.high == whole.high, |(a, b)| is_near(a, b)));
        }
    }
}

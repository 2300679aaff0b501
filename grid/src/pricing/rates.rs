//! Multiplies energy over time by a rate over time. The rate is an intensity, a price or any other amount per
//! kilowatt-hour, and the result is emissions, cost or that amount. All pricing uses this arithmetic.
//!
//! A *step* is a period with one rate. The *facility energy* is the energy of the computers times the power usage
//! effectiveness (PUE, the overhead of the data centre). With `v` the rates of the steps and `E` the facility energy at
//! their ends, the amount is `Σ v_k (E_k − E_{k−1})`, which equals `v_n E_n + Σ E_k (v_k − v_{k+1})`. The second form
//! gives bounds that hold for every energy profile within the bounds of the energy: each `E_k` takes the lower or upper
//! bound, whichever makes the amount smaller or larger.

use eco2_core::units::kwh;
use eco2_core::{Bounded, Curve, RunCurve};

use crate::Pue;

/// The energy of a run since its start, as a function of time.
pub trait EnergyCurve {
    /// Returns the energy of the first `since_ns` nanoseconds, microjoules, before PUE. It never decreases, and after
    /// the end of the run it is the total.
    fn at(&self, since_ns: u64) -> Bounded<u64>;
}

impl EnergyCurve for Curve {
    fn at(&self, since_ns: u64) -> Bounded<u64> {
        self.at(since_ns)
    }
}

impl EnergyCurve for RunCurve {
    fn at(&self, since_ns: u64) -> Bounded<u64> {
        self.at(since_ns)
    }
}

impl<F: Fn(u64) -> Bounded<u64>> EnergyCurve for F {
    fn at(&self, since_ns: u64) -> Bounded<u64> {
        self(since_ns)
    }
}

/// A period with one rate; it starts at the end of the step before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateStep {
    /// End, nanoseconds since the start of the run.
    pub to_ns: u64,
    /// Amount per kilowatt-hour; `None` if unknown, so that the energy of the step has no amount.
    pub per_kwh: Option<f64>,
}

/// A rate over the time of a run, as a step function.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Steps(Vec<RateStep>);

impl Steps {
    /// Returns one rate for a run of `lasted_ns` nanoseconds.
    #[must_use]
    pub fn constant(lasted_ns: u64, per_kwh: f64) -> Self {
        Self(vec![RateStep { to_ns: lasted_ns, per_kwh: Some(per_kwh) }])
    }

    /// Makes a step function from steps that are sorted by time. The last one must end with the run.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = RateStep>) -> Self {
        Self(steps.into_iter().collect())
    }

    /// Returns the rate of the step with index `at`; 0 after the last step and for an unknown rate, so that nothing is
    /// added.
    fn value(&self, at: usize) -> f64 {
        self.0.get(at).and_then(|step| step.per_kwh).unwrap_or(0.0)
    }
}

/// The energy of a run, split at the ends of steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EnergySplit<'a> {
    steps: &'a Steps,
    /// Facility energy at the end of each step; its values never fall.
    reached: Vec<Bounded<u64>>,
}

/// Returns the amount of an energy at a rate over time: Σ energy of a step times its rate. PUE is applied once. Unknown
/// energy has an unknown amount, never 0.
///
/// A lower bound that does not exist is `f64::NEG_INFINITY`, for example for a negative rate and an energy without an
/// upper bound.
///
/// ```
/// use eco2_core::Bounded;
/// use eco2_grid::Pue;
/// use eco2_grid::pricing::{RateStep, Steps, weigh};
///
/// // 3 kWh in the first hour at 100 g/kWh, 1 kWh in the second at 500: 800 g.
/// const HOUR: u64 = 3_600_000_000_000;
/// let energy = |since_ns: u64| Bounded::exact(if since_ns <= HOUR { 3 * since_ns } else { 2 * HOUR + since_ns });
/// let steps = [(HOUR, 100.0), (2 * HOUR, 500.0)].map(|(to_ns, value)| RateStep { to_ns, per_kwh: Some(value) });
/// assert_eq!(weigh(&energy, &Steps::new(steps), Pue::ONE), Bounded::exact(800.0));
/// ```
#[must_use]
pub fn weigh(energy: &(impl EnergyCurve + ?Sized), steps: &Steps, pue: Pue) -> Bounded<f64> {
    EnergySplit::new(energy, steps, pue).amount()
}

impl<'a> EnergySplit<'a> {
    /// Applies PUE to the energy of a run and splits it at the ends of `steps`.
    #[must_use]
    pub(crate) fn new(energy: &(impl EnergyCurve + ?Sized), steps: &'a Steps, pue: Pue) -> Self {
        let mut reached: Vec<Bounded<u64>> =
            steps.0.iter().map(|step| energy.at(step.to_ns).map(|uj| pue.facility_uj(uj))).collect();
        if reached.last().is_some_and(Bounded::is_known) {
            let mut before_uj = 0;
            for facility in &mut reached {
                before_uj = facility.value.map_or(before_uj, |uj| uj.max(before_uj));
                facility.value = Some(before_uj);
            }
        }
        Self { steps, reached }
    }

    /// Returns the facility energy of each step, microjoules. Their sum is the total facility energy, exactly. Empty if
    /// one of them is unknown.
    #[must_use]
    pub(crate) fn parts_uj(&self) -> Vec<u64> {
        let values: Option<Vec<u64>> = self.reached.iter().map(|reached| reached.value).collect();
        let values = values.unwrap_or_default();
        let before = std::iter::once(0).chain(values.iter().copied());
        values.iter().zip(before).map(|(reached_uj, before_uj)| reached_uj - before_uj).collect()
    }

    /// Returns the facility energy in steps with an unknown rate, microjoules.
    #[must_use]
    pub(crate) fn without_value_uj(&self) -> u64 {
        let parts = self.parts_uj().into_iter().zip(&self.steps.0);
        parts.filter(|(_, step)| step.per_kwh.is_none()).fold(0, |sum: u64, (uj, _)| sum.saturating_add(uj))
    }

    /// Returns the amount as [`weigh`] does.
    #[must_use]
    pub(crate) fn amount(&self) -> Bounded<f64> {
        let Some(total) = self.reached.last() else { return Bounded::unknown() };
        let value = total.value.map(|_| {
            let parts = self.parts_uj().into_iter().zip(&self.steps.0);
            // From 0.0: an empty floating-point sum is -0.0.
            parts.filter_map(|(uj, step)| Some(kwh(uj) * step.per_kwh?)).fold(0.0, |sum, part| sum + part)
        });
        let (low, high) = self.bounds(total);
        Bounded { value, low: low.unwrap_or(f64::NEG_INFINITY), high, kind: total.kind }
    }

    /// Returns the lower and the upper bound of the amount; `None` for one that does not exist. Each is the tighter of
    /// two: by the energy at the end of each step, and by all energy at the lowest or the highest rate.
    fn bounds(&self, total: &Bounded<u64>) -> (Option<f64>, Option<f64>) {
        let (mut low, mut high) = (Some(0.0), Some(0.0));
        for (at, reached) in self.reached.iter().enumerate() {
            let factor = self.steps.value(at) - self.steps.value(at + 1);
            // If the rate does not change, the bounds of the energy at the end of this step do not matter, even if
            // there is no upper one.
            if factor == 0.0 {
                continue;
            }
            let (least, most) = (Some(kwh(reached.low) * factor), reached.high.map(|uj| kwh(uj) * factor));
            let (worst, best) = if factor >= 0.0 { (least, most) } else { (most, least) };
            low = low.zip(worst).map(|(sum, term)| sum + term);
            high = high.zip(best).map(|(sum, term)| sum + term);
        }
        let values = || (0..self.steps.0.len()).map(|at| self.steps.value(at));
        let (least, most) = (values().reduce(f64::min).unwrap_or(0.0), values().reduce(f64::max).unwrap_or(0.0));
        let floor = (least >= 0.0).then(|| kwh(total.low) * least);
        let ceiling = total.high.map(|uj| kwh(uj) * most.max(0.0));
        (tighter(low, floor, f64::max), tighter(high, ceiling, f64::min))
    }
}

/// Returns the better of two bounds; the only one if the other does not exist.
pub(super) fn tighter(first: Option<f64>, second: Option<f64>, better: fn(f64, f64) -> f64) -> Option<f64> {
    first.zip(second).map(|(first, second)| better(first, second)).or(first).or(second)
}

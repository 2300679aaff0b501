//! A step function weighed over energy: grams, money, or any other amount per kilowatt-hour that changes with time.
//!
//! With `v` the steps' values and `E` the facility's energy at their ends, the amount is `Σ v_k (E_k − E_{k−1})`, which is
//! the same as `v_n E_n + Σ E_k (v_k − v_{k+1})`. The second form gives bounds that hold for every course of the energy
//! within its own bounds: each `E_k` is taken at the end that its factor makes worst.

use eco2_core::units::kwh;
use eco2_core::{Bounded, Curve, RunCurve};

use crate::Pue;

/// Energy used since the start of a run, as a function of time.
pub trait EnergyCurve {
    /// Microjoules used in the first `since_ns` nanoseconds, before PUE. It never falls, and from the run's end on it is the
    /// run's total.
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

/// A stretch of time with one value; it begins where the one before ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateStep {
    /// Its end, nanoseconds since the start of the run.
    pub to_ns: u64,
    /// Amount per kilowatt-hour; `None`: not known, so that the energy in it has no amount.
    pub per_kwh: Option<f64>,
}

/// A step function over the time of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Steps(Vec<RateStep>);

impl Steps {
    /// One value for all of a run of that length.
    #[must_use]
    pub fn constant(lasted_ns: u64, per_kwh: f64) -> Self {
        Self(vec![RateStep { to_ns: lasted_ns, per_kwh: Some(per_kwh) }])
    }

    /// Steps in the order of time, of which the last ends with the run.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = RateStep>) -> Self {
        Self(steps.into_iter().collect())
    }

    /// Value of a step; 0 after the last and where none is known, as then nothing is added.
    fn value(&self, at: usize) -> f64 {
        self.0.get(at).and_then(|step| step.per_kwh).unwrap_or(0.0)
    }
}

/// A run's energy split at the ends of steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EnergySplit<'a> {
    steps: &'a Steps,
    /// Facility energy at the end of each step; its values never fall.
    reached: Vec<Bounded<u64>>,
}

/// The amount of an energy under a step function, PUE applied once. Unknown energy has an unknown amount, never 0.
///
/// A lower bound that does not exist, as where a value is negative and the energy has no upper bound, is
/// `f64::NEG_INFINITY`.
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
    /// Splits a run's energy, to which PUE is applied.
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

    /// Facility energy of each step, microjoules: adds up to the facility's energy, exactly. Empty where it is not known.
    #[must_use]
    pub(crate) fn parts_uj(&self) -> Vec<u64> {
        let values: Option<Vec<u64>> = self.reached.iter().map(|reached| reached.value).collect();
        let values = values.unwrap_or_default();
        let before = std::iter::once(0).chain(values.iter().copied());
        values.iter().zip(before).map(|(reached_uj, before_uj)| reached_uj - before_uj).collect()
    }

    /// Facility energy in steps without a value, microjoules.
    #[must_use]
    pub(crate) fn without_value_uj(&self) -> u64 {
        let parts = self.parts_uj().into_iter().zip(&self.steps.0);
        parts.filter(|(_, step)| step.per_kwh.is_none()).fold(0, |sum: u64, (uj, _)| sum.saturating_add(uj))
    }

    /// See [`weigh`].
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

    /// The tighter of two pairs of bounds: by the energy at each step's end, and by all energy at one value.
    fn bounds(&self, total: &Bounded<u64>) -> (Option<f64>, Option<f64>) {
        let (mut low, mut high) = (Some(0.0), Some(0.0));
        for (at, reached) in self.reached.iter().enumerate() {
            let factor = self.steps.value(at) - self.steps.value(at + 1);
            // An edge at which nothing changes bounds nothing, though its own bounds be open.
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

fn tighter(one: Option<f64>, two: Option<f64>, better: fn(f64, f64) -> f64) -> Option<f64> {
    one.zip(two).map(|(one, two)| better(one, two)).or(one).or(two)
}

//! Forecasts the energy that a run will have used when it ends, from its steps so far, with a 90 % interval
//! ([`Forecaster`]).
//!
//! Forecast = used so far + remaining steps × mean energy of a step since the warm-up. The *warm-up* is the first
//! steps, which cost more than the others; their number is computed, and their energy is not expected of the remaining
//! steps.
//!
//! The interval contains three uncertainties: how well the mean is known, how much the remaining steps will scatter,
//! and how far the mean wanders over the run. The first two are computed from the means of *batches* of steps, because
//! steps often resemble their neighbours and would appear too certain one by one. Where the mean wanders, the last
//! steps count for more. Back-tests on recorded runs (`tests/forecast`) print how often the interval contained the end.
//!
//! A *cell* is some steps in a row of which only the sum is kept, so that a long run needs little memory.

mod backtest;
mod cells;
mod spread;
mod steady;

pub use backtest::{Backtest, backtest};
use serde::{Deserialize, Serialize};
pub use steady::{SteadyPart, steady_part};

use cells::{Cells, Progress};
use spread::Spread;

/// Fewest cells since the warm-up from which an interval is given: a spread of fewer than four values is hardly known.
const LEAST_CELLS: usize = 4;

/// Watches a run and forecasts its end. Watching allocates nothing; a forecast costs microseconds.
///
/// ```
/// use eco2_core::Forecaster;
///
/// let mut forecaster = Forecaster::default();
/// forecaster.observe(0, 0, 0);
/// for step in 1..=100 {
///     forecaster.observe(step, step * 2_000, step * 1_000_000); // 2 mJ and 1 ms per step
/// }
/// let end = forecaster.project(1_000, 200_000).expect("enough steps were seen");
/// assert_eq!((end.spent_uj, end.energy_uj(0.5).round()), (200_000, 2_000_000.0));
/// ```
#[derive(Debug, Clone)]
pub struct Forecaster {
    cells: Cells,
    /// The last progress that was observed, whether or not it ended a cell.
    now: Option<Progress>,
    /// The largest and the longest step so far; see [`Forecaster::largest_step_uj`].
    largest: LargestStep,
}

/// The forecast of a run's energy at its end, as the mean and standard error of what the remaining steps will use;
/// [`Projection::energy_uj`] computes quantiles from them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
    /// Steps that were taken for warm-up.
    pub warm_up: u64,
    /// Used so far, microjoules.
    pub spent_uj: u64,
    /// Expected energy of the remaining steps, microjoules.
    pub rest_uj: f64,
    /// Standard error of `rest_uj`, microjoules.
    pub rest_error_uj: f64,
    /// Degrees of freedom of that error, for Student's distribution.
    pub freedom: f64,
    /// How long the remaining steps will take, nanoseconds.
    pub rest_ns: f64,
}

impl Projection {
    /// Returns the energy of the whole run that is not exceeded with probability `p`, microjoules; never less than what
    /// is used already.
    #[must_use]
    pub fn energy_uj(&self, p: f64) -> f64 {
        self.spent_uj as f64 + self.rest_at(p)
    }

    /// Returns the energy of the remaining steps that is not exceeded with probability `p`, microjoules.
    #[must_use]
    pub fn rest_at(&self, p: f64) -> f64 {
        if self.rest_error_uj <= 0.0 {
            return self.rest_uj;
        }
        (self.rest_uj + backtest::student(p.clamp(1e-6, 1.0 - 1e-6), self.freedom) * self.rest_error_uj).max(0.0)
    }
}

/// The largest energy and the longest time of a step. The first steps, a probable warm-up, count only at first.
#[derive(Debug, Clone, Copy, Default)]
struct LargestStep {
    /// The last progress that was observed.
    before: Option<Progress>,
    /// The most of the steps after the first [`LargestStep::EARLY`].
    usual: MostOfAStep,
    /// The most of the first steps; it counts until the run has twice as many.
    early: MostOfAStep,
    /// Number of steps so far.
    steps: u64,
}

/// The most energy (microjoules) and the most time (nanoseconds) that one step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct MostOfAStep {
    uj: u64,
    ns: u64,
}

impl LargestStep {
    /// Steps among which a warm-up is expected.
    const EARLY: u64 = 8;

    /// Takes new progress. Several steps since the last one count as equal ones.
    fn add(&mut self, seen: Progress) {
        let Some(before) = self.before.replace(seen).filter(|before| before.done < seen.done) else { return };
        let steps = seen.done - before.done;
        let uj = seen.uj.saturating_sub(before.uj).div_ceil(steps);
        let ns = seen.at_ns.saturating_sub(before.at_ns).div_ceil(steps);
        self.steps += steps;
        let most = if self.steps <= Self::EARLY { &mut self.early } else { &mut self.usual };
        *most = MostOfAStep { uj: most.uj.max(uj), ns: most.ns.max(ns) };
    }

    /// Returns the most of the steps that count now.
    fn get(&self) -> MostOfAStep {
        let MostOfAStep { uj, ns } = self.usual;
        if self.steps < 2 * Self::EARLY {
            MostOfAStep { uj: uj.max(self.early.uj), ns: ns.max(self.early.ns) }
        } else {
            self.usual
        }
    }
}

impl Default for Forecaster {
    /// Returns a forecaster that has observed nothing.
    fn default() -> Self {
        Self { cells: Cells::new(), now: None, largest: LargestStep::default() }
    }
}

impl Forecaster {
    /// Takes how many steps are done, the energy used so far (microjoules) and the time (monotonic nanoseconds).
    /// Between two calls any number of steps may have passed; a count that fell starts again.
    pub fn observe(&mut self, done: u64, energy_uj: u64, at_ns: u64) {
        let seen = Progress { done, uj: energy_uj, at_ns };
        match self.now {
            Some(now) if done == now.done && done > 0 => return,
            // The count fell: it began again. Or it is still 0: the run has not begun, so its beginning moves to now.
            Some(now) if done <= now.done => *self = Self::default(),
            _ => {}
        }
        self.now = Some(seen);
        self.largest.add(seen);
        self.cells.add(seen);
    }

    /// Returns the most that one step used, microjoules; 0 before the first step. Where several steps pass between two
    /// observations, their mean counts. The first 8 steps count only until there are twice as many, as they may have
    /// been a warm-up.
    #[must_use]
    pub fn largest_step_uj(&self) -> u64 {
        self.largest.get().uj
    }

    /// Returns the longest time of a step, nanoseconds, by the rules of [`Self::largest_step_uj`].
    #[must_use]
    pub fn longest_step_ns(&self) -> u64 {
        self.largest.get().ns
    }

    /// Returns the forecast for a run of `total` steps that has used `spent_uj` by now; `None` before enough steps were
    /// observed.
    #[must_use]
    pub fn project(&self, total: u64, spent_uj: u64) -> Option<Projection> {
        let now = self.now?;
        let rest = total.saturating_sub(now.done) as f64;
        let base = Projection {
            done: now.done,
            total,
            warm_up: 0,
            spent_uj: spent_uj.max(now.uj),
            rest_uj: 0.0,
            rest_error_uj: 0.0,
            freedom: 1.0,
            rest_ns: 0.0,
        };
        if rest == 0.0 {
            return Some(base);
        }
        let cut = cells::warm_up(self.cells.iter());
        let warm_up = self.cells.iter().take(cut).map(|cell| cell.steps as u64).sum();
        if self.cells.iter().len() - cut < LEAST_CELLS {
            return None;
        }
        let spread = Spread::of(self.cells.iter().skip(cut), rest)?;
        // What the step under way has used already is not used again.
        let begun_uj = spent_uj.saturating_sub(now.uj) as f64;
        let rest_uj = (rest * spread.rate - begun_uj).max(0.0);
        let (rest_error_uj, freedom) = (spread.error, spread.freedom);
        Some(Projection { warm_up, rest_uj, rest_error_uj, freedom, rest_ns: rest * spread.pace, ..base })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(steps: &[u64]) -> Forecaster {
        let mut forecaster = Forecaster::default();
        let mut uj = 0;
        forecaster.observe(0, 0, 0);
        for (done, step) in (1..).zip(steps) {
            uj += step;
            forecaster.observe(done, uj, done * 1_000);
        }
        forecaster
    }

    #[test]
    fn a_steady_run_is_forecast_exactly_and_its_warm_up_is_not_carried_on() {
        // 3 steps of 1000 µJ, then 17 of 100: used 4700 µJ; 80 steps are left: 8000 µJ.
        let mut steps = vec![1000; 3];
        steps.extend([100; 17]);
        let found = watched(&steps).project(100, 4700).unwrap();
        assert_eq!((found.warm_up, found.rest_uj), (3, 8000.0));
        // Nothing scatters; what is left is how far levels usually wander, 0.8 % over a run: 80 × 0.8 µJ / √3.
        assert!((found.rest_error_uj - 64.0 / 3_f64.sqrt()).abs() < 1e-9, "{}", found.rest_error_uj);
        assert_eq!((found.energy_uj(0.5).round(), found.rest_ns), (12_700.0, 80_000.0));
    }

    #[test]
    fn at_the_end_the_forecast_is_the_measurement() {
        let found = watched(&[10, 20, 30]).project(3, 61).unwrap();
        assert_eq!((found.energy_uj(0.05), found.energy_uj(0.95)), (61.0, 61.0));
        assert_eq!(watched(&[10, 20, 30]).project(2, 61).unwrap().energy_uj(0.9), 61.0, "beyond its end");
    }

    #[test]
    fn before_enough_was_seen_there_is_no_forecast() {
        assert_eq!(watched(&[]).project(10, 0), None);
        assert_eq!(watched(&[5, 5]).project(10, 10), None);
    }

    #[test]
    fn the_largest_step_forgets_the_warm_up_in_time() {
        let mut steps = vec![900];
        steps.extend([10; 14]);
        assert_eq!(watched(&steps).largest_step_uj(), 900);
        steps.push(70);
        assert_eq!(watched(&steps).largest_step_uj(), 70);
    }

    #[test]
    fn a_count_that_falls_starts_again() {
        let mut forecaster = watched(&[10; 20]);
        forecaster.observe(1, 500, 50_000);
        assert_eq!((forecaster.project(10, 500), forecaster.largest_step_uj()), (None, 0));
    }
}

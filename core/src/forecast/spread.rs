//! Computes how much energy the remaining steps of a run will use on average, and the standard error of their sum.
//!
//! A *cell* is some steps in a row of which only the mean is known. Cells are joined to at most ten *batches*. The
//! *level* is the mean energy of a step at a time of the run, without the noise of single steps.
//!
//! The level is modelled as a random walk that is seen through noise (the *local level model*: Harvey, Forecasting,
//! Structural Time Series Models and the Kalman Filter, 1989, 2.1). With a constant level the forecast is the mean of
//! all steps; with one that wanders it is the mean of the last ones.
//!
//! How much the level wanders cannot be estimated well, as a tenth of a run contains too little information. So 13
//! *answers* to that question are tried. For each a Kalman filter runs over the batches. The answers' forecasts are
//! averaged, with weights: how likely an answer makes the observed batches, times how usual it is of runs. So an
//! interval is wide where a wandering level is possible, and not only where it is evident.

use super::cells::Cell;

/// Number of batches of cells whose means are compared. The means of such long batches are nearly independent, although
/// steps resemble their neighbours: with 20 or 40 batches the back-tests need intervals that are a tenth wider.
const BATCHES: usize = 10;

/// How far the level of a step usually wanders over a run, as a share of it: temperature, clocks, data. Half of the
/// runs whose level wanders go further (the median of a half-Cauchy distribution). Chosen with [`STEADY`] on half of
/// the families of runs in `tests/forecast`, where 90 % intervals at 10, 25, 50 and 75 % of a run hold in 89.4 % on
/// average with 0.006, in 90.6 % with 0.008 and in 91.5 % with 0.01; in the other half they hold in 89.9 % with 0.008.
const DRIFT: f64 = 0.008;

/// Share of the runs whose level is assumed to be constant before anything was observed; chosen with [`DRIFT`].
const STEADY: f64 = 0.5;

/// Number of answers to how much the level wanders. An answer is the variance of the level over a batch, divided by the
/// variance of a batch's mean: 0, and the 12 powers of 4 from 4⁻⁶ to 4⁵.
const ANSWERS: usize = 13;

/// Mean step of the remaining run, and the standard error of its energy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Microjoules a step.
    pub(super) rate: f64,
    /// Nanoseconds a step.
    pub(super) pace: f64,
    /// Standard error of the energy of all remaining steps, microjoules.
    pub(super) error: f64,
    /// Degrees of freedom of that error: batches minus one.
    pub(super) freedom: f64,
}

/// Number and energy (microjoules) of the steps of some cells in a row.
#[derive(Clone, Copy, Default)]
struct StepBatch {
    steps: f64,
    uj: f64,
}

/// The steps that were observed since the warm-up, and the number of those to come.
#[derive(Clone, Copy)]
struct Observations<'a> {
    batches: &'a [StepBatch],
    /// Steps of all batches.
    steps: f64,
    /// Mean of all steps, microjoules.
    rate: f64,
    /// Number of steps to come.
    rest: f64,
}

/// Forecast of the remaining steps if the level wanders as one answer assumes.
#[derive(Clone, Copy)]
struct Guess {
    /// Level at the end of the observed steps, microjoules a step.
    rate: f64,
    /// Variance of the energy of all remaining steps, microjoules squared.
    variance: f64,
    /// Logarithm of how likely the answer is, up to a constant.
    weight: f64,
}

/// The level after all batches.
struct LevelEstimate {
    /// The level, microjoules a step.
    rate: f64,
    /// Variance of the level, in units of the variance of a step.
    variance: f64,
    /// Sum of the squared errors of the forecasts of each batch from those before it, each over its variance.
    squares: f64,
    /// Sum of the logarithms of those variances.
    logs: f64,
}

impl Spread {
    /// Returns the spread from the cells since the warm-up, for `rest` further steps; `None` from fewer than two cells.
    pub(super) fn of(cells: impl ExactSizeIterator<Item = Cell> + Clone, rest: f64) -> Option<Self> {
        if cells.len() < 2 {
            return None;
        }
        let steps: f64 = cells.clone().map(|cell| cell.steps).sum();
        let mean = |of: fn(&Cell) -> f64| cells.clone().map(|cell| of(&cell) * cell.steps).sum::<f64>() / steps;
        let (rate, pace) = (mean(|cell| cell.rate), mean(|cell| cell.pace));
        let (batches, number) = batched(cells);
        let seen = Observations { batches: &batches[..number], steps, rate, rest };
        let (rate, variance) = seen.weighted();
        Some(Self { rate, pace, error: variance.sqrt(), freedom: (number - 1) as f64 })
    }
}

impl Observations<'_> {
    /// Returns the mean step (microjoules) and the variance of the energy of all remaining steps, averaged over all
    /// answers.
    fn weighted(&self) -> (f64, f64) {
        let answers = (0..ANSWERS).map(|at| if at == 0 { 0.0 } else { 4_f64.powi(at as i32 - 7) });
        let guesses: [Option<Guess>; ANSWERS] = {
            let mut all = answers.map(|answer| self.guess(answer));
            std::array::from_fn(|_| all.next().flatten())
        };
        let known = || guesses.iter().flatten();
        let top = known().map(|guess| guess.weight).fold(f64::NEG_INFINITY, f64::max);
        let share = |guess: &Guess| (guess.weight - top).exp();
        let all: f64 = known().map(share).sum();
        if all <= 0.0 {
            // The batches are all equal, so they do not show how far the level may wander. Assumed is what runs usually
            // do: a random walk that wanders by DRIFT over the rest; the variance of its sum is a third of
            // (DRIFT·rate·rest)².
            return (self.rate, (DRIFT * self.rate * self.rest).powi(2) / 3.0);
        }
        let rate = known().map(|guess| share(guess) * guess.rate).sum::<f64>() / all;
        let spread = |guess: &Guess| guess.variance + (self.rest * (guess.rate - rate)).powi(2);
        (rate, known().map(|guess| share(guess) * spread(guess)).sum::<f64>() / all)
    }

    /// Returns the forecast under one answer; `None` where the batches are all equal.
    ///
    /// With s² the variance of a step and q that of the level over a step, k = q/s² and P the variance of the level in
    /// units of s² at the middle of the last batch of m steps, the sum of r steps has the variance
    /// s²·(r²·(P + k·m/2) + k·r³/3 + r).
    fn guess(&self, answer: f64) -> Option<Guess> {
        let Self { batches, steps, rate, rest } = *self;
        let (batch, freedom) = (steps / batches.len() as f64, (batches.len() - 1) as f64);
        let per_step = answer / (batch * batch);
        let level = LevelEstimate::after(batches, per_step)?;
        // Batches that differ by less than 1e-9 of the mean are equal but for rounding.
        let variance = Some(level.squares / freedom).filter(|variance| *variance > 1e-18 * rate * rate)?;
        let far = (per_step * variance * (steps + rest)).sqrt() / rate;
        let likelihood = -0.5 * (level.logs + freedom * variance.ln());
        let at_end = level.variance + per_step * batch / 2.0;
        let of_rest = rest * rest * at_end + per_step * rest.powi(3) / 3.0 + rest;
        Some(Guess { rate: level.rate, variance: variance * of_rest, weight: likelihood + usual(far).ln() })
    }
}

/// Returns how usual it is that the level wanders over a run by the share `far` of itself: [`STEADY`] for 0, else the
/// density of a half-Cauchy distribution with the median [`DRIFT`], times the distance of neighbouring answers. These
/// differ by a factor of 2 in that share, hence the logarithm of 2.
fn usual(far: f64) -> f64 {
    if far <= 0.0 {
        return STEADY;
    }
    let share = far / DRIFT;
    (1.0 - STEADY) * std::f64::consts::LN_2 * std::f64::consts::FRAC_2_PI * share / (1.0 + share * share)
}

impl LevelEstimate {
    /// Returns the level by Kalman's filter over all batches, begun at the first; `None` without one. `per_step`:
    /// variance of the level over a step, in units of the variance of a step.
    fn after(batches: &[StepBatch], per_step: f64) -> Option<Self> {
        let (first, others) = batches.split_first()?;
        let mut level = Self { rate: first.mean(), variance: 1.0 / first.steps, squares: 0.0, logs: 0.0 };
        let mut before = first.steps;
        for batch in others {
            // From the middle of one batch to that of the next.
            let known = level.variance + per_step * (before + batch.steps) / 2.0;
            let expected = known + 1.0 / batch.steps;
            let off = batch.mean() - level.rate;
            level.squares += off * off / expected;
            level.logs += expected.ln();
            level.rate += off * known / expected;
            level.variance = known / (expected * batch.steps);
            before = batch.steps;
        }
        Some(level)
    }
}

impl StepBatch {
    /// Returns the mean energy of a step, microjoules.
    fn mean(&self) -> f64 {
        self.uj / self.steps
    }
}

/// Returns the cells as batches of about as many cells each, and the number of batches: [`BATCHES`], or as many as
/// there are cells.
fn batched(cells: impl ExactSizeIterator<Item = Cell>) -> ([StepBatch; BATCHES], usize) {
    let (count, mut batches) = (cells.len(), [StepBatch::default(); BATCHES]);
    let number = BATCHES.min(count);
    for (index, cell) in cells.enumerate() {
        let batch = &mut batches[index * number / count];
        batch.steps += cell.steps;
        batch.uj += cell.steps * cell.rate;
    }
    (batches, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rates: &[f64], rest: f64) -> Spread {
        let cells: Vec<Cell> = rates.iter().map(|rate| Cell { steps: 10.0, rate: *rate, pace: 1.0 }).collect();
        Spread::of(cells.into_iter(), rest).unwrap()
    }

    #[test]
    fn a_constant_level_is_the_mean_and_as_sure_as_its_batches() {
        // Two batches of one step each, 0 and 2, no wandering: variance of a step 2, of the mean 1; of 8 more 64·1 +
        // 8·2.
        let batches = [StepBatch { steps: 1.0, uj: 0.0 }, StepBatch { steps: 1.0, uj: 2.0 }];
        let seen = Observations { batches: &batches, steps: 2.0, rate: 1.0, rest: 8.0 };
        let guess = seen.guess(0.0).unwrap();
        assert!(
            (guess.rate - 1.0).abs() < 1e-12 && (guess.variance - 80.0).abs() < 1e-9,
            "{} {}",
            guess.rate,
            guess.variance
        );
    }

    #[test]
    fn a_level_that_rises_is_forecast_from_its_end_and_less_surely() {
        let still = of(&[100.0, 101.0, 99.0, 101.0, 99.0, 100.0, 101.0, 99.0, 99.0, 101.0], 1e3);
        assert!((still.rate - 100.0).abs() < 0.1 && still.error < 0.02 * 1e5, "{still:?}");
        let rising = of(&[100.0, 102.0, 104.0, 106.0, 108.0, 110.0, 112.0, 114.0, 116.0, 118.0], 1e3);
        assert!(rising.rate > 115.0 && rising.error > 5.0 * still.error, "{rising:?}");
    }
}

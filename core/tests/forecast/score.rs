//! How often forecasts held.

use eco2_core::Forecaster;

/// Shares of a run at which it is forecast, percent.
pub(crate) const AT: [u64; 6] = [5, 10, 25, 50, 75, 90];

/// How a run is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// After every step.
    Steps,
    /// Number of steps between two observations, as where steps are shorter than the time between two readings.
    Every(u64),
    /// Within each step as well, which is no progress: what the step under way has used is known.
    Within,
}

/// Forecasts at each of [`AT`].
#[derive(Default)]
pub(crate) struct Scores([Score; AT.len()]);

#[derive(Default)]
struct Score {
    given: f64,
    /// Within the 90 % interval.
    held: f64,
    /// Below the 90 % quantile.
    below: f64,
    /// Below and above the interval.
    missed: [f64; 2],
    /// Sums, in percent of the run.
    bias: f64,
    width: f64,
    /// Of each forecast, in percent of the run.
    errors: Vec<f64>,
}

impl Scores {
    /// Watches a run and forecasts its end on the way.
    pub(crate) fn run(&mut self, steps: &[u64], watch: Watch) {
        let (whole, total) = (steps.iter().sum::<u64>() as f64, steps.len() as u64);
        let (mut forecaster, mut uj) = (Forecaster::default(), 0);
        forecaster.observe(0, 0, 0);
        for (done, step) in (1..).zip(steps) {
            if watch == Watch::Within {
                forecaster.observe(done - 1, uj + step / 2, done * 1_000_000 - 500_000);
            }
            uj += step;
            let seen = if let Watch::Every(steps) = watch { done % steps == 0 } else { true };
            if seen {
                forecaster.observe(done, uj, done * 1_000_000);
            }
            let Some(place) = AT.iter().position(|percent| done == percent * total / 100) else { continue };
            let Some(found) = forecaster.project(total, uj) else { continue };
            let ends = [0.05, 0.5, 0.95, 0.9].map(|p| found.energy_uj(p));
            self.0[place].add(whole, ends);
        }
    }

    /// Share of the intervals that held, percent.
    pub(crate) fn held(&self, place: usize) -> f64 {
        100.0 * self.0[place].held / self.0[place].given
    }

    /// The same at every progress together.
    pub(crate) fn held_in_all(&self) -> f64 {
        let sum = |of: fn(&Score) -> f64| self.0.iter().map(of).sum::<f64>();
        100.0 * sum(|score| score.held) / sum(|score| score.given)
    }

    /// Mean width of the intervals, percent of the run.
    pub(crate) fn width(&self, place: usize) -> f64 {
        self.0[place].width / self.0[place].given
    }

    /// Median of the estimates' errors, percent of the run.
    pub(crate) fn median_error(&self, place: usize) -> f64 {
        self.0[place].median_error()
    }

    pub(crate) fn print(&self, what: &str) {
        for (percent, score) in AT.iter().zip(&self.0) {
            let mean = |sum: f64| sum / score.given.max(1.0);
            println!(
                "{what} at {percent:2} %: {} forecasts, 90 % interval held in {:.1} % (end below it {:.1} %, above {:.1} %), 90 % \
                 quantile in {:.1} %; bias {:+.2} %, median error {:.2} %, width {:.1} %",
                score.given,
                100.0 * mean(score.held),
                100.0 * mean(score.missed[0]),
                100.0 * mean(score.missed[1]),
                100.0 * mean(score.below),
                mean(score.bias),
                score.median_error(),
                mean(score.width)
            );
        }
    }
}

impl Score {
    fn add(&mut self, whole: f64, [low, middle, high, p90]: [f64; 4]) {
        self.given += 1.0;
        self.held += f64::from((low..=high).contains(&whole));
        self.below += f64::from(whole <= p90);
        self.missed[0] += f64::from(whole < low);
        self.missed[1] += f64::from(whole > high);
        self.bias += 100.0 * (middle / whole - 1.0);
        self.errors.push(100.0 * (middle / whole - 1.0).abs());
        self.width += 100.0 * (high - low) / whole;
    }

    fn median_error(&self) -> f64 {
        let mut errors = self.errors.clone();
        errors.sort_by(f64::total_cmp);
        errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

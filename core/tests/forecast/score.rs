//! How often forecasts held.

use eco2_core::Forecaster;

/// Shares of a run at which it is forecast, percent.
pub(crate) const AT: [u64; 6] = [5, 10, 25, 50, 75, 90];

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
    /// Sums, in percent of the run.
    bias: f64,
    error: f64,
    width: f64,
}

impl Scores {
    /// Watches a run and forecasts its end on the way.
    pub(crate) fn run(&mut self, steps: &[u64]) {
        let (whole, total) = (steps.iter().sum::<u64>() as f64, steps.len() as u64);
        let (mut forecaster, mut uj) = (Forecaster::new(), 0);
        forecaster.observe(0, 0, 0);
        for (done, step) in (1..).zip(steps) {
            uj += step;
            forecaster.observe(done, uj, done * 1_000_000);
            let Some(place) = AT.iter().position(|percent| done == percent * total / 100) else { continue };
            let Some(found) = forecaster.project(total, uj) else { continue };
            let (low, middle, high) = (found.energy_uj(0.05), found.energy_uj(0.5), found.energy_uj(0.95));
            let score = &mut self.0[place];
            score.given += 1.0;
            score.held += f64::from((low..=high).contains(&whole));
            score.below += f64::from(whole <= found.energy_uj(0.9));
            score.bias += 100.0 * (middle / whole - 1.0);
            score.error += 100.0 * (middle / whole - 1.0).abs();
            score.width += 100.0 * (high - low) / whole;
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

    pub(crate) fn print(&self, what: &str) {
        for (percent, score) in AT.iter().zip(&self.0) {
            let mean = |sum: f64| sum / score.given.max(1.0);
            println!(
                "{what} at {percent:2} %: {} forecasts, 90 % interval held in {:.1} %, 90 % quantile in {:.1} %; bias \
                 {:+.2} %, error {:.2} %, width {:.1} %",
                score.given,
                100.0 * mean(score.held),
                100.0 * mean(score.below),
                mean(score.bias),
                mean(score.error),
                mean(score.width)
            );
        }
    }
}

//! How sure the mean of a step is, and how far the rest of a run may be from it.

use super::cells::Cell;

/// Batches of cells whose means are compared.
const BATCHES: usize = 10;

/// How far the mean of a step wanders over a run, as a share of it, where nothing is seen of it: temperature, clocks, data.
/// The smallest figure with which the back-tests hold.
const DRIFT: f64 = 0.01;

/// Mean step of a run, and the standard error of the sum of its rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Microjoules a step.
    pub(super) rate: f64,
    /// Nanoseconds a step.
    pub(super) pace: f64,
    /// Standard error of the energy of the rest, microjoules.
    pub(super) error: f64,
    pub(super) freedom: f64,
}

#[derive(Clone, Copy, Default)]
struct Batch {
    steps: f64,
    uj: f64,
}

impl Spread {
    /// Of cells since the warm-up, for `rest` further steps; `None` from fewer than two.
    ///
    /// Batch means: with m steps a batch the variance of a batch's mean is s²/m for large m, where s² is the long-run
    /// variance of a step. The mean of k steps then has the variance s²/k, the sum of the rest r·s²; together
    /// r²·s²/k + r·s². A mean that wanders by the variance q a step adds r²·q·(k + r)/3.
    pub(super) fn of(cells: impl ExactSizeIterator<Item = Cell> + Clone, rest: f64) -> Option<Self> {
        let count = cells.len();
        if count < 2 {
            return None;
        }
        let steps: f64 = cells.clone().map(|cell| cell.steps).sum();
        let mean = |of: fn(&Cell) -> f64| cells.clone().map(|cell| of(&cell) * cell.steps).sum::<f64>() / steps;
        let (rate, pace) = (mean(|cell| cell.rate), mean(|cell| cell.pace));
        let (batches, number) = batched(cells);
        let (batches, batch, freedom) = (&batches[..number], steps / number as f64, (number - 1) as f64);
        let variance = batches.iter().map(|one| one.steps * (one.mean() - rate).powi(2)).sum::<f64>() / freedom;
        let known = variance * (rest * rest / steps + rest);
        let per_step = wander(batches, variance, batch) + (DRIFT * rate).powi(2) / (steps + rest);
        let error = (known + per_step * rest * rest * (steps + rest) / 3.0).sqrt();
        Some(Self { rate, pace, error, freedom })
    }
}

impl Batch {
    fn mean(&self) -> f64 {
        self.uj / self.steps
    }
}

/// By which variance a step the mean wanders, as far as batches of `batch` steps tell; never negative.
///
/// The variance v of batch means against half the mean square d of their successive differences (von Neumann's ratio):
/// both are s²/m without wandering; with it, B batches have q·m·B/6 more in v and q·m/3 more in d.
fn wander(batches: &[Batch], variance: f64, batch: f64) -> f64 {
    let number = batches.len() as f64;
    let steps = batches.windows(2).map(|pair| (pair[1].mean() - pair[0].mean()).powi(2));
    let next = steps.sum::<f64>() / (number - 1.0);
    let weight = batch * (number / 6.0 - 1.0 / 3.0);
    if weight > 0.0 { ((variance / batch - next / 2.0) / weight).max(0.0) } else { 0.0 }
}

/// The cells in at most [`BATCHES`] batches of about as many cells each.
fn batched(cells: impl ExactSizeIterator<Item = Cell>) -> ([Batch; BATCHES], usize) {
    let (count, mut batches) = (cells.len(), [Batch::default(); BATCHES]);
    let number = BATCHES.min(count);
    for (index, cell) in cells.enumerate() {
        let batch = &mut batches[index * number / count];
        batch.steps += cell.steps;
        batch.uj += cell.steps * cell.rate;
    }
    (batches, number)
}

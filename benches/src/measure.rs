//! Measuring: batches of several cases in turns (A, B, A, B), so that a disturbance of the machine affects all of them.
//!
//! *Case*: one of the things that are compared. *Round*: one batch of every case. *Subject*: a module that measures some rows
//! of the table.

use std::hint::black_box;
use std::path::PathBuf;

use eco2_samplers::clock::thread_cpu_ns;

/// Paths that a subject needs.
#[derive(Debug, Clone)]
pub struct Place {
    /// The probe: a program that some subjects run under valgrind or as a separate process.
    pub probe: PathBuf,
    /// Cargo's target folder of this run.
    pub target: PathBuf,
}

/// Any failure of a subject: the table then skips it and prints the reason.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One value for each batch, in the order of the batches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Values from another program, in the order of their batches.
    pub(crate) fn new(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// The quantile `q` (0 to 1); 0 without batches.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let sorted = self.sorted();
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * q).round() as usize).copied().unwrap_or(0.0)
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The smallest value.
    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The largest value.
    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// Lower and upper quartile.
    pub(crate) fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// The ratio to another case, batch by batch.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine / theirs).collect())
    }

    /// The difference to another case, batch by batch.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine - theirs).collect())
    }

    /// Every value divided by one number.
    pub(crate) fn divided_by(&self, divisor: f64) -> Self {
        Self(self.0.iter().map(|value| value / divisor).collect())
    }

    /// The values in ascending order.
    pub(crate) fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// Number of batches.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a batch.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }
}

/// Runs every case once per round, after a first round that does not count; each case returns its value.
pub(crate) fn in_turns<const N: usize>(rounds: usize, mut cases: [&mut dyn FnMut() -> f64; N]) -> [Samples; N] {
    let mut samples: [Samples; N] = std::array::from_fn(|_| Samples::default());
    cases.iter_mut().for_each(|case| _ = case());
    for _ in 0..rounds {
        cases.iter_mut().zip(&mut samples).for_each(|(case, samples)| samples.push(case()));
    }
    samples
}

/// CPU nanoseconds of this thread per operation, over `count` operations.
#[inline]
pub(crate) fn cpu_each<T>(count: u64, mut operation: impl FnMut() -> T) -> f64 {
    let from_ns = thread_cpu_ns();
    (0..count).for_each(|_| _ = black_box(operation()));
    thread_cpu_ns().saturating_sub(from_ns) as f64 / count as f64
}

/// CPU milliseconds of this thread for one operation.
pub(crate) fn cpu_ms<T>(operation: impl FnOnce() -> T) -> f64 {
    let from_ns = thread_cpu_ns();
    black_box(operation());
    thread_cpu_ns().saturating_sub(from_ns) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_batch_by_batch() {
        let (a, b) = (Samples::new(vec![2.0, 40.0, 6.0]), Samples::new(vec![1.0, 10.0, 2.0]));
        let ratio = a.over(&b);
        assert_eq!((ratio.min(), ratio.median(), ratio.max()), (2.0, 3.0, 4.0));
        assert_eq!(a.minus(&b).median(), 4.0);
        assert_eq!(Samples::default().median(), 0.0);
    }

    #[test]
    fn cases_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let mut a = || {
            order.borrow_mut().push('a');
            1.0
        };
        let mut b = || {
            order.borrow_mut().push('b');
            2.0
        };
        let [first, second] = in_turns(2, [&mut a, &mut b]);
        assert_eq!((first.len(), second.median()), (2, 2.0));
        assert_eq!(*order.borrow(), "ababab");
    }
}

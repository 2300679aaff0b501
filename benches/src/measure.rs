//! Batches measured in turns: A, B, A, B, so that whatever disturbs the machine disturbs both.

use std::hint::black_box;

use eco2_samplers::clock::thread_cpu_ns;

/// One figure a batch, in the order of the batches.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Figures measured elsewhere, in the order of their batches.
    #[must_use]
    pub fn new(figures: Vec<f64>) -> Self {
        Self(figures)
    }

    /// The figure that the share `q` (0 to 1) of the batches stays at or below; 0 without batches.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let sorted = self.sorted();
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * q).round() as usize).copied().unwrap_or(0.0)
    }

    /// The middle figure.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The smallest figure.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The largest figure.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// Lower and upper quartile.
    #[must_use]
    pub fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// Batch by batch, this over another's.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine / theirs).collect())
    }

    /// Batch by batch, this less another's.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, theirs)| mine - theirs).collect())
    }

    /// Every figure divided by one number.
    #[must_use]
    pub fn divided_by(&self, divisor: f64) -> Self {
        Self(self.0.iter().map(|figure| figure / divisor).collect())
    }

    /// The figures from the smallest to the largest.
    #[must_use]
    pub fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// How many batches there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a batch.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }
}

/// Runs every case once a round, after one round that does not count; each case returns its figure.
pub fn in_turns<const N: usize>(rounds: usize, mut cases: [&mut dyn FnMut() -> f64; N]) -> [Samples; N] {
    let mut samples: [Samples; N] = std::array::from_fn(|_| Samples::default());
    cases.iter_mut().for_each(|case| _ = case());
    for _ in 0..rounds {
        cases.iter_mut().zip(&mut samples).for_each(|(case, samples)| samples.push(case()));
    }
    samples
}

/// CPU nanoseconds that this thread spends on each of `count` operations.
#[inline]
pub fn cpu_each<T>(count: u64, mut operation: impl FnMut() -> T) -> f64 {
    let from_ns = thread_cpu_ns();
    (0..count).for_each(|_| _ = black_box(operation()));
    thread_cpu_ns().saturating_sub(from_ns) as f64 / count as f64
}

/// CPU milliseconds that this thread spends on something.
pub fn cpu_ms<T>(operation: impl FnOnce() -> T) -> f64 {
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

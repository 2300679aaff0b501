//! The curve of a whole run: the sum of its devices' curves.

use super::{Curve, CurvePoint, spread};
use crate::Bounded;

/// The energy of a run at any instant: its devices' curves added up, within the run's total.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCurve {
    parts: Vec<Curve>,
    end_ns: u64,
    total: Bounded<u64>,
}

impl RunCurve {
    /// The curve of a run that lasted `end_ns` and used `total`, of which `parts` are known. A part of the total that has no
    /// curve, such as a device that was not read, leaves the upper bound open.
    ///
    /// ```
    /// use eco2_core::{Bounded, Curve, CurvePoint, RunCurve};
    ///
    /// let device = |uj| {
    ///     let points = [(0, 0), (100, uj)].map(|(at_ns, uj)| CurvePoint::at_instant(at_ns, &Bounded::exact(uj)));
    ///     Curve::new(points, 100, Bounded::exact(uj))
    /// };
    /// let run = RunCurve::new([device(1_000), device(500)], 100, Bounded::exact(1_500));
    /// assert_eq!((run.at(50).value, run.at(100).value), (Some(750), Some(1_500)));
    /// ```
    #[must_use]
    pub fn new(parts: impl IntoIterator<Item = Curve>, end_ns: u64, total: Bounded<u64>) -> Self {
        Self { parts: parts.into_iter().collect(), end_ns, total }
    }

    /// The same curve of a run whose total is known better, or less well.
    #[must_use]
    pub fn with_total(self, total: Bounded<u64>) -> Self {
        Self { total, ..self }
    }

    /// Energy used in the first `at_ns` nanoseconds. It never falls, and from the run's end on it is the run's total.
    #[must_use]
    pub fn at(&self, at_ns: u64) -> Bounded<u64> {
        if at_ns >= self.end_ns {
            return self.total;
        }
        let Some(total_uj) = self.total.value else { return Bounded { low: 0, ..self.total } };
        let parts = self.parts.iter().map(|curve| curve.at(at_ns)).reduce(|sum, part| sum + part);
        let sum = parts.unwrap_or(Bounded::exact(0));
        let high = match (sum.high, self.total.high) {
            (Some(high), Some(most)) => Some(high.min(most)),
            _ => None,
        };
        let low = sum.low.min(self.total.low);
        let uj = sum.value.unwrap_or(0).min(total_uj).max(low);
        Bounded { value: Some(uj), low, high: high.map(|high| high.max(uj)), kind: self.total.kind }
    }

    /// Energy used from one instant to a later one.
    #[must_use]
    pub fn between(&self, from_ns: u64, to_ns: u64) -> Bounded<u64> {
        (self.at(to_ns) - self.at(from_ns)).around_value()
    }

    /// As one curve, known at `most` instants of the parts', spread over time, and at those of `also`.
    #[must_use]
    pub fn thin(&self, most: usize, also: &[u64]) -> Curve {
        let mut instants: Vec<u64> = self.parts.iter().flat_map(Curve::points).map(|point| point.at_ns).collect();
        instants.sort_unstable();
        instants.dedup();
        let instants = spread(instants.into_iter(), most, self.end_ns).into_iter().chain(also.iter().copied());
        let points = instants.map(|at_ns| CurvePoint::at_instant(at_ns, &self.at(at_ns)));
        Curve::new(points, self.end_ns, self.total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::any_curve;
    use super::*;

    #[test]
    fn k01_a_part_without_a_curve_leaves_the_top_open() {
        let known = Curve::new([], 100, Bounded::exact(50));
        let curve = RunCurve::new([known], 100, Bounded::exact(50) + Bounded::unknown());
        assert_eq!(curve.at(50), Bounded::hard(25, 0, None));
        let nothing = RunCurve::new([], 100, Bounded::unknown());
        assert_eq!(nothing.at(50), Bounded::unknown(), "never 0");
    }

    proptest! {
        #[test]
        fn it_is_the_sum_of_its_parts(one in any_curve(), two in any_curve(), most in 1..30_usize) {
            let two = Curve::new(two.points().to_vec(), one.end_ns(), two.total());
            let run = RunCurve::new([one.clone(), two.clone()], one.end_ns(), one.total() + two.total());
            let thin = run.thin(most, &[]);
            for at_ns in 0..=one.end_ns() {
                let (sum, parts, thin) = (run.at(at_ns), one.at(at_ns) + two.at(at_ns), thin.at(at_ns));
                prop_assert!(sum.is_consistent() && sum.low <= parts.low);
                prop_assert!(sum.high <= parts.high.max(sum.value));
                prop_assert!(thin.low <= sum.low && thin.high >= sum.high);
            }
        }
    }
}

//! Reads a curve at many instants in one pass over its points ([`CurveCursor`]).

use super::{Curve, CurvePoint};
use crate::Bounded;

/// The number of a curve's points that are before an instant, by each of the three times of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Passed {
    /// Points whose energy had surely been used: `hi_ns` is not after the instant.
    pub(super) surely: usize,
    /// Points whose energy had most likely been used: `at_ns` is not after the instant.
    pub(super) likely: usize,
    /// Points whose energy may have been used: `lo_ns` is before the instant.
    pub(super) possibly: usize,
}

impl Passed {
    /// Returns the numbers at an instant, by three searches.
    pub(super) fn search(points: &[CurvePoint], at_ns: u64) -> Self {
        Self {
            surely: points.partition_point(|point| point.hi_ns <= at_ns),
            likely: points.partition_point(|point| point.at_ns <= at_ns),
            possibly: points.partition_point(|point| point.lo_ns < at_ns),
        }
    }

    /// Moves on to a later instant.
    fn advance(&mut self, points: &[CurvePoint], at_ns: u64) {
        skip(points, &mut self.surely, |point| point.hi_ns <= at_ns);
        skip(points, &mut self.likely, |point| point.at_ns <= at_ns);
        skip(points, &mut self.possibly, |point| point.lo_ns < at_ns);
    }
}

/// Moves `next` to the first point that has not passed.
fn skip(points: &[CurvePoint], next: &mut usize, is_passed: impl Fn(&CurvePoint) -> bool) {
    // Most often it is the same point. Without this test the compiler makes a loop over vectors, which costs 200 ns per call.
    if points.get(*next).is_none_or(|point| !is_passed(point)) {
        return;
    }
    *next += points.iter().skip(*next).take_while(|point| is_passed(point)).count();
}

/// Reads a curve at instants that do not fall. All reads together take one step per point and one per instant.
///
/// ```
/// use eco2_core::{Bounded, Curve, CurvePoint};
///
/// let points = [(0, 0), (10, 1_000), (20, 3_000)].map(|(at_ns, uj)| CurvePoint::at_instant(at_ns, &Bounded::exact(uj)));
/// let curve = Curve::new(points, 20, Bounded::exact(3_000));
/// let mut cursor = curve.cursor();
/// assert_eq!([5, 10, 15].map(|at_ns| cursor.at(at_ns)), [5, 10, 15].map(|at_ns| curve.at(at_ns)));
/// ```
#[derive(Debug, Clone)]
pub struct CurveCursor<'a> {
    curve: &'a Curve,
    passed: Passed,
    /// The last instant that was read.
    last_ns: u64,
}

impl<'a> CurveCursor<'a> {
    pub(super) fn new(curve: &'a Curve) -> Self {
        Self { curve, passed: Passed::default(), last_ns: 0 }
    }

    /// Returns the energy used in the first `at_ns` nanoseconds, as [`Curve::at`] does. An instant before the last one is searched for.
    pub fn at(&mut self, at_ns: u64) -> Bounded<u64> {
        if at_ns < self.last_ns {
            self.passed = Passed::search(&self.curve.points, at_ns);
        }
        self.last_ns = at_ns;
        self.curve.at_place(at_ns, || {
            self.passed.advance(&self.curve.points, at_ns);
            self.passed
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::any_curve;

    proptest! {
        #[test]
        fn a_cursor_reads_the_curve_also_where_instants_fall(curve in any_curve(), steps in prop::collection::vec(0..4_000_u64, 1..40)) {
            let mut cursor = curve.cursor();
            for at_ns in (0..=curve.end_ns() + 1).chain(steps) {
                prop_assert_eq!(cursor.at(at_ns), curve.at(at_ns), "at {}", at_ns);
            }
        }
    }
}

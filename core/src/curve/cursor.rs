//! Reads a curve at many instants in one pass over its points ([`CurveCursor`]).

use super::{Curve, CurvePoint, Passed};
use crate::Bounded;

/// Moves on to a later instant.
fn advance(passed: &mut Passed, points: &[CurvePoint], at_ns: u64) {
    skip(points, &mut passed.surely, |point| point.hi_ns <= at_ns);
    skip(points, &mut passed.likely, |point| point.at_ns <= at_ns);
    skip(points, &mut passed.possibly, |point| point.lo_ns < at_ns);
}

/// Moves `next` to the first point that has not passed.
fn skip(points: &[CurvePoint], next: &mut usize, is_passed: impl Fn(&CurvePoint) -> bool) {
    // Most often it is the same point.
    if points.get(*next).is_some_and(&is_passed) {
        *next += count_passed(&points[*next..], is_passed);
    }
}

/// Returns how many of the first points have passed. A function of its own, because few reads of a curve need it.
#[cold]
#[inline(never)]
fn count_passed(points: &[CurvePoint], is_passed: impl Fn(&CurvePoint) -> bool) -> usize {
    points.iter().take_while(|point| is_passed(point)).count()
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

impl Curve {
    /// Returns a cursor, which reads the energy at many instants in one pass.
    #[must_use]
    pub fn cursor(&self) -> CurveCursor<'_> {
        CurveCursor { curve: self, passed: Passed::default(), last_ns: 0 }
    }
}

impl CurveCursor<'_> {
    /// Returns the energy used in the first `at_ns` nanoseconds, as [`Curve::at`] does. An instant before the last one is searched for.
    pub fn at(&mut self, at_ns: u64) -> Bounded<u64> {
        if at_ns < self.last_ns {
            self.passed = Passed::search(&self.curve.points, at_ns);
        }
        self.last_ns = at_ns;
        self.curve.at_place(at_ns, || {
            advance(&mut self.passed, &self.curve.points, at_ns);
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

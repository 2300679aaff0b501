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

    /// Fills `energies` with the estimates at `first_ns`, `first_ns + step_ns` and so on, microjoules: the values of [`Self::at`]. Returns
    /// `false`, and fills in nothing, if the energy is not known.
    ///
    /// The division of the straight line between two points is done once for all the steps between them.
    ///
    /// ```
    /// use eco2_core::{Bounded, Curve, CurvePoint};
    ///
    /// let points = [(0, 0), (10, 1_000), (20, 3_000)].map(|(at_ns, uj)| CurvePoint::at_instant(at_ns, &Bounded::exact(uj)));
    /// let curve = Curve::new(points, 20, Bounded::exact(3_000));
    /// let mut energies = [0; 4];
    /// assert!(curve.cursor().estimates(5, 5, &mut energies));
    /// assert_eq!(energies, [500, 1_000, 2_000, 3_000]);
    /// ```
    pub fn estimates(&mut self, first_ns: u64, step_ns: u64, mut energies: &mut [u64]) -> bool {
        let Some(total_uj) = self.curve.total.value else { return false };
        let mut at_ns = first_ns;
        while !energies.is_empty() {
            let Bounded { value, low, high, .. } = self.at(at_ns);
            let until_change_ns = self.next_change_ns().saturating_sub(at_ns).max(1);
            let count = until_change_ns
                .checked_div(step_ns)
                .map_or(u64::MAX, |whole| whole.saturating_add(u64::from(until_change_ns % step_ns > 0)));
            let count = usize::try_from(count).map_or(energies.len(), |count| count.min(energies.len()));
            let (alike, rest) = energies.split_at_mut(count);
            if let [only] = alike {
                *only = value.unwrap_or(total_uj);
            } else if at_ns >= self.curve.end_ns {
                alike.fill(total_uj);
            } else {
                let mut line = LineSteps::new(self.curve.around(self.passed.likely, total_uj), at_ns, step_ns);
                for energy in alike {
                    *energy = line.uj.min(high.unwrap_or(u64::MAX)).max(low);
                    line.go_on();
                }
            }
            at_ns = at_ns.saturating_add(step_ns.saturating_mul(count as u64));
            energies = rest;
        }
        true
    }

    /// Returns the first instant after the last one that was read at which another line or other bounds hold.
    fn next_change_ns(&self) -> u64 {
        let Curve { points, end_ns, .. } = self.curve;
        if self.last_ns >= *end_ns {
            return u64::MAX;
        }
        let Passed { surely, likely, possibly } = self.passed;
        let changes = [
            points.get(surely).map(|point| point.hi_ns),
            points.get(likely).map(|point| point.at_ns),
            points.get(possibly).map(|point| point.lo_ns.saturating_add(1)),
            // At the start the upper bound is 0.
            (self.last_ns == 0).then_some(1),
        ];
        changes.into_iter().flatten().fold(*end_ns, u64::min)
    }
}

/// A straight line read at equal steps, rounded down like [`straight`](super::straight): the fraction that rounding leaves is kept, as
/// a part of the line's length, and carried into the next step.
struct LineSteps {
    uj: u64,
    /// What `uj` lacks, times the length of the line.
    remainder: u128,
    /// Growth per step: whole microjoules, and the remainder.
    step_uj: u64,
    step_remainder: u128,
    length_ns: u128,
}

impl LineSteps {
    /// Returns the line between two points `(nanoseconds, microjoules)`, at an instant between them.
    fn new((from, to): ((u64, u64), (u64, u64)), at_ns: u64, step_ns: u64) -> Self {
        let length_ns = u128::from(to.0.saturating_sub(from.0).max(1));
        let grown_uj = u128::from(to.1.saturating_sub(from.1));
        let passed = grown_uj * u128::from(at_ns.saturating_sub(from.0));
        let step = grown_uj * u128::from(step_ns);
        let whole = |product: u128| u64::try_from(product / length_ns).unwrap_or(u64::MAX);
        Self {
            uj: from.1.saturating_add(whole(passed)),
            remainder: passed % length_ns,
            step_uj: whole(step),
            step_remainder: step % length_ns,
            length_ns,
        }
    }

    fn go_on(&mut self) {
        self.uj = self.uj.saturating_add(self.step_uj);
        self.remainder += self.step_remainder;
        if self.remainder >= self.length_ns {
            self.remainder -= self.length_ns;
            self.uj = self.uj.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::straight;
    use super::super::tests::any_curve;
    use super::LineSteps;

    proptest! {
        #[test]
        fn a_cursor_reads_the_curve_also_where_instants_fall(curve in any_curve(), steps in prop::collection::vec(0..4_000_u64, 1..40)) {
            let mut cursor = curve.cursor();
            for at_ns in (0..=curve.end_ns() + 1).chain(steps) {
                prop_assert_eq!(cursor.at(at_ns), curve.at(at_ns), "at {}", at_ns);
            }
        }

        #[test]
        fn estimates_at_equal_steps_are_those_at_each_instant(
            curve in any_curve(),
            pieces in prop::collection::vec((0..2_500_u64, 0..90_u64, 0..60_usize), 1..4),
        ) {
            let mut cursor = curve.cursor();
            for (first_ns, step_ns, rows) in pieces {
                let mut energies = vec![7; rows];
                prop_assert!(cursor.estimates(first_ns, step_ns, &mut energies));
                for (step, uj) in (0..).zip(energies) {
                    prop_assert_eq!(Some(uj), curve.at(first_ns + step * step_ns).value, "step {}", step);
                }
            }
        }

        #[test]
        fn a_line_read_in_steps_is_that_of_a_division(
            from in (0..1_u64 << 62, 0..1_u64 << 62),
            length in (1..1_u64 << 60, 0..1_u64 << 60),
            place in (0..1_000_u64, 1..1_000_u64),
        ) {
            let to = (from.0 + length.0, from.1 + length.1);
            let (at_ns, step_ns) = (from.0 + length.0 / 1_000 * place.0, (length.0 / 1_000 / place.1).max(1));
            let mut line = LineSteps::new((from, to), at_ns, step_ns);
            for step in 0..50 {
                let at_ns = at_ns + step * step_ns;
                if at_ns <= to.0 {
                    prop_assert_eq!(line.uj, straight(from, to, at_ns));
                }
                line.go_on();
            }
        }
    }
}

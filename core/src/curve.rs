//! Curves of energy over time: the energy that a device ([`Curve`]) or a run ([`RunCurve`]) had used at any instant of the
//! run, with bounds. Reports store them, charts show them, and pricing uses them.
//!
//! `E(t)` is cumulative, so the energy of a part of the run is a difference, and a sum over devices is a sum of curves. It
//! is known at points. A point states that at least `low_uj` had been used from `hi_ns` on, at most `high_uj` until `lo_ns`,
//! and that `uj` was most likely reached at `at_ns`. Between points the estimate is linear, and the bounds are those of the
//! points around. The bounds need no assumption on power, because energy never falls.

mod cursor;
mod history;
mod run;

pub use cursor::CurveCursor;
pub(crate) use history::History;
pub use run::{CurveRecord, RunCurve};

use crate::{Bounded, Knot};

/// One point of a curve. Times are nanoseconds since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurvePoint {
    /// Until this instant at most `high_uj` had been used.
    pub lo_ns: u64,
    /// Most likely instant at which `uj` was reached.
    pub at_ns: u64,
    /// From this instant on at least `low_uj` had been used.
    pub hi_ns: u64,
    /// Lower bound, microjoules.
    pub low_uj: u64,
    /// Energy since the start of the run, microjoules.
    pub uj: u64,
    /// Upper bound, microjoules; `None`: there is none.
    pub high_uj: Option<u64>,
}

impl CurvePoint {
    /// Returns the point of a counter change. The run began at `begin_ns`, when the counter had counted `start_uj`.
    #[must_use]
    pub fn of_knot(knot: &Knot, begin_ns: u64, start_uj: u64) -> Self {
        let since = |at_ns: u64| at_ns.saturating_sub(begin_ns);
        let uj = knot.uj.saturating_sub(start_uj);
        let (lo_ns, at_ns, hi_ns) = (since(knot.lo_ns), since(knot.at_ns), since(knot.hi_ns));
        Self { lo_ns, at_ns, hi_ns, low_uj: uj, uj, high_uj: Some(uj) }
    }

    /// Returns a point at which the energy is known at one instant.
    #[must_use]
    pub fn at_instant(at_ns: u64, energy: &Bounded<u64>) -> Self {
        let uj = energy.value.unwrap_or(energy.low);
        Self { lo_ns: at_ns, at_ns, hi_ns: at_ns, low_uj: energy.low, uj, high_uj: energy.high }
    }

    /// Returns the point with bounds widened by the uncertainty of the run's total: `below_uj` down, `above_uj` up.
    pub(crate) fn loosened(self, below_uj: u64, above_uj: Option<u64>) -> Self {
        let high_uj = self.high_uj.zip(above_uj).map(|(uj, above_uj)| uj.saturating_add(above_uj));
        Self { low_uj: self.low_uj.saturating_sub(below_uj), high_uj, ..self }
    }
}

/// The energy of one device, or of a sum of devices, over a run.
///
/// ```
/// use eco2_core::{Bounded, Curve, CurvePoint};
///
/// // 900 µJ in 1000 ns, of which 100 were counted between 190 and 210 ns, and 500 between 590 and 610 ns.
/// let seen = |lo_ns, hi_ns, uj| CurvePoint { lo_ns, at_ns: lo_ns + 10, hi_ns, low_uj: uj, uj, high_uj: Some(uj) };
/// let curve = Curve::new([seen(190, 210, 100), seen(590, 610, 500)], 1000, Bounded::exact(900));
/// assert_eq!(curve.at(400), Bounded::hard(300, 100, Some(500)));
/// assert_eq!(curve.between(400, 1000), Bounded::hard(600, 400, Some(800)));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// In the order of time; no field falls from one point to the next.
    points: Vec<CurvePoint>,
    end_ns: u64,
    total: Bounded<u64>,
}

impl Curve {
    /// Returns the curve of a run that lasted `end_ns` and used `total`.
    ///
    /// Points outside the run, above its total, or below an earlier point are left out. Without points only the start and
    /// the end of the curve are known.
    #[must_use]
    pub fn new(points: impl IntoIterator<Item = CurvePoint>, end_ns: u64, total: Bounded<u64>) -> Self {
        let most_uj = total.value;
        let is_usable = |point: &CurvePoint| {
            point.lo_ns > 0 && point.hi_ns <= end_ns && most_uj.is_some_and(|most_uj| point.uj <= most_uj)
        };
        let mut points: Vec<CurvePoint> = points.into_iter().filter(is_usable).collect();
        points.sort_by_key(|point| (point.at_ns, point.hi_ns, point.lo_ns, point.uj));
        points.dedup();
        // Forwards: drops points that fall, and makes brackets and lower bounds rise.
        let mut last_kept: Option<CurvePoint> = None;
        points.retain_mut(|point| {
            let last = last_kept.unwrap_or(*point);
            if last.uj > point.uj {
                return false;
            }
            point.lo_ns = point.lo_ns.max(last.lo_ns);
            point.hi_ns = point.hi_ns.max(last.hi_ns);
            point.low_uj = point.low_uj.max(last.low_uj).min(point.uj).min(total.low);
            last_kept = Some(*point);
            true
        });
        // Backwards: the upper bound of a later point holds for an earlier one too.
        let mut least_high_uj: Option<u64> = None;
        for point in points.iter_mut().rev() {
            let high_uj = [point.high_uj, least_high_uj].into_iter().flatten().min();
            point.high_uj = high_uj.map(|high_uj| high_uj.max(point.uj));
            least_high_uj = point.high_uj;
        }
        Self { points, end_ns, total }
    }

    /// Returns the points, in the order of time.
    #[must_use]
    pub fn points(&self) -> &[CurvePoint] {
        &self.points
    }

    /// Returns the length of the run, nanoseconds.
    #[must_use]
    pub fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// Returns the energy of the whole run.
    #[must_use]
    pub fn total(&self) -> Bounded<u64> {
        self.total
    }

    /// Returns the energy used in the first `at_ns` nanoseconds.
    #[must_use]
    pub fn at(&self, at_ns: u64) -> Bounded<u64> {
        self.at_place(at_ns, || Passed::search(&self.points, at_ns))
    }

    /// Returns the energy used in the first `at_ns` nanoseconds, if these points have passed.
    fn at_place(&self, at_ns: u64, passed: impl FnOnce() -> Passed) -> Bounded<u64> {
        if at_ns >= self.end_ns {
            return self.total;
        }
        let Some(total_uj) = self.total.value else { return Bounded { low: 0, ..self.total } };
        let passed = passed();
        let low = passed.surely.checked_sub(1).map_or(0, |last| self.points[last].low_uj);
        let bounds = [self.points.get(passed.possibly).and_then(|point| point.high_uj), self.total.high];
        let high = if at_ns == 0 { Some(0) } else { bounds.into_iter().flatten().min() };
        let uj = self.estimate(at_ns, passed.likely, total_uj).min(high.unwrap_or(u64::MAX)).max(low);
        Bounded { value: Some(uj), low, high: high.map(|high| high.max(uj)), kind: self.total.kind }
    }

    /// Returns the energy used from one instant to a later one.
    ///
    /// ```
    /// use eco2_core::{Bounded, Curve, CurvePoint};
    ///
    /// let points = [(0, 0), (10, 1_000), (20, 3_000)].map(|(at_ns, uj)| CurvePoint::at_instant(at_ns, &Bounded::exact(uj)));
    /// let curve = Curve::new(points, 20, Bounded::exact(3_000));
    /// assert_eq!(curve.between(10, 20).value, Some(2_000));
    /// assert_eq!(curve.between(5, 10).value, Some(500)); // straight between points
    /// ```
    #[must_use]
    pub fn between(&self, from_ns: u64, to_ns: u64) -> Bounded<u64> {
        (self.at(to_ns) - self.at(from_ns)).around_value()
    }

    /// Returns the estimate at an instant before the point `next`: linear between points.
    fn estimate(&self, at_ns: u64, next: usize, total_uj: u64) -> u64 {
        let (from, to) = self.around(next, total_uj);
        straight(from, to, at_ns)
    }

    /// Returns the points `(nanoseconds, microjoules)` between which the estimate is linear before the point `next`.
    fn around(&self, next: usize, total_uj: u64) -> ((u64, u64), (u64, u64)) {
        let place = |point: &CurvePoint| (point.at_ns, point.uj);
        let from = next.checked_sub(1).and_then(|at| self.points.get(at)).map_or((0, 0), place);
        (from, self.points.get(next).map_or((self.end_ns, total_uj), place))
    }

    /// Returns the same curve with fewer points: at most `most` of its own, spread over time, and one at each instant of
    /// `also`.
    #[must_use]
    pub(crate) fn thin(&self, most: usize, also: &[u64]) -> Self {
        let instants = spread(self.points.iter().map(|point| point.at_ns), most, self.end_ns);
        let instants = instants.into_iter().chain(also.iter().copied());
        let points = instants.map(|at_ns| CurvePoint::at_instant(at_ns, &self.at(at_ns)));
        Self::new(points, self.end_ns, self.total)
    }
}

/// The number of a curve's points that are before an instant, by each of the three times of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Passed {
    /// Points whose energy had surely been used: `hi_ns` is not after the instant.
    surely: usize,
    /// Points whose energy had most likely been used: `at_ns` is not after the instant.
    likely: usize,
    /// Points whose energy may have been used: `lo_ns` is before the instant.
    possibly: usize,
}

impl Passed {
    /// Returns the numbers at an instant, by three searches.
    fn search(points: &[CurvePoint], at_ns: u64) -> Self {
        Self {
            surely: points.partition_point(|point| point.hi_ns <= at_ns),
            likely: points.partition_point(|point| point.at_ns <= at_ns),
            possibly: points.partition_point(|point| point.lo_ns < at_ns),
        }
    }
}

/// Selects at most `most` of rising instants, spread evenly over `[0, end_ns]`: of each of `most` equal parts of this time
/// the last instant.
fn spread(instants: impl Iterator<Item = u64>, most: usize, end_ns: u64) -> Vec<u64> {
    let instants: Vec<u64> = instants.collect();
    if instants.len() <= most {
        return instants;
    }
    let part = |at_ns: u64| u128::from(at_ns) * most.max(1) as u128 / u128::from(end_ns.max(1));
    let mut kept: Vec<u64> = Vec::with_capacity(most);
    for at_ns in instants {
        match kept.last_mut().filter(|last| part(**last) == part(at_ns) || at_ns >= end_ns) {
            Some(last) => *last = at_ns,
            None => kept.push(at_ns),
        }
    }
    kept.truncate(most);
    kept
}

/// Returns the energy at an instant on the straight line between two points `(nanoseconds, microjoules)`, rounded down.
pub(crate) fn straight((from_ns, from_uj): (u64, u64), (to_ns, to_uj): (u64, u64), at_ns: u64) -> u64 {
    let whole_ns = u128::from(to_ns.saturating_sub(from_ns).max(1));
    let passed_ns = u128::from(at_ns.saturating_sub(from_ns)).min(whole_ns);
    let grown = u128::from(to_uj.saturating_sub(from_uj)) * passed_ns / whole_ns;
    from_uj.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(lo_ns: u64, hi_ns: u64, uj: u64) -> CurvePoint {
        CurvePoint::of_knot(&Knot::change(lo_ns, hi_ns, uj), 0, 0)
    }

    fn level(low: u64, uj: u64, high: u64) -> Bounded<u64> {
        Bounded::hard(uj, low, Some(high))
    }

    #[test]
    fn between_two_points_the_energy_is_theirs() {
        let curve = Curve::new([seen(190, 210, 100), seen(590, 610, 500)], 1000, Bounded::exact(900));
        assert_eq!(curve.at(400), level(100, 300, 500));
        assert_eq!(curve.at(100), level(0, 50, 100));
        assert_eq!(curve.at(800), level(500, 700, 900));
        assert_eq!(curve.at(600), level(100, 500, 900), "within a point's own bracket");
        assert_eq!((curve.at(0), curve.at(1000)), (level(0, 0, 0), level(900, 900, 900)));
        assert_eq!(curve.between(100, 800), level(400, 650, 900));
    }

    #[test]
    fn without_points_nothing_is_sure_but_the_ends() {
        let curve = Curve::new([], 1000, level(900, 900, 950));
        assert_eq!((curve.at(500), curve.at(1000)), (level(0, 450, 950), level(900, 900, 950)));
        let unknown = Curve::new([seen(1, 2, 3)], 1000, Bounded::unknown());
        assert_eq!(unknown.at(500), Bounded::unknown());
        assert!(unknown.points().is_empty());
    }

    #[test]
    fn what_the_whole_is_unsure_of_no_point_knows() {
        let loose = [seen(190, 210, 100), seen(590, 610, 500)].map(|point| point.loosened(50, Some(20)));
        let curve = Curve::new(loose, 1000, level(850, 900, 920));
        assert_eq!(curve.at(400), level(50, 300, 520));
        let open = [seen(190, 210, 100)].map(|point| point.loosened(0, None));
        assert_eq!(Curve::new(open, 1000, Bounded::hard(900, 900, None)).at(100).high, None);
    }

    #[test]
    fn k03_a_change_is_dated_where_the_ledger_dates_it() {
        let late = Knot { at_ns: 900, ..Knot::change(100, 1_000, 800) };
        let curve = Curve::new([CurvePoint::of_knot(&late, 0, 0)], 2_000, Bounded::exact(1_000));
        assert_eq!(curve.at(900).value, Some(800), "not at the middle of its bracket, 550");
    }

    pub(super) fn any_curve() -> impl Strategy<Value = Curve> {
        let point = (0..2_000_u64, 0..50_u64, 0..50_u64, 0..1_000_u64, 0..30_u64, prop::option::of(0..30_u64));
        let point = point.prop_map(|(at_ns, early, late, uj, below, above)| CurvePoint {
            lo_ns: at_ns.saturating_sub(early),
            at_ns,
            hi_ns: at_ns + late,
            low_uj: uj.saturating_sub(below),
            uj,
            high_uj: above.map(|above| uj + above),
        });
        (prop::collection::vec(point, 0..40), 1..2_000_u64, 0..1_000_u64, 0..20_u64).prop_map(
            |(points, end_ns, uj, off)| {
                Curve::new(points, end_ns, Bounded::plausible(uj, uj.saturating_sub(off), Some(uj + off)))
            },
        )
    }

    proptest! {
        #[test]
        fn it_rises_and_lies_within_its_bounds(curve in any_curve()) {
            let levels: Vec<Bounded<u64>> = (0..=curve.end_ns()).map(|at_ns| curve.at(at_ns)).collect();
            prop_assert!(levels.iter().all(Bounded::is_consistent));
            for pair in levels.windows(2) {
                prop_assert!(pair[0].value <= pair[1].value, "{:?}", pair);
                prop_assert!(pair[0].low <= pair[1].low, "{:?}", pair);
            }
        }

        #[test]
        fn a_thinned_curve_is_never_surer(curve in any_curve(), most in 1..20_usize, also in 1..2_000_u64) {
            let thin = curve.thin(most, &[also]);
            prop_assert!(thin.points().len() <= most + 1);
            prop_assert_eq!(thin.total(), curve.total());
            for at_ns in 0..=curve.end_ns() {
                let (few, many) = (thin.at(at_ns), curve.at(at_ns));
                prop_assert!(few.low <= many.low, "{} {:?} {:?}", at_ns, few, many);
                prop_assert!(few.high.is_none_or(|few| many.high.is_some_and(|many| few >= many)));
            }
            if also < curve.end_ns() {
                prop_assert_eq!(thin.at(also).value, curve.at(also).value);
            }
        }
    }
}

//! The curve of a whole run ([`RunCurve`], the sum of its devices' curves), and a curve as a report stores it
//! ([`CurveRecord`]): columns of at most a few hundred points, for charts and for pricing the run again.

use super::{Curve, CurvePoint, spread};
use crate::Bounded;
use serde::{Deserialize, Serialize};

/// The energy of a run at any instant: its devices' curves added up, within the run's total.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCurve {
    parts: Vec<Curve>,
    end_ns: u64,
    total: Bounded<u64>,
}

impl RunCurve {
    /// Returns the curve of a run that lasted `end_ns` and used `total`, of which `parts` are known. A part of the total that has no
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

    /// Returns the same curve with another total, known better or less well.
    #[must_use]
    pub fn with_total(self, total: Bounded<u64>) -> Self {
        Self { total, ..self }
    }

    /// Returns the energy used in the first `at_ns` nanoseconds. It never falls, and from the run's end on it is the run's total.
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

    /// Returns the energy used from one instant to a later one.
    #[must_use]
    pub fn between(&self, from_ns: u64, to_ns: u64) -> Bounded<u64> {
        (self.at(to_ns) - self.at(from_ns)).around_value()
    }

    /// Returns the run as one curve with at most `most` points of the parts, spread over time, and one at each instant of
    /// `also`.
    #[must_use]
    pub(crate) fn thin(&self, most: usize, also: &[u64]) -> Curve {
        let mut instants: Vec<u64> = self.parts.iter().flat_map(Curve::points).map(|point| point.at_ns).collect();
        instants.sort_unstable();
        instants.dedup();
        let instants = spread(instants.into_iter(), most, self.end_ns).into_iter().chain(also.iter().copied());
        let points = instants.map(|at_ns| CurvePoint::at_instant(at_ns, &self.at(at_ns)));
        Curve::new(points, self.end_ns, self.total)
    }
}

/// How one device's energy grew over the run; cumulative, and never falling.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CurveRecord {
    /// Id of the device; of a sum the component's name.
    pub device: String,
    /// Number of devices of which this is the sum; absent: it is the curve of one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
    /// Instants, nanoseconds since the start of the run, rising.
    pub t_ns: Vec<u64>,
    /// Energy used until then, microjoules.
    pub energy_uj: Vec<u64>,
    /// Lower bound of that energy, microjoules.
    pub low_uj: Vec<u64>,
    /// Upper bound of that energy, microjoules; `None`: there is none.
    pub high_uj: Vec<Option<u64>>,
}

impl CurveRecord {
    /// Returns a curve as a record, including its end.
    #[must_use]
    pub(crate) fn new(device: &str, curve: &Curve) -> Self {
        let mut record = Self { device: device.to_owned(), ..Self::default() };
        let end = CurvePoint::at_instant(curve.end_ns(), &curve.total());
        let points = curve.points().iter().filter(|point| point.at_ns < curve.end_ns());
        for point in points.chain([&end]) {
            record.t_ns.push(point.at_ns);
            record.energy_uj.push(point.uj);
            record.low_uj.push(point.low_uj);
            record.high_uj.push(point.high_uj);
        }
        record
    }

    /// Whether the columns have one length, times rise, energies do not fall, and each lies within its bounds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let count = self.t_ns.len();
        let alike = [self.energy_uj.len(), self.low_uj.len(), self.high_uj.len()].iter().all(|len| *len == count);
        let rises = self.t_ns.windows(2).all(|pair| pair[0] < pair[1]) && self.energy_uj.is_sorted();
        let bounds = self.energy_uj.iter().zip(self.low_uj.iter().zip(&self.high_uj));
        let mut within =
            bounds.map(|(uj, (low_uj, high_uj))| low_uj <= uj && high_uj.is_none_or(|high_uj| *uj <= high_uj));
        alike && rises && within.all(|within| within)
    }

    /// The curve of a run of that length, whose device used `total`. Columns of unequal length count as far as all reach.
    #[must_use]
    pub fn curve(&self, end_ns: u64, total: Bounded<u64>) -> Curve {
        let columns = self.t_ns.iter().zip(&self.energy_uj).zip(self.low_uj.iter().zip(&self.high_uj));
        let points = columns.map(|((at_ns, uj), (low_uj, high_uj))| CurvePoint {
            lo_ns: *at_ns,
            at_ns: *at_ns,
            hi_ns: *at_ns,
            low_uj: (*low_uj).min(*uj),
            uj: *uj,
            high_uj: high_uj.map(|high_uj| high_uj.max(*uj)),
        });
        Curve::new(points, end_ns, total)
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

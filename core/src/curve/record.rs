//! A curve as a report stores it: columns of at most a few hundred points, for charts and for pricing the run again.

use serde::{Deserialize, Serialize};

use super::{Curve, CurvePoint};
use crate::Bounded;

/// How one device's energy grew over the run; cumulative, and never falling.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CurveRecord {
    /// Id of the device; of a sum the component's name.
    pub device: String,
    /// Of how many devices this is the sum; absent: of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
    /// Instants, nanoseconds since the run began, rising.
    pub t_ns: Vec<u64>,
    /// Energy used until then, microjoules.
    pub energy_uj: Vec<u64>,
    /// Lower bound of it.
    pub low_uj: Vec<u64>,
    /// Upper bound of it; `None`: there is none.
    pub high_uj: Vec<Option<u64>>,
}

impl CurveRecord {
    /// A curve as a record, its end included.
    ///
    /// ```
    /// use eco2_core::{Bounded, Curve, CurvePoint, CurveRecord};
    ///
    /// let points = [(0, 0), (60, 900)].map(|(at_ns, uj)| CurvePoint::at_instant(at_ns, &Bounded::exact(uj)));
    /// let record = CurveRecord::new("gpu-0", &Curve::new(points, 100, Bounded::exact(1_000)));
    /// assert_eq!((record.t_ns, record.energy_uj), (vec![60, 100], vec![900, 1_000]));
    /// ```
    #[must_use]
    pub fn new(device: &str, curve: &Curve) -> Self {
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

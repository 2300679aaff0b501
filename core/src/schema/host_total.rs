//! The record [`HostTotal`]: the energy of the whole machine by one sensor, and what of it no part explains.

use super::device::Device;
use crate::{Bounded, Quality, RangeKind, Ranged};
use serde::{Deserialize, Serialize};

/// Energy of the whole machine as a sensor outside its parts shows it (a BMC, or `psys`), compared with the sum of the parts
/// that were read. It is in no total. Energies are in microjoules.
///
/// The *remainder* is the total without the parts: fans, power supplies, disks, and whatever else has no sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostTotal {
    /// Id of the sensor, which is one of the report's `devices`.
    pub device: String,
    /// Name of the source that read it: `redfish`, `ipmi`, `rapl-perf`.
    pub source: String,
    /// Start of the time that its readings cover, nanoseconds since the start of the run.
    pub from_ns: u64,
    /// End of that time, nanoseconds since the start of the run.
    pub to_ns: u64,
    /// Energy of the machine in that time; `None`: not known.
    pub energy_uj: Option<u64>,
    /// Lower bound of that energy.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// Energy of the summed parts in the same time; `None`: none was read.
    pub parts_uj: Option<u64>,
    /// The total without the parts. Negative where the parts show more than the total. `None`: not known, because a part or
    /// the total was not read for a while.
    pub remainder_uj: Option<i64>,
    /// Lower bound of the remainder; `None`: unbounded.
    pub remainder_low_uj: Option<i64>,
    /// Upper bound of the remainder; `None`: unbounded.
    pub remainder_high_uj: Option<i64>,
    /// How the remainder came about: the worst quality of the total and of the parts.
    pub quality: Quality,
    /// What all these ranges promise, the weaker of total and parts; `None` where nothing is known.
    pub range_kind: Option<RangeKind>,
    /// Probability that a range contains the true value, percent; `None` as for `range_kind`.
    pub range_percent: Option<f64>,
}

/// The energies from which a [`HostTotal`] is computed, all of the same time.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// The machine, by the sensor.
    pub total: Bounded<u64>,
    /// The sum of its parts.
    pub parts: Bounded<u64>,
    /// Whether total and parts were read all the time.
    pub is_complete: bool,
    /// Whether the sensor shows the whole machine, so that the parts lie within it.
    pub is_whole: bool,
}

impl HostTotal {
    /// Returns the record of a sensor without any figure.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        Self {
            device: device.id.clone(),
            source: device.source.clone(),
            from_ns: 0,
            to_ns: 0,
            energy_uj: None,
            low_uj: 0,
            high_uj: None,
            parts_uj: None,
            remainder_uj: None,
            remainder_low_uj: None,
            remainder_high_uj: None,
            quality: device.quality,
            range_kind: None,
            range_percent: None,
        }
    }

    /// Returns the record with the figures of a comparison.
    #[must_use]
    pub fn with_energies(self, compared: Compared) -> Self {
        let Compared { total, parts, is_complete, is_whole } = compared;
        let range_kind = total.value.map(|_| total.kind.and(parts.kind));
        let known = total.value.zip(parts.value).filter(|_| is_complete && is_whole);
        Self {
            energy_uj: total.value,
            low_uj: total.low,
            high_uj: total.high,
            parts_uj: parts.value,
            remainder_uj: known.map(|(total, parts)| difference(total, parts)),
            remainder_low_uj: parts.high.filter(|_| is_whole).map(|most| difference(total.low, most)),
            remainder_high_uj: total.high.filter(|_| is_whole).map(|most| difference(most, parts.low)),
            range_kind,
            range_percent: range_kind.map(RangeKind::percent),
            ..self
        }
    }
}

/// Returns a difference with its sign; saturates.
fn difference(whole: u64, part: u64) -> i64 {
    let most = i128::from(i64::MAX);
    i64::try_from((i128::from(whole) - i128::from(part)).clamp(-most, most)).unwrap_or(i64::MAX)
}

impl Ranged for HostTotal {
    type Amount = u64;

    /// The machine's energy with bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        let kind = self.range_kind.unwrap_or(RangeKind::Plausible);
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind }
    }
}

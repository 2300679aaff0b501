//! Defines the query to a provider of intensities ([`IntensityQuery`]: a zone and a period) and its answer, a list of
//! *slots*: periods with one intensity each.

use crate::{Intensity, IntensityKind, MAX_G_PER_KWH, Sha256};

/// A query for the intensities of a zone over a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntensityQuery<'a> {
    /// The zone in the notation of the provider or of the yearly table; empty for the only zone of the provider.
    pub zone: &'a str,
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC; after the current time for a forecast.
    pub to_ns: i64,
    /// Current time, nanoseconds since 1970 UTC.
    pub now_ns: i64,
}

/// A period with one intensity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensitySlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Whether the provider calls it an estimate, or it is the value of another time.
    pub estimated: bool,
    /// Whether it is a forecast.
    pub forecast: bool,
    /// SHA-256 of the answer that contains it, as the service sent it; `None` if no service was asked.
    pub answer: Option<Sha256>,
}

/// The origin of intensities, and what they count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntensityOrigin {
    /// Publisher.
    pub source: String,
    /// Zone of the values.
    pub zone: String,
    /// What the values count; `None` if not stated.
    pub kind: Option<IntensityKind>,
    /// Year of a yearly average; `None` for other values.
    pub year: Option<i32>,
    /// Licence; empty if not stated.
    pub licence: String,
    /// SHA-256 of the embedded table or the file that contains the values; `None` for other sources.
    pub table: Option<Sha256>,
}

/// An answer: slots sorted by time that do not overlap.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    slots: Vec<IntensitySlot>,
    /// Origin of the values.
    pub about: IntensityOrigin,
    /// The reason why the answer is not fresh; `None` for a fresh answer.
    pub stale: Option<super::ProviderFault>,
}

impl Reply {
    /// Sorts slots. Of two that overlap, the first in `slots` stays whole. Values that are not from 0 to 5000 g/kWh
    /// count as unknown and are left out.
    #[must_use]
    pub fn new(about: IntensityOrigin, slots: impl IntoIterator<Item = IntensitySlot>) -> Self {
        let mut kept: Vec<IntensitySlot> = Vec::new();
        let sane = |slot: &IntensitySlot| slot.to_ns > slot.from_ns && (0.0..=MAX_G_PER_KWH).contains(&slot.g_per_kwh);
        for slot in slots.into_iter().filter(sane) {
            let place = kept.partition_point(|other| other.from_ns < slot.from_ns);
            let clear_before = place == 0 || kept[place - 1].to_ns <= slot.from_ns;
            let to_ns = kept.get(place).map_or(slot.to_ns, |next| next.from_ns.min(slot.to_ns));
            if clear_before && to_ns > slot.from_ns {
                kept.insert(place, IntensitySlot { to_ns, g_per_kwh: slot.g_per_kwh.abs(), ..slot });
            }
        }
        Self { slots: kept, about, stale: None }
    }

    /// Returns the slots, sorted by time.
    #[must_use]
    pub fn slots(&self) -> &[IntensitySlot] {
        &self.slots
    }
}

impl From<&Intensity> for IntensityOrigin {
    fn from(intensity: &Intensity) -> Self {
        Self {
            source: intensity.source.clone(),
            zone: intensity.zone.clone(),
            kind: intensity.kind,
            year: intensity.year,
            licence: intensity.licence.clone(),
            table: intensity.table,
        }
    }
}

/// Hits and misses of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// Queries that the cache answered.
    pub hits: u64,
    /// Queries that the provider answered.
    pub misses: u64,
    /// Queries without an answer of the provider, answered with older values.
    pub stale: u64,
    /// Queries without an answer of the provider and without older values.
    pub failed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(from_ns: i64, to_ns: i64, g_per_kwh: f64) -> IntensitySlot {
        IntensitySlot { from_ns, to_ns, g_per_kwh, estimated: false, forecast: false, answer: None }
    }

    #[test]
    fn slots_are_sorted_and_the_first_of_two_that_overlap_stays() {
        let given = [slot(10, 20, 1.0), slot(0, 12, 2.0), slot(15, 25, 3.0), slot(20, 30, 4.0)];
        let reply = Reply::new(IntensityOrigin::default(), given);
        assert_eq!(reply.slots(), [slot(0, 10, 2.0), slot(10, 20, 1.0), slot(20, 30, 4.0)]);
    }

    #[test]
    fn value_that_is_no_intensity_is_unknown_and_not_zero() {
        let given = [slot(0, 1, f64::NAN), slot(1, 2, -1.0), slot(2, 3, 5001.0), slot(3, 3, 1.0), slot(4, 5, 0.0)];
        assert_eq!(Reply::new(IntensityOrigin::default(), given).slots(), [slot(4, 5, 0.0)]);
    }
}

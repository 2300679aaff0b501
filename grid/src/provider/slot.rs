//! What a provider is asked, and what it answers.

use crate::{Intensity, IntensityKind, MAX_G_PER_KWH, Sha256};

/// A question: which zone, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntensityQuery<'a> {
    /// The zone, as the provider or the yearly table names it; empty: the provider's only one.
    pub zone: &'a str,
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC; after now for a forecast.
    pub to_ns: i64,
    /// Now, nanoseconds since 1970 UTC.
    pub now_ns: i64,
}

/// A stretch of time with one intensity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensitySlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Whether the provider calls it an estimate, or it was not measured at this time.
    pub estimated: bool,
    /// Whether it was forecast.
    pub forecast: bool,
    /// SHA-256 of the answer that it is from, as the service sent it; `None`: nobody was asked.
    pub answer: Option<Sha256>,
}

/// Who says so, and what the figures count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntensityOrigin {
    /// Who publishes it.
    pub source: String,
    /// The zone that the figures are of.
    pub zone: String,
    /// What they count; `None`: not stated.
    pub kind: Option<IntensityKind>,
    /// Year of a yearly figure; `None` for figures of their own time.
    pub year: Option<i32>,
    /// Under which licence; empty where nobody says.
    pub licence: String,
    /// SHA-256 of the committed table or the file that the figures are from; `None`: they are from none.
    pub table: Option<Sha256>,
}

/// An answer: slots in the order of time that do not overlap.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    slots: Vec<IntensitySlot>,
    /// Where they come from.
    pub about: IntensityOrigin,
    /// Why the answer is not a fresh one; `None`: it is.
    pub stale: Option<super::ProviderFault>,
}

impl Reply {
    /// Puts slots in order. Of two that overlap, the one that comes first in `slots` stays whole; figures that are no
    /// number from 0 to 5000 are not known, and left out.
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

    /// The slots.
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

/// How often the cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// Answered without asking.
    pub hits: u64,
    /// Asked, and answered.
    pub misses: u64,
    /// Asked in vain, and answered with what was known.
    pub stale: u64,
    /// Asked in vain, and nothing was known.
    pub failed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(from_ns: i64, to_ns: i64, g_per_kwh: f64) -> IntensitySlot {
        IntensitySlot { from_ns, to_ns, g_per_kwh, estimated: false, forecast: false, answer: None }
    }

    #[test]
    fn slots_come_in_order_and_the_first_of_two_stays() {
        let given = [slot(10, 20, 1.0), slot(0, 12, 2.0), slot(15, 25, 3.0), slot(20, 30, 4.0)];
        let reply = Reply::new(IntensityOrigin::default(), given);
        assert_eq!(reply.slots(), [slot(0, 10, 2.0), slot(10, 20, 1.0), slot(20, 30, 4.0)]);
    }

    #[test]
    fn what_is_no_intensity_is_not_known_and_not_zero() {
        let given = [slot(0, 1, f64::NAN), slot(1, 2, -1.0), slot(2, 3, 5001.0), slot(3, 3, 1.0), slot(4, 5, 0.0)];
        assert_eq!(Reply::new(IntensityOrigin::default(), given).slots(), [slot(4, 5, 0.0)]);
    }
}

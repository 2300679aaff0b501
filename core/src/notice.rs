//! Notices ([`Notice`]): unusual readings of a counter or power sensor. The report shows each as an event.

use std::fmt;

use crate::schema::EventKind;

/// Something unusual in the readings of one domain (a sensor or counter of a device).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// When it was noticed, monotonic nanoseconds.
    pub at_ns: u64,
    /// What was unusual.
    pub kind: NoticeKind,
}

/// The kinds of notices; their text is what an event shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The counter was reset: a new segment began.
    Reset,
    /// The counter may have wrapped more than once between two readings.
    WrapAmbiguous,
    /// A value beyond what the device can draw, in microwatts, was not counted.
    Implausible {
        /// The most that the device can draw.
        most_uw: u64,
    },
    /// The counter returned to its earlier values: those in between were not counted.
    TakenBack,
    /// A value above the stated range: the range is wrong and no longer used.
    RangeExceeded,
    /// The device drew more than its stated limit or its model's ceiling, twice in a row: the ceiling is wrong.
    CeilingExceeded,
    /// The sensor stopped working during the run: another one of the device, or an estimate, counts from its last update on.
    Replaced {
        /// Whether a model's estimate counts; else the power sensor of the same device.
        estimated: bool,
    },
    /// The sensor works again, and counts from here on.
    Returned,
}

impl NoticeKind {
    /// Returns the kind of its event.
    ///
    /// ```
    /// use eco2_core::NoticeKind;
    ///
    /// assert_eq!(NoticeKind::Implausible { most_uw: 700_000_000 }.event_kind().name(), "implausible");
    /// ```
    #[must_use]
    pub fn event_kind(self) -> EventKind {
        match self {
            Self::Reset => EventKind::Reset,
            Self::WrapAmbiguous => EventKind::WrapAmbiguous,
            Self::Implausible { .. } | Self::TakenBack => EventKind::Implausible,
            Self::RangeExceeded => EventKind::RangeExceeded,
            Self::CeilingExceeded => EventKind::CeilingExceeded,
            Self::Replaced { .. } => EventKind::SensorReplaced,
            Self::Returned => EventKind::SensorReturned,
        }
    }

    /// Returns the index of the kind in the counts of notices.
    fn index(self) -> usize {
        match self {
            Self::Reset => 0,
            Self::WrapAmbiguous => 1,
            Self::Implausible { .. } => 2,
            Self::TakenBack => 3,
            Self::RangeExceeded => 4,
            Self::CeilingExceeded => 5,
            Self::Replaced { .. } => 6,
            Self::Returned => 7,
        }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("the counter was reset; energy since its last update is not known"),
            Self::WrapAmbiguous => f.write_str("too long without a reading: the counter may have wrapped again"),
            Self::Implausible { most_uw } => {
                write!(f, "a reading beyond what the device can draw ({} W) was not counted", most_uw / 1_000_000)
            }
            Self::TakenBack => {
                f.write_str("the counter returned to its earlier values: what it showed meanwhile was not counted")
            }
            Self::RangeExceeded => {
                f.write_str("the counter is above its stated range: the range is not used, a fall is taken as a reset")
            }
            Self::CeilingExceeded => f.write_str(
                "the device repeatedly draws more than its limit: bounds that rest on the limit are not used",
            ),
            Self::Replaced { estimated } => {
                let by = if *estimated { "a model's estimate" } else { "the integrated power of the device" };
                write!(f, "the sensor has stopped working: from its last update on the energy is {by}")
            }
            Self::Returned => f.write_str("the sensor works again: its own figures are used"),
        }
    }
}

/// Notices of one kind and domain that become events, so that a bad sensor does not fill the report. Further ones are only
/// counted.
const MAX_KEPT: u32 = 10;
/// Number of kinds.
const KINDS: usize = 8;

/// The notices of one domain that have not been collected yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices {
    waiting: Vec<Notice>,
    counts: [u32; KINDS],
}

impl Notices {
    /// Adds a notice, unless there are too many of its kind.
    pub(crate) fn add(&mut self, at_ns: u64, kind: NoticeKind) {
        let Some(count) = self.counts.get_mut(kind.index()) else { return };
        *count = count.saturating_add(1);
        if *count <= MAX_KEPT {
            self.waiting.push(Notice { at_ns, kind });
        }
    }

    /// Returns the notices since the last call, oldest first.
    pub(crate) fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_one_kind_are_bounded_and_leave_room_for_others() {
        let mut notices = Notices::default();
        (0..100).for_each(|at_ns| notices.add(at_ns, NoticeKind::Reset));
        notices.add(7, NoticeKind::RangeExceeded);
        let taken = notices.take();
        assert_eq!((taken.len(), taken.last().map(|notice| notice.kind)), (11, Some(NoticeKind::RangeExceeded)));
        assert!(notices.take().is_empty());
    }
}

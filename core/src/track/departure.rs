//! A counter that departs from its course and returns to it: the values in between were wrong readings, or came from
//! another counter, and are dropped.

use super::Track;
use super::fallback::Fallback;
use crate::fold::Outcome;
use crate::notice::NoticeKind;
use crate::{GapReason, Reading};

impl Fallback<Track> {
    /// Whether a reading continues the course that the counter left.
    pub(super) fn fits(&self, reading: &Reading) -> bool {
        self.is_fresh(reading) && self.before.fold.continues(reading)
    }
}

impl Track {
    pub(super) fn anomaly(&mut self, at_ns: u64, kind: NoticeKind) {
        self.counts.anomalies += 1;
        self.notices.add(at_ns, kind);
    }

    pub(super) fn implausible(&self) -> NoticeKind {
        NoticeKind::Implausible { most_uw: self.domain.most_uw() }
    }

    /// Keeps the track as it is before the counter departs from its course.
    pub(super) fn depart(&mut self, outcome: Outcome, leap: bool, reading: &Reading) {
        let kept = self.fallback.as_ref().is_some_and(|kept| !kept.leap && kept.is_fresh(reading));
        // A value that is held back changes nothing yet, and a leap is the weaker reason.
        if outcome == Outcome::Implausible || (leap && kept) {
            return;
        }
        let fallback = self.fallback.take();
        let before = Box::new(self.clone());
        drop(fallback);
        self.fallback = Some(Fallback { before, at_ns: reading.before_ns, leap });
    }

    /// The counter is back on its earlier course: what it counted there goes on, the departure is forgotten.
    pub(super) fn taken_back(&mut self, fallback: Fallback<Self>, leap: bool, reading: &Reading) -> Outcome {
        let counts = self.counts;
        let notices = std::mem::take(&mut self.notices);
        *self = *fallback.before;
        self.notices = notices;
        self.counts.readings = counts.readings;
        self.counts.failures = counts.failures;
        self.counts.anomalies = counts.anomalies;
        self.anomaly(reading.after_ns, NoticeKind::TakenBack);
        let seen_ns = self.fold.seen_before_ns().unwrap_or(0);
        if leap || fallback.leap {
            // A load could have done this too, followed by a reset: the energy is at least what is counted.
            self.gap(seen_ns, reading.after_ns, GapReason::Implausible);
        }
        let before = self.fold.clone();
        let outcome = self.fold.push(reading);
        self.folded(&before, outcome, reading);
        outcome
    }
}

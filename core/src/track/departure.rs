//! Two faults of a sensor, and what its track does about them. A counter departs from its earlier values and returns to
//! them: the values in between were wrong readings, or came from another counter, and are dropped. A sensor dies: something
//! else counts its device.

use super::fallback::Fallback;
use super::{FROZEN_CHANGES, FROZEN_NS, Track};
use crate::fold::Outcome;
use crate::notice::NoticeKind;
use crate::{Gap, GapReason, Kind, Reading};

impl Fallback<Track> {
    /// Whether a reading continues the values that the counter left.
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

    /// Keeps the track as it is before the counter departs from its earlier values.
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

    /// The counter is back at its earlier values: counting goes on from there, and the departure is forgotten.
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

/// A sensor that has failed for this long is dead.
const FAILED_NS: u64 = 1_000_000_000;

impl Track {
    /// Whether the sensor has stopped working: it fails, or does not change though updates are due.
    pub(crate) fn is_dead(&self, now_ns: u64) -> bool {
        if self.failing.is_some() {
            return self.last_good.is_some_and(|(_, good_ns)| now_ns.saturating_sub(good_ns) >= FAILED_NS);
        }
        let due_ns = FROZEN_NS.max(self.period.median_ns().unwrap_or(0).saturating_mul(FROZEN_CHANGES));
        let still = |last: &crate::Knot| last.first && now_ns.saturating_sub(last.hi_ns) > due_ns;
        self.frozen || (self.domain.kind == Kind::Energy && self.knots.back().is_some_and(still))
    }

    /// How much the last change was, microjoules.
    pub(crate) fn last_growth_uj(&self) -> u64 {
        let mut last = self.knots.iter().rev().map(|knot| knot.uj);
        let (now_uj, before_uj) = (last.next().unwrap_or(0), last.next().unwrap_or(0));
        now_uj.saturating_sub(before_uj)
    }

    /// Something else counts the device since the last update (`Some`: whether it is an estimate), or no longer does.
    pub(crate) fn replaced(&mut self, at_ns: u64, by: Option<bool>) {
        self.bridged = by.is_some();
        self.notices.add(at_ns, by.map_or(NoticeKind::Returned, |estimated| NoticeKind::Replaced { estimated }));
    }

    /// A gap of which the counter knows nothing, nor anything else.
    pub(super) fn uncounted(&mut self, gap: Gap, open: (u64, u64)) {
        match self.bridged {
            true => self.slack.mark(gap),
            false => self.slack.add(gap, open),
        }
    }
}

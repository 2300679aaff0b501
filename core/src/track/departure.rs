//! Handles two faults of a sensor in its track (the energy of one counter so far).
//!
//! Departure: a counter jumps or is reset, and later returns to its earlier values. The values in between were wrong
//! readings, or came from another counter, and are dropped. Death: a sensor fails or stays frozen. Then another domain
//! counts the device; `take_over.rs` decides which.

use super::fallback::Fallback;
use super::{FROZEN_CHANGES, FROZEN_NS, Track};
use crate::fold::Outcome;
use crate::notice::NoticeKind;
use crate::{Gap, GapReason, Kind, Reading};

impl Fallback<Track> {
    /// Whether a reading continues the values that the counter had before its departure.
    pub(super) fn is_continued_by(&self, reading: &Reading) -> bool {
        self.is_recent(reading) && self.track.fold.continues(reading)
    }
}

impl Track {
    pub(super) fn record_anomaly(&mut self, at_ns: u64, kind: NoticeKind) {
        self.counts.anomalies += 1;
        self.notices.add(at_ns, kind);
    }

    pub(super) fn implausible_notice(&self) -> NoticeKind {
        NoticeKind::Implausible { most_uw: self.domain.most_uw() }
    }

    /// Copies the track before a departure is applied. `is_leap`: the departure is growth at an unusual power.
    pub(super) fn save_before_departure(&mut self, outcome: Outcome, is_leap: bool, reading: &Reading) {
        // A value that waits for confirmation changes nothing yet.
        if outcome == Outcome::Implausible {
            return;
        }
        // A leap is weaker evidence than a reset: it does not replace a copy made before one.
        let has_reset_copy = self.fallback.as_ref().is_some_and(|kept| !kept.is_leap && kept.is_recent(reading));
        if is_leap && has_reset_copy {
            return;
        }
        // A copy holds no older copy: memory would grow with each departure.
        self.fallback = None;
        let track = Box::new(self.clone());
        self.fallback = Some(Fallback { track, departed_ns: reading.before_ns, is_leap });
    }

    /// Returns to the copy from before the departure, and processes the reading there. Only counts of readings,
    /// failures and anomalies, and the notices, are kept from the time in between.
    pub(super) fn undo_departure(&mut self, fallback: Fallback<Self>, is_leap: bool, reading: &Reading) -> Outcome {
        let counts = self.counts;
        let notices = std::mem::take(&mut self.notices);
        *self = *fallback.track;
        self.notices = notices;
        self.counts.readings = counts.readings;
        self.counts.failures = counts.failures;
        self.counts.anomalies = counts.anomalies;
        self.record_anomaly(reading.after_ns, NoticeKind::TakenBack);
        let seen_ns = self.fold.seen_before_ns().unwrap_or(0);
        if is_leap || fallback.is_leap {
            // A load followed by a reset looks the same: the energy is at least what is counted.
            self.add_gap(seen_ns, reading.after_ns, GapReason::Implausible);
        }
        let prior_fold = self.fold.clone();
        let outcome = self.fold.push(reading);
        self.apply_outcome(&prior_fold, outcome, reading);
        outcome
    }
}

/// A sensor that has failed for this long is dead, nanoseconds: as long as a counter must rest to be frozen.
const MIN_FAILING_NS: u64 = FROZEN_NS;

impl Track {
    /// Whether the sensor has stopped working: it fails, or does not change though updates are due.
    pub(crate) fn is_dead(&self, now_ns: u64) -> bool {
        if self.failing.is_some() {
            return self.last_good.is_some_and(|(_, good_ns)| now_ns.saturating_sub(good_ns) >= MIN_FAILING_NS);
        }
        let due_ns = FROZEN_NS.max(self.period.median_ns().unwrap_or(0).saturating_mul(FROZEN_CHANGES));
        // A counter without a single change since its segment began is never `frozen`: no usual distance is known.
        let is_overdue = |last: &crate::Knot| last.first && now_ns.saturating_sub(last.hi_ns) > due_ns;
        self.frozen || (self.domain.kind == Kind::Energy && self.knots.back().is_some_and(is_overdue))
    }

    /// Returns the energy of the last change, microjoules; 0 before the first.
    pub(crate) fn last_growth_uj(&self) -> u64 {
        let mut totals_uj = self.knots.iter().rev().map(|knot| knot.uj);
        let (last_uj, previous_uj) = (totals_uj.next().unwrap_or(0), totals_uj.next().unwrap_or(0));
        last_uj.saturating_sub(previous_uj)
    }

    /// Records that another domain now counts the device from the last update on. `estimated`: it is an estimate.
    pub(crate) fn record_replacement(&mut self, at_ns: u64, estimated: bool) {
        self.bridged = true;
        self.notices.add(at_ns, NoticeKind::Replaced { estimated });
    }

    /// Records that this domain counts its device itself again.
    pub(crate) fn record_return(&mut self, at_ns: u64) {
        self.bridged = false;
        self.notices.add(at_ns, NoticeKind::Returned);
    }

    /// Adds a gap whose energy this counter did not count. `open`: the instants between which the energy may have been
    /// drawn, nanoseconds.
    pub(super) fn add_uncounted(&mut self, gap: Gap, open: (u64, u64)) {
        if self.bridged {
            // Another domain counted the energy: only time is missing.
            self.slack.mark(gap);
        } else {
            self.slack.add(gap, open);
        }
    }
}

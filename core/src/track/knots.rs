//! Adds the knots of a track: a *knot* is a change of a counter, with the two instants between which it happened, and a
//! *track* has the readings of one sensor or counter. This file decides at which instant of its bracket a change most
//! likely happened, starts segments (the times between two resets), and computes mean power between knots.

use super::{FROZEN_ANYHOW_NS, FROZEN_CHANGES, FROZEN_NS, FROZEN_READINGS, MAX_KNOTS, PowerStart, Track};
use crate::knot::Knot;
use crate::notice::NoticeKind;
use crate::{Gap, GapReason, Quality, Reading};

/// Mean power is computed over at least this time, nanoseconds. Shorter times show the counter's rounding, not the load.
const MIN_POWER_NS: u64 = 50_000_000;
/// And over at least this many times what the instants at its two ends may be off: less would show the guesses of these
/// instants. With four times, a mean power is off by a quarter at most.
const MIN_POWER_ERRORS: u64 = 4;

impl Track {
    /// Records that a reading showed no change; after some time without one the counter is frozen.
    pub(super) fn record_no_change(&mut self, reading: &Reading) {
        self.period.same();
        let (Some(last), Some(usual_ns)) = (self.knots.back(), self.period.median_ns()) else { return };
        let unchanged_ns = reading.before_ns.saturating_sub(last.hi_ns);
        let is_due = unchanged_ns > FROZEN_NS.max(usual_ns.saturating_mul(FROZEN_CHANGES));
        self.frozen = is_due && (unchanged_ns > FROZEN_ANYHOW_NS || self.period.unchanged() >= FROZEN_READINGS);
    }

    /// Adds the knot of a change that happened after `lo_ns`. `is_whole`: all energy since the last knot is in the
    /// total.
    pub(super) fn record_change(&mut self, lo_ns: u64, reading: &Reading, is_whole: bool) {
        let mut knot = Knot { whole: is_whole, ..Knot::change(lo_ns, reading.after_ns, self.fold.total_uj()) };
        let previous_lo_ns = std::mem::replace(&mut self.change_lo_ns, lo_ns);
        if let Some(last) = self.knots.back().copied() {
            knot.at_ns = self.date_change(&knot, &last, reading.before_ns);
            if std::mem::take(&mut self.frozen) {
                // The energy was counted, only the time at which it was drawn is unknown: a gap in time alone.
                self.slack.mark(Gap { from_ns: last.hi_ns, to_ns: knot.lo_ns, reason: GapReason::Frozen });
            } else if !last.first && is_whole {
                let every_reading_changes = self.changes_at_every_reading();
                let (previous, bracket) = ((previous_lo_ns, last.hi_ns), (lo_ns, reading.after_ns));
                self.period.change(knot.at_ns.saturating_sub(last.at_ns), previous, bracket);
                if !every_reading_changes {
                    self.date_first(last.at_ns, knot.at_ns);
                }
            }
        }
        if let Some(last) = self.knots.back().filter(|_| is_whole) {
            // A counter that steps back by one unit and forward again shows a change of one unit without an update. Such
            // a change may be as old as the one before.
            let since_ns = if last.first { last.lo_ns } else { previous_lo_ns.max(last.lo_ns) };
            let is_one_unit = knot.uj.saturating_sub(last.uj) <= self.domain.scale.quantum();
            knot.lo_ns = if is_one_unit { knot.lo_ns.min(since_ns) } else { knot.lo_ns };
        }
        self.push_knot(knot);
    }

    /// Returns the best guess of the instant of a change, nanoseconds. Guesses never fall, though brackets may overlap.
    fn date_change(&mut self, knot: &Knot, last: &Knot, read_ns: u64) -> u64 {
        let is_unrelated = last.first || !knot.whole || self.frozen;
        let at_ns = if self.changes_at_every_reading() {
            read_ns
        } else if is_unrelated {
            // The last update does not predict this one.
            self.period.latest(knot.lo_ns, knot.hi_ns)
        } else {
            self.period.date(last.at_ns, knot.lo_ns, knot.hi_ns)
        };
        at_ns.max(last.at_ns)
    }

    /// Whether every reading shows a change, so that a value is as old as its reading. A model's values are computed
    /// for the instant of their reading.
    fn changes_at_every_reading(&self) -> bool {
        self.period.outruns() || self.domain.quality == Quality::Estimated
    }

    /// Dates the first value of a segment after its second change: the value is one period older than the first change,
    /// and the two changes (at `next_ns` and `after_ns`) determine the period.
    fn date_first(&mut self, next_ns: u64, after_ns: u64) {
        let Some(index) = self.knots.len().checked_sub(2).filter(|&index| self.knots[index].first) else { return };
        let guess_ns = next_ns.saturating_sub(after_ns.saturating_sub(next_ns));
        let previous_ns = index.checked_sub(1).map_or(0, |previous_index| self.knots[previous_index].at_ns);
        let first = &mut self.knots[index];
        first.at_ns = guess_ns.max(first.lo_ns).max(previous_ns).min(first.hi_ns);
    }

    /// Starts a segment. The energy since the last knot of the old segment is unknown.
    pub(super) fn start_segment(&mut self, seen_ns: u64, reading: &Reading) {
        let break_reason = self.pending_break.take();
        if break_reason.is_none_or(|reason| reason == GapReason::Reset) {
            self.counts.resets += 1;
            self.notices.add(reading.after_ns, NoticeKind::Reset);
        }
        let (earliest_ns, likely_ns) = match self.knots.back() {
            Some(last) if last.first => (last.hi_ns, last.hi_ns),
            Some(last) => (last.lo_ns, last.at_ns),
            None => (seen_ns, seen_ns),
        };
        let reason = break_reason.unwrap_or(GapReason::Reset);
        let gap = Gap { from_ns: likely_ns, to_ns: reading.after_ns, reason };
        self.add_uncounted(gap, (earliest_ns, reading.after_ns));
        self.frozen = false;
        // The new count may reach back to the old segment's last update, not only to its last reading.
        self.push_knot(Knot::first(earliest_ns, reading.after_ns, self.fold.total_uj()));
    }

    pub(super) fn add_gap(&mut self, from_ns: u64, to_ns: u64, reason: GapReason) {
        self.add_uncounted(Gap { from_ns, to_ns, reason }, (from_ns, to_ns));
    }

    /// Appends a knot, and updates mean power and the range of a model.
    pub(super) fn push_knot(&mut self, knot: Knot) {
        if self.knots.len() == MAX_KNOTS {
            self.knots.pop_front();
        }
        self.record_power(&knot);
        if let Some(range) = &self.domain.model_range {
            self.model.push(range, self.domain.max_uw.unwrap_or(u64::MAX), knot.at_ns, knot.uj, MAX_KNOTS);
        }
        self.knots.push_back(knot);
    }

    /// Records the mean power until a knot, once it is long enough. A knot after a gap only starts the next mean.
    fn record_power(&mut self, knot: &Knot) {
        let error_ns = self.date_error_ns(knot);
        let next_start = Some(PowerStart { at_ns: knot.at_ns, uj: knot.uj, error_ns });
        let Some(start) = self.power_start.filter(|_| knot.whole) else {
            self.power_start = next_start;
            return;
        };
        let duration_ns = knot.at_ns.saturating_sub(start.at_ns);
        let errors_ns = start.error_ns.saturating_add(error_ns);
        if duration_ns < MIN_POWER_NS.max(errors_ns.saturating_mul(MIN_POWER_ERRORS)) {
            return;
        }
        // A total never falls: where a departure is undone, `power_start` is restored together with the total.
        let energy_uj = knot.uj.saturating_sub(start.uj);
        let uw = u128::from(energy_uj) * 1_000_000_000 / u128::from(duration_ns);
        let uw = u64::try_from(uw).unwrap_or(u64::MAX).min(self.plausible_peak_uw());
        self.peak_uw = self.peak_uw.max(uw);
        self.histogram.record(uw / 1_000, duration_ns);
        let (sum, squares) = &mut self.windows_ns;
        *sum = sum.saturating_add(duration_ns);
        *squares = squares.saturating_add(u128::from(duration_ns).pow(2));
        self.power_start = next_start;
    }

    /// Returns how far the guessed instant of a knot may be off, nanoseconds: half its bracket, or one update where the
    /// bracket is wider, as it is after a pause in reading.
    fn date_error_ns(&self, knot: &Knot) -> u64 {
        if knot.first || self.changes_at_every_reading() {
            return 0;
        }
        (knot.hi_ns.saturating_sub(knot.lo_ns) / 2).min(self.period.median_ns().unwrap_or(u64::MAX))
    }

    /// Returns the most that the device draws, microwatts: its stated limit, or what its model can draw. No limit once
    /// the readings have contradicted it.
    fn plausible_peak_uw(&self) -> u64 {
        let stated = self.domain.max_uw.or(self.domain.ceiling_uw).filter(|_| self.counts.violations == 0);
        stated.unwrap_or(u64::MAX)
    }
}

//! Processes the readings of one sensor or counter (a *domain*): handles wraps, resets, gaps and implausible values, and
//! keeps the last changes of its energy.
//!
//! A *knot* is a change of the counter with the two instants between which it happened ([`Knot`]). A *segment* is the
//! time from one start of the counter to its next reset; its first knot has energy of an unknown age. `fold.rs` decides
//! what a raw value means, `bounds.rs` computes the energy at an instant from the knots, and `slack.rs` keeps the gaps.
//! A *departure* is a jump or reset that may turn out to be a wrong reading; `track/departure.rs` undoes it.
//!
//! Three limits of power are used. `max_uw` is the stated limit of the device. `most_uw()` is the power beyond which a
//! reading must be confirmed by the next one. `plausible_peak_uw()` caps the mean power that reports show.

use std::collections::VecDeque;

use crate::fold::{Fold, Outcome};
use crate::histogram::Histogram;
use crate::knot::{Knot, Period};
use crate::model_range::RangeCurve;
use crate::notice::{Notice, NoticeKind, Notices};
use crate::power::PowerIntegral;
use crate::slack::Slack;
use crate::{Domain, Fault, Gap, GapReason, Kind, Quality, Reading};

mod departure;
mod fallback;

use fallback::Fallback;

/// Knots that are kept, so that the energy at an instant can be computed a little later: 5 s at 100 changes per second.
const MAX_KNOTS: usize = 512;
/// A counter is frozen after this many usual distances between changes without a change. Twenty is far beyond the
/// few updates that a busy machine delays or that a reading misses.
const FROZEN_CHANGES: u64 = 20;
/// And after at least this time, nanoseconds: fast counters may rest for some of their updates on an idle device.
const FROZEN_NS: u64 = 1_000_000_000;
/// Mean power is computed over at least this time, nanoseconds. Shorter times show the counter's rounding, not the load.
const MIN_POWER_NS: u64 = 50_000_000;

/// Counts of what happened to a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Readings taken, failed ones included.
    pub readings: u64,
    /// Reads that failed.
    pub failures: u64,
    /// How often the counter passed the end of its range and was continued.
    pub wraps: u64,
    /// How often the counter started again.
    pub resets: u64,
    /// Readings that were clamped or rejected.
    pub anomalies: u64,
    /// Intervals with more energy than the power limit allows; power-limited bounds are then given up.
    pub violations: u64,
}

/// The energy that one domain has counted, with the last changes and what was unusual.
///
/// ```
/// use eco2_core::{Component, Domain, Outcome, Reading, Track};
///
/// let mut track = Track::new(Domain::counter("gpu-0", Component::Gpu, "board", "example"));
/// let at = |at_ns, uj| Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(uj) };
/// assert_eq!(track.push(&at(0, 500)), Outcome::Baseline);
/// assert_eq!(track.push(&at(100_000_000, 500)), Outcome::Same);
/// track.push(&at(200_000_000, 900));
/// assert_eq!(track.last_change_ns(), Some((100_000_000, 200_000_000))); // its bracket
/// assert_eq!(track.last_knot().map(|knot| knot.uj), Some(400)); // since the first reading
/// ```
#[derive(Debug, Clone)]
pub struct Track {
    pub(crate) domain: Domain,
    /// The last knots, oldest first, at most [`MAX_KNOTS`].
    pub(crate) knots: VecDeque<Knot>,
    /// Running integral of a power sensor; not used by a counter.
    pub(crate) integral: PowerIntegral,
    /// The gaps, and how far they widen the bounds of energy.
    pub(crate) slack: Slack,
    /// Lower and upper energy of an estimate whose domain states its range in factors; empty for other domains.
    pub(crate) model: RangeCurve,
    pub(crate) counts: Counts,
    /// Learns the usual time between updates of the counter.
    pub(crate) period: Period,
    /// Mean powers in milliwatts, weighted by time.
    pub(crate) histogram: Histogram,
    /// Highest mean power over at least [`MIN_POWER_NS`], microwatts; 0: none yet.
    pub(crate) peak_uw: u64,
    /// Turns raw counter values into a total that only grows; not used by a power sensor.
    fold: Fold,
    /// Whether the counter is unchanged though updates are due.
    frozen: bool,
    /// Start of the time over which the next mean power is computed; `None` before the first knot.
    power_start: Option<PowerStart>,
    /// Lower end of the bracket of the last change, as it was read, nanoseconds.
    change_lo_ns: u64,
    /// Usual width of the bracket of a change, smoothed, nanoseconds; 0 before the first.
    bracket_ns: u64,
    /// When the last successful reading started and ended, nanoseconds.
    last_good: Option<(u64, u64)>,
    /// Why the next value will start a new segment; `None` while the segment goes on.
    pending_break: Option<GapReason>,
    failing: Option<Fault>,
    /// The last power that was beyond `most_uw()` and was not confirmed yet, microwatts.
    unconfirmed_uw: Option<u64>,
    /// The state to which the track returns if the last departure was a wrong reading.
    fallback: Option<Fallback<Self>>,
    /// Whether another domain has counted the device since this one's last update; see `take_over.rs`.
    pub(crate) bridged: bool,
    notices: Notices,
}

/// The instant and the energy from which the next mean power is computed.
#[derive(Debug, Clone, Copy)]
struct PowerStart {
    at_ns: u64,
    uj: u64,
}

impl Track {
    /// Returns an empty track of a domain.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        Self {
            fold: Fold::new(&domain),
            slack: Slack::new(domain.max_uw, if domain.kind == Kind::Energy { domain.scale.quantum() } else { 0 }),
            knots: VecDeque::with_capacity(MAX_KNOTS),
            integral: PowerIntegral::averaging(domain.average_ns.unwrap_or(0)),
            model: RangeCurve::default(),
            counts: Counts::default(),
            period: Period::default(),
            histogram: Histogram::default(),
            peak_uw: 0,
            frozen: false,
            power_start: None,
            change_lo_ns: 0,
            bracket_ns: 0,
            last_good: None,
            pending_break: None,
            failing: None,
            unconfirmed_uw: None,
            fallback: None,
            bridged: false,
            notices: Notices::default(),
            domain,
        }
    }

    /// Returns the domain whose readings this track processes.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Returns how often each kind of reading has occurred.
    ///
    /// ```
    /// use eco2_core::{Component, Domain, Fault, Reading, Track};
    ///
    /// let mut track = Track::new(Domain::counter("gpu-0", Component::Gpu, "board", "example"));
    /// track.push(&Reading { before_ns: 0, after_ns: 10, value: Err(Fault::Failed) });
    /// assert_eq!((track.counts().readings, track.counts().failures), (1, 1));
    /// assert_eq!(track.failing(), Some(Fault::Failed));
    /// ```
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the learned update period, nanoseconds; `None` until it is known, and where the counter is read too
    /// slowly to learn it.
    #[must_use]
    pub fn period_ns(&self) -> Option<u64> {
        self.period.learned_ns()
    }

    /// Returns the highest mean power over at least 50 ms, microwatts; 0 before one is known.
    #[must_use]
    pub fn peak_uw(&self) -> u64 {
        self.peak_uw
    }

    /// Returns the last counter change; `None` before the first reading.
    #[must_use]
    pub fn last_knot(&self) -> Option<&Knot> {
        self.knots.back()
    }

    /// Returns the two readings between which the last change was seen, nanoseconds; `None` before the first change.
    ///
    /// The bracket of the knot itself may start earlier: it does where the change may be the remainder of the one
    /// before.
    #[must_use]
    pub fn last_change_ns(&self) -> Option<(u64, u64)> {
        let knot = self.knots.back().filter(|knot| !knot.first)?;
        Some((knot.lo_ns.max(self.change_lo_ns), knot.hi_ns))
    }

    /// Returns the last `max` knots, oldest first.
    pub fn recent(&self, max: usize) -> impl Iterator<Item = &Knot> {
        self.knots.iter().skip(self.knots.len().saturating_sub(max))
    }

    /// Whether enough is kept to compute the energy at an instant. Older knots are dropped, and only their sum is kept.
    #[must_use]
    pub fn remembers(&self, t_ns: u64) -> bool {
        let has_knots = self.knots.len() < MAX_KNOTS || self.knots.front().is_some_and(|knot| knot.hi_ns <= t_ns);
        has_knots && self.integral.remembers(t_ns)
    }

    /// Returns when the last successful reading started and ended, nanoseconds. A small step back (a glitch) counts as
    /// successful, because the sensor answered and its energy is known to a few units. A value that waits for
    /// confirmation does not count.
    #[must_use]
    pub fn last_good_ns(&self) -> Option<(u64, u64)> {
        self.last_good
    }

    /// Returns why reads fail now; `None` while they succeed.
    #[must_use]
    pub(crate) fn failing(&self) -> Option<Fault> {
        self.failing
    }

    /// Returns what was unusual since the last call, oldest first.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.take()
    }

    /// Whether the counter is frozen: unchanged though updates are due.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether no further knot is to be expected: never read, failing, or frozen.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.knots.is_empty() || self.failing.is_some() || self.frozen
    }

    /// Processes one reading and returns what it meant.
    pub fn push(&mut self, reading: &Reading) -> Outcome {
        self.counts.readings += 1;
        let outcome = match self.domain.kind {
            Kind::Energy => self.push_energy(reading),
            Kind::Power => self.push_power(reading),
        };
        match outcome {
            Outcome::Failed(fault) => self.record_failure(fault),
            // The value is not accepted yet.
            Outcome::Implausible => {}
            // The same value again, which is not accepted yet.
            Outcome::Same if self.fold.has_unconfirmed() => {}
            Outcome::Baseline
            | Outcome::Same
            | Outcome::Grew { .. }
            | Outcome::AtLeast
            | Outcome::Glitch
            | Outcome::Reset => {
                self.last_good = Some((reading.before_ns, reading.after_ns));
                self.failing = None;
            }
        }
        outcome
    }

    /// Ends the current segment, because the machine slept or the device went away: the next value starts a new one.
    pub(crate) fn break_segment(&mut self, reason: GapReason) {
        self.fold.break_segment();
        self.fallback = None;
        self.integral.interrupt();
        self.pending_break = Some(reason);
    }

    fn record_failure(&mut self, fault: Fault) {
        self.counts.failures += 1;
        self.failing = Some(fault);
        if matches!(fault, Fault::Lost | Fault::Gone) {
            self.break_segment(GapReason::Lost);
        }
    }

    /// Processes a reading of a counter.
    ///
    /// A reset, a value that is not accepted yet, and growth at an unusual power are departures: each may be a wrong
    /// reading. Before a departure is applied, the track is copied. If a later departure continues the values of that
    /// copy, the counter has returned, and the copy replaces the track. After a known break no value is a departure,
    /// because a new segment is expected.
    fn push_energy(&mut self, reading: &Reading) -> Outcome {
        // A trial on a copy: the outcome must be known before the track changes.
        let mut next_fold = self.fold.clone();
        let outcome = next_fold.push(reading);
        let is_leap = next_fold.leapt();
        let departs = is_leap || matches!(outcome, Outcome::Reset | Outcome::Implausible);
        if departs && !self.fold.is_broken() {
            if let Some(fallback) = self.fallback.take_if(|fallback| fallback.is_continued_by(reading)) {
                return self.undo_departure(fallback, is_leap, reading);
            }
            self.save_before_departure(outcome, is_leap, reading);
        }
        let prior_fold = std::mem::replace(&mut self.fold, next_fold);
        self.apply_outcome(&prior_fold, outcome, reading);
        outcome
    }

    /// Updates knots, gaps, counts and notices by the outcome of a reading. `prior_fold` is the fold before it.
    fn apply_outcome(&mut self, prior_fold: &Fold, outcome: Outcome, reading: &Reading) {
        let seen_ns = prior_fold.seen_before_ns().unwrap_or(0);
        if prior_fold.has_range() && !self.fold.has_range() {
            self.record_anomaly(reading.after_ns, NoticeKind::RangeExceeded);
        }
        match outcome {
            Outcome::Baseline => {
                let gap = Gap { from_ns: 0, to_ns: reading.before_ns, reason: GapReason::Uncovered };
                self.slack.add(gap, (0, reading.after_ns));
                self.push_knot(Knot::first(0, reading.after_ns, 0));
            }
            Outcome::Same => self.record_no_change(reading),
            Outcome::Grew { wrapped, over_limit } => {
                self.counts.wraps += u64::from(wrapped);
                self.counts.violations += u64::from(over_limit);
                if over_limit && prior_fold.has_unconfirmed() {
                    self.notices.add(reading.after_ns, NoticeKind::CeilingExceeded);
                }
                self.record_change(seen_ns, reading, true);
            }
            Outcome::AtLeast => {
                self.add_gap(seen_ns, reading.after_ns, GapReason::WrapAmbiguous);
                self.notices.add(reading.after_ns, NoticeKind::WrapAmbiguous);
                self.record_change(seen_ns, reading, false);
            }
            Outcome::Reset => self.start_segment(seen_ns, reading),
            Outcome::Implausible => self.record_anomaly(reading.after_ns, self.implausible_notice()),
            Outcome::Glitch => self.counts.anomalies += 1,
            Outcome::Failed(_) => {}
        }
    }

    /// Processes a reading of a power sensor. Each accepted reading adds a knot with the integral until then.
    fn push_power(&mut self, reading: &Reading) -> Outcome {
        let raw = match reading.value {
            Ok(raw) => raw,
            Err(fault) => {
                self.integral.interrupt();
                return Outcome::Failed(fault);
            }
        };
        let uw = self.domain.scale.micro(raw);
        if uw > self.domain.most_uw() && !self.is_confirmed(uw) {
            self.unconfirmed_uw = Some(uw);
            self.record_anomaly(reading.after_ns, self.implausible_notice());
            self.integral.interrupt();
            self.pending_break.get_or_insert(GapReason::Implausible);
            return Outcome::Implausible;
        }
        if self.unconfirmed_uw.take().is_some_and(|_| uw > self.domain.most_uw()) {
            self.notices.add(reading.after_ns, NoticeKind::CeilingExceeded);
        }
        let over_limit = self.domain.max_uw.is_some_and(|max| uw > max);
        self.counts.violations += u64::from(over_limit);
        let read_ns = reading.before_ns + reading.after_ns.saturating_sub(reading.before_ns) / 2;
        let (at_ns, interrupted) = self.integral.push(read_ns, uw);
        let is_first = self.knots.is_empty();
        let reason = self.pending_break.take().unwrap_or(GapReason::Failed);
        if is_first {
            let gap = Gap { from_ns: 0, to_ns: reading.before_ns, reason: GapReason::Uncovered };
            self.slack.add(gap, (0, at_ns));
        } else if let Some(from_ns) = interrupted {
            self.add_gap(from_ns, at_ns, reason);
        }
        self.push_knot(Knot::change(at_ns, at_ns, self.integral.total_uj()));
        if is_first { Outcome::Baseline } else { Outcome::Grew { wrapped: false, over_limit } }
    }

    /// Whether the reading before showed about this power too (within a factor of two). Then the limit is wrong, not
    /// the readings.
    fn is_confirmed(&self, uw: u64) -> bool {
        self.unconfirmed_uw.is_some_and(|last_uw| uw / 2 <= last_uw && last_uw / 2 <= uw)
    }

    /// Records that a reading showed no change; after some time without one the counter is frozen.
    fn record_no_change(&mut self, reading: &Reading) {
        self.period.same();
        let (Some(last), Some(usual_ns)) = (self.knots.back(), self.period.median_ns()) else { return };
        let unchanged_ns = reading.before_ns.saturating_sub(last.hi_ns);
        self.frozen = unchanged_ns > FROZEN_NS.max(usual_ns.saturating_mul(FROZEN_CHANGES));
    }

    /// Adds the knot of a change that happened after `lo_ns`. `is_whole`: all energy since the last knot is in the
    /// total.
    fn record_change(&mut self, lo_ns: u64, reading: &Reading, is_whole: bool) {
        let mut knot = Knot { whole: is_whole, ..Knot::change(lo_ns, reading.after_ns, self.fold.total_uj()) };
        let previous_lo_ns = std::mem::replace(&mut self.change_lo_ns, lo_ns);
        if let Some(last) = self.knots.back().copied() {
            knot.at_ns = self.date_change(&knot, &last, reading.before_ns);
            if std::mem::take(&mut self.frozen) {
                // The energy was counted, only the time at which it was drawn is unknown: a gap in time alone.
                self.slack.mark(Gap { from_ns: last.hi_ns, to_ns: knot.lo_ns, reason: GapReason::Frozen });
            } else if !last.first && is_whole {
                let every_reading_changes = self.changes_at_every_reading();
                self.period.change(knot.at_ns.saturating_sub(last.at_ns));
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
    fn start_segment(&mut self, seen_ns: u64, reading: &Reading) {
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

    fn add_gap(&mut self, from_ns: u64, to_ns: u64, reason: GapReason) {
        self.add_uncounted(Gap { from_ns, to_ns, reason }, (from_ns, to_ns));
    }

    /// Appends a knot, and updates mean power, the usual width of a bracket and the range of a model.
    fn push_knot(&mut self, knot: Knot) {
        if self.knots.len() == MAX_KNOTS {
            self.knots.pop_front();
        }
        // A bracket of more than twice the usual width follows a pause in reading. The guessed instant of such a change
        // is off by up to half an update, too much for a mean power over a few updates.
        let width_ns = knot.hi_ns.saturating_sub(knot.lo_ns);
        let is_vague = !knot.first && self.bracket_ns > 0 && width_ns > self.bracket_ns.saturating_mul(2);
        if !is_vague || !knot.whole {
            self.record_power(&knot);
        }
        if !knot.first {
            // Exponential smoothing: a new width counts one eighth.
            let smoothed = (u128::from(self.bracket_ns) * 7 + u128::from(width_ns)) / 8;
            let smoothed_ns = u64::try_from(smoothed).unwrap_or(u64::MAX);
            self.bracket_ns = if self.bracket_ns == 0 { width_ns } else { smoothed_ns };
        }
        if let Some(range) = &self.domain.model_range {
            self.model.push(range, self.domain.max_uw.unwrap_or(u64::MAX), knot.at_ns, knot.uj, MAX_KNOTS);
        }
        self.knots.push_back(knot);
    }

    /// Records the mean power until a knot, once it is long enough. A knot after a gap only starts the next mean.
    fn record_power(&mut self, knot: &Knot) {
        let next_start = Some(PowerStart { at_ns: knot.at_ns, uj: knot.uj });
        let Some(start) = self.power_start.filter(|_| knot.whole) else {
            self.power_start = next_start;
            return;
        };
        let duration_ns = knot.at_ns.saturating_sub(start.at_ns);
        if duration_ns < MIN_POWER_NS {
            return;
        }
        // A total never falls: where a departure is undone, `power_start` is restored together with the total.
        let energy_uj = knot.uj.saturating_sub(start.uj);
        let uw = u128::from(energy_uj) * 1_000_000_000 / u128::from(duration_ns);
        let uw = u64::try_from(uw).unwrap_or(u64::MAX).min(self.plausible_peak_uw());
        self.peak_uw = self.peak_uw.max(uw);
        self.histogram.record(uw / 1_000, duration_ns);
        self.power_start = next_start;
    }

    /// Returns the most that the device draws, microwatts: its stated limit, or what its model can draw. No limit once
    /// the readings have contradicted it.
    fn plausible_peak_uw(&self) -> u64 {
        let stated = self.domain.max_uw.or(self.domain.ceiling_uw).filter(|_| self.counts.violations == 0);
        stated.unwrap_or(u64::MAX)
    }
}

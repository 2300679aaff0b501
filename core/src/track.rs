//! Processes the readings of one sensor or counter (a *domain*): handles wraps, resets, gaps and implausible values, and
//! keeps the last changes of its energy.
//!
//! A *knot* is a change of the counter with the two instants between which it happened ([`Knot`]). A *segment* is the
//! time from one start of the counter to its next reset; its first knot has energy of an unknown age. `fold.rs` decides
//! what a raw value means, `track/knots.rs` dates the changes, `bounds.rs` computes the energy at an instant from the
//! knots, and `slack.rs` keeps the gaps.
//! A *departure* is a jump or reset that may turn out to be a wrong reading; `track/departure.rs` undoes it.
//!
//! Three limits of power are used. `max_uw` is the stated limit of the device. `most_uw()` is the power beyond which a
//! reading must be confirmed by the next one. `plausible_peak_uw()` caps the mean power that reports show.

use std::collections::VecDeque;

use crate::fold::{Fold, Outcome};
use crate::histogram::Histogram;
use crate::knot::Knot;
use crate::model_range::RangeCurve;
use crate::notice::{Notice, NoticeKind, Notices};
use crate::period::{Period, UpdatePeriod};
use crate::power::PowerIntegral;
use crate::slack::Slack;
use crate::{Domain, Fault, Gap, GapReason, Kind, Reading};

mod departure;
mod fallback;
mod knots;

use fallback::Fallback;

/// Knots that are kept, so that the energy at an instant can be computed a little later: 5 s at 100 changes per second.
const MAX_KNOTS: usize = 512;
/// A counter is frozen after this many usual distances between changes without a change. Twenty is far beyond the
/// few updates that a busy machine delays or that a reading misses.
const FROZEN_CHANGES: u64 = 20;
/// And after at least this time, nanoseconds: fast counters may rest for some of their updates on an idle device.
const FROZEN_NS: u64 = 1_000_000_000;
/// And after at least this many readings, because one of a counter that is read once a second may come just before an update;
/// or after more than three times as long, which no reading once a second explains.
const FROZEN_READINGS: u64 = 3;
const FROZEN_ANYHOW_NS: u64 = 3 * FROZEN_NS;

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
    /// Highest mean power over at least 50 ms, microwatts; 0: none yet.
    pub(crate) peak_uw: u64,
    /// Sum of the times over which mean powers were computed, nanoseconds, and sum of their squares.
    windows_ns: (u64, u128),
    /// Turns raw counter values into a total that only grows; not used by a power sensor.
    fold: Fold,
    /// Whether the counter is unchanged though updates are due.
    frozen: bool,
    /// Start of the time over which the next mean power is computed; `None` before the first knot.
    power_start: Option<PowerStart>,
    /// Lower end of the bracket of the last change, as it was read, nanoseconds.
    change_lo_ns: u64,
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
    /// How far `at_ns` may be off, nanoseconds.
    error_ns: u64,
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
            windows_ns: (0, 0),
            frozen: false,
            power_start: None,
            change_lo_ns: 0,
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

    /// Returns the period of the newest updates, precise enough to predict the next ones; `None` until it is.
    #[must_use]
    pub fn precise_period(&self) -> Option<UpdatePeriod> {
        self.period.precise
    }

    /// Returns the highest mean power over at least 50 ms, microwatts; 0 before one is known.
    #[must_use]
    pub fn peak_uw(&self) -> u64 {
        self.peak_uw
    }

    /// Returns the mean length of the times over which mean powers were computed, weighted by time, nanoseconds; `None` before
    /// there is one.
    pub(crate) fn power_window_ns(&self) -> Option<u64> {
        let (sum, squares) = self.windows_ns;
        u64::try_from(squares.checked_div(u128::from(sum))?).ok()
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
}

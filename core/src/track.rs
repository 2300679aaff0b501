//! One domain's way from readings to knots.
//!
//! A *knot* is a counter change with the time bracket in which it happened ([`Knot`]). `bounds.rs` derives from the
//! knots the energy at an instant.

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

/// Knots kept for edges that arrive late: 5 s at 100 changes a second.
const KNOTS: usize = 512;
/// A counter that does not change for this many usual distances between changes, and for this long, is frozen.
const FROZEN_CHANGES: u64 = 20;
const FROZEN_NS: u64 = 1_000_000_000;
/// Mean power is taken over at least this long: shorter stretches show the counter's rounding, not the load.
const POWER_NS: u64 = 50_000_000;

/// Counts of what happened to a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Readings taken, failed ones included.
    pub readings: u64,
    /// Reads that failed.
    pub failures: u64,
    /// Wraps folded.
    pub wraps: u64,
    /// Resets seen.
    pub resets: u64,
    /// Readings that were clamped or rejected.
    pub anomalies: u64,
    /// Intervals with more energy than the power limit allows; power-limited bounds are then given up.
    pub violations: u64,
}

/// One domain's history, as far as it is still needed.
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
    pub(crate) knots: VecDeque<Knot>,
    pub(crate) integral: PowerIntegral,
    pub(crate) slack: Slack,
    /// Of an estimate whose domain has a range in factors.
    pub(crate) model: RangeCurve,
    pub(crate) counts: Counts,
    pub(crate) period: Period,
    pub(crate) histogram: Histogram,
    pub(crate) peak_uw: u64,
    fold: Fold,
    frozen: bool,
    power_from: Option<(u64, u64)>,
    /// Lower end of the bracket of the last change, as it was read.
    change_lo_ns: u64,
    /// Usual width of the bracket of a change, smoothed, nanoseconds; 0 before the first.
    bracket_ns: u64,
    last_good: Option<(u64, u64)>,
    broken: Option<GapReason>,
    failing: Option<Fault>,
    /// A power beyond the ceiling that was read last, microwatts.
    held_uw: Option<u64>,
    fallback: Option<Fallback<Self>>,
    /// Something else counts the device since the last update; see `take_over`.
    pub(crate) bridged: bool,
    notices: Notices,
}

impl Track {
    /// For one domain.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        Self {
            fold: Fold::new(&domain),
            slack: Slack::new(domain.max_uw, if domain.kind == Kind::Energy { domain.scale.quantum() } else { 0 }),
            knots: VecDeque::with_capacity(KNOTS),
            integral: PowerIntegral::averaging(domain.average_ns.unwrap_or(0)),
            model: RangeCurve::default(),
            counts: Counts::default(),
            period: Period::default(),
            histogram: Histogram::default(),
            peak_uw: 0,
            frozen: false,
            power_from: None,
            change_lo_ns: 0,
            bracket_ns: 0,
            last_good: None,
            broken: None,
            failing: None,
            held_uw: None,
            fallback: None,
            bridged: false,
            notices: Notices::default(),
            domain,
        }
    }

    /// What is measured.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What happened so far.
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

    /// Learned update period, nanoseconds; `None` until known, or when polled too slowly to learn it.
    #[must_use]
    pub fn period_ns(&self) -> Option<u64> {
        self.period.learned_ns()
    }

    /// Highest power seen over at least 50 ms, microwatts; 0 before that is known.
    #[must_use]
    pub fn peak_uw(&self) -> u64 {
        self.peak_uw
    }

    /// The last knot.
    #[must_use]
    pub fn last_knot(&self) -> Option<&Knot> {
        self.knots.back()
    }

    /// Between which readings the last change was seen, nanoseconds; `None` before the first change. Unlike the knot's
    /// bracket it does not reach back where the change may be a remainder of the one before.
    #[must_use]
    pub fn last_change_ns(&self) -> Option<(u64, u64)> {
        let knot = self.knots.back().filter(|knot| !knot.first)?;
        Some((knot.lo_ns.max(self.change_lo_ns), knot.hi_ns))
    }

    /// The last `max` knots, oldest first.
    pub fn recent(&self, max: usize) -> impl Iterator<Item = &Knot> {
        self.knots.iter().skip(self.knots.len().saturating_sub(max))
    }

    /// Whether enough is kept to compute the energy at an instant: of the distant past only sums are kept.
    #[must_use]
    pub fn remembers(&self, t_ns: u64) -> bool {
        let knots = self.knots.len() < KNOTS || self.knots.front().is_some_and(|knot| knot.hi_ns <= t_ns);
        knots && self.integral.remembers(t_ns)
    }

    /// Bracket of the last successful reading, nanoseconds.
    #[must_use]
    pub fn last_good_ns(&self) -> Option<(u64, u64)> {
        self.last_good
    }

    /// Why reads fail now; `None` while they succeed.
    #[must_use]
    pub(crate) fn failing(&self) -> Option<Fault> {
        self.failing
    }

    /// What was unusual since the last call, oldest first.
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

    /// Takes one reading; returns what it meant.
    pub fn push(&mut self, reading: &Reading) -> Outcome {
        self.counts.readings += 1;
        let outcome = match self.domain.kind {
            Kind::Energy => self.push_energy(reading),
            Kind::Power => self.push_power(reading),
        };
        match outcome {
            Outcome::Failed(fault) => self.failed(fault),
            Outcome::Implausible => {}
            Outcome::Same if self.fold.holds() => {}
            _ => {
                self.last_good = Some((reading.before_ns, reading.after_ns));
                self.failing = None;
            }
        }
        outcome
    }

    /// The machine slept, or the device went away: the next value starts a new segment.
    pub(crate) fn break_segment(&mut self, reason: GapReason) {
        self.fold.break_segment();
        self.fallback = None;
        self.integral.interrupt();
        self.broken = Some(reason);
    }

    fn failed(&mut self, fault: Fault) {
        self.counts.failures += 1;
        self.failing = Some(fault);
        if matches!(fault, Fault::Lost | Fault::Gone) {
            self.break_segment(GapReason::Lost);
        }
    }

    fn push_energy(&mut self, reading: &Reading) -> Outcome {
        let mut next = self.fold.clone();
        let outcome = next.push(reading);
        let departs = matches!(outcome, Outcome::Reset | Outcome::Implausible) || next.leapt();
        if departs && !self.fold.is_broken() {
            let leap = next.leapt();
            if let Some(fallback) = self.fallback.take_if(|fallback| fallback.fits(reading)) {
                return self.taken_back(fallback, leap, reading);
            }
            self.depart(outcome, leap, reading);
        }
        let before = std::mem::replace(&mut self.fold, next);
        self.folded(&before, outcome, reading);
        outcome
    }

    /// Accounts what a reading meant to the fold.
    fn folded(&mut self, before: &Fold, outcome: Outcome, reading: &Reading) {
        let seen_ns = before.seen_before_ns().unwrap_or(0);
        if before.has_range() && !self.fold.has_range() {
            self.anomaly(reading.after_ns, NoticeKind::RangeExceeded);
        }
        match outcome {
            Outcome::Baseline => {
                let gap = Gap { from_ns: 0, to_ns: reading.before_ns, reason: GapReason::Uncovered };
                self.slack.add(gap, (0, reading.after_ns));
                self.knot(Knot::first(0, reading.after_ns, 0));
            }
            Outcome::Same => self.same(reading),
            Outcome::Grew { wrapped, over_limit } => {
                self.counts.wraps += u64::from(wrapped);
                self.counts.violations += u64::from(over_limit);
                if over_limit && before.holds() {
                    self.notices.add(reading.after_ns, NoticeKind::CeilingExceeded);
                }
                self.changed(seen_ns, reading, true);
            }
            Outcome::AtLeast => {
                self.gap(seen_ns, reading.after_ns, GapReason::WrapAmbiguous);
                self.notices.add(reading.after_ns, NoticeKind::WrapAmbiguous);
                self.changed(seen_ns, reading, false);
            }
            Outcome::Reset => self.restart(seen_ns, reading),
            Outcome::Implausible => self.anomaly(reading.after_ns, self.implausible()),
            Outcome::Glitch => self.counts.anomalies += 1,
            Outcome::Failed(_) => {}
        }
    }

    fn push_power(&mut self, reading: &Reading) -> Outcome {
        let raw = match reading.value {
            Ok(raw) => raw,
            Err(fault) => {
                self.integral.interrupt();
                return Outcome::Failed(fault);
            }
        };
        let uw = self.domain.scale.micro(raw);
        if uw > self.domain.most_uw() && !self.confirms(uw) {
            self.held_uw = Some(uw);
            self.anomaly(reading.after_ns, self.implausible());
            self.integral.interrupt();
            self.broken.get_or_insert(GapReason::Implausible);
            return Outcome::Implausible;
        }
        if self.held_uw.take().is_some_and(|_| uw > self.domain.most_uw()) {
            self.notices.add(reading.after_ns, NoticeKind::CeilingExceeded);
        }
        let over_limit = self.domain.max_uw.is_some_and(|max| uw > max);
        self.counts.violations += u64::from(over_limit);
        let read_ns = reading.before_ns + reading.after_ns.saturating_sub(reading.before_ns) / 2;
        let (at_ns, interrupted) = self.integral.push(read_ns, uw);
        let first = self.knots.is_empty();
        let reason = self.broken.take().unwrap_or(GapReason::Failed);
        if first {
            let gap = Gap { from_ns: 0, to_ns: reading.before_ns, reason: GapReason::Uncovered };
            self.slack.add(gap, (0, at_ns));
        } else if let Some(from_ns) = interrupted {
            self.gap(from_ns, at_ns, reason);
        }
        self.knot(Knot::change(at_ns, at_ns, self.integral.total_uj()));
        if first { Outcome::Baseline } else { Outcome::Grew { wrapped: false, over_limit } }
    }

    /// Whether the reading before was of this impossible power too, to a factor of two: then it is the ceiling that is
    /// wrong.
    fn confirms(&self, uw: u64) -> bool {
        self.held_uw.is_some_and(|held| uw / 2 <= held && held / 2 <= uw)
    }

    fn same(&mut self, reading: &Reading) {
        self.period.same();
        let (Some(last), Some(usual_ns)) = (self.knots.back(), self.period.median_ns()) else { return };
        let still_ns = reading.before_ns.saturating_sub(last.hi_ns);
        self.frozen = still_ns > FROZEN_NS.max(usual_ns.saturating_mul(FROZEN_CHANGES));
    }

    fn changed(&mut self, lo_ns: u64, reading: &Reading, whole: bool) {
        let mut knot = Knot { whole, ..Knot::change(lo_ns, reading.after_ns, self.fold.total_uj()) };
        let before_ns = std::mem::replace(&mut self.change_lo_ns, lo_ns);
        if let Some(last) = self.knots.back().copied() {
            // A model's energy belongs to the instant that it was computed for.
            let outruns = self.period.outruns() || self.domain.quality == Quality::Estimated;
            let unlike = last.first || !whole || self.frozen;
            knot.at_ns = match (outruns, unlike) {
                (true, _) => reading.before_ns,
                (false, true) => self.period.latest(knot.lo_ns, knot.hi_ns),
                (false, false) => self.period.date(last.at_ns, knot.lo_ns, knot.hi_ns),
            };
            // Brackets may overlap; guesses rise all the same.
            knot.at_ns = knot.at_ns.max(last.at_ns);
            if std::mem::take(&mut self.frozen) {
                // The energy is counted; only when it was drawn is not known: a gap in time alone.
                self.slack.mark(Gap { from_ns: last.hi_ns, to_ns: knot.lo_ns, reason: GapReason::Frozen });
            } else if !last.first && whole {
                self.period.change(knot.at_ns.saturating_sub(last.at_ns));
                if !outruns {
                    self.date_first(last.at_ns, knot.at_ns);
                }
            }
        }
        if let Some(last) = self.knots.back().filter(|_| whole) {
            // A change by one unit may be the rest of the one before, of which a unit was read back: then it is as old.
            let since_ns = if last.first { last.lo_ns } else { before_ns.max(last.lo_ns) };
            let one = knot.uj.saturating_sub(last.uj) <= self.domain.scale.quantum();
            knot.lo_ns = if one { knot.lo_ns.min(since_ns) } else { knot.lo_ns };
        }
        self.knot(knot);
    }

    /// A first value is one period older than the next change; two changes determine the period.
    fn date_first(&mut self, next_ns: u64, after_ns: u64) {
        let Some(index) = self.knots.len().checked_sub(2).filter(|&index| self.knots[index].first) else { return };
        let guess_ns = next_ns.saturating_sub(after_ns.saturating_sub(next_ns));
        let previous_ns = index.checked_sub(1).map_or(0, |i| self.knots[i].at_ns);
        let first = &mut self.knots[index];
        first.at_ns = guess_ns.max(first.lo_ns).max(previous_ns).min(first.hi_ns);
    }

    /// A new segment: what was drawn since the last knot of the old one is unknown.
    fn restart(&mut self, seen_ns: u64, reading: &Reading) {
        let broken = self.broken.take();
        if broken.is_none_or(|reason| reason == GapReason::Reset) {
            self.counts.resets += 1;
            self.notices.add(reading.after_ns, NoticeKind::Reset);
        }
        let (from_ns, likely_ns) = match self.knots.back() {
            Some(last) if last.first => (last.hi_ns, last.hi_ns),
            Some(last) => (last.lo_ns, last.at_ns),
            None => (seen_ns, seen_ns),
        };
        let gap = Gap { from_ns: likely_ns, to_ns: reading.after_ns, reason: broken.unwrap_or(GapReason::Reset) };
        self.uncounted(gap, (from_ns, reading.after_ns));
        self.frozen = false;
        // The new count may reach back to the old segment's last update, not only to its last reading.
        self.knot(Knot::first(from_ns, reading.after_ns, self.fold.total_uj()));
    }

    fn gap(&mut self, from_ns: u64, to_ns: u64, reason: GapReason) {
        self.uncounted(Gap { from_ns, to_ns, reason }, (from_ns, to_ns));
    }

    fn knot(&mut self, knot: Knot) {
        if self.knots.len() == KNOTS {
            self.knots.pop_front();
        }
        // After a pause in reading a change is dated to half an update: its date is no end of a stretch of mean power.
        let width_ns = knot.hi_ns.saturating_sub(knot.lo_ns);
        let vague = !knot.first && self.bracket_ns > 0 && width_ns > self.bracket_ns.saturating_mul(2);
        if !vague || !knot.whole {
            self.power(&knot);
        }
        if !knot.first {
            let smoothed = (u128::from(self.bracket_ns) * 7 + u128::from(width_ns)) / 8;
            let smoothed_ns = u64::try_from(smoothed).unwrap_or(u64::MAX);
            self.bracket_ns = if self.bracket_ns == 0 { width_ns } else { smoothed_ns };
        }
        if let Some(range) = &self.domain.model_range {
            self.model.push(range, self.domain.max_uw.unwrap_or(u64::MAX), knot.at_ns, knot.uj, KNOTS);
        }
        self.knots.push_back(knot);
    }

    fn power(&mut self, knot: &Knot) {
        let Some((from_ns, from_uj)) = self.power_from.filter(|_| knot.whole) else {
            self.power_from = Some((knot.at_ns, knot.uj));
            return;
        };
        let ns = knot.at_ns.saturating_sub(from_ns);
        if ns >= POWER_NS {
            let uw = u128::from(knot.uj - from_uj) * 1_000_000_000 / u128::from(ns);
            let uw = u64::try_from(uw).unwrap_or(u64::MAX).min(self.ceiling_uw());
            self.peak_uw = self.peak_uw.max(uw);
            self.histogram.record(uw / 1_000, ns);
            self.power_from = Some((knot.at_ns, knot.uj));
        }
    }

    /// The most that the device draws, microwatts, as far as its readings do not contradict that.
    fn ceiling_uw(&self) -> u64 {
        let stated = self.domain.max_uw.or(self.domain.ceiling_uw).filter(|_| self.counts.violations == 0);
        stated.unwrap_or(u64::MAX)
    }
}

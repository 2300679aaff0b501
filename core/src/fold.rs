//! Folding: raw counter values into a running total that only grows.
//!
//! One place decides what a value means: growth, a wrap, a reset, a glitch, a jump that cannot be, or nothing new.

use crate::domain::HEADROOM;
use crate::units::uj_at_power;
use crate::{Domain, Fault, Reading, Scale};

/// Power that no single domain of one machine reaches. Used only to tell a wrap from a reset or a glitch where the
/// domain's own limit is unknown: a "wrap" of 262 kJ within 10 ms would need 26 MW. Never part of a figure.
const IMPOSSIBLE_UW: u64 = 100_000_000_000;
/// So many times the highest power seen so far makes a glitch likelier than a wrap, if the step back is small.
const UNHEARD_OF: u64 = 8;
/// How long before the first reading its counter may have changed last; only widens the plausibility check.
const FIRST_UPDATE_NS: u64 = 1_000_000_000;
/// A step back by a few units is a glitch: that many, if they are as small a part of the range as stated below.
const GLITCH_UNITS: u64 = 8;
/// Where power forbids a wrap: up to 1 % of the range by units, 1 ‰ by size.
const NO_WRAP: (u64, u64) = (100, 1_000);
/// Where power allows one, a wrap by almost the whole range must be less likely still.
const RARE_WRAP: (u64, u64) = (10_000, 1_000_000);

/// What one reading meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// First value of a segment: adds nothing.
    Baseline,
    /// No update since the last value.
    Same,
    /// The total grew.
    Grew {
        /// The counter passed its range once.
        wrapped: bool,
        /// More than the power limit allows, though within its headroom.
        over_limit: bool,
    },
    /// The total grew by at least this much; further wraps cannot be excluded.
    AtLeast,
    /// Fell a little: ignored, the highest value stays.
    Glitch,
    /// More than can be: ignored until a second reading confirms it.
    Implausible,
    /// The counter began again: this value is the baseline of a new segment.
    Reset,
    /// No value.
    Failed(Fault),
}

/// The state of one counter.
#[derive(Debug, Clone)]
pub struct Fold {
    scale: Scale,
    range: Option<u64>,
    max_uw: Option<u64>,
    last: Option<Last>,
    total: u64,
    rejected: Option<(u64, u64)>,
    peak_uw: u64,
    broken: bool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    raw: u64,
    /// Before the last reading that showed this value.
    seen_before_ns: u64,
    /// Earliest time at which the counter can have taken this value.
    since_ns: u64,
}

impl Fold {
    /// For one domain.
    #[must_use]
    pub fn new(domain: &Domain) -> Self {
        let range = domain.range.filter(|&range| range > 1);
        let Domain { scale, max_uw, .. } = *domain;
        Self { scale, range, max_uw, last: None, total: 0, rejected: None, peak_uw: 0, broken: false }
    }

    /// Energy since the first value, microjoules: the scaled running total, so rounding never adds up.
    #[must_use]
    pub fn total_uj(&self) -> u64 {
        self.scale.micro(self.total)
    }

    /// The next value begins a new segment, whatever it is.
    pub fn break_segment(&mut self) {
        self.broken = self.last.is_some();
    }

    /// Earliest instant after which the next change can have happened; `None` before the first value.
    #[must_use]
    pub fn seen_before_ns(&self) -> Option<u64> {
        self.last.map(|last| last.seen_before_ns)
    }

    /// Takes one reading.
    pub fn push(&mut self, reading: &Reading) -> Outcome {
        let raw = match reading.value {
            Ok(raw) => raw,
            Err(fault) => return self.failed(fault),
        };
        let Some(last) = self.last else { return self.baseline(raw, reading, Outcome::Baseline) };
        if std::mem::take(&mut self.broken) {
            return self.baseline(raw, reading, Outcome::Reset);
        }
        if self.range.is_some_and(|range| raw > range) {
            return Outcome::Implausible;
        }
        if raw == last.raw && !self.ambiguous(last, reading) {
            self.seen(last, reading);
            return Outcome::Same;
        }
        self.changed(raw, reading, last)
    }

    fn failed(&mut self, fault: Fault) -> Outcome {
        if matches!(fault, Fault::Lost | Fault::Gone) {
            self.break_segment();
        }
        Outcome::Failed(fault)
    }

    fn baseline(&mut self, raw: u64, reading: &Reading, outcome: Outcome) -> Outcome {
        let since_ns = match self.last {
            Some(last) => last.seen_before_ns,
            None => reading.before_ns.saturating_sub(FIRST_UPDATE_NS),
        };
        self.last = Some(Last { raw, seen_before_ns: reading.before_ns, since_ns });
        self.rejected = None;
        outcome
    }

    fn seen(&mut self, last: Last, reading: &Reading) {
        self.last = Some(Last { seen_before_ns: reading.before_ns, ..last });
        self.rejected = None;
    }

    fn changed(&mut self, raw: u64, reading: &Reading, last: Last) -> Outcome {
        let grew = raw >= last.raw;
        let by = match (grew, self.range) {
            (true, _) => raw - last.raw,
            (false, Some(range)) => range - last.raw + raw,
            (false, None) => return self.baseline(raw, reading, Outcome::Reset),
        };
        if self.ambiguous(last, reading) {
            self.grow(raw, by, reading, last);
            return Outcome::AtLeast;
        }
        if self.slipped(raw, by, reading, last) {
            return Outcome::Glitch;
        }
        if !self.plausible(by, reading, last) {
            return if grew { self.reject(raw, reading) } else { self.baseline(raw, reading, Outcome::Reset) };
        }
        self.grow(raw, by, reading, last);
        Outcome::Grew { wrapped: !grew, over_limit: self.over_limit(by, reading, last) }
    }

    fn grow(&mut self, raw: u64, by: u64, reading: &Reading, last: Last) {
        self.total = self.total.saturating_add(by);
        let span_ns = reading.after_ns.saturating_sub(last.since_ns).max(1);
        let power = u128::from(self.scale.micro(by)) * 1_000_000_000 / u128::from(span_ns);
        self.peak_uw = self.peak_uw.max(u64::try_from(power).unwrap_or(u64::MAX));
        let (seen_before_ns, since_ns) = (reading.before_ns, last.seen_before_ns);
        self.last = Some(Last { raw, seen_before_ns, since_ns });
        self.rejected = None;
    }

    /// Whether the value lies slightly below the last one, over the range's end too. Close to 0 it rather began again.
    fn slipped(&self, raw: u64, by: u64, reading: &Reading, last: Last) -> bool {
        let Some(range) = self.range else { return false };
        let back = if raw < last.raw { last.raw - raw } else { (range - raw).saturating_add(last.raw) };
        // Since the last reading, not the last change: a counter that stood still for long did not go round just now.
        let span_ns = reading.after_ns.saturating_sub(last.seen_before_ns);
        let wrap = self.by_uj(by) <= uj_at_power(self.usual_uw(), span_ns).saturating_add(self.scale.quantum());
        let (by_units, by_size) = if wrap { RARE_WRAP } else { NO_WRAP };
        back <= GLITCH_UNITS.min(range / by_units).max(range / by_size) && (raw > last.raw || raw > last.raw / 2)
    }

    /// The most that is to be expected: the limit, or many times the highest power seen so far.
    fn usual_uw(&self) -> u64 {
        let seen = if self.peak_uw > 0 { self.peak_uw.saturating_mul(UNHEARD_OF) } else { IMPOSSIBLE_UW };
        self.max_uw.unwrap_or(seen.min(IMPOSSIBLE_UW))
    }

    /// A jump: kept aside. If the next reading goes on from it, the counter was set anew.
    fn reject(&mut self, raw: u64, reading: &Reading) -> Outcome {
        if let Some((seen, at_ns)) = self.rejected
            && raw >= seen
            && self.within(raw - seen, reading.after_ns.saturating_sub(at_ns))
        {
            return self.baseline(raw, reading, Outcome::Reset);
        }
        self.rejected = Some((raw, reading.before_ns));
        Outcome::Implausible
    }

    /// Whether the time since the last value allows for more than one wrap.
    fn ambiguous(&self, last: Last, reading: &Reading) -> bool {
        let Some(range) = self.range else { return false };
        let power = self.max_uw.unwrap_or(self.peak_uw);
        let span_ns = reading.after_ns.saturating_sub(last.seen_before_ns);
        uj_at_power(power, span_ns) >= self.scale.micro(range)
    }

    fn plausible(&self, by: u64, reading: &Reading, last: Last) -> bool {
        let span_ns = reading.after_ns.saturating_sub(last.since_ns);
        match self.max_uw {
            Some(_) => self.within(by, span_ns),
            // Growth has no limit then; only a fall must be told apart.
            None if self.range.is_none() => true,
            None => self.by_uj(by) <= uj_at_power(IMPOSSIBLE_UW, span_ns),
        }
    }

    fn within(&self, by: u64, span_ns: u64) -> bool {
        let limit = self.max_uw.map_or(IMPOSSIBLE_UW, |max| max.saturating_mul(HEADROOM));
        self.by_uj(by) <= uj_at_power(limit, span_ns).saturating_add(self.scale.quantum())
    }

    fn over_limit(&self, by: u64, reading: &Reading, last: Last) -> bool {
        let span_ns = reading.after_ns.saturating_sub(last.since_ns);
        let slack = self.scale.quantum();
        self.max_uw.is_some_and(|max| self.by_uj(by) > uj_at_power(max, span_ns).saturating_add(slack))
    }

    fn by_uj(&self, by: u64) -> u64 {
        self.scale.micro(by)
    }
}

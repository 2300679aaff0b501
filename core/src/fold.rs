//! Folding: raw counter values into a running total that only grows.
//!
//! One place decides what a value means: growth, a wrap, a reset, a glitch, a jump that cannot be, or nothing new.

use crate::domain::HEADROOM;
use crate::units::uj_at_power;
use crate::{Domain, Fault, Reading, Scale};

/// This many times the highest power seen so far is unusual: a small step back is then likelier a glitch than a wrap,
/// and growth may turn out to have been a wrong reading.
const UNUSUAL: u64 = 8;
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
    /// More than can be: ignored until the next change confirms it.
    Implausible,
    /// The counter began again: this value is the baseline of a new segment.
    Reset,
    /// No value.
    Failed(Fault),
}

/// The state of one counter.
///
/// ```
/// use eco2_core::{Component, Domain, Fold, Outcome, Reading};
///
/// // A 32-bit counter in microjoules that wraps between the two readings.
/// let mut fold = Fold::new(&Domain {
///     range: Some(1 << 32),
///     ..Domain::counter("package-0", Component::Cpu, "package", "example")
/// });
/// let at = |at_ns, value| Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) };
/// assert_eq!(fold.push(&at(0, (1 << 32) - 100)), Outcome::Baseline);
/// assert_eq!(fold.push(&at(1_000_000, 50)), Outcome::Grew { wrapped: true, over_limit: false });
/// assert_eq!(fold.total_uj(), 150);
/// ```
#[derive(Debug, Clone)]
pub struct Fold {
    scale: Scale,
    range: Option<u64>,
    max_uw: Option<u64>,
    /// Beyond this power a reading is believed only when the next change confirms it.
    most_uw: u64,
    last: Option<LastValue>,
    total: u64,
    held: Option<HeldValue>,
    peak_uw: u64,
    leapt: bool,
    broken: bool,
}

/// A value that is more than can be, until the next change confirms or refutes it.
#[derive(Debug, Clone, Copy)]
struct HeldValue {
    raw: u64,
    before_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct LastValue {
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
        let most_uw = domain.most_uw();
        Self {
            scale,
            range,
            max_uw,
            most_uw,
            last: None,
            total: 0,
            held: None,
            peak_uw: 0,
            leapt: false,
            broken: false,
        }
    }

    /// Energy since the first value, microjoules: the scaled running total, so rounding never adds up.
    #[must_use]
    pub fn total_uj(&self) -> u64 {
        self.scale.micro(self.total)
    }

    /// The next value starts a new segment, whatever it is.
    pub fn break_segment(&mut self) {
        self.broken = self.last.is_some();
    }

    /// Earliest instant after which the next change can have happened; `None` before the first value.
    pub(crate) fn seen_before_ns(&self) -> Option<u64> {
        self.last.map(|last| last.seen_before_ns)
    }

    /// Whether the last change was growth at an unusual power, compared with all growth before it.
    pub(crate) fn leapt(&self) -> bool {
        self.leapt
    }

    /// Whether a value beyond what can be waits for the next change.
    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the counter wraps: its range is known, and no value has been above it.
    pub(crate) fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// Whether the next value starts a new segment.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether a reading continues this counter: growth at a usual power, or no change.
    pub(crate) fn continues(&self, reading: &Reading) -> bool {
        let mut next = self.clone();
        let grew = Outcome::Grew { wrapped: false, over_limit: false };
        let outcome = next.push(reading);
        (outcome == grew && !next.leapt) || (outcome == Outcome::Same && next.held.is_none())
    }

    /// Takes one reading.
    pub fn push(&mut self, reading: &Reading) -> Outcome {
        self.leapt = false;
        let raw = match reading.value {
            Ok(raw) => raw,
            Err(fault) => return self.failed(fault),
        };
        let Some(last) = self.last else { return self.baseline(raw, reading, Outcome::Baseline) };
        if std::mem::take(&mut self.broken) {
            return self.baseline(raw, reading, Outcome::Reset);
        }
        if self.held.is_some_and(|held| held.raw == raw) {
            // Still the value that cannot be: it neither goes on nor back.
            return Outcome::Same;
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
        self.range = self.range.filter(|&range| raw <= range);
        self.last = Some(LastValue { raw, seen_before_ns: reading.before_ns, since_ns });
        self.held = None;
        outcome
    }

    fn seen(&mut self, last: LastValue, reading: &Reading) {
        self.last = Some(LastValue { seen_before_ns: reading.before_ns, ..last });
        self.held = None;
    }

    fn changed(&mut self, raw: u64, reading: &Reading, last: LastValue) -> Outcome {
        let grew = raw >= last.raw;
        let by = match (grew, self.range) {
            (true, _) => raw - last.raw,
            (false, Some(range)) => range.saturating_sub(last.raw).saturating_add(raw),
            // One unit may be read back; close to 0 it is rather a reset.
            (false, None) if last.raw - raw == 1 && raw > GLITCH_UNITS => return Outcome::Glitch,
            (false, None) => return self.baseline(raw, reading, Outcome::Reset),
        };
        if self.ambiguous(last, reading) {
            if !grew && last.raw - raw <= GLITCH_UNITS && raw > last.raw / 2 {
                // A step back or nearly a whole range: at least nothing.
                return Outcome::Glitch;
            }
            self.grow(raw, by, reading, last);
            return Outcome::AtLeast;
        }
        if self.slipped(raw, by, reading, last) {
            return Outcome::Glitch;
        }
        if !self.within(by, reading.after_ns.saturating_sub(last.since_ns)) {
            return if grew { self.hold(raw, by, reading, last) } else { self.baseline(raw, reading, Outcome::Reset) };
        }
        self.grow(raw, by, reading, last);
        Outcome::Grew { wrapped: !grew, over_limit: self.over_limit(by, reading, last) }
    }

    fn grow(&mut self, raw: u64, by: u64, reading: &Reading, last: LastValue) {
        // Growth needs no range; a value above it shows that the stated one is wrong.
        self.range = self.range.filter(|&range| raw <= range);
        self.total = self.total.saturating_add(by);
        let span_ns = reading.after_ns.saturating_sub(last.since_ns).max(1);
        let power = u128::from(self.scale.micro(by)) * 1_000_000_000 / u128::from(span_ns);
        let power_uw = u64::try_from(power).unwrap_or(u64::MAX);
        self.leapt = self.peak_uw > 0 && power_uw > self.peak_uw.saturating_mul(UNUSUAL);
        self.peak_uw = self.peak_uw.max(power_uw);
        let (seen_before_ns, since_ns) = (reading.before_ns, last.seen_before_ns);
        self.last = Some(LastValue { raw, seen_before_ns, since_ns });
        self.held = None;
    }

    /// Whether the value lies slightly below the last one, over the range's end too. Close to 0 it rather began again.
    fn slipped(&self, raw: u64, by: u64, reading: &Reading, last: LastValue) -> bool {
        let Some(range) = self.range.filter(|&range| raw <= range) else { return false };
        let back = if raw < last.raw { last.raw - raw } else { (range - raw).saturating_add(last.raw) };
        // Since the last reading, not the last change: a counter that was frozen for a long time did not wrap just now.
        let span_ns = reading.after_ns.saturating_sub(last.seen_before_ns);
        let wrap = self.scale.micro(by) <= uj_at_power(self.usual_uw(), span_ns).saturating_add(self.scale.quantum());
        let (by_units, by_size) = if wrap { RARE_WRAP } else { NO_WRAP };
        back <= GLITCH_UNITS.min(range / by_units).max(range / by_size) && (raw > last.raw || raw > last.raw / 2)
    }

    /// The most that is to be expected: the limit, or many times the highest power seen so far.
    fn usual_uw(&self) -> u64 {
        let seen = if self.peak_uw > 0 { self.peak_uw.saturating_mul(UNUSUAL) } else { self.most_uw };
        self.max_uw.unwrap_or(seen.min(self.most_uw))
    }

    /// A jump: kept back. If the next change goes on from it, the counter was set to another value; if it comes at the
    /// same impossible power, the ceiling is wrong and the energy is real.
    fn hold(&mut self, raw: u64, by: u64, reading: &Reading, last: LastValue) -> Outcome {
        if let Some(held) = self.held.filter(|held| raw > held.raw) {
            let (first, second) = (held.raw.saturating_sub(last.raw), raw - held.raw);
            let first_ns = held.before_ns.saturating_sub(last.seen_before_ns);
            let second_ns = reading.before_ns.saturating_sub(held.before_ns);
            if self.within(second, reading.after_ns.saturating_sub(held.before_ns)) {
                return self.baseline(raw, reading, Outcome::Reset);
            }
            if alike((first, first_ns), (second, second_ns)) {
                self.grow(raw, by, reading, last);
                self.most_uw = self.most_uw.max(self.peak_uw.saturating_mul(HEADROOM));
                return Outcome::Grew { wrapped: false, over_limit: true };
            }
        }
        self.held = Some(HeldValue { raw, before_ns: reading.before_ns });
        Outcome::Implausible
    }

    /// Whether the time since the last value allows for more than one wrap.
    fn ambiguous(&self, last: LastValue, reading: &Reading) -> bool {
        let Some(range) = self.range else { return false };
        let span_ns = reading.after_ns.saturating_sub(last.seen_before_ns);
        uj_at_power(self.max_uw.unwrap_or(self.most_uw), span_ns) >= self.scale.micro(range)
    }

    fn within(&self, by: u64, span_ns: u64) -> bool {
        self.scale.micro(by) <= uj_at_power(self.most_uw, span_ns).saturating_add(self.scale.quantum())
    }

    fn over_limit(&self, by: u64, reading: &Reading, last: LastValue) -> bool {
        let span_ns = reading.after_ns.saturating_sub(last.since_ns);
        let slack = self.scale.quantum();
        self.max_uw.is_some_and(|max| self.scale.micro(by) > uj_at_power(max, span_ns).saturating_add(slack))
    }
}

/// Whether two steps, each with its length, are of one power to a factor of two.
fn alike((first, first_ns): (u64, u64), (second, second_ns): (u64, u64)) -> bool {
    let left = u128::from(first) * u128::from(second_ns);
    let right = u128::from(second) * u128::from(first_ns);
    left > 0 && left <= right.saturating_mul(2) && right <= left.saturating_mul(2)
}

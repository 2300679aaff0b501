//! Turns the raw values of a counter into a running total that only grows ([`Fold`]).
//!
//! This is the one place that decides what a value means ([`Outcome`]): growth, a wrap (the counter passed the end of its
//! range and continued at 0), a reset (it started again), a glitch (a small step back), an implausible jump, or no change.
//! A jump is kept as *unconfirmed* until the next change. A *segment* is the time between two resets.

use crate::domain::HEADROOM;
use crate::units::uj_at_power;
use crate::{Domain, Fault, Reading, Scale};

/// Power above this many times the highest so far is unusual. Then a small step back is more likely a glitch than a wrap,
/// and growth may turn out to have been a wrong reading. A load that starts on an idle device seldom exceeds this factor.
const UNUSUAL_FACTOR: u64 = 8;
/// Time before the first reading at which its counter may have changed last, nanoseconds: more than the update period of
/// any known counter. It only widens the plausibility check.
const FIRST_UPDATE_NS: u64 = 1_000_000_000;
/// A step back by up to this number of raw units is a glitch, if it is small enough compared with the range.
const GLITCH_UNITS: u64 = 8;

/// How small a step back must be, compared with the counter's range, to be a glitch.
#[derive(Debug, Clone, Copy)]
struct GlitchLimits {
    /// A step of up to [`GLITCH_UNITS`] is a glitch if it is at most the range divided by this.
    few_units_divisor: u64,
    /// A step of any number of units is a glitch if it is at most the range divided by this.
    any_units_divisor: u64,
}

/// Where the device cannot have drawn enough for a wrap: 1 % of the range for few units, 0.1 % for any number.
const WRAP_IMPOSSIBLE: GlitchLimits = GlitchLimits { few_units_divisor: 100, any_units_divisor: 1_000 };
/// Where it can have: a wrap by almost the whole range is possible, so limits are smaller by 100 and 1000.
const WRAP_POSSIBLE: GlitchLimits = GlitchLimits { few_units_divisor: 10_000, any_units_divisor: 1_000_000 };

/// Meaning of one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// First value of all: it adds nothing.
    Baseline,
    /// The value is unchanged.
    Same,
    /// The total grew.
    Grew {
        /// Whether the counter passed the end of its range once.
        wrapped: bool,
        /// Whether it grew by more than the stated power limit allows.
        over_limit: bool,
    },
    /// The total grew by at least this much; further wraps cannot be excluded.
    AtLeast,
    /// The value fell a little: it is ignored, and the highest value stays.
    Glitch,
    /// The value grew by more than the device can draw: it is ignored until the next change confirms it.
    Implausible,
    /// The counter started again: this value is the baseline of a new segment.
    Reset,
    /// The reading has no value.
    Failed(Fault),
}

/// The running total of one counter.
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
    /// Number of raw values before the counter wraps; `None`: it does not wrap.
    range: Option<u64>,
    /// Stated power limit of the device, microwatts.
    max_uw: Option<u64>,
    /// Beyond this power a reading counts only when the next change confirms it, microwatts.
    most_uw: u64,
    last: Option<LastValue>,
    /// Sum of all growth, raw units.
    total: u64,
    /// An implausible value that waits for the next change.
    unconfirmed: Option<UnconfirmedValue>,
    /// Highest power of one growth so far, microwatts; 0 before the first.
    peak_uw: u64,
    /// Whether the last reading was growth at an unusual power.
    leapt: bool,
    /// Whether the next value starts a new segment.
    broken: bool,
}

/// A value beyond what the device can draw, until the next change confirms or refutes it.
#[derive(Debug, Clone, Copy)]
struct UnconfirmedValue {
    raw: u64,
    /// When its reading started, nanoseconds.
    before_ns: u64,
}

/// The last accepted value of the counter.
#[derive(Debug, Clone, Copy)]
struct LastValue {
    raw: u64,
    /// When the last reading that showed this value started, nanoseconds.
    seen_before_ns: u64,
    /// Earliest time at which the counter can have reached this value, nanoseconds.
    since_ns: u64,
}

impl Fold {
    /// Returns the state before the first reading of a domain.
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
            unconfirmed: None,
            peak_uw: 0,
            leapt: false,
            broken: false,
        }
    }

    /// Returns the energy since the first value, microjoules. The total is scaled, not each growth, so that rounding errors
    /// do not add up.
    #[must_use]
    pub fn total_uj(&self) -> u64 {
        self.scale.micro(self.total)
    }

    /// Ends the segment: the next value starts a new one, whatever it is.
    pub fn break_segment(&mut self) {
        self.broken = self.last.is_some();
    }

    /// Returns the instant after which the next change happens, nanoseconds: the start of the last reading that showed
    /// the present value. `None` before the first value.
    pub(crate) fn seen_before_ns(&self) -> Option<u64> {
        self.last.map(|last| last.seen_before_ns)
    }

    /// Whether the last reading was growth at an unusual power, compared with all growth before it.
    pub(crate) fn leapt(&self) -> bool {
        self.leapt
    }

    /// Whether an implausible value waits for the next change.
    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.unconfirmed.is_some()
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
        (outcome == grew && !next.leapt) || (outcome == Outcome::Same && next.unconfirmed.is_none())
    }

    /// Processes one reading and returns what it meant.
    pub fn push(&mut self, reading: &Reading) -> Outcome {
        self.leapt = false;
        let raw = match reading.value {
            Ok(raw) => raw,
            Err(fault) => return self.record_failure(fault),
        };
        let Some(last) = self.last else { return self.start_segment(raw, reading, Outcome::Baseline) };
        if std::mem::take(&mut self.broken) {
            return self.start_segment(raw, reading, Outcome::Reset);
        }
        if self.unconfirmed.is_some_and(|unconfirmed| unconfirmed.raw == raw) {
            // Still the implausible value: it is neither confirmed nor refuted.
            return Outcome::Same;
        }
        if raw == last.raw && !self.may_have_wrapped_twice(last, reading) {
            self.record_no_change(last, reading);
            return Outcome::Same;
        }
        self.classify_change(raw, reading, last)
    }

    fn record_failure(&mut self, fault: Fault) -> Outcome {
        if matches!(fault, Fault::Lost | Fault::Gone) {
            self.break_segment();
        }
        Outcome::Failed(fault)
    }

    /// Makes a value the baseline from which further growth is counted.
    fn start_segment(&mut self, raw: u64, reading: &Reading, outcome: Outcome) -> Outcome {
        let since_ns = match self.last {
            Some(last) => last.seen_before_ns,
            None => reading.before_ns.saturating_sub(FIRST_UPDATE_NS),
        };
        self.range = self.range.filter(|&range| raw <= range);
        self.last = Some(LastValue { raw, seen_before_ns: reading.before_ns, since_ns });
        self.unconfirmed = None;
        outcome
    }

    fn record_no_change(&mut self, last: LastValue, reading: &Reading) {
        self.last = Some(LastValue { seen_before_ns: reading.before_ns, ..last });
        self.unconfirmed = None;
    }

    /// Decides what a changed value means, and counts its growth.
    fn classify_change(&mut self, raw: u64, reading: &Reading, last: LastValue) -> Outcome {
        let rose = raw >= last.raw;
        let growth = match (rose, self.range) {
            (true, _) => raw - last.raw,
            (false, Some(range)) => range.saturating_sub(last.raw).saturating_add(raw),
            // Some counters step back by one unit. Close to 0 a reset is more likely.
            (false, None) if last.raw - raw == 1 && raw > GLITCH_UNITS => return Outcome::Glitch,
            (false, None) => return self.start_segment(raw, reading, Outcome::Reset),
        };
        if self.may_have_wrapped_twice(last, reading) {
            if !rose && last.raw - raw <= GLITCH_UNITS && raw > last.raw / 2 {
                // A small step back, or a wrap by nearly the whole range: the growth is at least 0.
                return Outcome::Glitch;
            }
            self.grow(raw, growth, reading, last);
            return Outcome::AtLeast;
        }
        if self.stepped_back(raw, growth, reading, last) {
            return Outcome::Glitch;
        }
        if !self.is_plausible(growth, reading.after_ns.saturating_sub(last.since_ns)) {
            if rose {
                return self.keep_unconfirmed(raw, growth, reading, last);
            }
            return self.start_segment(raw, reading, Outcome::Reset);
        }
        self.grow(raw, growth, reading, last);
        Outcome::Grew { wrapped: !rose, over_limit: self.is_over_limit(growth, reading, last) }
    }

    /// Adds growth to the total and makes `raw` the last value.
    fn grow(&mut self, raw: u64, growth: u64, reading: &Reading, last: LastValue) {
        // Growth needs no range; a value above it shows that the stated one is wrong.
        self.range = self.range.filter(|&range| raw <= range);
        self.total = self.total.saturating_add(growth);
        let span_ns = reading.after_ns.saturating_sub(last.since_ns).max(1);
        let power = u128::from(self.scale.micro(growth)) * 1_000_000_000 / u128::from(span_ns);
        let power_uw = u64::try_from(power).unwrap_or(u64::MAX);
        self.leapt = self.peak_uw > 0 && power_uw > self.peak_uw.saturating_mul(UNUSUAL_FACTOR);
        self.peak_uw = self.peak_uw.max(power_uw);
        let (seen_before_ns, since_ns) = (reading.before_ns, last.seen_before_ns);
        self.last = Some(LastValue { raw, seen_before_ns, since_ns });
        self.unconfirmed = None;
    }

    /// Whether a value is slightly below the last one, also across the end of the range (a wrap that is taken back). A
    /// value less than half the last one is rather a reset.
    fn stepped_back(&self, raw: u64, growth: u64, reading: &Reading, last: LastValue) -> bool {
        let Some(range) = self.range.filter(|&range| raw <= range) else { return false };
        let step = if raw < last.raw { last.raw - raw } else { (range - raw).saturating_add(last.raw) };
        // Since the last reading, not the last change: a counter that was frozen for a long time did not wrap just now.
        let span_ns = reading.after_ns.saturating_sub(last.seen_before_ns);
        let most_uj = uj_at_power(self.most_usual_uw(), span_ns).saturating_add(self.scale.quantum());
        let limits = if self.scale.micro(growth) <= most_uj { WRAP_POSSIBLE } else { WRAP_IMPOSSIBLE };
        let max_step = GLITCH_UNITS.min(range / limits.few_units_divisor).max(range / limits.any_units_divisor);
        step <= max_step && raw > last.raw / 2
    }

    /// Returns the highest power to expect, microwatts: the stated limit, else [`UNUSUAL_FACTOR`] times the highest so far.
    fn most_usual_uw(&self) -> u64 {
        let seen = if self.peak_uw > 0 { self.peak_uw.saturating_mul(UNUSUAL_FACTOR) } else { self.most_uw };
        self.max_uw.unwrap_or(seen.min(self.most_uw))
    }

    /// Keeps an implausible jump until the next change, and decides about the one kept before. If the counter goes on from
    /// that one at a plausible power, it was set to another value: a reset. If it grows at about the same high power
    /// again, the ceiling is wrong and the energy is real.
    fn keep_unconfirmed(&mut self, raw: u64, growth: u64, reading: &Reading, last: LastValue) -> Outcome {
        if let Some(kept) = self.unconfirmed.filter(|kept| raw > kept.raw) {
            let second_growth = raw - kept.raw;
            if self.is_plausible(second_growth, reading.after_ns.saturating_sub(kept.before_ns)) {
                return self.start_segment(raw, reading, Outcome::Reset);
            }
            let first = Growth {
                units: kept.raw.saturating_sub(last.raw),
                ns: kept.before_ns.saturating_sub(last.seen_before_ns),
            };
            let second = Growth { units: second_growth, ns: reading.before_ns.saturating_sub(kept.before_ns) };
            if first.has_power_like(second) {
                self.grow(raw, growth, reading, last);
                self.most_uw = self.most_uw.max(self.peak_uw.saturating_mul(HEADROOM));
                return Outcome::Grew { wrapped: false, over_limit: true };
            }
        }
        self.unconfirmed = Some(UnconfirmedValue { raw, before_ns: reading.before_ns });
        Outcome::Implausible
    }

    /// Whether the time since the last value allows for more than one wrap.
    fn may_have_wrapped_twice(&self, last: LastValue, reading: &Reading) -> bool {
        let Some(range) = self.range else { return false };
        let span_ns = reading.after_ns.saturating_sub(last.seen_before_ns);
        uj_at_power(self.max_uw.unwrap_or(self.most_uw), span_ns) >= self.scale.micro(range)
    }

    /// Whether the device can have drawn this growth (raw units) in this time.
    fn is_plausible(&self, growth: u64, span_ns: u64) -> bool {
        self.scale.micro(growth) <= uj_at_power(self.most_uw, span_ns).saturating_add(self.scale.quantum())
    }

    /// Whether a growth (raw units) is more than the stated power limit allows.
    fn is_over_limit(&self, growth: u64, reading: &Reading, last: LastValue) -> bool {
        let span_ns = reading.after_ns.saturating_sub(last.since_ns);
        let growth_uj = self.scale.micro(growth);
        let quantum_uj = self.scale.quantum();
        self.max_uw.is_some_and(|max_uw| growth_uj > uj_at_power(max_uw, span_ns).saturating_add(quantum_uj))
    }
}

/// Growth of a counter over a time.
#[derive(Debug, Clone, Copy)]
struct Growth {
    units: u64,
    ns: u64,
}

impl Growth {
    /// Whether two growths have the same power within a factor of two: `a / t ≈ b / u`, compared as `a × u ≈ b × t`.
    fn has_power_like(self, other: Self) -> bool {
        let left = u128::from(self.units) * u128::from(other.ns);
        let right = u128::from(other.units) * u128::from(self.ns);
        left > 0 && left <= right.saturating_mul(2) && right <= left.saturating_mul(2)
    }
}

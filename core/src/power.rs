//! Power readings integrated by the trapezoid rule, with the rectangles around it.
//!
//! The rectangles hold if power stayed between neighbouring readings; that is the assumption behind `derived`.

use std::collections::VecDeque;

/// Readings kept for edges that arrive late.
const KEPT: usize = 512;

/// Energy until an instant, microjoules: the trapezoid rounded down, and the rectangles below and above it as
/// `(rounded down, rounded up)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Area {
    pub(crate) low: (u64, u64),
    pub(crate) mid: u64,
    pub(crate) high: (u64, u64),
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ns: u64,
    uw: u64,
    /// Sums until this sample in microwatt-nanoseconds: exact, scaled once when asked.
    sums: [u128; 3],
    joined: bool,
}

/// The running integral of a power sensor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Integral {
    samples: VecDeque<Sample>,
    interrupted: bool,
}

impl Integral {
    /// Reads failed: the next sample starts afresh.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Takes a sample. After an interruption nothing is integrated; its start is returned.
    pub(crate) fn push(&mut self, at_ns: u64, uw: u64) -> Option<u64> {
        let interrupted = std::mem::take(&mut self.interrupted);
        let Some(last) = self.samples.back().copied() else {
            self.samples.push_back(Sample { at_ns, uw, sums: [0; 3], joined: false });
            return None;
        };
        let at_ns = at_ns.max(last.at_ns);
        let mut sums = last.sums;
        if !interrupted {
            let ns = u128::from(at_ns - last.at_ns);
            let (uw, last) = (u128::from(uw), u128::from(last.uw));
            for (sum, twice) in sums.iter_mut().zip([2 * uw.min(last), uw + last, 2 * uw.max(last)]) {
                *sum = sum.saturating_add(twice.saturating_mul(ns) / 2);
            }
        }
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at_ns, uw, sums, joined: !interrupted });
        interrupted.then_some(last.at_ns)
    }

    /// Microjoules until the last sample.
    pub(crate) fn total_uj(&self) -> u64 {
        self.samples.back().map_or(0, |last| uj(last.sums[1]))
    }

    /// Whether the samples around an instant are kept, if there ever were any.
    pub(crate) fn remembers(&self, t_ns: u64) -> bool {
        self.samples.len() < KEPT || self.samples.front().is_some_and(|first| first.at_ns <= t_ns)
    }

    /// Time of the last sample, nanoseconds.
    pub(crate) fn last_ns(&self) -> Option<u64> {
        self.samples.back().map(|last| last.at_ns)
    }

    /// Energy until `t_ns`; power is taken to run straight between samples.
    pub(crate) fn at(&self, t_ns: u64) -> Area {
        let index = self.samples.partition_point(|sample| sample.at_ns <= t_ns);
        let Some(before) = index.checked_sub(1).and_then(|i| self.samples.get(i)) else {
            return self.samples.front().map_or(Area::default(), |first| area(first.sums));
        };
        let Some(after) = self.samples.get(index).filter(|after| after.joined) else { return area(before.sums) };
        let (ns, whole) = (u128::from(t_ns - before.at_ns), u128::from(after.at_ns - before.at_ns));
        let (from, to) = (u128::from(before.uw), u128::from(after.uw));
        // Power at t on the straight line, times 2: the trapezoid from the sample to t.
        let twice = if to >= from { 2 * from + (to - from) * ns / whole } else { 2 * from - (from - to) * ns / whole };
        let [low, mid, high] = before.sums;
        let sums = [(low, 2 * from.min(to)), (mid, twice), (high, 2 * from.max(to))];
        area(sums.map(|(sum, twice)| sum.saturating_add(twice.saturating_mul(ns) / 2)))
    }
}

fn area([low, mid, high]: [u128; 3]) -> Area {
    let both = |sum: u128| (uj(sum), uj(sum.saturating_add(999_999_999)));
    Area { low: both(low), mid: uj(mid), high: both(high) }
}

fn uj(sum: u128) -> u64 {
    u64::try_from(sum / 1_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 W, 100 W, 100 W, 20 W at whole seconds: 50 + 100 + 60 = 210 J by hand.
    #[test]
    fn f18_power_is_integrated_by_the_trapezoid_rule_rising_constant_and_falling() {
        let mut integral = Integral::default();
        for (second, watts) in [(0, 0), (1, 100), (2, 100), (3, 20)] {
            assert_eq!(integral.push(second * 1_000_000_000, watts * 1_000_000), None);
        }
        assert_eq!(integral.total_uj(), 210_000_000);
        assert_eq!(integral.at(500_000_000).mid, 12_500_000, "a ramp from 0 to 50 W over half a second");
        let end = integral.at(3_000_000_000);
        assert_eq!((end.low.0, end.high.1), (120_000_000, 300_000_000));
    }

    #[test]
    fn nothing_is_integrated_over_failed_reads() {
        let mut integral = Integral::default();
        integral.push(0, 100_000_000);
        integral.interrupt();
        assert_eq!(integral.push(5_000_000_000, 100_000_000), Some(0));
        assert_eq!(integral.total_uj(), 0);
        assert_eq!(integral.at(2_000_000_000).mid, 0);
    }
}

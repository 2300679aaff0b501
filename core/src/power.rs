//! Integrates the readings of a power sensor by the trapezoid rule ([`PowerIntegral`]), and keeps the sums from which
//! `scatter.rs` computes the 90 % range of the energy.
//!
//! A reading may be an average over the time before it. It is then placed in the middle of that time. The second half of
//! the last reading's time is taken to have the power of that reading.

use std::collections::VecDeque;

use crate::scatter::Scatter;
use crate::units::uj_at_power;

/// Readings that are kept, so that the energy at an instant can be computed a little later: 5 s at 100 readings per second.
const MAX_SAMPLES: usize = 512;

/// Integrated energy until an instant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Area {
    /// Microjoules of the trapezoid, rounded down.
    pub(crate) uj: u64,
    /// The same rounded up.
    pub(crate) up_uj: u64,
    /// How much readings differed until then.
    pub(crate) scatter: Scatter,
    /// Energy that averaging may have moved across the instant, microjoules: half of the averaging time, times the difference
    /// of the least and greatest power. Smoothing of a step accounts for an eighth of the time; the rest allows for an
    /// average that is older than its reading.
    pub(crate) blur_uj: u64,
}

/// One accepted reading.
#[derive(Debug, Clone, Copy)]
struct PowerSample {
    /// The instant that it represents, nanoseconds.
    at_ns: u64,
    uw: u64,
    /// Integral until this sample, microwatt-nanoseconds: exact, and scaled only for results.
    sum: u128,
    scatter: Scatter,
    /// Change of power since the sample before times the time between them, microjoules.
    step_uj: f64,
    /// Whether power is integrated from the sample before to this one; not after failed reads.
    joined: bool,
    /// Least power until this sample, microwatts.
    least_uw: u64,
    /// Greatest power until this sample, microwatts.
    greatest_uw: u64,
}

/// The running integral of a power sensor.
#[derive(Debug, Clone, Default)]
pub(crate) struct PowerIntegral {
    /// The last samples, oldest first.
    samples: VecDeque<PowerSample>,
    /// Whether reads have failed since the last sample.
    interrupted: bool,
    /// Half of what a reading averages over, nanoseconds; 0 where readings are instantaneous.
    half_ns: u64,
}

impl PowerIntegral {
    /// Returns an empty integral of readings that average over this time, nanoseconds.
    pub(crate) fn averaging(average_ns: u64) -> Self {
        Self { half_ns: average_ns / 2, ..Self::default() }
    }

    /// Records that reads failed: nothing is integrated until the next sample.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Adds a sample that was read at `read_ns`. Returns the instant that it represents, and, after an interruption, the
    /// start of the interruption.
    pub(crate) fn push(&mut self, read_ns: u64, uw: u64) -> (u64, Option<u64>) {
        let at_ns = read_ns.saturating_sub(self.half_ns);
        let interrupted = std::mem::take(&mut self.interrupted);
        let Some(last) = self.samples.back().copied() else {
            let scatter = Scatter::default();
            self.samples.push_back(PowerSample {
                at_ns,
                uw,
                sum: 0,
                scatter,
                step_uj: 0.0,
                joined: false,
                least_uw: uw,
                greatest_uw: uw,
            });
            return (at_ns, None);
        };
        let at_ns = at_ns.max(last.at_ns);
        let (least_uw, greatest_uw) = (last.least_uw.min(uw), last.greatest_uw.max(uw));
        let joined = !interrupted;
        let mut next = PowerSample { at_ns, uw, step_uj: 0.0, joined, least_uw, greatest_uw, ..last };
        if !interrupted {
            let ns = at_ns - last.at_ns;
            let twice = u128::from(uw) + u128::from(last.uw);
            next.sum = last.sum.saturating_add(twice.saturating_mul(ns.into()) / 2);
            next.step_uj = (uw as f64 - last.uw as f64) * ns as f64 / 1e9;
            next.scatter = last.scatter.and(next.step_uj, last.step_uj);
        }
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(next);
        (at_ns, interrupted.then_some(last.at_ns))
    }

    /// Returns the energy until the last sample, microjoules.
    pub(crate) fn total_uj(&self) -> u64 {
        self.samples.back().map_or(0, |last| uj(last.sum))
    }

    /// Whether the samples around an instant are kept, if there ever were any.
    pub(crate) fn remembers(&self, t_ns: u64) -> bool {
        self.samples.len() < MAX_SAMPLES || self.samples.front().is_some_and(|first| first.at_ns <= t_ns)
    }

    /// Returns the instant until which the samples give the energy, nanoseconds.
    pub(crate) fn last_ns(&self) -> Option<u64> {
        self.samples.back().map(|last| last.at_ns.saturating_add(self.half_ns))
    }

    /// Returns the energy until `t_ns`; power is linear between samples.
    pub(crate) fn at(&self, t_ns: u64) -> Area {
        let index = self.samples.partition_point(|sample| sample.at_ns <= t_ns);
        let Some(before) = index.checked_sub(1).and_then(|i| self.samples.get(i)) else {
            return self.samples.front().map_or(Area::default(), |first| self.area(first, first.sum, first.scatter));
        };
        let after = self.samples.get(index).filter(|after| after.joined);
        let Some(after) = after else {
            // The last average is known to its end.
            let ns = (t_ns - before.at_ns).min(self.half_ns);
            let sum = before.sum.saturating_add(u128::from(before.uw) * u128::from(ns));
            return self.area(before, sum, before.scatter);
        };
        let (ns, whole) = (u128::from(t_ns - before.at_ns), u128::from(after.at_ns - before.at_ns));
        let (from, to) = (u128::from(before.uw), u128::from(after.uw));
        // The power at the sample plus that at t: twice the mean power of the trapezoid from the sample to t.
        let twice = if to >= from { 2 * from + (to - from) * ns / whole } else { 2 * from - (from - to) * ns / whole };
        let sum = before.sum.saturating_add(twice.saturating_mul(ns) / 2);
        self.area(after, sum, before.scatter.towards(after.scatter, ns as f64 / whole as f64))
    }

    /// Returns the result for an integral. `known`: the last sample that it uses.
    fn area(&self, known: &PowerSample, sum: u128, scatter: Scatter) -> Area {
        let blur_uj = uj_at_power(known.greatest_uw - known.least_uw, self.half_ns);
        Area { uj: uj(sum), up_uj: uj(sum.saturating_add(999_999_999)), scatter, blur_uj }
    }
}

/// Returns the microjoules of a sum of microwatt-nanoseconds, rounded down.
fn uj(sum: u128) -> u64 {
    u64::try_from(sum / 1_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 W, 100 W, 100 W, 20 W at whole seconds: 50 + 100 + 60 = 210 J by hand.
    #[test]
    fn f18_power_is_integrated_by_the_trapezoid_rule_rising_constant_and_falling() {
        let mut integral = PowerIntegral::default();
        for (second, watts) in [(0, 0), (1, 100), (2, 100), (3, 20)] {
            let at_ns = second * 1_000_000_000;
            assert_eq!(integral.push(at_ns, watts * 1_000_000), (at_ns, None));
        }
        assert_eq!(integral.total_uj(), 210_000_000);
        assert_eq!(integral.at(500_000_000).uj, 12_500_000, "a ramp from 0 to 50 W over half a second");
        let end = integral.at(3_000_000_000);
        assert_eq!((end.uj, end.up_uj), (210_000_000, 210_000_000));
    }

    #[test]
    fn nothing_is_integrated_over_failed_reads() {
        let mut integral = PowerIntegral::default();
        integral.push(0, 100_000_000);
        integral.interrupt();
        assert_eq!(integral.push(5_000_000_000, 100_000_000), (5_000_000_000, Some(0)));
        assert_eq!(integral.total_uj(), 0);
        assert_eq!(integral.at(2_000_000_000).uj, 0);
    }

    /// Averages over 2 s of 100 W until 3 s and then 200 W, read once a second: 100, 150, 200 W at 3, 4 and 5 s.
    #[test]
    fn k02_an_average_is_placed_in_the_middle_of_its_time_and_reaches_to_its_end() {
        let mut integral = PowerIntegral::averaging(2_000_000_000);
        for (second, watts) in [(2, 100), (3, 100), (4, 150), (5, 200)] {
            integral.push(second * 1_000_000_000, watts * 1_000_000);
        }
        let until = |second: u64| integral.at(second * 1_000_000_000).uj / 1_000_000;
        assert_eq!([1, 2, 3, 4, 5, 6].map(until), [0, 100, 225, 400, 600, 600]);
        assert_eq!((integral.last_ns(), integral.at(5_000_000_000).blur_uj), (Some(5_000_000_000), 100_000_000));
    }
}

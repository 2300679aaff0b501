//! Computes the uncertainty range of an energy that a model estimates, as factors of the model's power, so that the
//! range follows the load ([`ModelRange`]).
//!
//! A *model* computes the power of a part from its load, where no sensor is there. The factors by which the truth may
//! differ are not the same for an idle and a busy part: idle power depends on sleep states that a model does not see.
//! The time between two readings of the load has one power, which decides the pair of factors. The range of a longer
//! time is the sum over these steps.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Factors between a model's power and the truth, in thousandths: in nine of ten cases the truth lies between them.
///
/// ```
/// use eco2_core::ModelRange;
///
/// // Below 20 W the truth is 0.1 to 3 times the model's power, from 20 W on 0.5 to 1.55 times.
/// let range = ModelRange { busy_uw: 20_000_000, idle_permille: [100, 3_000], busy_permille: [500, 1_550] };
/// assert_eq!(range.factors_permille(5_000_000), [100, 3_000]);
/// assert_eq!(range.factors_permille(20_000_000), [500, 1_550]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRange {
    /// The power from which the part counts as busy, microwatts.
    pub busy_uw: u64,
    /// Lower and upper factor below that power, thousandths.
    pub idle_permille: [u32; 2],
    /// Lower and upper factor from that power on, thousandths.
    pub busy_permille: [u32; 2],
}

impl ModelRange {
    /// Returns the lower and the upper factor at this power of the model (microwatts), in thousandths.
    #[must_use]
    pub const fn factors_permille(&self, model_uw: u64) -> [u32; 2] {
        if model_uw < self.busy_uw { self.idle_permille } else { self.busy_permille }
    }

    /// Returns the least and the greatest energy, in thousandths of a microjoule, of a time of `ns` nanoseconds for
    /// which the model gives `uj` microjoules; `max_uw` is the device's power limit.
    fn of_step(&self, uj: u64, ns: u64, max_uw: u64) -> [u128; 2] {
        let uw = u128::from(uj) * 1_000_000_000 / u128::from(ns.max(1));
        let [low, high] = self.factors_permille(u64::try_from(uw).unwrap_or(u64::MAX));
        let most = u128::from(max_uw) * u128::from(ns) / 1_000_000;
        let (low, high) = (u128::from(uj) * u128::from(low), u128::from(uj) * u128::from(high));
        // A device that reaches its limit cannot draw more, whatever the factor; the model's own value stays inside.
        [low, high.min(most).max(u128::from(uj) * 1_000)]
    }
}

/// Least and greatest energy since the first reading, at the instants of a model's readings.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeCurve {
    points: VecDeque<RangePoint>,
}

/// Energy since the first reading at one instant.
#[derive(Debug, Clone, Copy)]
struct RangePoint {
    at_ns: u64,
    /// The model's energy, microjoules.
    uj: u64,
    /// Least and greatest energy, thousandths of a microjoule.
    range: [u128; 2],
}

impl RangeCurve {
    /// Adds the model's energy since the first reading, `uj`, at an instant. At most `kept` instants are remembered.
    pub(crate) fn push(&mut self, factors: &ModelRange, max_uw: u64, at_ns: u64, uj: u64, kept: usize) {
        let range = self.points.back().map_or([0, 0], |last| {
            let step = factors.of_step(uj.saturating_sub(last.uj), at_ns.saturating_sub(last.at_ns), max_uw);
            [last.range[0] + step[0], last.range[1] + step[1]]
        });
        if self.points.len() == kept {
            self.points.pop_front();
        }
        self.points.push_back(RangePoint { at_ns, uj, range });
    }

    /// Returns the least energy until an instant, microjoules: on a straight line between readings, growing by the
    /// power `min_uw` after the last.
    pub(crate) fn low_uj(&self, t_ns: u64, min_uw: u64) -> u64 {
        micro(self.at(t_ns, 0, min_uw) / 1_000)
    }

    /// Returns the greatest energy until an instant, microjoules: on a straight line between readings, growing by the
    /// power `max_uw` after the last.
    pub(crate) fn high_uj(&self, t_ns: u64, max_uw: u64) -> u64 {
        micro(self.at(t_ns, 1, max_uw).div_ceil(1_000))
    }

    /// Returns one side of the range at an instant, thousandths of a microjoule; `side`: 0 the least energy, 1 the
    /// greatest.
    fn at(&self, t_ns: u64, side: usize, beyond_uw: u64) -> u128 {
        let next = self.points.partition_point(|point| point.at_ns <= t_ns);
        let Some(before) = next.checked_sub(1).and_then(|i| self.points.get(i)) else {
            return self.points.front().map_or(0, |first| first.range[side]);
        };
        let passed_ns = u128::from(t_ns - before.at_ns);
        match self.points.get(next) {
            Some(after) => {
                let step = after.range[side] - before.range[side];
                before.range[side] + step * passed_ns / u128::from((after.at_ns - before.at_ns).max(1))
            }
            None => before.range[side] + u128::from(beyond_uw) * passed_ns / 1_000_000,
        }
    }
}

/// Returns a number in 64 bits; saturates.
fn micro(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const RANGE: ModelRange =
        ModelRange { busy_uw: 20_000_000, idle_permille: [100, 3_000], busy_permille: [500, 1_550] };

    /// A second at 10 W (idle: 1 to 30 J) and one at 40 W (busy: 20 to 62 J).
    #[test]
    fn range_follows_the_load() {
        let mut curve = RangeCurve::default();
        for (at_ns, uj) in [(SECOND, 0), (2 * SECOND, 10_000_000), (3 * SECOND, 50_000_000)] {
            curve.push(&RANGE, u64::MAX, at_ns, uj, 512);
        }
        let range = |t_ns| (curve.low_uj(t_ns, 1_000_000), curve.high_uj(t_ns, 100_000_000));
        assert_eq!(range(SECOND), (0, 0));
        assert_eq!(range(SECOND * 3 / 2), (500_000, 15_000_000));
        assert_eq!(range(2 * SECOND), (1_000_000, 30_000_000));
        assert_eq!(range(3 * SECOND), (21_000_000, 92_000_000));
        assert_eq!(range(4 * SECOND), (22_000_000, 192_000_000), "beyond the last reading only the limits are known");
    }

    #[test]
    fn limit_of_the_device_cuts_the_upper_end_but_never_the_model() {
        let mut curve = RangeCurve::default();
        curve.push(&RANGE, 45_000_000, 0, 0, 512);
        curve.push(&RANGE, 45_000_000, SECOND, 40_000_000, 512);
        assert_eq!(curve.high_uj(SECOND, 0), 45_000_000);
        curve.push(&RANGE, 45_000_000, 2 * SECOND, 90_000_000, 512);
        assert_eq!(curve.high_uj(2 * SECOND, 0), 95_000_000);
    }
}

//! [`Updates`] predicts when one slow counter is updated next, so that reads between two updates can be left out.
//!
//! A slow counter is one whose value is updated every 20 ms or less often. A reading that shows another value than the
//! reading before it was preceded by an update. The two readings are the *bracket* of that update. A bracket is narrow
//! if it is shorter than a quarter of the period.
//!
//! The prediction is a Kalman filter over two values: the instant of the latest update and the period. Narrow brackets
//! correct both. A wide bracket corrects the instant only if the prediction lies outside it. Floating point is in place
//! here: the time of a read depends on it, never an energy.
//!
//! Jitter and drift of updates are shares of the period: 1 % and 0.3 %. No hardware is known to be more irregular for
//! long; a counter that is has wider predictions, because an update far from its prediction widens them.

use eco2_core::UpdatePeriod;

/// Standard deviation of one update's lateness, as a share of the period.
const JITTER: f64 = 0.01;
/// Standard deviation by which the phase walks in one update, as a share of the period.
const DRIFT: f64 = 0.003;
/// Standard deviation of the period at first, as a share of it: the precision of [`UpdatePeriod`].
const PERIOD_ERROR: f64 = 0.02;
/// Standard deviation by which the period walks in one update, as a share of it.
const PERIOD_DRIFT: f64 = 2e-5;
/// Most that one read without an expected update moves the prediction on, as a share of the period.
const MOST_LATE: f64 = 0.2;
/// An update this far from its prediction, as a share of the period, was not expected.
const UNEXPECTED: f64 = 0.125;
/// No update in more than this many periods was not expected either.
const LONG: f64 = 2.5;
/// Evidence of another period at which it is lost: what was not expected adds [`AGAINST`], a read in which no update was
/// expected and none came takes one away. Late updates, one in 200, are isolated and stay far below.
const LOST: u32 = 6;
const AGAINST: u32 = 2;

/// Prediction of one counter's updates. Instants are nanoseconds since the schedule began.
#[derive(Debug, Clone)]
pub(super) struct Updates {
    /// Latest known or predicted update.
    at: f64,
    period: f64,
    /// Variances of instant and period, and their covariance.
    at_variance: f64,
    covariance: f64,
    period_variance: f64,
    /// When the last narrow bracket ended.
    narrow_ns: f64,
    /// When the last change was seen.
    changed_ns: f64,
    /// Evidence that the period is another one.
    evidence: u32,
}

impl Updates {
    /// Starts with an update within the bracket `from_ns..=to_ns` and a period learned by polling.
    pub(super) fn new((from_ns, to_ns): (u64, u64), period: UpdatePeriod) -> Self {
        let (from, to, length) = (from_ns as f64, to_ns as f64, period.mean_ns as f64);
        Self {
            at: f64::midpoint(from, to),
            period: length,
            at_variance: uniform(to - from),
            covariance: 0.0,
            period_variance: (PERIOD_ERROR * length).powi(2),
            narrow_ns: to,
            changed_ns: to,
            evidence: 0,
        }
    }

    /// Returns the predicted first update after `after_ns`.
    pub(super) fn next_ns(&self, after_ns: u64) -> u64 {
        let after = after_ns as f64;
        let periods = ((after - self.at) / self.period).floor() + 1.0;
        (self.at + periods * self.period).max(after) as u64
    }

    pub(super) fn period_ns(&self) -> u64 {
        self.period as u64
    }

    /// How far from its prediction an update is looked for: three standard deviations of the jitter.
    pub(super) fn margin_ns(&self) -> u64 {
        (3.0 * JITTER * self.period) as u64
    }

    pub(super) fn narrow_ns(&self) -> u64 {
        self.narrow_ns as u64
    }

    /// Whether the counter is no longer updated as predicted.
    pub(super) fn is_lost(&self) -> bool {
        self.evidence >= LOST
    }

    /// Whether the period differs from `period` by more than a quarter.
    pub(super) fn differs_from(&self, period: UpdatePeriod) -> bool {
        (period.mean_ns as f64 - self.period).abs() > self.period / 4.0
    }

    /// Takes a reading at `now_ns`, after one at `last_ns`; `changed` is whether the value was another one.
    pub(super) fn was_read(&mut self, last_ns: u64, now_ns: u64, changed: bool) {
        let (last, now) = (last_ns as f64, now_ns as f64);
        let reach = (UNEXPECTED * self.period) as u64;
        let expected = self.next_ns(last_ns.saturating_sub(reach)) <= now_ns + reach;
        let overdue = now - self.changed_ns > LONG * self.period;
        if (changed && !expected) || (!changed && overdue) {
            self.evidence += AGAINST;
        } else if !changed && !expected {
            self.evidence = self.evidence.saturating_sub(1);
        }
        if changed {
            self.changed_ns = now;
            self.changed(last, now);
        } else {
            self.unchanged(last, now);
        }
    }

    fn changed(&mut self, last: f64, now: f64) {
        let (width, middle) = (now - last, f64::midpoint(last, now));
        let is_narrow = width < self.period / 4.0;
        // In a wide bracket, the latest update that fits; a little early is on time.
        let nearest = ((middle - self.at) / self.period).round().max(0.0);
        let latest = ((now - self.at) / self.period + 0.02).floor().max(1.0);
        self.advance(if is_narrow { nearest } else { latest });
        if is_narrow {
            self.correct(middle, uniform(width) + (JITTER * self.period).powi(2));
            self.narrow_ns = now;
        } else if self.at < last || self.at > now {
            self.at_variance += (2.0 * JITTER * self.period).powi(2);
            self.correct(self.at.clamp(last, now), (JITTER * self.period).powi(2));
        }
    }

    /// An update that was predicted since the last read and is not there comes later.
    fn unchanged(&mut self, last: f64, now: f64) {
        let periods = ((now - self.at) / self.period).floor();
        let late = now - self.at - periods * self.period;
        if periods < 1.0 || late >= now - last {
            return;
        }
        self.at += late.min(MOST_LATE * self.period);
        self.at_variance += (2.0 * JITTER * self.period).powi(2);
    }

    fn advance(&mut self, periods: f64) {
        self.at += periods * self.period;
        self.at_variance += periods * (2.0 * self.covariance + periods * self.period_variance);
        self.at_variance += periods * (DRIFT * self.period).powi(2);
        self.covariance += periods * self.period_variance;
        self.period_variance += periods * (PERIOD_DRIFT * self.period).powi(2);
    }

    /// Corrects instant and period by a measurement of the instant with that variance.
    fn correct(&mut self, measured: f64, variance: f64) {
        let error = measured - self.at;
        if error * error > 9.0 * (self.at_variance + variance) {
            // More than three standard deviations off: the reading is right, the prediction was not.
            self.at_variance += error * error;
        }
        let sum = self.at_variance + variance;
        let (gain, period_gain) = (self.at_variance / sum, self.covariance / sum);
        self.at += gain * error;
        self.period += period_gain * error;
        self.period_variance -= period_gain * self.covariance;
        self.covariance -= gain * self.covariance;
        self.at_variance -= gain * self.at_variance;
    }
}

/// Returns the variance of an instant that lies anywhere in a bracket of that width (a uniform distribution).
fn uniform(width: f64) -> f64 {
    width * width / 12.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn locked() -> Updates {
        let mut updates = Updates::new((98 * MS, 102 * MS), UpdatePeriod { mean_ns: 99 * MS, updates: 5 });
        // Updates every 100 ms, each between two reads that are 4 ms long.
        for number in 2..30 {
            let at = number * 100 * MS;
            updates.was_read(at - 98 * MS, at - 2 * MS, false);
            updates.was_read(at - 2 * MS, at + 2 * MS, true);
        }
        updates
    }

    #[test]
    fn a_regular_counter_is_predicted_within_a_millisecond() {
        let updates = locked();
        assert!(!updates.is_lost());
        assert!(updates.next_ns(3_010 * MS).abs_diff(3_100 * MS) < MS, "{updates:?}");
        assert!(updates.period_ns().abs_diff(100 * MS) < MS / 5, "{updates:?}");
        assert_eq!(updates.narrow_ns(), 2_902 * MS);
    }

    #[test]
    fn one_late_update_is_no_contradiction_and_another_period_is() {
        let mut late = locked();
        late.was_read(2_902 * MS, 3_004 * MS, false);
        late.was_read(3_004 * MS, 3_020 * MS, true);
        late.was_read(3_020 * MS, 3_098 * MS, false);
        late.was_read(3_098 * MS, 3_102 * MS, true);
        assert!(!late.is_lost() && late.next_ns(3_150 * MS).abs_diff(3_200 * MS) < 4 * MS, "{late:?}");
        let mut faster = locked();
        // Every 20 ms from here on: a change in each pair of reads, where none was predicted.
        for number in 0..12 {
            let at = 2_910 * MS + number * 130 * MS;
            faster.was_read(at, at + 10 * MS, true);
            faster.was_read(at + 10 * MS, at + 30 * MS, true);
        }
        assert!(faster.is_lost(), "{faster:?}");
    }

    #[test]
    fn a_counter_that_stops_is_lost() {
        let mut stopped = locked();
        let mut reads = 0;
        let mut last_ns = 2_902 * MS;
        while !stopped.is_lost() {
            let now_ns = stopped.next_ns(last_ns) + 4 * MS;
            stopped.was_read(last_ns, now_ns, false);
            (last_ns, reads) = (now_ns, reads + 1);
        }
        assert!(reads <= 16, "{reads}");
    }
}

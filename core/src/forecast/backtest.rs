//! How far off forecasts were in recorded runs, by how much of the run was done.

/// What forecasts at one point of a run were worth in recorded runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backtest {
    /// Median of the differences between the estimate and the end, percent of the run's energy.
    pub error_percent: f64,
    /// Share of the 90 % intervals that contained the end, percent.
    pub held_percent: f64,
    /// How many runs.
    pub runs: u32,
}

/// Recorded runs of `tests/forecast/recorded.txt`; a test computes the table from them.
const RUNS: u32 = 24;

/// Percent of the run done, median error, intervals that held.
const TABLE: [(u64, f64, f64); 6] =
    [(5, 9.62, 75.0), (10, 5.27, 91.7), (25, 1.62, 91.7), (50, 0.91, 91.7), (75, 0.45, 100.0), (90, 0.36, 95.8)];

/// The back-test of a forecast after `done` of `total`: that of the last point in the table which was passed, so that it is
/// rather too large. `None` before the first.
///
/// ```
/// use eco2_core::forecast_backtest;
///
/// assert_eq!(forecast_backtest(1, 100), None); // too early to forecast
/// assert!(forecast_backtest(50, 100).is_some_and(|half| half.error_percent < 2.0));
/// ```
#[must_use]
pub fn backtest(done: u64, total: u64) -> Option<Backtest> {
    let is_passed = |percent: u64| u128::from(done) * 100 >= u128::from(total) * u128::from(percent);
    let (_, error_percent, held_percent) = TABLE.into_iter().rev().find(|(percent, ..)| is_passed(*percent))?;
    Some(Backtest { error_percent, held_percent, runs: RUNS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_point_that_was_passed_counts() {
        assert_eq!(backtest(4, 100), None);
        assert_eq!(backtest(5, 100), backtest(9, 100));
        assert_eq!(backtest(24, 100), backtest(10, 100));
        assert_eq!(backtest(u64::MAX, u64::MAX), backtest(90, 100));
        assert!(backtest(90, 100).unwrap().error_percent < backtest(5, 100).unwrap().error_percent);
    }
}

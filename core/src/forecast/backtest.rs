//! Returns how good forecasts of a run's energy were in recorded runs ([`backtest`]), and computes the quantiles from
//! which their intervals are formed.
//!
//! A *back-test* makes the forecast at a point of a recorded run from the steps before it, and compares it with the
//! run's real end.

/// How good forecasts at one point of a run were in recorded runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backtest {
    /// Median of the differences between the estimate and the end, percent of the run's energy.
    pub error_percent: f64,
    /// Share of the 90 % intervals that contained the end, percent.
    pub held_percent: f64,
    /// Number of recorded runs.
    pub runs: u32,
}

/// Number of recorded runs in `tests/forecast/recorded.txt`; a test computes the table from them.
const RUNS: u32 = 24;

/// Rows of: percent of the run done; median error, percent; share of the 90 % intervals that contained the end,
/// percent.
const TABLE: [(u64, f64, f64); 6] =
    [(5, 9.62, 75.0), (10, 5.27, 91.7), (25, 1.62, 91.7), (50, 0.91, 91.7), (75, 0.45, 100.0), (90, 0.36, 95.8)];

/// Returns the back-test of a forecast after `done` of `total` steps: that of the last point of the table which the run
/// has passed. So its error is rather too large. `None` before the first point, 5 % of the run.
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

/// Returns a quantile of the standard normal distribution, 0 < p < 1; absolute error below 4.5e-4 (Hastings'
/// approximation, Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23).
pub(super) fn normal(p: f64) -> f64 {
    let tail = p.min(1.0 - p);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let z = t - above / below;
    if p < 0.5 { -z } else { z }
}

/// Returns a quantile of Student's distribution with `freedom` degrees of freedom: exact for 1 and 2, else by the
/// Cornish-Fisher expansion (Abramowitz and Stegun, 26.7.5), within 1 % for 3 and more between 5 % and 95 %.
pub(super) fn student(p: f64, freedom: f64) -> f64 {
    if freedom < 1.5 {
        return (std::f64::consts::PI * (p - 0.5)).tan();
    }
    if freedom < 2.5 {
        return (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
    }
    let z = normal(p);
    let powers = [z, z.powi(3), z.powi(5), z.powi(7), z.powi(9)];
    let sum = |factors: [f64; 5], over: f64| factors.iter().zip(powers).map(|(a, b)| a * b).sum::<f64>() / over;
    let terms = [
        sum([1.0, 1.0, 0.0, 0.0, 0.0], 4.0),
        sum([3.0, 16.0, 5.0, 0.0, 0.0], 96.0),
        sum([-15.0, 17.0, 19.0, 3.0, 0.0], 384.0),
        sum([-945.0, -1920.0, 1482.0, 776.0, 79.0], 92160.0),
    ];
    terms.iter().rev().fold(0.0, |rest, term| (rest + term) / freedom) + z
}

#[cfg(test)]
mod quantile_tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Tables of the normal and of Student's distribution.
        let known = [
            (0.95, 1.0, 6.314),
            (0.95, 2.0, 2.920),
            (0.95, 3.0, 2.353),
            (0.95, 9.0, 1.833),
            (0.9, 5.0, 1.476),
            (0.95, 1e6, 1.645),
        ];
        for (p, freedom, expected) in known {
            let found = student(p, freedom);
            assert!((found - expected).abs() < 0.01 * expected, "t({p}, {freedom}) = {found}, not {expected}");
            assert!((found + student(1.0 - p, freedom)).abs() < 1e-9);
        }
        assert!(normal(0.5).abs() < 1e-6);
    }
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

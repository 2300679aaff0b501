//! Computes the 90 % range of an energy that was integrated from power readings by the trapezoid rule ([`Scatter`]).
//!
//! Between two readings of an instantaneous power the device may have drawn anything, so only the range of its power limit
//! (the *free* bounds) holds for any load. But readings at random instants are a sample of the load. How much they differ
//! from one to the next shows how far their integral may be off. With `d` = Δp·Δt of neighbouring readings, the variance
//! of the trapezoid is
//!
//! `(Σ d² − 11 Σ d d') / 12`, the second sum (of `d` with the next one) only where it is below 0.
//!
//! It is exact for two extreme loads, and a little too large between them. A load that changes seldom has `Σ d d'` = 0, and a
//! step at a random instant between two readings causes an error of variance d²/12 (as does a Brownian path). A load much
//! faster than the readings has E d² = 2 s² Δt² and E d d' = −s² Δt²; the trapezoid's variance is then 25/24 s² Δt² per
//! interval, if each reading is taken at a random instant of its own interval.
//!
//! The variance of a span (a part of the run) is computed from its own intervals and [`BORROWED`] average intervals of the
//! run until its end, so that a span between two readings has a range too. To all intervals [`DOUBTED`] are added in which
//! power changes by the mean power, so that a few equal readings do not appear exact. The range is the standard deviation
//! times Student's t for 90 %, with [`FREEDOM`] degrees of freedom per interval.
//!
//! `core/tests/coverage.rs` measures how often the range holds; docs/measured/ranges.md has the results. The range does not
//! cover peaks so rare that at most two readings show one, and sensors that sample at instants of their own.

/// Average intervals of the run that are added to a span's own ones. Chosen with [`DOUBTED`] by `core/tests/coverage.rs`.
const BORROWED: f64 = 5.0;
/// Intervals with a change by the mean power that are added to those of the run.
const DOUBTED: f64 = 3.0;
/// Degrees of freedom per interval, less than 1 because neighbouring differences share a reading, and squares of real loads scatter widely.
const FREEDOM: f64 = 0.6;
/// Quantile of the normal distribution for a two-sided 90 %.
const NORMAL: f64 = 1.644_854;

/// Sums over the intervals between readings until an instant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Scatter {
    /// Number of intervals; a fraction where the instant is within one.
    intervals: f64,
    /// Sum of the squares of Δp·Δt, microjoules².
    steps: f64,
    /// Sum of the products of neighbouring Δp·Δt, negated: large where power rises and falls from reading to reading.
    turns: f64,
}

impl Scatter {
    /// Returns the sums with one more interval, whose Δp·Δt is `step_uj` after one of `before_uj`.
    pub(crate) fn and(self, step_uj: f64, before_uj: f64) -> Self {
        Self {
            intervals: self.intervals + 1.0,
            steps: self.steps + step_uj * step_uj,
            turns: self.turns - step_uj * before_uj,
        }
    }

    /// Returns the sums at `part` (0 to 1) of the way to later ones.
    pub(crate) fn towards(self, after: Self, part: f64) -> Self {
        self.plus(after.minus(self), part)
    }

    fn minus(self, start: Self) -> Self {
        self.plus(start, -1.0)
    }

    fn plus(self, other: Self, times: f64) -> Self {
        Self {
            intervals: self.intervals + times * other.intervals,
            steps: self.steps + times * other.steps,
            turns: self.turns + times * other.turns,
        }
    }

    /// Returns half the width of the 90 % range of the energy since `start`, microjoules. `uj`: the energy of all intervals
    /// until here.
    pub(crate) fn margin_uj(self, start: Self, uj: u64) -> u64 {
        let own = self.minus(start);
        let all_intervals = self.intervals;
        if all_intervals <= 0.0 || own.intervals <= 0.0 {
            return 0;
        }
        let interval_uj = uj as f64 / all_intervals;
        let run = Self { steps: self.steps + DOUBTED * interval_uj * interval_uj, ..self };
        let share = own.intervals / (own.intervals + BORROWED);
        let pooled = own.plus(run, BORROWED / all_intervals);
        let variance = share * (pooled.steps + 11.0 * pooled.turns.max(0.0)) / 12.0;
        let freedom = FREEDOM * (own.intervals + BORROWED).min(all_intervals);
        let margin_uj = student(freedom) * variance.max(0.0).sqrt();
        if margin_uj.is_finite() { margin_uj.ceil() as u64 } else { u64::MAX }
    }
}

/// Student's t for a two-sided 90 %, by the expansion in 1/freedom (Abramowitz and Stegun, 26.7.5).
fn student(freedom: f64) -> f64 {
    let z = NORMAL;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / freedom + second / (freedom * freedom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scatter_of(watts: &[f64]) -> Scatter {
        let steps: Vec<f64> = watts.windows(2).map(|pair| (pair[1] - pair[0]) * 1e6).collect();
        let before = std::iter::once(0.0).chain(steps.iter().copied());
        steps.iter().zip(before).fold(Scatter::default(), |sum, (step, before)| sum.and(*step, before))
    }

    #[test]
    fn students_t_is_that_of_the_tables() {
        for (freedom, table) in [(5.0, 2.015), (10.0, 1.812), (20.0, 1.725), (1e9, 1.645)] {
            assert!((student(freedom) - table).abs() < 0.02, "{freedom}: {}", student(freedom));
        }
    }

    /// 100 W and 200 W in turn, 1 000 readings, one per second. By hand: d = ±100 J, so the variance is
    /// (999 · 100² + 11 · 998 · 100²) / 12, 3.16 kJ squared; 1.65 of these are 5.2 kJ of 150 kJ.
    #[test]
    fn readings_that_go_up_and_down_are_independent() {
        let watts: Vec<f64> = (0..1_000).map(|i| if i % 2 == 0 { 100.0 } else { 200.0 }).collect();
        let margin_uj = scatter_of(&watts).margin_uj(Scatter::default(), 150_000_000_000);
        assert!((5_150_000_000..5_250_000_000).contains(&margin_uj), "{margin_uj}");
    }

    /// One step of 100 W in 1 000 readings: √((100² + 5 · (100² + 3 · 150²) / 999) · 999 / 1 004 / 12) = 29.3 J; times
    /// 1.65.
    #[test]
    fn one_step_costs_one_interval() {
        let watts: Vec<f64> = (0..1_000).map(|i| if i < 500 { 100.0 } else { 200.0 }).collect();
        let margin_uj = scatter_of(&watts).margin_uj(Scatter::default(), 150_000_000_000);
        assert!((48_000_000..49_000_000).contains(&margin_uj), "{margin_uj}");
    }

    #[test]
    fn nothing_read_has_no_range() {
        assert_eq!(Scatter::default().margin_uj(Scatter::default(), 5), 0);
        let some = scatter_of(&[1.0, 2.0]);
        assert_eq!(some.margin_uj(some, 5), 0);
    }
}

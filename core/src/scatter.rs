//! How far the trapezoid over power readings may be off: the 90 % range of integrated power.
//!
//! Between two readings of an instantaneous power anything may have been drawn, so no range but that of the power limit
//! (the *free* bounds) holds whatever the load did. Readings at random instants are a sample of the load, though, and
//! how much they differ from one to the next shows how far their sum may be off. With `d` = Δp·Δt of neighbouring
//! readings, the variance of the trapezoid is
//!
//! `(Σ d² − 11 Σ d d') / 12`, the second sum (of `d` with the next one) only where it is below 0.
//!
//! It is right at both ends of what a load can be: a load that changes seldom has `Σ d d'` = 0, and a step at a random
//! instant between two readings makes an error of variance d²/12 (so does a Brownian path); a load much faster than the
//! readings has E d² = 2 s² Δt² and E d d' = −s² Δt², and the trapezoid's variance is 25/24 s² Δt² an interval where
//! each reading comes at a random instant of its own interval. Between these it is a little too large.
//!
//! A span has the variance of its own intervals, together with [`BORROWED`] average ones of all until its end, so that
//! a span between two readings has a range too. Among all there are [`DOUBTED`] in which power changed by the whole
//! mean power, so that a few equal readings do not claim to be exact. The factor is Student's t for 90 %, with
//! [`FREEDOM`] degrees of freedom an interval.
//!
//! Measured by `core/tests/coverage.rs`; the results are in docs/measured/ranges.md. Not covered: peaks so rare that
//! readings met two or fewer of them, and sensors that show a value which they took at instants of their own.

/// Intervals of the whole run that count for each span besides its own.
const BORROWED: f64 = 5.0;
/// Intervals of a change by the mean power that any run is taken to have.
const DOUBTED: f64 = 3.0;
/// Degrees of freedom an interval: neighbouring differences share a reading, and squares of real loads scatter widely.
const FREEDOM: f64 = 0.6;
/// Quantile of the normal distribution for a two-sided 90 %.
const NORMAL: f64 = 1.644_854;

/// Sums over the intervals between readings until an instant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Scatter {
    /// Intervals, in parts where the instant lies within one.
    intervals: f64,
    /// Squares of Δp·Δt, in microjoules².
    steps: f64,
    /// Products of neighbouring Δp·Δt, taken negative: large where power goes up and down from reading to reading.
    turns: f64,
}

impl Scatter {
    /// With one more interval, whose Δp·Δt is `step_uj` after one of `before_uj`.
    pub(crate) fn and(self, step_uj: f64, before_uj: f64) -> Self {
        Self {
            intervals: self.intervals + 1.0,
            steps: self.steps + step_uj * step_uj,
            turns: self.turns - step_uj * before_uj,
        }
    }

    /// At `part` (0 to 1) of the way to another.
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

    /// How far to each side the 90 % range of the energy from `start` until here reaches, microjoules; `uj` is the
    /// energy of all intervals until here.
    pub(crate) fn margin_uj(self, start: Self, uj: u64) -> u64 {
        let (own, all) = (self.minus(start), self.intervals);
        if all <= 0.0 || own.intervals <= 0.0 {
            return 0;
        }
        let interval_uj = uj as f64 / all;
        let run = Self { steps: self.steps + DOUBTED * interval_uj * interval_uj, ..self };
        let share = own.intervals / (own.intervals + BORROWED);
        let pooled = own.plus(run, BORROWED / all);
        let variance = share * (pooled.steps + 11.0 * pooled.turns.max(0.0)) / 12.0;
        let freedom = FREEDOM * (own.intervals + BORROWED).min(all);
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

    fn of(watts: &[f64]) -> Scatter {
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
        let margin_uj = of(&watts).margin_uj(Scatter::default(), 150_000_000_000);
        assert!((5_150_000_000..5_250_000_000).contains(&margin_uj), "{margin_uj}");
    }

    /// One step of 100 W in 1 000 readings: √((100² + 5 · (100² + 3 · 150²) / 999) · 999 / 1 004 / 12) = 29.3 J; times
    /// 1.65.
    #[test]
    fn one_step_costs_one_interval() {
        let watts: Vec<f64> = (0..1_000).map(|i| if i < 500 { 100.0 } else { 200.0 }).collect();
        let margin_uj = of(&watts).margin_uj(Scatter::default(), 150_000_000_000);
        assert!((48_000_000..49_000_000).contains(&margin_uj), "{margin_uj}");
    }

    #[test]
    fn nothing_read_has_no_range() {
        assert_eq!(Scatter::default().margin_uj(Scatter::default(), 5), 0);
        let some = of(&[1.0, 2.0]);
        assert_eq!(some.margin_uj(some, 5), 0);
    }
}

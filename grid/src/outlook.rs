//! Forecasts the carbon intensity of the rest of a run, for budgets (option `max_co2_kg`). It uses published forecasts
//! if there are any, otherwise the same hour one day or one week earlier, with the error of that rule in the past.
//!
//! A *season* is the period after which intensities are assumed to repeat: a day or a week. A *back-test* applies the
//! rule to times in the past, for which the true values are known.

use crate::Series;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;
/// Seasons, each with the minimum length of known history that it requires, nanoseconds.
const SEASONS: [(i64, i64); 2] = [(DAY_NS, 2 * DAY_NS), (7 * DAY_NS, 15 * DAY_NS)];
/// Length of the history that is used.
const PAST_NS: i64 = 28 * DAY_NS;
/// Maximum number of seasons to go back to a known value.
const OLDEST: i64 = 8;
/// Time between the starts of two back-tests.
const ORIGINS_NS: i64 = 6 * HOUR_NS;
/// Maximum number of samples in a window.
const SLOTS: i64 = 2_000;

/// The expected mean intensity of a period in the future.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensityForecast {
    /// Mean intensity, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Share of the period with a published forecast, 0 to 1.
    pub published: f64,
    /// The season that was repeated for the rest of the period, hours.
    pub season_h: Option<u32>,
    /// Back-test error of repeating that season, percent: root mean square over windows of the same length in the past.
    /// `None` if nothing was repeated, or the history is too short.
    pub error_percent: Option<f64>,
    /// The lowest and the highest known value, in history and forecast.
    pub seen: [f64; 2],
}

impl IntensityForecast {
    /// Returns the method in words.
    #[must_use]
    pub(crate) fn method(&self) -> String {
        let error = self.error_percent.map_or_else(
            || "the past data are too short for a back-test".to_owned(),
            |error| format!("back-test error {error:.1} %"),
        );
        match self.season_h {
            None => "published forecast".to_owned(),
            Some(hours) if self.published > 0.0 => {
                format!(
                    "published forecast for {:.0} % of the time, then the same hour {hours} h before ({error})",
                    100.0 * self.published
                )
            }
            Some(hours) => format!("the same hour {hours} h before ({error})"),
        }
    }
}

impl Series {
    /// Returns the expected mean intensity from `now_ns` to `to_ns`, nanoseconds since 1970 UTC. Values of the series
    /// after `now_ns` count as a forecast. `None` if neither they nor the history suffice.
    ///
    /// ```
    /// use eco2_grid::Series;
    ///
    /// // Two days of 100 g/kWh in the first half of a day, 300 in the second. What follows is unknown.
    /// let hours = (0..48).map(|hour| format!("1970-01-{:02}T{:02}:00Z,{}\n", 1 + hour / 24, hour % 24, if hour % 24 < 12 { 100 } else { 300 }));
    /// let csv = format!("time,gco2e_per_kwh\n{}", hours.collect::<String>());
    /// let series = Series::parse(csv.as_bytes(), "series.csv", None)?;
    /// let half_a_day = 12 * 3_600_000_000_000;
    /// let forecast = series.outlook(series.to_ns(), series.to_ns() + half_a_day).expect("a day is known");
    /// assert_eq!((forecast.g_per_kwh, forecast.published, forecast.season_h), (100.0, 0.0, Some(24)));
    /// # Ok::<(), eco2_grid::FileError>(())
    /// ```
    #[must_use]
    pub fn outlook(&self, now_ns: i64, to_ns: i64) -> Option<IntensityForecast> {
        outlook(&|at_ns| self.at(at_ns), self.from_ns(), now_ns, to_ns)
    }
}

/// Does what the outlook of a series does, for any intensity over time: `at` returns the known values, from `first_ns`
/// on.
pub fn outlook(at: &dyn Fn(i64) -> Option<f64>, first_ns: i64, now_ns: i64, to_ns: i64) -> Option<IntensityForecast> {
    let window = SampledWindow::new(now_ns, to_ns);
    let first_ns = first_ns.max(now_ns.saturating_sub(PAST_NS));
    let known = window.mean(at);
    if let Some((g_per_kwh, 1.0)) = known {
        let seen = SampledWindow::new(first_ns, to_ns).extremes(at)?;
        return Some(IntensityForecast { g_per_kwh, published: 1.0, season_h: None, error_percent: None, seen });
    }
    let known_ns = now_ns - first_ns;
    let fits = SEASONS.iter().filter(|(_, needs_ns)| known_ns >= *needs_ns).map(|(season_ns, _)| *season_ns);
    let tested = fits.filter_map(|season_ns| Some((season_ns, back_test(at, first_ns, &window, season_ns)?)));
    let best = tested.min_by(|(_, a), (_, b)| a.total_cmp(b));
    let season_ns = best.map_or(DAY_NS, |(season_ns, _)| season_ns);
    let (g_per_kwh, covered) = window.mean(&|at_ns| at(at_ns).or_else(|| before(at, at_ns, now_ns, season_ns)))?;
    (covered > 0.5).then_some(IntensityForecast {
        g_per_kwh,
        published: known.map_or(0.0, |(_, share)| share),
        season_h: u32::try_from(season_ns / HOUR_NS).ok(),
        error_percent: best.map(|(_, error)| 100.0 * error),
        seen: SampledWindow::new(first_ns, to_ns).extremes(at)?,
    })
}

/// Returns the value at the same time of the latest earlier season that is known, no later than `now_ns`.
fn before(at: &dyn Fn(i64) -> Option<f64>, at_ns: i64, now_ns: i64, season_ns: i64) -> Option<f64> {
    let least = (at_ns - now_ns).div_euclid(season_ns) + 1;
    (least..least + OLDEST).find_map(|seasons| at(at_ns - seasons * season_ns))
}

/// Returns the root mean square relative error of repeating a season, over fully known windows in the past. They are as
/// long as `period`, at most a third of the history.
fn back_test(at: &dyn Fn(i64) -> Option<f64>, first_ns: i64, period: &SampledWindow, season_ns: i64) -> Option<f64> {
    let (now_ns, long_ns) = (period.from_ns, period.to_ns - period.from_ns);
    let long_ns = long_ns.min((now_ns - first_ns) / 3).max(1);
    let (mut squares, mut count, mut origin_ns) = (0.0, 0.0, now_ns - long_ns);
    while origin_ns - season_ns >= first_ns {
        let window = SampledWindow::new(origin_ns, origin_ns + long_ns);
        let guess = window.mean(&|at_ns| before(at, at_ns, origin_ns, season_ns));
        match (guess, window.mean(at)) {
            (Some((guess, _)), Some((came, 1.0))) if came > 0.0 => {
                squares += (guess / came - 1.0).powi(2);
                count += 1.0;
            }
            _ => {}
        }
        origin_ns -= ORIGINS_NS;
    }
    (count >= 4.0).then(|| f64::sqrt(squares / count))
}

/// A period that is sampled in the middle of equal slots.
struct SampledWindow {
    from_ns: i64,
    to_ns: i64,
    slots: i64,
}

impl SampledWindow {
    fn new(from_ns: i64, to_ns: i64) -> Self {
        let to_ns = to_ns.max(from_ns + 1);
        // A quarter of an hour is the shortest slot that many grids publish.
        let slots = ((to_ns - from_ns) / (HOUR_NS / 4)).clamp(1, SLOTS);
        Self { from_ns, to_ns, slots }
    }

    /// Returns the lowest and the highest value; `None` if nothing is known.
    fn extremes(&self, at: &dyn Fn(i64) -> Option<f64>) -> Option<[f64; 2]> {
        let known = (0..self.slots).filter_map(|slot| at(self.middle(slot)));
        known.fold(None, |ends: Option<[f64; 2]>, value| {
            let [least, most] = ends.unwrap_or([value; 2]);
            Some([least.min(value), most.max(value)])
        })
    }

    /// Returns the middle of a slot, an instant in nanoseconds since 1970 UTC.
    fn middle(&self, slot: i64) -> i64 {
        let long_ns = self.to_ns - self.from_ns;
        self.from_ns + (i128::from(long_ns) * i128::from(2 * slot + 1) / i128::from(2 * self.slots)) as i64
    }

    /// Returns the mean of the known values, and the known share of the time; `None` if nothing is known.
    fn mean(&self, at: &dyn Fn(i64) -> Option<f64>) -> Option<(f64, f64)> {
        let (mut sum, mut known) = (0.0, 0.0);
        for value in (0..self.slots).filter_map(|slot| at(self.middle(slot))) {
            sum += value;
            known += 1.0;
        }
        (known > 0.0).then(|| (sum / known, known / self.slots as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 100 g/kWh, and 300 from 12:00 to 24:00, every day, known before `known_ns`.
    fn daily(known_ns: i64) -> impl Fn(i64) -> Option<f64> {
        move |at_ns| {
            let evening = at_ns.rem_euclid(DAY_NS) >= DAY_NS / 2;
            (at_ns < known_ns).then_some(if evening { 300.0 } else { 100.0 })
        }
    }

    #[test]
    fn published_values_are_used() {
        let found = outlook(&daily(11 * DAY_NS), 0, 10 * DAY_NS, 11 * DAY_NS).unwrap();
        assert_eq!((found.g_per_kwh, found.season_h, found.error_percent), (200.0, None, None));
        assert_eq!(found.method(), "published forecast");
    }

    #[test]
    fn without_a_forecast_the_same_hour_of_the_day_before_counts_and_its_error_is_stated() {
        // From 06:00 to 18:00 it is 100 for six hours and 300 for six.
        let (now_ns, to_ns) = (10 * DAY_NS + DAY_NS / 4, 10 * DAY_NS + 3 * DAY_NS / 4);
        let found = outlook(&daily(now_ns), 0, now_ns, to_ns).unwrap();
        assert_eq!((found.g_per_kwh, found.published, found.season_h), (200.0, 0.0, Some(24)));
        assert_eq!(found.error_percent, Some(0.0), "every day was the same");
        assert_eq!(found.method(), "the same hour 24 h before (back-test error 0.0 %)");
    }

    #[test]
    fn days_that_differ_make_an_error_known_by_hand() {
        // Every other day has 100 all day, the others 200. A guess is twice the true value or half of it: errors 1 and
        // -1/2.
        let now_ns = 20 * DAY_NS;
        let at = |at_ns: i64| (at_ns < now_ns).then_some(if at_ns.div_euclid(DAY_NS) % 2 == 0 { 100.0 } else { 200.0 });
        let found = back_test(&at, 0, &SampledWindow::new(now_ns, now_ns + HOUR_NS), DAY_NS).unwrap();
        let expected = f64::sqrt((1.0 + 0.25) / 2.0);
        assert!((found - expected).abs() < 0.02, "{found} {expected}");
    }

    #[test]
    fn a_week_that_repeats_is_found() {
        let now_ns = 27 * DAY_NS;
        let at = |at_ns: i64| {
            let weekend = at_ns.div_euclid(DAY_NS).rem_euclid(7) >= 5;
            (at_ns < now_ns).then_some(if weekend { 50.0 } else { 200.0 })
        };
        let found = outlook(&at, 0, now_ns, now_ns + DAY_NS).unwrap();
        assert_eq!((found.g_per_kwh, found.season_h, found.error_percent), (50.0, Some(168), Some(0.0)));
    }

    #[test]
    fn nothing_known_is_no_figure() {
        assert_eq!(outlook(&|_| None, 0, 10 * DAY_NS, 11 * DAY_NS), None);
        let short = outlook(&daily(DAY_NS), 0, DAY_NS, DAY_NS + HOUR_NS).unwrap();
        assert_eq!((short.g_per_kwh, short.error_percent), (100.0, None));
        assert!(short.method().contains("too short"));
    }

    proptest! {
        #[test]
        fn an_outlook_lies_within_what_was_ever_seen(
            values in prop::collection::vec(prop::option::weighted(0.9, 0.0..900.0_f64), 1..600),
            hours in 1_i64..200,
        ) {
            let now_ns = values.len() as i64 * HOUR_NS;
            let at = |at_ns: i64| usize::try_from(at_ns / HOUR_NS).ok().and_then(|hour| *values.get(hour)?);
            if let Some(found) = outlook(&at, 0, now_ns, now_ns + hours * HOUR_NS) {
                let all = || values.iter().flatten().copied();
                let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
                prop_assert!(found.g_per_kwh >= least - 1e-9 && found.g_per_kwh <= most + 1e-9);
            }
        }
    }
}

//! What a run's own energy over time would have emitted at another hour, or in another place.
//!
//! With `E(t)` the run's energy and `a`, `b` two intensities over its time, the difference is `∫ (a − b) dE`. Whatever the
//! course of the energy, the share saved lies between the least and the greatest `1 − b/a` of its time.

use eco2_core::Bounded;

use crate::pricing::{EnergyCurve, RateStep, Steps, weigh};
use crate::{Pue, Series};

/// Into so many parts a run is cut whose edges are laid on those of slots.
const PARTS: i64 = 8;
/// Slots to begin in times slots of the run, above which no parts are tried: some tenths of a second of work.
const MOST_WEIGHED: i64 = 100_000;

/// A run's energy over its time.
#[derive(Clone, Copy)]
pub struct EnergyProfile<'a> {
    /// How long it ran, nanoseconds; above 0.
    pub lasted_ns: u64,
    /// Energy used since its start, before PUE.
    pub energy: &'a dyn EnergyCurve,
    /// Overhead of the facility, the same in both cases.
    pub pue: Pue,
}

/// An intensity over time, and when the run begins in it.
#[derive(Debug, Clone, Copy)]
pub struct PlacedRun<'a> {
    /// The intensity.
    pub series: &'a Series,
    /// The run's begin, nanoseconds since 1970 UTC.
    pub from_ns: i64,
}

impl PlacedRun<'_> {
    /// Whether the series reaches from the begin to the end of a run of that length.
    fn covers(&self, lasted_ns: u64) -> bool {
        let end_ns = self.from_ns.checked_add_unsigned(lasted_ns);
        self.from_ns >= self.series.from_ns() && end_ns.is_some_and(|end_ns| end_ns <= self.series.to_ns())
    }
}

/// The emissions of one run at two places or times. A bound that does not exist is `f64::NEG_INFINITY` below, `None` above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Grams CO2e as it was.
    pub grams: Bounded<f64>,
    /// Grams CO2e less, had it been elsewhere; negative where it is more.
    pub saved: Bounded<f64>,
    /// The same in percent of what it was; at most 100. 0 where that is nothing.
    pub percent: Bounded<f64>,
}

impl Difference {
    /// Grams CO2e as it was.
    #[must_use]
    pub fn emitted_g(&self) -> f64 {
        self.grams.value.unwrap_or(f64::NAN)
    }

    /// Grams CO2e less, had it been elsewhere.
    #[must_use]
    pub fn saved_g(&self) -> f64 {
        self.saved.value.unwrap_or(f64::NAN)
    }
}

/// What would have been saved by running `there` instead of `here`; `None` where an intensity is missing for a part of it,
/// or the energy is not known.
#[must_use]
pub fn difference(course: &EnergyProfile<'_>, here: PlacedRun<'_>, there: PlacedRun<'_>) -> Option<Difference> {
    // Before the edges are laid out: as many as a series has slots, and no more.
    if ![here, there].iter().all(|placed| placed.covers(course.lasted_ns)) {
        return None;
    }
    let edges = edges(course.lasted_ns, &[here, there]);
    let starts: Vec<u64> = std::iter::once(0).chain(edges.iter().copied()).take(edges.len()).collect();
    let at = |placed: PlacedRun<'_>| -> Option<Vec<f64>> {
        starts.iter().map(|since_ns| placed.series.at(placed.from_ns.checked_add_unsigned(*since_ns)?)).collect()
    };
    let (was, would_be) = (at(here)?, at(there)?);
    let less: Vec<f64> = was.iter().zip(&would_be).map(|(was, would_be)| was - would_be).collect();
    let steps = |values: &[f64]| {
        let step = |(to_ns, value): (&u64, &f64)| RateStep { to_ns: *to_ns, per_kwh: Some(*value) };
        Steps::new(edges.iter().zip(values).map(step))
    };
    let weighed = |values: &[f64]| weigh(course.energy, &steps(values), course.pue);
    let (grams, saved) = (weighed(&was), weighed(&less));
    if !grams.is_known() {
        return None;
    }
    let shares =
        was.iter().zip(&would_be).map(|(was, would_be)| if *was > 0.0 { 1.0 - would_be / was } else { f64::NAN });
    Some(Difference { grams, saved, percent: percent(grams, saved, shares) })
}

/// The begin of least grams from `from_ns` to `to_ns`, and what it saves; `None` where no begin has a figure for all of the
/// run. Of equal ones the earliest.
///
/// Tried are the first and the last begin, and those at which the begin, the end, or an eighth of the run between them
/// falls on an edge of a slot. For a load that is the same throughout the best is always among these; for another one a
/// begin between them may be better by what its course differs within an eighth.
#[must_use]
pub fn best_begin(
    course: &EnergyProfile<'_>,
    here: PlacedRun<'_>,
    from_ns: i64,
    to_ns: i64,
) -> Option<(i64, Difference)> {
    let weighed = begins(course, here, from_ns, to_ns)
        .into_iter()
        .filter_map(|begin_ns| Some((begin_ns, difference(course, here, PlacedRun { from_ns: begin_ns, ..here })?)));
    // What differs by rounding only is equal.
    let is_better = |best: &Difference, other: &Difference| {
        other.saved_g() > best.saved_g() + 1e-12 * best.emitted_g().abs().max(best.saved_g().abs())
    };
    weighed.reduce(|best, other| if is_better(&best.1, &other.1) { other } else { best })
}

/// Begins to be tried, in order; of a run over very many slots only those with an end on an edge.
fn begins(course: &EnergyProfile<'_>, here: PlacedRun<'_>, from_ns: i64, to_ns: i64) -> Vec<i64> {
    let lasted_ns = i64::try_from(course.lasted_ns).unwrap_or(i64::MAX);
    let last_ns = to_ns.min(here.series.to_ns().saturating_sub(lasted_ns));
    let first_ns = from_ns.max(here.series.from_ns());
    if first_ns > last_ns {
        return Vec::new();
    }
    let step_ns = here.series.step_ns().max(1);
    let (slots, edges) = ((last_ns - first_ns) / step_ns + 1, lasted_ns / step_ns + 1);
    let parts = if slots.saturating_mul(edges) > MOST_WEIGHED { 1 } else { PARTS };
    let into_ns = |part: i64| i64::try_from(i128::from(lasted_ns) * i128::from(part) / i128::from(parts)).unwrap_or(0);
    let edges = here.series.slots().flat_map(|slot| [slot.from_ns, slot.to_ns]);
    let aligned = edges.flat_map(|edge_ns| (0..=parts).map(move |part| edge_ns.saturating_sub(into_ns(part))));
    let mut begins: Vec<i64> = aligned.filter(|begin_ns| (first_ns..=last_ns).contains(begin_ns)).collect();
    begins.extend([first_ns, last_ns]);
    begins.sort_unstable();
    begins.dedup();
    begins
}

/// The ends of the parts in which neither intensity changes, nanoseconds since the begin; the last is the run's.
fn edges(lasted_ns: u64, both: &[PlacedRun<'_>]) -> Vec<u64> {
    let mut edges = vec![lasted_ns];
    for PlacedRun { series, from_ns } in both {
        let into_ns = (from_ns - series.from_ns()).rem_euclid(series.step_ns());
        let step_ns = series.step_ns().unsigned_abs().max(1);
        let first_ns = (series.step_ns() - into_ns).unsigned_abs();
        edges.extend((0..).map(|slot| first_ns.saturating_add(slot * step_ns)).take_while(|edge| *edge < lasted_ns));
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// `saved` of `grams` in percent, within the least and the greatest share saved at any time.
fn percent(grams: Bounded<f64>, saved: Bounded<f64>, shares: impl Iterator<Item = f64>) -> Bounded<f64> {
    let unbounded = Bounded { value: grams.value.map(|_| 0.0), low: f64::NEG_INFINITY, high: None, kind: grams.kind };
    let Some((emitted, less)) = grams.value.filter(|grams| *grams > 0.0).zip(saved.value) else { return unbounded };
    let known = |range: (f64, f64), share: f64| (range.0.min(share), range.1.max(share));
    let (least, most) = shares.filter(|share| !share.is_nan()).fold((1.0_f64, f64::NEG_INFINITY), known);
    // The quotient of two ranges, of which the divisor's is above 0.
    let over = |part: f64, of: Option<f64>| of.filter(|of| *of > 0.0).map(|of| part / of);
    let low = Some(saved.low).filter(|low| low.is_finite());
    let low = low.and_then(|low| over(low, if low >= 0.0 { grams.high } else { Some(grams.low) }));
    let high = saved.high.and_then(|high| over(high, if high >= 0.0 { Some(grams.low) } else { grams.high }));
    Bounded {
        value: Some(100.0 * (less / emitted).clamp(least, most)),
        low: 100.0 * low.map_or(least, |low| low.max(least)),
        high: Some(100.0 * high.map_or(most, |high| high.min(most))),
        kind: grams.kind.and(saved.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const H: i64 = 3_600_000_000_000;
    const KWH: u64 = 3_600_000_000_000;

    fn series(values: &[f64]) -> Series {
        let row = |(hour, value): (usize, &f64)| format!("2026-01-{:02}T{:02}:00Z,{value}\n", 1 + hour / 24, hour % 24);
        let rows: String = values.iter().enumerate().map(row).collect();
        Series::parse_csv(format!("time,gco2e_per_kwh\n{rows}").as_bytes(), "s.csv", None).unwrap()
    }

    /// Of two hours the first takes 3 kWh, the second 1 kWh.
    fn heavy_first(since_ns: u64) -> Bounded<u64> {
        Bounded::exact(if since_ns <= H as u64 { 3 * since_ns } else { 2 * KWH + since_ns })
    }

    fn course(energy: &dyn EnergyCurve) -> EnergyProfile<'_> {
        EnergyProfile { lasted_ns: 2 * H as u64, energy, pue: Pue::ONE }
    }

    #[test]
    fn the_runs_own_profile_decides_not_its_mean_power() {
        // At 0 h: 3 × 400 + 1 × 100 = 1300 g. At 1 h: 3 × 100 + 1 × 300 = 600 g. At 2 h: 3 × 300 + 1 × 100 = 1000 g.
        let series = series(&[400.0, 100.0, 300.0, 100.0, 900.0]);
        let course = course(&heavy_first);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let (begin_ns, best) = best_begin(&course, here, series.from_ns(), series.to_ns()).unwrap();
        assert_eq!(begin_ns, series.from_ns() + H);
        assert_eq!((best.grams, best.saved), (Bounded::exact(1300.0), Bounded::exact(700.0)));
        assert!((best.percent.value.unwrap() - 100.0 * 700.0 / 1300.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_may_best_end_where_a_slot_ends() {
        // Half an hour of the second hour's end are of no figure that is better: 1.5 h fit best from 0:30 to 2:00.
        let series = series(&[200.0, 100.0, 900.0]);
        let energy = |since_ns: u64| Bounded::exact(since_ns);
        let course = EnergyProfile { lasted_ns: 3 * H as u64 / 2, energy: &energy, pue: Pue::ONE };
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let (begin_ns, _) = best_begin(&course, here, series.from_ns(), series.to_ns()).unwrap();
        assert_eq!(begin_ns, series.from_ns() + H / 2);
    }

    #[test]
    fn a_run_beyond_the_series_is_refused_before_its_slots_are_laid_out() {
        let series = series(&[400.0, 100.0]);
        let energy = |_: u64| -> Bounded<u64> { panic!("an edge was laid out") };
        let course = EnergyProfile { lasted_ns: 3_000_000_000_000_000_000, energy: &energy, pue: Pue::ONE };
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        assert_eq!(difference(&course, here, here), None);
        assert_eq!(best_begin(&course, here, i64::MIN, i64::MAX), None);
    }

    #[test]
    fn what_is_not_sure_of_the_course_makes_the_interval() {
        // Of 4 kWh between 2 and 3 fell into the first hour; by 1 h: 300 less, 200 more; saved 2×300−2×200 to 3×300−200.
        let loose = |since_ns: u64| {
            let energy = heavy_first(since_ns);
            if since_ns == H as u64 { Bounded { low: 2 * KWH, ..energy } } else { energy }
        };
        let series = series(&[400.0, 100.0, 300.0]);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let found = difference(&course(&loose), here, PlacedRun { from_ns: series.from_ns() + H, ..here }).unwrap();
        assert_eq!((found.saved.low, found.saved.high), (200.0, Some(700.0)));
        assert!(found.percent.low <= 100.0 * 200.0 / 1000.0 && found.percent.high.unwrap() >= 100.0 * 700.0 / 1300.0);
    }

    #[test]
    fn a_part_without_a_figure_is_no_counterfactual() {
        let series = series(&[400.0, 100.0]);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        assert!(difference(&course(&heavy_first), here, PlacedRun { from_ns: series.from_ns() + H, ..here }).is_none());
    }

    #[test]
    fn d16_a_flat_grid_saves_nothing_at_any_hour() {
        let series = series(&[250.0; 24]);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let (_, best) = best_begin(&course(&heavy_first), here, series.from_ns(), series.to_ns()).unwrap();
        assert_eq!((best.saved.value, best.percent.value), (Some(0.0), Some(0.0)));
    }

    proptest! {
        #[test]
        fn the_share_never_passes_100_and_lies_in_its_interval(
            values in prop::collection::vec(0.0..900.0_f64, 4..30), at in 0..28usize, minutes in 0..60i64,
            below in 0..KWH, above in 0..KWH,
        ) {
            let series = series(&values);
            let loose = |since_ns: u64| {
                let energy = heavy_first(since_ns);
                if since_ns >= 2 * H as u64 { return energy; }
                let high = energy.high.map(|uj| (uj + above).min(4 * KWH));
                Bounded { low: energy.low.saturating_sub(below), high, ..energy }
            };
            let here = PlacedRun { series: &series, from_ns: series.from_ns() + minutes * H / 60 };
            let there = PlacedRun { from_ns: series.from_ns() + at as i64 * H, ..here };
            if let Some(found) = difference(&course(&loose), here, there) {
                let Bounded { value, low, high, .. } = found.percent;
                let value = value.unwrap();
                prop_assert!(value <= 100.0 && high.is_none_or(|high| high <= 100.0));
                prop_assert!(low <= value + 1e-9 && high.is_none_or(|high| value <= high + 1e-9), "{found:?}");
                prop_assert!(found.saved.low <= found.saved.value.unwrap() + 1e-9);
                let again = difference(&course(&heavy_first), here, there).unwrap().saved.value.unwrap();
                prop_assert!(found.saved.low <= again + 1e-6 && again <= found.saved.high.unwrap() + 1e-6);
            }
        }
    }
}

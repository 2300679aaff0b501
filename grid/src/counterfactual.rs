//! Computes what a run would have emitted at another time or in another zone, with its own energy over time
//! (`eco2 optimize --series`).
//!
//! With `E(t)` the energy of the run and `a`, `b` two intensities over its time, the emissions saved are
//! `∫ (a − b) dE`. For any profile, the share saved is between the least and the greatest `1 − b/a` of its time.

use eco2_core::Bounded;

use crate::pricing::{EnergyCurve, RateStep, Steps, weigh};
use crate::{Pue, Series};

/// Candidate start times align the edges of this number of equal parts of the run with the edges of slots.
const PARTS: i64 = 8;
/// Largest product of candidate slots and slots of the run for which parts are tried: some tenths of a second of work.
const MOST_COMPUTED: i64 = 100_000;

/// The energy profile of a run: its energy over time.
#[derive(Clone, Copy)]
pub struct EnergyProfile<'a> {
    /// Duration of the run, nanoseconds; above 0.
    pub lasted_ns: u64,
    /// Energy used since its start, before PUE.
    pub energy: &'a dyn EnergyCurve,
    /// Power usage effectiveness, the same in both cases.
    pub pue: Pue,
}

/// A run placed in time and zone: an intensity over time, and the start of the run in it.
#[derive(Debug, Clone, Copy)]
pub struct PlacedRun<'a> {
    /// The intensity.
    pub series: &'a Series,
    /// Start of the run, nanoseconds since 1970 UTC.
    pub from_ns: i64,
}

impl PlacedRun<'_> {
    /// Whether the series covers a run of that duration from start to end.
    fn covers(&self, lasted_ns: u64) -> bool {
        let end_ns = self.from_ns.checked_add_unsigned(lasted_ns);
        self.from_ns >= self.series.from_ns() && end_ns.is_some_and(|end_ns| end_ns <= self.series.to_ns())
    }
}

/// The emissions of one run in two zones or at two times. A lower bound that does not exist is `f64::NEG_INFINITY`, an
/// upper one `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Grams CO2e of the actual run.
    pub grams: Bounded<f64>,
    /// Grams CO2e saved by the alternative; negative if it emits more.
    pub saved: Bounded<f64>,
    /// The saving in percent of the actual emissions; at most 100, and 0 if the run emitted nothing.
    pub percent: Bounded<f64>,
}

impl Difference {
    /// Returns the grams CO2e of the actual run; NaN if unknown.
    #[must_use]
    pub fn emitted_g(&self) -> f64 {
        self.grams.value.unwrap_or(f64::NAN)
    }

    /// Returns the grams CO2e saved by the alternative; NaN if unknown.
    #[must_use]
    pub fn saved_g(&self) -> f64 {
        self.saved.value.unwrap_or(f64::NAN)
    }
}

/// Returns the emissions saved by running `there` instead of `here`; `None` if an intensity is missing for a part of
/// the run, or the energy is unknown.
#[must_use]
pub fn difference(profile: &EnergyProfile<'_>, here: PlacedRun<'_>, there: PlacedRun<'_>) -> Option<Difference> {
    // Check this before the edges are computed, so that there are at most as many as slots in a series.
    if ![here, there].iter().all(|placed| placed.covers(profile.lasted_ns)) {
        return None;
    }
    let edges = edges(profile.lasted_ns, &[here, there]);
    let starts: Vec<u64> = std::iter::once(0).chain(edges.iter().copied()).take(edges.len()).collect();
    let at = |placed: PlacedRun<'_>| -> Option<Vec<f64>> {
        starts.iter().map(|since_ns| placed.series.at(placed.from_ns.checked_add_unsigned(*since_ns)?)).collect()
    };
    let (actual, alternative) = (at(here)?, at(there)?);
    let less: Vec<f64> = actual.iter().zip(&alternative).map(|(actual, alternative)| actual - alternative).collect();
    let steps = |values: &[f64]| {
        let step = |(to_ns, value): (&u64, &f64)| RateStep { to_ns: *to_ns, per_kwh: Some(*value) };
        Steps::new(edges.iter().zip(values).map(step))
    };
    let emissions = |values: &[f64]| weigh(profile.energy, &steps(values), profile.pue);
    let (grams, saved) = (emissions(&actual), emissions(&less));
    if !grams.is_known() {
        return None;
    }
    let shares = actual
        .iter()
        .zip(&alternative)
        .map(|(actual, alternative)| if *actual > 0.0 { 1.0 - alternative / actual } else { f64::NAN });
    Some(Difference { grams, saved, percent: percent(grams, saved, shares) })
}

/// Returns the start time of least emissions from `from_ns` to `to_ns`, and its saving; `None` if no start has an
/// intensity for all of the run. Of equal start times the earliest is taken.
///
/// Candidates are the first and the last possible start, and those at which the start, the end, or an eighth of the run
/// between them is at an edge of a slot. For a constant load the best start is always a candidate. For another load a
/// start between candidates may be better, by as much as the energy profile varies within an eighth of the run.
#[must_use]
pub fn best_start(
    profile: &EnergyProfile<'_>,
    here: PlacedRun<'_>,
    from_ns: i64,
    to_ns: i64,
) -> Option<(i64, Difference)> {
    let candidates = candidate_starts(profile, here, from_ns, to_ns)
        .into_iter()
        .filter_map(|start_ns| Some((start_ns, difference(profile, here, PlacedRun { from_ns: start_ns, ..here })?)));
    // Differences by rounding alone count as equal.
    let is_better = |best: &Difference, other: &Difference| {
        other.saved_g() > best.saved_g() + 1e-12 * best.emitted_g().abs().max(best.saved_g().abs())
    };
    candidates.reduce(|best, other| if is_better(&best.1, &other.1) { other } else { best })
}

/// Returns the start times to try, sorted; for a run over very many slots only those with its start or end at an edge.
fn candidate_starts(profile: &EnergyProfile<'_>, here: PlacedRun<'_>, from_ns: i64, to_ns: i64) -> Vec<i64> {
    let lasted_ns = i64::try_from(profile.lasted_ns).unwrap_or(i64::MAX);
    let last_ns = to_ns.min(here.series.to_ns().saturating_sub(lasted_ns));
    let first_ns = from_ns.max(here.series.from_ns());
    if first_ns > last_ns {
        return Vec::new();
    }
    let step_ns = here.series.step_ns().max(1);
    let (slots, edges) = ((last_ns - first_ns) / step_ns + 1, lasted_ns / step_ns + 1);
    let parts = if slots.saturating_mul(edges) > MOST_COMPUTED { 1 } else { PARTS };
    let into_ns = |part: i64| i64::try_from(i128::from(lasted_ns) * i128::from(part) / i128::from(parts)).unwrap_or(0);
    let edges = here.series.slots().flat_map(|slot| [slot.from_ns, slot.to_ns]);
    let aligned = edges.flat_map(|edge_ns| (0..=parts).map(move |part| edge_ns.saturating_sub(into_ns(part))));
    let mut starts: Vec<i64> = aligned.filter(|start_ns| (first_ns..=last_ns).contains(start_ns)).collect();
    starts.extend([first_ns, last_ns]);
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// Returns the ends of the parts in which neither intensity changes, nanoseconds since the start; the last is the end
/// of the run.
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

/// `saved` in percent of `grams`, limited to the least and the greatest share saved at any time.
fn percent(grams: Bounded<f64>, saved: Bounded<f64>, shares: impl Iterator<Item = f64>) -> Bounded<f64> {
    let unbounded = Bounded { value: grams.value.map(|_| 0.0), low: f64::NEG_INFINITY, high: None, kind: grams.kind };
    let Some((emitted, less)) = grams.value.filter(|grams| *grams > 0.0).zip(saved.value) else { return unbounded };
    let known = |range: (f64, f64), share: f64| (range.0.min(share), range.1.max(share));
    let (least, most) = shares.filter(|share| !share.is_nan()).fold((1.0_f64, f64::NEG_INFINITY), known);
    // Bounds of a quotient of two ranges, the divisor's being above 0.
    let over = |part: f64, whole: Option<f64>| whole.filter(|whole| *whole > 0.0).map(|whole| part / whole);
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

    /// The first hour takes 3 kWh, the second 1 kWh.
    fn heavy_first(since_ns: u64) -> Bounded<u64> {
        Bounded::exact(if since_ns <= H as u64 { 3 * since_ns } else { 2 * KWH + since_ns })
    }

    fn profile(energy: &dyn EnergyCurve) -> EnergyProfile<'_> {
        EnergyProfile { lasted_ns: 2 * H as u64, energy, pue: Pue::ONE }
    }

    #[test]
    fn the_runs_own_profile_decides_not_its_mean_power() {
        // At 0 h: 3 × 400 + 1 × 100 = 1300 g. At 1 h: 3 × 100 + 1 × 300 = 600 g. At 2 h: 3 × 300 + 1 × 100 = 1000 g.
        let series = series(&[400.0, 100.0, 300.0, 100.0, 900.0]);
        let profile = profile(&heavy_first);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let (start_ns, best) = best_start(&profile, here, series.from_ns(), series.to_ns()).unwrap();
        assert_eq!(start_ns, series.from_ns() + H);
        assert_eq!((best.grams, best.saved), (Bounded::exact(1300.0), Bounded::exact(700.0)));
        assert!((best.percent.value.unwrap() - 100.0 * 700.0 / 1300.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_may_best_end_where_a_slot_ends() {
        // 1.5 h fit best from 0:30 to 2:00: the cheap second hour, and half of the first.
        let series = series(&[200.0, 100.0, 900.0]);
        let energy = |since_ns: u64| Bounded::exact(since_ns);
        let profile = EnergyProfile { lasted_ns: 3 * H as u64 / 2, energy: &energy, pue: Pue::ONE };
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let (start_ns, _) = best_start(&profile, here, series.from_ns(), series.to_ns()).unwrap();
        assert_eq!(start_ns, series.from_ns() + H / 2);
    }

    #[test]
    fn run_beyond_the_series_is_refused_before_its_slots_are_computed() {
        let series = series(&[400.0, 100.0]);
        let energy = |_: u64| -> Bounded<u64> { panic!("an edge was computed") };
        let profile = EnergyProfile { lasted_ns: 3_000_000_000_000_000_000, energy: &energy, pue: Pue::ONE };
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        assert_eq!(difference(&profile, here, here), None);
        assert_eq!(best_start(&profile, here, i64::MIN, i64::MAX), None);
    }

    #[test]
    fn uncertain_energy_profile_widens_the_interval() {
        // Of 4 kWh between 2 and 3 fell into the first hour; by 1 h: 300 less, 200 more; saved 2×300−2×200 to
        // 3×300−200.
        let loose = |since_ns: u64| {
            let energy = heavy_first(since_ns);
            if since_ns == H as u64 { Bounded { low: 2 * KWH, ..energy } } else { energy }
        };
        let series = series(&[400.0, 100.0, 300.0]);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let found = difference(&profile(&loose), here, PlacedRun { from_ns: series.from_ns() + H, ..here }).unwrap();
        assert_eq!((found.saved.low, found.saved.high), (200.0, Some(700.0)));
        assert!(found.percent.low <= 100.0 * 200.0 / 1000.0 && found.percent.high.unwrap() >= 100.0 * 700.0 / 1300.0);
    }

    #[test]
    fn part_without_an_intensity_gives_no_difference() {
        let series = series(&[400.0, 100.0]);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        assert!(
            difference(&profile(&heavy_first), here, PlacedRun { from_ns: series.from_ns() + H, ..here }).is_none()
        );
    }

    #[test]
    fn d16_a_flat_grid_saves_nothing_at_any_hour() {
        let series = series(&[250.0; 24]);
        let here = PlacedRun { series: &series, from_ns: series.from_ns() };
        let (_, best) = best_start(&profile(&heavy_first), here, series.from_ns(), series.to_ns()).unwrap();
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
            if let Some(found) = difference(&profile(&loose), here, there) {
                let Bounded { value, low, high, .. } = found.percent;
                let value = value.unwrap();
                prop_assert!(value <= 100.0 && high.is_none_or(|high| high <= 100.0));
                prop_assert!(low <= value + 1e-9 && high.is_none_or(|high| value <= high + 1e-9), "{found:?}");
                prop_assert!(found.saved.low <= found.saved.value.unwrap() + 1e-9);
                let again = difference(&profile(&heavy_first), here, there).unwrap().saved.value.unwrap();
                prop_assert!(found.saved.low <= again + 1e-6 && again <= found.saved.high.unwrap() + 1e-6);
            }
        }
    }
}

//! Grams of a run whose intensity changes: every part of the time with the energy used in it, never an average of both.

use eco2_core::report::{Carbon, CarbonSegment};
use eco2_core::{Bounded, RangeKind, units};

use crate::price::attributed;
use crate::provider::Part;
use crate::{Pue, ZoneSource, recompute};

/// Energy used since the run began, at an edge between two parts of its time; microjoules, before PUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Surely as much.
    pub low_uj: u64,
    /// The estimate.
    pub energy_uj: u64,
    /// Surely no more; `None`: unbounded.
    pub high_uj: Option<u64>,
}

/// Location-based grams of a run in parts: `levels[i]` is where part `i` ends, so that the last one is the run's energy.
///
/// Levels rise, and parts lie in the order of time without holes. The segments' energies add up to the facility's energy,
/// exactly. The bounds hold for every course of the energy within the levels: with `g` the intensities and `E` the levels,
/// grams are `g_n E_n + Σ E_k (g_k − g_{k+1})`, and each `E_k` is taken at the end that its factor makes worst.
#[must_use]
pub fn price_parts(
    parts: &[Part],
    levels: &[Level],
    kind: RangeKind,
    pue: Pue,
    zone: &str,
    zone_source: ZoneSource,
) -> Carbon {
    let len = parts.len().min(levels.len());
    let (parts, levels) = (&parts[..len], &levels[..len]);
    let mut before_uj = 0;
    let mut segments = Vec::with_capacity(len);
    for (part, level) in parts.iter().zip(levels) {
        let reached_uj = pue.facility_uj(level.energy_uj).max(before_uj);
        segments.push(segment(part, reached_uj - before_uj));
        before_uj = reached_uj;
    }
    let (low, high) = bounds(parts, levels, pue);
    let value = Some(recompute(&segments));
    let carbon =
        Carbon { zone: zone.to_owned(), zone_source: zone_source.as_str().to_owned(), segments, ..Carbon::default() };
    carbon.with_grams(Bounded { value, low, high, kind })
}

fn segment(part: &Part, energy_uj: u64) -> CarbonSegment {
    CarbonSegment {
        from: written(part.from_ns),
        to: written(part.to_ns),
        energy_uj,
        g_per_kwh: part.g_per_kwh,
        kind: part.about.kind.map(|kind| kind.as_str().to_owned()),
        source: attributed(&part.about.source, &part.about.licence),
        year: part.about.year,
        estimated: part.estimated,
    }
}

/// An instant with every digit it has: a run need not begin on a second.
fn written(at_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at_ns)).map(|at| at.to_string()).unwrap_or_default()
}

fn bounds(parts: &[Part], levels: &[Level], pue: Pue) -> (f64, Option<f64>) {
    let (Some(last_part), Some(last)) = (parts.last(), levels.last()) else { return (0.0, Some(0.0)) };
    let grams = |uj: u64, g_per_kwh: f64| units::grams(pue.facility_uj(uj), g_per_kwh);
    let mut low = Some(grams(last.low_uj, last_part.g_per_kwh));
    let mut high = last.high_uj.map(|uj| grams(uj, last_part.g_per_kwh));
    for (pair, level) in parts.windows(2).zip(levels) {
        let falls_by = pair[0].g_per_kwh - pair[1].g_per_kwh;
        let (least, most) = (Some(grams(level.low_uj, falls_by)), level.high_uj.map(|uj| grams(uj, falls_by)));
        let (worst, best) = if falls_by >= 0.0 { (least, most) } else { (most, least) };
        low = low.zip(worst).map(|(sum, term)| sum + term);
        high = high.zip(best).map(|(sum, term)| sum + term);
    }
    // All energy at the lowest, or at the highest intensity: looser, but never unbounded by a level alone.
    let extreme = |fold: fn(f64, f64) -> f64| parts.iter().map(|part| part.g_per_kwh).reduce(fold).unwrap_or(0.0);
    let floor = grams(last.low_uj, extreme(f64::min));
    let ceiling = last.high_uj.map(|uj| grams(uj, extreme(f64::max)));
    let high = high.zip(ceiling).map(|(sum, ceiling)| sum.min(ceiling)).or(ceiling);
    (low.map_or(floor, |sum| sum.max(floor)), high)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::About;
    use proptest::prelude::*;

    const KWH: u64 = 3_600_000_000_000;

    fn parts(intensities: &[f64]) -> Vec<Part> {
        let part = |(place, g_per_kwh): (usize, &f64)| Part {
            from_ns: place as i64 * 3_600_000_000_000,
            to_ns: (place as i64 + 1) * 3_600_000_000_000,
            g_per_kwh: *g_per_kwh,
            estimated: false,
            provider: "test".to_owned(),
            fallback: false,
            about: Arc::new(About::default()),
        };
        intensities.iter().enumerate().map(part).collect()
    }

    fn known(energies: &[u64]) -> Vec<Level> {
        let level = |uj: &u64| Level { low_uj: *uj, energy_uj: *uj, high_uj: Some(*uj) };
        energies.iter().map(level).collect()
    }

    fn priced(intensities: &[f64], levels: &[Level], pue: f64) -> Carbon {
        price_parts(&parts(intensities), levels, RangeKind::Hard, Pue::new(pue).unwrap(), "X", ZoneSource::Given)
    }

    #[test]
    fn energy_is_weighed_with_the_intensity_of_its_own_time() {
        // An hour at 100 g/kWh with 3 kWh, one at 500 with 1 kWh: 800 g. The mean intensity over time would make it 1200.
        let carbon = priced(&[100.0, 500.0], &known(&[3 * KWH, 4 * KWH]), 1.0);
        assert_eq!((carbon.grams, carbon.low, carbon.high), (Some(800.0), 800.0, Some(800.0)));
        assert_eq!(carbon.segments[1].from, "1970-01-01T01:00:00Z");
        assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj / KWH).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn an_edge_that_is_not_sure_makes_bounds_and_no_more() {
        // Of 4 kWh, between 2 and 3 were used in the first hour: 2 × 100 + 2 × 500 to 3 × 100 + 1 × 500 grams.
        let mut levels = known(&[3 * KWH, 4 * KWH]);
        levels[0].low_uj = 2 * KWH;
        let carbon = priced(&[100.0, 500.0], &levels, 1.0);
        assert_eq!((carbon.low, carbon.high), (800.0, Some(1200.0)));
        levels[0].high_uj = None;
        assert_eq!(priced(&[100.0, 500.0], &levels, 1.0).low, 400.0, "all of it in the first hour");
        levels[1].high_uj = None;
        assert_eq!(priced(&[100.0, 500.0], &levels, 1.0).high, None);
    }

    #[test]
    fn pue_is_applied_once() {
        let carbon = priced(&[100.0, 500.0], &known(&[3 * KWH, 4 * KWH]), 1.5);
        assert!((carbon.grams.unwrap() - 1200.0).abs() < 1e-9);
        assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), 6 * KWH);
    }

    proptest! {
        #[test]
        fn the_true_grams_lie_within_the_bounds_and_segments_add_up(
            steps in prop::collection::vec((0.0..1000.0_f64, 0..1u64 << 44, 0..1u64 << 40, 0..1u64 << 40, 0.0..1.0_f64), 1..12),
            pue in 1.0..2.0_f64,
        ) {
            let mut reached = 0;
            let (mut levels, mut truth, mut last) = (Vec::new(), Vec::new(), 0);
            for (_, energy, below, above, share) in &steps {
                reached += energy;
                let (low_uj, high_uj) = (reached.saturating_sub(*below), reached + above);
                levels.push(Level { low_uj, energy_uj: reached, high_uj: Some(high_uj) });
                // A course within the levels that never falls.
                last = (low_uj + ((high_uj - low_uj) as f64 * share) as u64).clamp(low_uj.max(last.min(high_uj)), high_uj).max(last);
                truth.push(last);
            }
            prop_assume!(truth.iter().zip(&levels).all(|(uj, level)| Some(*uj) <= level.high_uj));
            let intensities: Vec<f64> = steps.iter().map(|step| step.0).collect();
            let carbon = priced(&intensities, &levels, pue);
            let true_grams = priced(&intensities, &known(&truth), pue).grams.unwrap();
            let slack = 1e-6 * (1.0 + true_grams);
            prop_assert!(carbon.low <= true_grams + slack, "{} {}", carbon.low, true_grams);
            prop_assert!(carbon.high.is_some_and(|high| true_grams <= high + slack));
            prop_assert!(carbon.low <= carbon.grams.unwrap() + slack && carbon.high.is_some_and(|high| carbon.grams.unwrap() <= high + slack));
            let facility = Pue::new(pue).unwrap().facility_uj(reached);
            prop_assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), facility);
        }
    }
}

//! Emissions of energy readings by a series.
//!
//! The prefix `d11_` of a test name refers to docs/acceptance.md.

use eco2_core::Scale;
use eco2_grid::plan::HOUR_NS;
use eco2_grid::{FilePlace, Series, SeriesMeta, SeriesPoint};
use proptest::prelude::*;

use crate::stage::{close, series};

const KWH_UJ: u64 = 3_600_000_000_000;

#[test]
fn d11_grams_depend_on_energy_at_its_own_time_never_on_the_mean_intensity() {
    // 1 kWh at 100 g and 3 kWh at 300 g: 1000 g. The mean over time would give 4 × 200 = 800.
    let series = series(&[100.0, 300.0], HOUR_NS);
    let stretches = series.stretches(&[0, HOUR_NS, 2 * HOUR_NS], &[0, KWH_UJ, 4 * KWH_UJ]);
    let grams = |s: &eco2_grid::EnergySlot| s.energy_uj as f64 / KWH_UJ as f64 * s.g_per_kwh.unwrap();
    assert_eq!(stretches.iter().map(grams).sum::<f64>(), 1000.0);
}

#[test]
fn energy_without_an_intensity_is_reported_separately() {
    let point = |at: i64, value| SeriesPoint { from_ns: at * HOUR_NS, value, place: FilePlace::Whole };
    let points = [point(0, Some(100.0)), point(1, None), point(2, Some(200.0))];
    let series = Series::of(SeriesMeta::default(), &points).unwrap();
    // 1 kW from an hour before the series to an hour after it.
    let times = [-HOUR_NS, 4 * HOUR_NS];
    let stretches = series.stretches(&times, &[0, 5 * KWH_UJ]);
    let known: Vec<Option<f64>> = stretches.iter().map(|stretch| stretch.g_per_kwh).collect();
    assert_eq!(known, [None, Some(100.0), None, Some(200.0), None]);
    let sum = series.emissions(&times, &[0, 5_000], Scale::from_base_per_raw(3600.0).unwrap());
    assert!(close(sum.grams, 300.0), "{sum:?}");
    assert_eq!((sum.energy_uj, sum.unpriced_uj), (5_000 * 3_600_000_000, 3_000 * 3_600_000_000));
}

#[test]
fn no_readings_have_no_emissions() {
    let series = series(&[1.0, 2.0], HOUR_NS);
    assert!(series.stretches(&[], &[]).is_empty());
    assert!(series.stretches(&[5], &[7]).is_empty());
    assert!(series.stretches(&[5, 5], &[7, 9]).is_empty());
    assert_eq!(series.emissions(&[5], &[7], Scale::MICRO).energy_uj, 0);
}

/// Grams of an energy spread evenly between two instants.
fn spread(series: &Series, at: &[i64], uj: f64) -> f64 {
    let share = |from: i64, to: i64| (at[1].min(to) - at[0].max(from)).max(0) as f64 / (at[1] - at[0]) as f64;
    series.slots().map(|slot| uj / KWH_UJ as f64 * share(slot.from_ns, slot.to_ns) * slot.g_per_kwh.unwrap()).sum()
}

proptest! {
    #[test]
    fn stretches_add_up_exactly(
        values in proptest::collection::vec(0.0..900.0f64, 2..20),
        steps in proptest::collection::vec((1..4_000_000_000_000i64, 0..1u64 << 40), 1..40),
    ) {
        let series = series(&values, HOUR_NS);
        let (mut times, mut energies) = (vec![-HOUR_NS], vec![7]);
        for (ns, uj) in steps {
            times.push(times[times.len() - 1] + ns);
            energies.push(energies[energies.len() - 1] + uj);
        }
        let stretches = series.stretches(&times, &energies);
        let total: u64 = stretches.iter().map(|stretch| stretch.energy_uj).sum();
        prop_assert_eq!(total, energies[energies.len() - 1] - 7);
        prop_assert!(stretches.windows(2).all(|pair| pair[0].to_ns == pair[1].from_ns));
    }

    #[test]
    fn the_kernel_agrees_with_a_loop_over_points(
        values in proptest::collection::vec(0.0..900.0f64, 2..12),
        steps in proptest::collection::vec((1..900_000_000_000i64, 0..u32::MAX), 1..200),
    ) {
        let series = series(&values, HOUR_NS);
        let (mut times, mut raw, mut unwrapped) = (vec![0i64], vec![u32::MAX - 5], vec![0u64]);
        for (ns, by) in steps {
            times.push(times[times.len() - 1] + ns);
            raw.push(raw[raw.len() - 1].wrapping_add(by));
            unwrapped.push(unwrapped[unwrapped.len() - 1] + u64::from(by));
        }
        let scale = Scale::MICRO;
        let sum = series.emissions(&times, &raw, scale);
        prop_assert_eq!(sum.energy_uj, scale.micro(unwrapped[unwrapped.len() - 1]));
        // Every difference against every slot; a microjoule a slot may be cut off.
        let pairs = times.windows(2).zip(unwrapped.windows(2));
        let grams: f64 = pairs.map(|(at, energy)| spread(&series, at, (energy[1] - energy[0]) as f64)).sum();
        let tolerance = 1e-9 * grams + 1e-9 * values.len() as f64;
        prop_assert!((sum.grams - grams).abs() <= tolerance, "{} {}", sum.grams, grams);
    }
}

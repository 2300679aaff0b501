//! Series, profiles and checks that the tests of plans share.

use eco2_grid::plan::{HOUR_NS, IntensityCurve, Plan, PlanSlot, Scaling, WorkerLevel};
use eco2_grid::{FilePlace, Series, SeriesMeta, SeriesPoint};
use proptest::prelude::*;

/// A series of slots from 1970 on.
pub(crate) fn series(values: &[f64], step_ns: i64) -> Series {
    let point =
        |(value, at): (&f64, i64)| SeriesPoint { from_ns: at * step_ns, value: Some(*value), place: FilePlace::Whole };
    let mut points: Vec<SeriesPoint> = values.iter().zip(0..).map(point).collect();
    if let [only] = points.as_slice() {
        // A single slot lasts an hour.
        assert_eq!((only.from_ns, step_ns), (0, HOUR_NS));
    }
    points.shrink_to_fit();
    Series::of(SeriesMeta::default(), &points).unwrap()
}

/// An hourly curve.
pub(crate) fn hourly(values: &[f64]) -> IntensityCurve {
    IntensityCurve::new(&series(values, HOUR_NS))
}

/// Few different figures, so that there are many ties; 0 among them.
pub(crate) fn tied(slots: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec((0..5u32).prop_map(|value| f64::from(value) * 50.5), slots)
}

/// Figures as they are.
pub(crate) fn uneven(slots: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(0.0..900.0f64, slots)
}

/// A profile: neither throughput nor power falls; otherwise anything, not concave, not convex.
pub(crate) fn profiles(most: usize) -> impl Strategy<Value = Scaling> {
    proptest::collection::vec((1..8u32, 1..8u32), 1..=most).prop_map(|steps| {
        let mut level = WorkerLevel { workers: 0, throughput: 0.0, power_w: 0.0 };
        let mut next = |(throughput, power): &(u32, u32)| {
            level.workers += 1;
            level.throughput += f64::from(*throughput) * 0.75;
            level.power_w += f64::from(*power) * 40.0;
            level
        };
        Scaling::new(steps.iter().map(&mut next).collect()).unwrap()
    })
}

/// Emissions of a plan, computed the slow way: every slot of the series against every slot of the plan.
pub(crate) fn emissions(series: &Series, slots: &[PlanSlot], power_w: impl Fn(u32) -> f64) -> f64 {
    let grams = |slot: &PlanSlot| -> f64 {
        let overlap = |from: i64, to: i64| (slot.to_ns.min(to) - slot.from_ns.max(from)).max(0) as f64 / HOUR_NS as f64;
        let part = |s: eco2_grid::SeriesSlot| s.g_per_kwh.unwrap() * overlap(s.from_ns, s.to_ns);
        series.slots().map(part).sum::<f64>() * power_w(slot.workers) / 1000.0
    };
    slots.iter().map(grams).sum()
}

/// Time in which a plan runs, nanoseconds.
pub(crate) fn running_ns(plan: &Plan) -> i64 {
    plan.slots.iter().map(|slot| slot.to_ns - slot.from_ns).sum()
}

/// That a plan's stretches rise, do not overlap, are merged, and stay within a window.
pub(crate) fn assert_sound(plan: &Plan, from_ns: i64, to_ns: i64) {
    assert!(plan.from_ns() >= from_ns && plan.to_ns() <= to_ns, "{plan:?}");
    assert!(plan.slots.iter().all(|slot| slot.from_ns < slot.to_ns && slot.workers > 0), "{plan:?}");
    for pair in plan.slots.windows(2) {
        assert!(pair[0].to_ns <= pair[1].from_ns, "{plan:?}");
        assert!(pair[0].to_ns < pair[1].from_ns || pair[0].workers != pair[1].workers, "not merged: {plan:?}");
    }
}

/// Whether two figures agree to 1e-9 of their size.
pub(crate) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
}

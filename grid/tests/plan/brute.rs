//! Every optimum against brute force on small cases, ties included.

use eco2_grid::plan::{ChangeCosts, HOUR_NS, IntensityCurve, Job, Scaling, elastic, plan, whole_slots};
use proptest::prelude::*;

use crate::stage::{assert_sound, close, emissions, hourly, profiles, running_ns, series, tied, uneven};

/// A quarter of an hour: what fractional durations and windows are multiples of here.
const QUARTER_NS: i64 = HOUR_NS / 4;

fn job(quarters: i64, interruptible: bool) -> Job {
    Job { duration_ns: quarters * QUARTER_NS, power_w: 500.0, interruptible }
}

/// Figures, and a window and a duration in quarters of an hour that fit each other.
fn cases() -> impl Strategy<Value = (Vec<f64>, i64, i64, i64)> {
    let values = prop_oneof![tied(1..=10), uneven(1..=10)];
    values.prop_flat_map(|values| {
        let quarters = values.len() as i64 * 4;
        (Just(values), 0..quarters).prop_flat_map(move |(values, from)| {
            (Just(values), Just(from), from + 1..=quarters)
                .prop_flat_map(|(values, from, to)| (Just(values), Just(from), Just(to), 1..=to - from))
        })
    })
}

/// Figures of quarters of an hour.
fn quarters(values: &[f64], from: i64, to: i64) -> Vec<f64> {
    (from..to).map(|quarter| values[quarter as usize / 4]).collect()
}

/// The least sum of `many` of the figures, by looking at every choice.
fn least_sum(values: &[f64], many: i64) -> f64 {
    fn go(values: &[f64], many: i64) -> f64 {
        match (many, values) {
            (0, _) => 0.0,
            (_, []) => f64::INFINITY,
            (_, [first, rest @ ..]) => (first + go(rest, many - 1)).min(go(rest, many)),
        }
    }
    go(values, many)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn contiguous_is_the_least_of_all_starts_and_the_earliest((values, from, to, length) in cases()) {
        let series = series_of(&values);
        let curve = IntensityCurve::new(&series);
        let plan = plan(&curve.window(from * QUARTER_NS, to * QUARTER_NS).unwrap(), &job(length, false)).unwrap();
        assert_sound(&plan, from * QUARTER_NS, to * QUARTER_NS);
        prop_assert_eq!(running_ns(&plan), length * QUARTER_NS);
        // Every start to the quarter; all edges lie on quarters, so the optimum is among them.
        let figures = quarters(&values, from, to);
        let grams = |start: usize| figures[start..start + length as usize].iter().sum::<f64>() / 8.0;
        let all: Vec<f64> = (0..=figures.len() - length as usize).map(grams).collect();
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert!(close(plan.grams, least), "{} {least}", plan.grams);
        prop_assert!(close(plan.now_grams.unwrap(), all[0]));
        prop_assert!(close(plan.grams, emissions(&series, &plan.slots, |_| 500.0)));
        let earliest = all.iter().position(|grams| close(*grams, least)).unwrap() as i64;
        prop_assert!(plan.from_ns() <= (from + earliest) * QUARTER_NS, "{} starts later than {earliest}", plan.from_ns());
    }

    #[test]
    fn interruptible_is_the_least_of_all_choices((values, from, to, length) in cases()) {
        let series = series_of(&values);
        let curve = IntensityCurve::new(&series);
        let window = curve.window(from * QUARTER_NS, to * QUARTER_NS).unwrap();
        let plan = plan(&window, &job(length, true)).unwrap();
        assert_sound(&plan, from * QUARTER_NS, to * QUARTER_NS);
        prop_assert_eq!(running_ns(&plan), length * QUARTER_NS);
        prop_assert!(close(plan.grams, emissions(&series, &plan.slots, |_| 500.0)));
        let contiguous = eco2_grid::plan::plan(&window, &job(length, false)).unwrap();
        prop_assert!(plan.grams <= contiguous.grams);
        // All choices of up to 40 quarters are too many: those of whole hours where the case has no fractions.
        if from % 4 == 0 && to % 4 == 0 && length % 4 == 0 {
            let least = least_sum(&values[from as usize / 4..to as usize / 4], length / 4) / 2.0;
            prop_assert!(close(plan.grams, least), "{} {least}", plan.grams);
        } else if to - from <= 16 {
            let least = least_sum(&quarters(&values, from, to), length) / 8.0;
            prop_assert!(close(plan.grams, least), "{} {least}", plan.grams);
        }
    }

    #[test]
    fn whole_slots_are_the_least_of_all_schedules(
        values in prop_oneof![tied(1..=5), uneven(1..=5)],
        profile in profiles(3),
        duration in 1..=20i64,
        start_uj in prop_oneof![Just(0u64), 0..400_000_000_000u64],
        switch_uj in prop_oneof![Just(0u64), 0..400_000_000_000u64],
    ) {
        let (curve, costs) = (hourly(&values), ChangeCosts { start_uj, switch_uj });
        let duration_ns = duration * QUARTER_NS;
        let window = curve.window(0, values.len() as i64 * HOUR_NS).unwrap();
        let least = least_schedule(&values, &profile, costs, profile.work(duration_ns));
        match whole_slots(&window, &profile, costs, duration_ns) {
            Err(_) => prop_assert!(least.is_infinite()),
            Ok(plan) => {
                assert_sound(&plan, 0, values.len() as i64 * HOUR_NS);
                prop_assert!(close(plan.grams, least), "{} {least}", plan.grams);
                prop_assert!(plan.bound_grams <= plan.grams * (1.0 + 1e-12));
                prop_assert!(plan.now_grams.unwrap() >= 0.0);
                let free = elastic(&window, &profile, duration_ns).unwrap();
                prop_assert!(free.grams <= plan.grams * (1.0 + 1e-9) + 1e-12);
            }
        }
    }
}

fn series_of(values: &[f64]) -> eco2_grid::Series {
    series(values, HOUR_NS)
}

/// The least grams of all schedules of whole hours: every level in every hour, until the work is done.
fn least_schedule(values: &[f64], profile: &Scaling, costs: ChangeCosts, work: f64) -> f64 {
    let rest = eco2_grid::plan::WorkerLevel { workers: 0, throughput: 0.0, power_w: 0.0 };
    let levels: Vec<_> = std::iter::once(rest).chain(profile.levels().iter().copied()).collect();
    fn go(
        values: &[f64],
        levels: &[eco2_grid::plan::WorkerLevel],
        costs: ChangeCosts,
        before: usize,
        left: f64,
    ) -> f64 {
        let [value, later @ ..] = values else { return f64::INFINITY };
        let change = |level: usize| match (before, level) {
            (_, 0) => 0.0,
            (0, _) => costs.start_uj as f64 / 3.6e12 * value,
            _ if before != level => costs.switch_uj as f64 / 3.6e12 * value,
            _ => 0.0,
        };
        let grams = |level: usize| {
            let of = levels[level];
            if level > 0 && of.throughput >= left * (1.0 - 1e-12) {
                return change(level) + value * of.power_w / 1000.0 * left / of.throughput;
            }
            change(level) + value * of.power_w / 1000.0 + go(later, levels, costs, level, left - of.throughput)
        };
        (0..levels.len()).map(grams).fold(f64::INFINITY, f64::min)
    }
    go(values, &levels, costs, 0, work)
}

#[test]
fn of_equal_plans_the_earliest_is_taken() {
    let curve = hourly(&[3.0, 1.0, 1.0, 3.0, 1.0, 1.0]);
    let window = curve.window(0, 6 * HOUR_NS).unwrap();
    let first = |job: Job| plan(&window, &job).unwrap();
    assert_eq!(first(job(8, false)).from_ns(), HOUR_NS);
    assert_eq!(first(job(4, true)).from_ns(), HOUR_NS);
    // Sums that differ in floating point: 0.1 + 0.2 and 0.3 + 0.0.
    let curve = hourly(&[0.3, 0.0, 0.1, 0.2, 0.3, 0.0]);
    let window = curve.window(0, 6 * HOUR_NS).unwrap();
    assert_eq!(plan(&window, &job(8, false)).unwrap().from_ns(), HOUR_NS, "0.0 + 0.1");
    let curve = hourly(&[0.1, 0.2, 9.0, 0.3, 0.0]);
    let window = curve.window(0, 5 * HOUR_NS).unwrap();
    assert_eq!(plan(&window, &job(8, false)).unwrap().from_ns(), 0, "equal sums, so the earlier");
}

#[test]
fn a_window_may_begin_between_edges() {
    // 90 minutes in 3 h of 10, 1, 10: the cheap hour and half an hour before it.
    let curve = hourly(&[10.0, 1.0, 10.0]);
    let window = curve.window(0, 3 * HOUR_NS).unwrap();
    let found = plan(&window, &Job { duration_ns: HOUR_NS * 3 / 2, power_w: 1000.0, interruptible: false }).unwrap();
    assert_eq!((found.from_ns(), found.grams), (HOUR_NS / 2, 6.0));
}

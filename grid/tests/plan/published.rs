//! Published results, from series that are not part of this repository: skipped where they are not there.
//!
//! Wiesner et al., "Let's Wait Awhile", Middleware 2021, for Great Britain 2020: savings against starting at once.

use std::path::{Path, PathBuf};

use eco2_grid::plan::{IntensityCurve, Job, PlanWindow, plan, regret};
use eco2_grid::{FilePlace, Series, SeriesMeta, SeriesPoint};

const SLOT_NS: i64 = 1_800_000_000_000;
const DAY_NS: i64 = 48 * SLOT_NS;

/// A file in the folder of series next to the repository.
fn data(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/series").join(file);
    if !path.exists() {
        println!("skipped: {file} is not there");
    }
    path.exists().then_some(path)
}

fn britain() -> Option<Series> {
    data("gb_2020_30min.csv").map(|path| Series::read(&path, None).unwrap())
}

/// A half-hour at 01:00 of every day, up to `slots` earlier or later.
fn nights(curve: &IntensityCurve, slots: i64) -> impl Iterator<Item = (Option<PlanWindow<'_>>, PlanWindow<'_>)> {
    (0..365).map(move |day| {
        let nominal = curve.from_ns() + day * DAY_NS + 2 * SLOT_NS;
        let at = |from, to| curve.window(from, to).ok();
        (at(nominal - slots * SLOT_NS, nominal + (slots + 1) * SLOT_NS), at(nominal, nominal + SLOT_NS).unwrap())
    })
}

const HALF_HOUR: Job = Job { duration_ns: SLOT_NS, power_w: 1000.0, interruptible: false };

#[test]
fn nightly_jobs_save_what_was_published() {
    let Some(series) = britain() else { return };
    let curve = IntensityCurve::new(&series);
    for (slots, published) in [(1, 3.0659), (2, 4.7330), (4, 6.8120), (8, 8.6126), (16, 10.4139)] {
        let (mut now, mut best) = (0.0, 0.0);
        for (window, nominal) in nights(&curve, slots) {
            now += plan(&nominal, &HALF_HOUR).unwrap().grams;
            // As published: a window that starts before the year counts as if it emitted nothing.
            best += window.map_or(0.0, |window| plan(&window, &HALF_HOUR).unwrap().grams);
        }
        let saving = 100.0 * (1.0 - best / now);
        assert!((saving - published).abs() < 0.001, "{slots} slots: {saving} instead of {published}");
    }
}

#[test]
fn a_queue_of_machine_learning_jobs_saves_what_was_published() {
    let (Some(series), Some(jobs)) = (britain(), data("lwa_ml_jobs.csv")) else { return };
    let curve = IntensityCurve::new(&series);
    let text = std::fs::read_to_string(jobs).unwrap();
    let numbers = |line: &str| line.split(',').map(|field| field.parse().unwrap()).collect::<Vec<i64>>();
    let jobs: Vec<Vec<i64>> = text.lines().skip(1).map(numbers).collect();
    assert_eq!(jobs.len(), 3387);
    for (rule, fixed, open) in [(next_workday as fn(i64) -> i64, 6.657, 9.228), (semi_weekly, 14.852, 20.088)] {
        for (interruptible, published) in [(false, fixed), (true, open)] {
            let (mut now, mut best) = (0.0, 0.0);
            for job in &jobs {
                let from_ns = curve.from_ns() + job[1] * SLOT_NS;
                let deadline_ns = curve.from_ns() + rule(job[1] + job[2]) * SLOT_NS;
                let job = Job { duration_ns: job[2] * SLOT_NS, power_w: 1000.0, interruptible };
                let plan = plan(&curve.window(from_ns, deadline_ns.min(curve.to_ns())).unwrap(), &job).unwrap();
                (now, best) = (now + plan.now_grams.unwrap(), best + plan.grams);
            }
            let saving = 100.0 * (1.0 - best / now);
            assert!((saving - published).abs() < 0.001, "{saving} instead of {published}");
        }
    }
}

/// Deadline by the next-workday rule, in slots of 2020, which began on a Wednesday. Office hours have no slack.
fn next_workday(end: i64) -> i64 {
    let (day, of_day) = (end / 48, end % 48);
    let nine = day * 48 + 18;
    match ((day + 2) % 7, of_day) {
        (weekday @ (5 | 6), _) => nine + (7 - weekday) * 48,
        (_, ..18) => nine,
        (_, 18..=34) => end,
        _ => nine + 48,
    }
}

/// Deadline by the semi-weekly rule: the next Monday or Thursday at nine.
fn semi_weekly(end: i64) -> i64 {
    let nine = |day: i64| day * 48 + 18;
    let days = end / 48..end / 48 + 8;
    days.filter(|day| matches!((day + 2) % 7, 0 | 3)).map(nine).find(|nine| *nine >= end).unwrap()
}

#[test]
fn forecast_errors_cost_what_was_published() {
    let Some(series) = britain() else { return };
    let curve = IntensityCurve::new(&series);
    // Published for normal errors of 5 % of the yearly mean at ±8 h, one draw: 7.945 %. Ten draws of our own.
    let values: Vec<f64> = series.slots().map(|slot| slot.g_per_kwh.unwrap()).collect();
    let sigma = 0.05 * values.iter().sum::<f64>() / values.len() as f64;
    let savings: Vec<f64> = (1..=10).map(|seed| saving_of(&curve, &forecast(&series, sigma, seed))).collect();
    let mean = savings.iter().sum::<f64>() / 10.0;
    assert!((mean - 7.945).abs() < 0.5, "{mean} {savings:?}");
}

fn saving_of(actual: &IntensityCurve, forecast: &IntensityCurve) -> f64 {
    let (mut now, mut grams) = (0.0, 0.0);
    for ((seen, nominal), (expected, _)) in nights(actual, 16).zip(nights(forecast, 16)) {
        now += plan(&nominal, &HALF_HOUR).unwrap().grams;
        let (Some(seen), Some(expected)) = (seen, expected) else { continue };
        grams += regret(&expected, &seen, &HALF_HOUR).unwrap().grams;
    }
    100.0 * (1.0 - grams / now)
}

/// The series with normal errors: the sum of twelve uniform numbers of a linear congruential generator (Knuth's MMIX).
fn forecast(series: &Series, sigma: f64, seed: u64) -> IntensityCurve {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    let point = |slot: eco2_grid::SeriesSlot| {
        let value = (slot.g_per_kwh.unwrap() + sigma * normal()).max(0.0);
        SeriesPoint { from_ns: slot.from_ns, value: Some(value), place: FilePlace::Whole }
    };
    IntensityCurve::new(&Series::of(SeriesMeta::default(), &series.slots().map(point).collect::<Vec<_>>()).unwrap())
}

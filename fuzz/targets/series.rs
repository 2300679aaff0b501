//! Fuzz target `series`: a series of carbon intensities, a scaling profile and a queue of jobs with any content.
#![no_main]

use eco2_grid::Series;
use eco2_grid::plan::{IntensityCurve, Job, Scaling, elastic, parse_jobs, plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(series) = Series::parse(data, "fuzzed", None) {
        assert!(series.slots().all(|slot| slot.g_per_kwh.is_none_or(|value| (0.0..=5000.0).contains(&value))));
        check_plans(&series);
    }
    let _ = Series::parse_csv(data, "fuzzed", Some("GB"));
    let _ = parse_jobs(data, "fuzzed", 300.0);
    let _ = Scaling::parse(data, "fuzzed", 300.0);
});

/// Plans over the whole series: no plan leaves it or emits more than starting at once.
fn check_plans(series: &Series) {
    let curve = IntensityCurve::new(series);
    let Ok(window) = curve.window(series.from_ns(), series.to_ns()) else { return };
    for interruptible in [false, true] {
        let job = Job { duration_ns: series.step_ns() / 2 + 1, power_w: 1000.0, interruptible };
        if let Ok(plan) = plan(&window, &job) {
            assert!(plan.from_ns() >= window.from_ns() && plan.to_ns() <= window.to_ns());
            assert!(plan.now_grams.is_none_or(|now_grams| plan.grams <= now_grams));
        }
    }
    if let Ok(scaling) = Scaling::one_worker(1000.0) {
        let _ = elastic(&window, &scaling, series.step_ns());
    }
}

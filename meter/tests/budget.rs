//! The budget of a run: its forecast, its decisions, and who is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod steady;

use std::sync::{Arc, Mutex};

use eco2::options::Options;
use eco2::{Decision, Meter, Step, Unit};
use steady::{Steady, options, work};

/// Kilowatt-hours of so many joules.
fn kwh(joules: f64) -> f64 {
    joules / 3.6e6
}

fn open(options: Options) -> Meter {
    Meter::open_with(options, vec![Box::new(Steady::new().0)]).unwrap()
}

/// Steps of 10 ms at 0.1 W: about a millijoule each.
fn steps(meter: &Meter, count: u32) {
    let name = meter.name("step");
    for _ in 0..count {
        work(10);
        meter.step_work(name, Step::default());
    }
}

#[test]
fn d15_a_run_is_forecast_from_its_own_steps_and_a_forecast_over_the_budget_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.total_steps = Some(1_000);
    options.budget.max_energy_kwh = Some(kwh(0.1));
    options.budget.soft = Decision::Pause;
    options.intensity = Some(360.0);
    let meter = open(options);
    steps(&meter, 30);
    // The sampling thread sees the last steps at its next tick.
    work(30);
    let spent = meter.budget();
    let report = meter.close();
    let [spent] = &spent[..] else { panic!("one limit: {spent:?}") };
    let finish = spent.finish.expect("30 steps are enough");
    let by_hand = spent.spent / 31.0 * 1_000.0;
    assert!((finish.mean / by_hand - 1.0).abs() < 0.25, "{} uJ, by hand {by_hand}", finish.mean);
    assert!(finish.low <= finish.mean && finish.mean <= finish.p90 && finish.p90 <= finish.high, "{finish:?}");
    assert_eq!((spent.unit, spent.decision, spent.soft, spent.hard), (Unit::EnergyUj, Decision::Pause, true, false));
    let budget = report.budget.expect("a limit was given");
    let forecast = budget.forecast.unwrap();
    assert_eq!((forecast.progress.as_str(), forecast.done, forecast.total), ("steps", 30, 1_000));
    assert_eq!(forecast.g_per_kwh, 360.0);
    assert!(forecast.intensity.starts_with("one figure for all time: "), "{}", forecast.intensity);
}

#[test]
fn what_is_kept_back_stops_a_run_before_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(kwh(0.01));
    options.budget.reserve_percent = 50.0;
    let meter = open(options);
    let name = meter.name("step");
    let mut last = meter.budget()[0];
    for _ in 0..1_000 {
        if last.decision == Decision::Stop {
            break;
        }
        work(5);
        meter.step_work(name, Step::default());
        last = meter.budget()[0];
    }
    assert!(last.hard && last.spent < last.limit, "{last:?}");
    assert!(last.held >= 5e3, "half of the limit, and a step: {last:?}");
}

#[test]
fn a_decision_that_becomes_graver_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(1e-12);
    options.budget.max_co2_kg = Some(1e6);
    let meter = open(options);
    let heard: Arc<Mutex<Vec<eco2::Event>>> = Arc::default();
    let hears = Arc::clone(&heard);
    meter.on_event(move |event| hears.lock().unwrap().push(event.clone()));
    steps(&meter, 2);
    (0..3).for_each(|_| assert_eq!(meter.budget()[0].decision, Decision::Stop));
    let run = meter.run_id();
    let report = meter.close();
    let heard = heard.lock().unwrap();
    let [event] = &heard[..] else { panic!("told once: {heard:?}") };
    assert_eq!((event.kind.as_str(), &event.run), ("budget-stop", &run));
    assert!(event.text.starts_with("energy budget: "), "{}", event.text);
    assert_eq!(report.events.iter().filter(|event| event.kind.starts_with("budget-")).count(), 1);
    let decisions: Vec<_> = report.budget.unwrap().limits.iter().map(|spent| spent.decision).collect();
    assert_eq!(decisions, [Decision::Stop, Decision::Go]);
}

#[test]
fn a_run_of_given_hours_needs_no_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.total_hours = Some(0.001);
    let meter = open(options);
    work(300);
    let forecast = meter.close().budget.unwrap().forecast.unwrap();
    // 3.6 s at 0.1 W.
    assert_eq!((forecast.progress.as_str(), forecast.total), ("milliseconds", 3_600));
    assert!((forecast.energy_uj.mean / 360e3 - 1.0).abs() < 0.1, "{forecast:?}");
}

#[test]
fn d17_without_a_forecast_the_rest_is_weighed_with_the_same_hour_before_and_its_error_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.csv");
    // Three days that end an hour ago, 100 g/kWh by day and 400 by night, then nothing.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let hour = now / 3_600;
    let rows = (hour - 72..hour).map(|hour| {
        format!("{},{}\n", eco2_grid::utc(hour * 3_600_000_000_000), if hour % 24 < 12 { 100 } else { 400 })
    });
    std::fs::write(&path, "time,gco2e_per_kwh\n".to_owned() + &rows.collect::<String>()).unwrap();
    let mut options = options(folder.path());
    options.intensity_series = Some(path);
    options.budget.total_hours = Some(24.0);
    options.budget.max_co2_kg = Some(1.0);
    let meter = open(options);
    work(300);
    let budget = meter.close().budget.unwrap();
    let forecast = budget.forecast.unwrap();
    // Twelve hours of each, whenever it is now, to a quarter of an hour.
    assert!((forecast.g_per_kwh - 250.0).abs() < 3.0, "{forecast:?}");
    assert_eq!(forecast.intensity, "the same hour 24 h before (back-test error 0.0 %)");
    // 0.1 W for a day: 2.4 Wh of 250 g each.
    let grams = budget.limits[0].finish.unwrap().mean;
    assert!((grams / 0.6 - 1.0).abs() < 0.1, "{grams}");
}

//! The budget of a run: its forecast, its decisions and its alerts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod steady;

use std::sync::{Arc, Mutex};

use eco2::options::Options;
use eco2::{Decision, Meter, Step, Unit};
use steady::{Steady, options, work};

/// Joules as kilowatt-hours.
fn kwh(joules: f64) -> f64 {
    joules / 3.6e6
}

fn open(options: Options) -> Meter {
    Meter::open_with(options, vec![Box::new(Steady::small())]).unwrap()
}

/// Steps of 10 ms at 0.1 W: about a millijoule each.
fn steps(meter: &Meter, count: u32) {
    let name = meter.name("step");
    for _ in 0..count {
        work(10);
        meter.step_work(name, Step::default());
    }
}

/// Works for 300 ms, and on a busy machine until there is a forecast.
/// Works until there is a forecast, and returns the budget that has it: a later one may have none for a moment.
fn work_until_forecast(meter: &Meter) -> eco2_core::schema::BudgetRecord {
    work(200);
    for _ in 0..100 {
        work(100);
        let budget = meter.snapshot().budget.filter(|budget| budget.forecast.is_some());
        if let Some(budget) = budget {
            return budget;
        }
    }
    panic!("no forecast in ten seconds");
}

#[test]
fn d15_a_run_is_forecast_from_its_own_steps_and_a_forecast_over_the_budget_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.total_steps = Some(1_000);
    options.budget.max_energy_kwh = Some(kwh(0.5));
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
    let by_hand = spent.spent.unwrap() / 31.0 * 1_000.0;
    assert!((0.5..2.0).contains(&(finish.mean / by_hand)), "{} uJ, by hand {by_hand}", finish.mean);
    assert!(finish.low <= finish.mean && finish.mean <= finish.p90 && finish.p90 <= finish.high, "{finish:?}");
    assert_eq!((spent.unit, spent.decision, spent.soft, spent.hard), (Unit::EnergyUj, Decision::Pause, true, false));
    let budget = report.budget.expect("a limit was given");
    let forecast = budget.forecast.unwrap();
    assert_eq!((forecast.progress.as_str(), forecast.done, forecast.total), ("steps", 30, 1_000));
    assert_eq!(forecast.g_per_kwh, 360.0);
    assert!(forecast.intensity.starts_with("one value for all time: "), "{}", forecast.intensity);
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
    assert!(last.hard && last.spent < Some(last.limit), "{last:?}");
    assert!(last.held >= 5e3, "half of the limit, and a step: {last:?}");
}

#[test]
fn a_decision_that_becomes_graver_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(1e-12);
    options.budget.max_co2_kg = Some(1e6);
    let meter = open(options);
    let heard: Arc<Mutex<Vec<eco2::Alert>>> = Arc::default();
    let hears = Arc::clone(&heard);
    meter.on_event(move |event| hears.lock().unwrap().push(event.clone()));
    steps(&meter, 2);
    (0..3).for_each(|_| assert_eq!(meter.budget()[0].decision, Decision::Stop));
    let run = meter.run_id();
    let report = meter.close();
    let heard = heard.lock().unwrap();
    let [event] = &heard[..] else { panic!("reported once: {heard:?}") };
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
    let forecast = work_until_forecast(&meter).forecast.unwrap();
    // 3.6 s at 0.1 W.
    assert_eq!((forecast.progress.as_str(), forecast.total), ("milliseconds", 3_600));
    assert!((forecast.energy_uj.mean / 360e3 - 1.0).abs() < 0.3, "{forecast:?}");
}

#[test]
fn d17_without_a_forecast_the_rest_is_priced_with_the_same_hour_before_and_its_error_is_reported() {
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
    let budget = work_until_forecast(&meter);
    let forecast = budget.forecast.unwrap();
    // Twelve hours of each, whenever it is now, to a quarter of an hour.
    assert!((forecast.g_per_kwh - 250.0).abs() < 3.2, "{forecast:?}");
    assert_eq!(forecast.intensity, "the same hour 24 h before (back-test error 0.0 %)");
    // 0.1 W for a day: 2.4 Wh of 250 g each.
    let grams = budget.limits[0].finish.unwrap().mean;
    assert!((grams / 0.6 - 1.0).abs() < 0.1, "{grams}");
}

/// A tariff of `hours` around now, all at one price.
fn tariff(folder: &std::path::Path, hours: std::ops::Range<i64>, price: &str) -> std::path::PathBuf {
    let path = folder.join("prices.csv");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let rows = hours.map(|hour| format!("{},{price}\n", eco2_grid::utc((now / 3_600 + hour) * 3_600_000_000_000)));
    std::fs::write(&path, "time,price_per_kwh\n".to_owned() + &rows.collect::<String>()).unwrap();
    path
}

#[test]
fn with_a_tariff_the_next_step_is_held_back_and_the_end_is_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.total_steps = Some(1_000);
    options.budget.max_cost = Some(1.0);
    options.supplements.tariff_series = Some(tariff(folder.path(), -48..48, "1000"));
    let meter = open(options);
    steps(&meter, 30);
    work(30);
    let spent = meter.budget()[0];
    // A step of about a millijoule, at 1000 a kilowatt-hour.
    assert!(spent.held > 1_000.0 * kwh(0.2e-3) && spent.held < 1_000.0 * kwh(50e-3), "{spent:?}");
    let (finish, so_far) = (spent.finish.expect("30 steps are enough").mean, spent.spent.unwrap());
    assert!((0.5..2.0).contains(&(finish / (so_far / 31.0 * 1_000.0))), "{spent:?}");
}

#[test]
fn where_the_tariff_has_a_gap_what_is_spent_is_not_known_and_no_reason_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_cost = Some(1e9);
    options.supplements.tariff_series = Some(tariff(folder.path(), -9..2, ""));
    let meter = open(options);
    work(60);
    let spent = meter.budget()[0];
    assert_eq!((spent.spent, spent.decision), (None, Decision::Warn));
    assert_eq!((spent.low, spent.high), (None, None), "a bound of the priced part is no bound of the whole");
    let report = meter.close();
    let event = report.events.iter().find(|event| event.kind == "budget-warn").expect("it is reported");
    assert!(event.text.starts_with("cost budget: how much of ") && event.text.ends_with(" is not known"), "{event:?}");
    assert_eq!(report.budget.unwrap().limits[0].spent, None);
}

#[test]
fn k10_nothing_measured_is_not_nothing_spent_and_has_no_upper_bound() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(1.0);
    options.budget.max_co2_kg = Some(1.0);
    options.budget.price_per_kwh = Some(1.0);
    options.budget.max_cost = Some(1.0);
    options.budget.strict = true;
    let meter = Meter::open_with(options, Vec::new()).unwrap();
    for spent in meter.budget() {
        assert_eq!(
            (spent.spent, spent.high, spent.decision),
            (None, None, Decision::Stop),
            "no upper bound: {spent:?}"
        );
    }
    let limits = meter.close().budget.unwrap().limits;
    let found: Vec<_> = limits.iter().map(|spent| (spent.spent, spent.decision)).collect();
    assert_eq!(found, [(None, Decision::Stop); 3], "strict");
    let lows: Vec<_> = limits.iter().map(|spent| spent.low).collect();
    assert_eq!(lows, [Some(0.0), Some(0.0), None], "money may be negative");
}

#[test]
fn a_run_of_given_hours_keeps_back_what_goes_by_between_two_looks() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.total_hours = Some(1.0);
    options.budget.max_energy_kwh = Some(1.0);
    let meter = open(options.clone());
    for _ in 0..4 {
        work(20);
        let _ = meter.budget();
    }
    // 20 ms at 0.1 W: two millijoules.
    let held = meter.budget()[0].held;
    assert!((1e3..200e3).contains(&held), "{held}");
    drop(meter);
    let meter = open(options);
    steps(&meter, 30);
    work(30);
    let held = meter.budget()[0].held;
    assert!((0.4e3..200e3).contains(&held), "a step, though the length is in hours: {held}");
}

#[test]
fn a_run_that_is_over_needs_no_reserve() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(kwh(0.5));
    options.budget.reserve_percent = 90.0;
    options.budget.total_steps = Some(1_000_000);
    let meter = open(options);
    steps(&meter, 5);
    let report = meter.close();
    let spent = report.budget.unwrap().limits[0];
    assert_eq!((spent.hard, spent.soft, spent.held, spent.decision), (false, false, 0.0, Decision::Go), "{spent:?}");
    assert_eq!(spent.finish.map(|finish| finish.p90), spent.spent);
    assert!(!report.events.iter().any(|event| event.kind == "budget-stop"), "{:?}", report.events);
}

#[test]
fn a_limit_that_is_none_is_refused_and_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |set: fn(&mut Options)| {
        let mut options = options(folder.path());
        set(&mut options);
        Meter::open_with(options, Vec::new()).err().map(|error| error.to_string())
    };
    assert!(refused(|options| options.budget.max_energy_kwh = Some(0.0)).unwrap().contains("max_energy_kwh"));
    assert!(refused(|options| options.budget.max_energy_kwh = Some(1e-13)).unwrap().contains("a microjoule"));
    assert!(refused(|options| options.budget.max_co2_kg = Some(-1.0)).unwrap().contains("max_co2_kg"));
    assert!(refused(|options| options.budget.max_cost = Some(f64::NAN)).unwrap().contains("max_cost"));
    assert_eq!(refused(|options| options.budget.max_energy_kwh = Some(1.0 / 3.6e12)), None);
}

//! The figures in the names of HF Eco2AI: known answers by hand.

use serde_json::{Value, json};

use crate::fixture;

fn figures(report: &eco2_core::schema::Report) -> Value {
    serde_json::from_str(&eco2_report::hf_json(report).unwrap()).unwrap()
}

#[test]
fn kilowatt_hours_kilograms_and_samples_by_hand() {
    let mut report = fixture::kilowatt_hour("a", None);
    report.run.duration_ns = 7_200_000_000_000;
    report.work.samples = Some(400);
    let figures = figures(&report);
    let carbon = report.carbon.as_ref().unwrap();
    assert_eq!(figures["summary"]["total_energy_kwh"], 1.0);
    assert_eq!(figures["summary"]["total_co2_kg"], carbon.grams.unwrap() / 1e3);
    assert_eq!(figures["summary"]["total_duration_hours"], 2.0);
    assert_eq!(figures["summary"]["average_power_watts"], 500.0);
    assert_eq!(figures["current"]["samples_per_kwh"], 400.0);
    assert_eq!(figures["current"]["energy_per_sample"], 0.0025);
}

#[test]
fn what_is_not_known_is_null() {
    let mut report = fixture::kilowatt_hour("a", None);
    report.work.samples = None;
    report.carbon = None;
    let summary = figures(&report)["summary"].clone();
    for name in ["total_co2_kg", "energy_per_sample", "average_samples_per_kwh", "equivalent_km_driven", "model_name"] {
        assert_eq!(summary[name], Value::Null, "{name}");
    }
    report.energy = fixture::nothing_read();
    assert_eq!(figures(&report)["summary"]["total_energy_kwh"], Value::Null);
}

#[test]
fn d08_total_steps_are_the_steps_that_were_done() {
    let mut report = fixture::kilowatt_hour("a", None);
    report.work.steps = Some(1234);
    assert_eq!(figures(&report)["summary"]["total_steps"], 1234);
}

#[test]
fn d09_a_price_label_prices_the_grams_of_all_segments() {
    let mut report = fixture::kilowatt_hour("a", None);
    assert_eq!(figures(&report)["summary"]["carbon_credit_cost_usd"], Value::Null);
    report.carbon.as_mut().unwrap().grams = Some(500_000.0);
    for (price, cost) in [("30", json!(15.0)), ("-1", Value::Null), ("much", Value::Null)] {
        report.run.labels.insert("carbon_price_per_tonne".to_owned(), price.to_owned());
        assert_eq!(figures(&report)["summary"]["carbon_credit_cost_usd"], cost, "{price}");
    }
}

#[test]
fn d13_equivalents_are_those_of_the_report_else_of_its_grams() {
    let mut report = fixture::kilowatt_hour("a", None);
    let supplements = report.carbon.as_mut().unwrap().beside.as_mut().unwrap();
    supplements.equivalents = eco2_grid::carbon::equivalents(Some(60_000.0));
    assert_eq!(figures(&report)["summary"]["equivalent_trees_needed"], 1.0);
    report.carbon.as_mut().unwrap().beside = None;
    assert_eq!(figures(&report)["summary"]["equivalent_trees_needed"], 56.0 / 60_000.0);
    report.carbon.as_mut().unwrap().grams = None;
    assert_eq!(figures(&report)["summary"]["equivalent_trees_needed"], Value::Null);
}

#[test]
fn d12_the_mix_is_the_zones_own_and_dated_and_changes_no_gram() {
    let mut report = fixture::kilowatt_hour("a", None);
    let grams = figures(&report)["summary"]["total_co2_kg"].clone();
    let mut impact = |zone: &str| {
        report.carbon.as_mut().unwrap().zone = zone.to_owned();
        let figures = figures(&report);
        assert_eq!(figures["summary"]["total_co2_kg"], grams);
        figures["environmental_impact"].clone()
    };
    let shares = |impact: &Value| {
        let names = ["renewable_percentage", "nuclear_percentage", "fossil_fuel_percentage", "mix_year"];
        names.map(|name| impact[name].as_f64())
    };
    assert_eq!(shares(&impact("FR")), [Some(26.29), Some(65.29), Some(8.42), Some(2023.0)]);
    assert_eq!(shares(&impact("gcp:europe-west9"))[1], Some(65.29), "in France");
    assert_eq!(shares(&impact("US-CA")), [None; 4], "not the country's, and not 0");
    assert_eq!(shares(&impact("WORLD")), [None; 4]);
}

#[test]
fn uncounted_values_are_null() {
    let mut report = fixture::kilowatt_hour("a", None);
    (report.work.samples, report.work.tokens) = (None, None);
    let figures = figures(&report);
    for found in [
        &figures["summary"]["total_samples"],
        &figures["current"]["samples_processed"],
        &figures["current"]["tokens_processed"],
    ] {
        assert_eq!(*found, Value::Null);
    }
}

#[test]
fn the_summary_has_every_key_of_the_format_it_follows() {
    let keys = json!([
        "average_power_watts",
        "average_samples_per_kwh",
        "carbon_credit_cost_usd",
        "co2_per_sample",
        "dataset_size",
        "energy_per_sample",
        "equivalent_coal_burned_kg",
        "equivalent_km_driven",
        "equivalent_trees_needed",
        "estimated_cost_usd",
        "final_loss",
        "model_name",
        "model_parameters",
        "peak_power_watts",
        "total_co2_kg",
        "total_duration_hours",
        "total_energy_kwh",
        "total_epochs",
        "total_samples",
        "total_steps"
    ]);
    let report = figures(&fixture::kilowatt_hour("a", None));
    let mut found: Vec<&String> = report["summary"].as_object().unwrap().keys().collect();
    found.sort();
    assert_eq!(json!(found), keys);
}

#[test]
fn a_carbon_budget_has_its_forecast_in_kilograms() {
    let mut report = crate::fixture::report();
    let figures = |report: &eco2_core::schema::Report| -> serde_json::Value {
        serde_json::from_str(&eco2_report::hf_json(report).unwrap()).unwrap()
    };
    assert!(figures(&report)["carbon_budget"].is_null(), "a limit on energy is no carbon budget");
    let found = &figures(&report)["carbon_forecast"];
    assert_eq!(
        (found["estimated_completion_co2_kg"].as_f64(), found["low_co2_kg"].as_f64()),
        (Some(0.2375), Some(0.2185))
    );
    assert_eq!((found["backtest_error_percent"].as_f64(), found["backtest_runs"].as_u64()), (Some(0.91), Some(24)));
    assert!(found["recommendation"].as_str().unwrap().starts_with("a forecast without a budget"), "{found}");
    let limits = &mut report.budget.as_mut().unwrap().limits;
    let finish = eco2_core::Finish { mean: 1200.0, low: 1100.0, high: 1300.0, p90: 1250.0 };
    (limits[0].unit, limits[0].spent, limits[0].limit) = (eco2_core::Unit::Grams, Some(600.0), 1000.0);
    (limits[0].finish, limits[0].soft) = (Some(finish), true);
    let found = &figures(&report)["carbon_budget"];
    for (name, value) in [
        ("budget_kg", 1.0),
        ("budget_utilization_percent", 60.0),
        ("estimated_completion_co2_kg", 1.2),
        ("forecasted_overage_kg", 0.2),
        ("confidence_level", 0.9),
    ] {
        assert!((found[name].as_f64().unwrap() - value).abs() < 1e-12, "{name} {found}");
    }
    assert_eq!(found["backtest_error_percent"], 0.91);
    assert!(figures(&report)["carbon_forecast"].is_null(), "the limit's forecast is the one");
}

#[test]
fn k07_a_gpu_with_a_counter_and_a_power_sensor_is_listed_once() {
    let mut report = fixture::report();
    let mut power = report.devices[1].clone();
    (power.id, power.domain, power.overlaps) = ("GPU-5/power".into(), "power".into(), vec!["GPU-5".into()]);
    report.devices.push(power);
    let gpus = figures(&report)["gpu_metrics"].clone();
    for name in ["name", "energy_kwh", "power_watts"] {
        let ids: Vec<&String> = gpus[name].as_object().unwrap().keys().collect();
        assert_eq!(ids, ["GPU-5"], "{name}");
    }
}

#[test]
fn k08_each_gpu_is_listed_once_by_the_device_that_counts() {
    let mut report = fixture::report();
    let gauge = |name: &str, last: f64| eco2_core::schema::GaugeSummary {
        name: name.to_owned(),
        unit: "ratio".to_owned(),
        mean: last,
        max: last,
        last,
    };
    let device = |id: &str, overlaps: &[&str], gauges: Vec<eco2_core::schema::GaugeSummary>| {
        let mut gpu = report.devices.iter().find(|one| one.component == eco2_core::Component::Gpu).unwrap().clone();
        (gpu.id, gpu.gauges) = (id.to_owned(), gauges);
        gpu.overlaps = overlaps.iter().map(|&id| id.to_owned()).collect();
        gpu
    };
    let devices = vec![
        device("GPU-a", &[], vec![gauge("utilization", 0.5)]),
        device("GPU-a/power", &["GPU-a"], vec![]),
        // A counter that does not work, replaced by the power of the same board.
        device("GPU-b", &["GPU-b/power"], vec![gauge("utilization", 0.25)]),
        device("GPU-b/power", &[], vec![]),
        // Inside a processor package, which counts for it.
        device("apu", &["package-0"], vec![]),
    ];
    report.devices.retain(|one| one.component != eco2_core::Component::Gpu);
    report.devices.extend(devices);
    let metrics = figures(&report)["gpu_metrics"].clone();
    let listed: Vec<&String> = metrics["name"].as_object().unwrap().keys().collect();
    assert_eq!(listed, ["GPU-a", "GPU-b/power", "apu"]);
    assert_eq!(metrics["utilization"], json!({ "GPU-a": 50.0, "GPU-b/power": 25.0 }));
}

#[test]
fn k14_field_in_dollars_is_null_for_another_currency_with_the_reason() {
    let of = |currency: Option<&str>| {
        let mut report = fixture::report();
        let carbon = report.carbon.as_mut().unwrap();
        carbon.terms = None;
        let supplements = carbon.beside.as_mut().unwrap();
        let currency = currency.map(str::to_owned);
        supplements.cost.as_mut().unwrap().currency.clone_from(&currency);
        supplements.carbon_price.as_mut().unwrap().currency = currency;
        let figures = figures(&report);
        let field = |pointer: &str| figures.pointer(pointer).unwrap().clone();
        [
            "/summary/estimated_cost_usd",
            "/summary/carbon_credit_cost_usd",
            "/origin/cost",
            "/origin/cost_currency",
            "/origin/cost_note",
        ]
        .map(field)
    };
    let (null, cost) = (Value::Null, json!(0.12));
    assert_eq!(of(Some("USD")), [cost.clone(), json!(1.84e-6), cost.clone(), json!("USD"), null.clone()]);
    let euros = json!("the price is in EUR: no exchange rate is applied");
    assert_eq!(of(Some("EUR")), [null.clone(), null.clone(), cost.clone(), json!("EUR"), euros]);
    let unknown = json!("the price has no currency: state it with --currency");
    assert_eq!(of(None), [null.clone(), null.clone(), cost, null, unknown]);
}

#[test]
fn k14_equivalents_need_no_option() {
    let mut report = fixture::kilowatt_hour("a", None);
    let carbon = report.carbon.as_mut().unwrap();
    (carbon.grams, carbon.beside) = (Some(60_000.0), None);
    // An urban tree takes up 60 kg in ten years; a kilometre is 0.398 kg ÷ 1.609344, a kilogram of coal 0.905 kg ÷ 0.45359237.
    let summary = figures(&report)["summary"].clone();
    let near = |name: &str, right: f64| {
        let found = summary[name].as_f64().unwrap();
        assert!((found / right - 1.0).abs() < 1e-9, "{name}: {found} instead of {right}");
    };
    near("equivalent_trees_needed", 1.0);
    near("equivalent_km_driven", 60.0 / (0.398 / 1.609_344));
    near("equivalent_coal_burned_kg", 60.0 / (0.905 / 0.453_592_37));
}

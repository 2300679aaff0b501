//! Cost, water, embodied emissions and the other supplements of emissions (`carbon.beside`), through the command: options,
//! reports that are priced again, exports.

use std::fs;

use serde_json::Value;

use crate::rig::{Rig, assert_valid};

/// A kilowatt for two hours, read every ten seconds and once after the end.
fn trace() -> String {
    let head = "# eco2.trace/1\n# domain package-0 component=cpu kind=energy unit=J max_w=2000\n\
        # run begin_ns=0 end_ns=7200000000000\nbefore_ns,after_ns,domain,value\n";
    let row = |at: u64| format!("{0},{0},package-0,{1}\n", at * 10_000_000_000, at * 10_000);
    head.to_owned() + &(0..=721).map(row).collect::<String>()
}

const PRICES: &str =
    "# unit=EUR/MWh\ntime,price_per_kwh\n2026-01-01T00:00Z,100\n2026-01-01T01:00Z,300\n2026-01-01T02:00Z,900\n";

fn rig() -> Rig {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    rig.put("prices.csv", PRICES);
    rig
}

/// The report of the trace, replayed with further flags.
fn replayed(rig: &Rig, flags: &str) -> Value {
    let words = format!("replay trace.csv --started-at 2026-01-01T00:00Z --intensity 100 --json - {flags}");
    let ran = rig.eco2(&words.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_valid(&ran.report());
    serde_json::from_str(&ran.out).unwrap()
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {value}"))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9 * other.abs().max(1.0)
}

#[test]
fn a_tariff_prices_each_hour_and_pue_is_in_the_cost_once() {
    let report = replayed(&rig(), "--pue 1.5 --tariff-series prices.csv");
    // 1.5 kWh at 0.10 and 1.5 kWh at 0.30.
    let (cost, low, high) = ("/carbon/cost", "/carbon/beside/cost/low", "/carbon/beside/cost/high");
    let [cost, low, high] = [cost, low, high].map(|path| number(&report, path));
    // A change of the counter came within the ten seconds before it was seen: 1.5 kW × 10 s × 0.2 at the edge.
    assert!((cost - 0.6).abs() < 0.001 && low <= 0.6 && 0.6 <= high && high - low < 0.006, "{low} {cost} {high}");
    assert_eq!(report.pointer("/carbon/beside/cost/currency").and_then(Value::as_str), Some("EUR"));
    assert!(near(number(&report, "/carbon/grams"), 300.0));
    assert!(near(number(&report, "/energy/total_uj") * 1.5, number(&report, "/energy/facility_uj")));
}

#[test]
fn every_supplement_is_as_computed_by_hand_and_grams_stay_unchanged() {
    let flags = "--market-instrument PPA --market-intensity 12 --embodied 900:1000:1200 --functional-unit run \
        --wue 1.8 --ewif 3 --carbon-price 15 --currency EUR --price-per-kwh 0.3 --offsets forest=120 --equivalents";
    let (plain, full) = (replayed(&rig(), ""), replayed(&rig(), flags));
    for path in ["/carbon/grams", "/carbon/low", "/carbon/high", "/carbon/segments"] {
        assert_eq!(plain.pointer(path), full.pointer(path), "{path}");
    }
    assert_eq!(plain.pointer("/carbon/beside"), None);
    let supplements = full.pointer("/carbon/beside").unwrap();
    // Two hours of 35,040 of 1000 kg.
    let embodied = 2e6 / 35_040.0;
    for (path, expected) in [
        ("/market/grams", 24.0),
        ("/embodied/grams", embodied),
        ("/embodied/high", embodied * 1.2),
        ("/sci/grams", 200.0 + embodied),
        ("/water/litres", 9.6),
        ("/carbon_price/amount", 200.0 / 1e6 * 15.0),
        ("/cost/amount", 0.6),
        ("/offsets/0/kg", 120.0),
    ] {
        assert!(near(number(supplements, path), expected), "{path} of {supplements}");
    }
    assert_eq!(number(&full, "/carbon/embodied"), number(supplements, "/embodied/grams"));
    assert_eq!(supplements.pointer("/equivalents").and_then(Value::as_array).map(Vec::len), Some(4));
}

#[test]
fn supplements_added_to_a_report_leave_its_grams_unchanged() {
    let rig = rig();
    fs::write(rig.path("r.json"), replayed(&rig, "--carbon-price 15").to_string()).unwrap();
    let again: Value =
        serde_json::from_str(&rig.eco2("report r.json --json --embodied 1000 --functional-unit run").out).unwrap();
    assert!(near(number(&again, "/carbon/grams"), 200.0), "not the world's average");
    assert!(near(number(&again, "/carbon/sci"), 200.0 + 2e6 / 35_040.0));
    assert!(near(number(&again, "/carbon/beside/carbon_price/amount"), 0.003), "what it had stays");
    let zone: Value = serde_json::from_str(&rig.eco2("report r.json --json --intensity 50").out).unwrap();
    assert!(near(number(&zone, "/carbon/beside/carbon_price/amount"), 0.0015), "and follows new grams");
}

#[test]
fn a_contract_without_intensity_and_unknown_hardware_are_usage_errors() {
    let rig = rig();
    for (flags, part) in [
        ("--market-instrument PPA", "market_instrument needs market_intensity"),
        ("--market-intensity 12", "market_intensity needs market_instrument"),
        ("--embodied h200", "docs/carbon.md"),
        ("--functional-unit epoch", "step, sample, token or run"),
        ("--wue 101", "0 to 100 litres"),
        ("--tariff-series gone.csv", "gone.csv: cannot be read"),
    ] {
        let ran = rig.eco2(&format!("replay trace.csv {flags}"));
        assert_eq!(ran.code, Some(2), "{flags}: {ran:?}");
        assert!(ran.err.contains(part), "{flags}: {}", ran.err);
    }
}

#[test]
fn d13_equivalents_are_shown_only_on_request_and_with_their_source() {
    let rig = rig();
    let text = |flags: &str| rig.eco2(&format!("replay trace.csv --intensity {flags}")).out;
    let plain = text("100");
    assert!(plain.contains("Emissions") && !plain.contains("tree") && !plain.contains("EPA"), "{plain}");
    assert!(text("100 --equivalents").contains("US EPA"), "{}", text("100 --equivalents"));
}

#[test]
fn every_export_of_the_command() {
    let rig = rig();
    fs::write(rig.path("r.json"), replayed(&rig, "--embodied 1000").to_string()).unwrap();
    for (format, part) in [
        ("sci", "\"specification\": \"SCI 1.1 (ISO/IEC 21031:2024)\""),
        ("hf", "  emissions: 200\n"),
        ("boamps", "\"powerConsumption\": 2.0"),
        ("scope2", "location-based total"),
        ("ai-act", "\"energy_mwh\": 0.002"),
        ("methods", "location-based emissions of 200\u{a0}g\u{a0}CO₂e ("),
        ("summary", "\"schema\": \"eco2.summary/1\""),
    ] {
        let ran = rig.eco2(&format!("report r.json --format {format}"));
        assert_eq!(ran.code, Some(0), "{format}: {ran:?}");
        assert!(ran.out.contains(part), "{format}: {}", ran.out);
    }
    for format in ["hf", "openmetrics", "openmetrics-hf"] {
        let two = rig.eco2(&format!("report r.json r.json --format {format}"));
        assert_eq!((two.code, two.out.as_str()), (Some(2), ""), "{format}");
        assert!(two.err.contains(&format!("--format {format} takes one run; got 2")), "{}", two.err);
    }
}

#[test]
fn a_run_reads_supplement_options_from_variables_and_logs_them() {
    let rig = Rig::measured();
    let mut run = rig.measuring("--quiet --json r.json", "sleep 0.1");
    let ended = crate::rig::ran(run.env("ECO2_CARBON_PRICE", "80").env("ECO2_FUNCTIONAL_UNIT", "run"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let carbon = rig.report("r.json").carbon.unwrap();
    let supplements = carbon.beside.unwrap();
    assert_eq!(supplements.sci.unwrap().grams, carbon.grams);
    assert_eq!(supplements.carbon_price.unwrap().amount, Some(carbon.grams.unwrap() / 1e6 * 80.0));
    let again: Value = serde_json::from_str(&rig.eco2("report last --json").out).unwrap();
    assert!(again.pointer("/carbon/beside/sci/per").is_some());
}

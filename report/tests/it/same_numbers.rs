//! Each export against the JSON report: the same amounts in the export's units.

use eco2_core::schema::Report;
use eco2_report::{
    MetricNames, ai_act_json, boamps_json, codecarbon_csv, csv, hf_json, json, model_card, openmetrics, sci_json,
    scope2_csv, spans_csv, summary_json,
};
use serde_json::Value;

use crate::fixture::report;

const UJ_PER_KWH: f64 = 3.6e12;

/// A report of a published zone and a price in dollars.
fn published() -> Report {
    let mut report = report();
    let carbon = report.carbon.as_mut().unwrap();
    carbon.segments[0].source = eco2_grid::zones().iter().find(|zone| zone.code == "FR").unwrap().citation();
    let cost = carbon.beside.as_mut().unwrap().cost.as_mut().unwrap();
    cost.currency = Some("USD".into());
    report
}

/// Cell `column` of the first row whose cell `key` is `value`.
fn cell(table: &str, key: &str, value: &str, column: &str) -> f64 {
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let head = reader.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let row = reader.records().map(Result::unwrap).find(|row| &row[at(key)] == value).unwrap();
    row[at(column)].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

/// Sum of a family's samples.
fn sample(page: &str, name: &str) -> f64 {
    let is = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let values: Vec<f64> =
        page.lines().filter(is).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!values.is_empty(), "{name} is not on the page");
    values.iter().sum()
}

fn field(text: &str, pointer: &str) -> f64 {
    let value: Value = serde_json::from_str(text).unwrap();
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {value:#}"))
}

#[test]
fn k14_exports_have_the_numbers_of_the_json_report_in_their_own_units() {
    let report = published();
    let written = json(&report).unwrap();
    let of = |pointer: &str| field(&written, pointer);
    let (total_uj, facility_uj, grams) = (of("/energy/total_uj"), of("/energy/facility_uj"), of("/carbon/grams"));
    let (kwh, facility_kwh, pue) = (total_uj / UJ_PER_KWH, facility_uj / UJ_PER_KWH, of("/energy/pue"));
    let (seconds, cost) = (of("/run/duration_ns") / 1e9, of("/carbon/cost"));
    let [cpu_kwh, gpu_kwh] = ["0", "1"].map(|at| of(&format!("/devices/{at}/energy_uj")) / UJ_PER_KWH);
    let litres = of("/carbon/beside/water/litres");
    let (devices, cc, scope2) = (csv(&report).unwrap(), codecarbon_csv(&report).unwrap(), scope2_csv(&report).unwrap());
    let spans = spans_csv(&report).unwrap();
    let (hf, summary) = (hf_json(&report).unwrap(), summary_json(&report).unwrap());
    let (sci, boamps, ai_act) =
        (sci_json(&report).unwrap(), boamps_json(&report).unwrap(), ai_act_json(&report).unwrap());
    let (page, old) = (openmetrics(&report, MetricNames::Eco2), openmetrics(&report, MetricNames::HfTraining));
    let card: f64 = {
        let card = model_card(&report).unwrap();
        card.lines().find_map(|line| line.strip_prefix("  emissions: ")).unwrap().parse().unwrap()
    };
    let row = |column: &str| cell(&cc, "run_id", &report.run.id, column);
    let total = |column: &str| cell(&devices, "row", "total", column);
    let located = |column: &str| cell(&scope2, "method", "location-based total", column);
    let table = [
        ("csv energy_uj", total("energy_uj"), total_uj),
        ("csv energy_kwh", total("energy_kwh"), kwh),
        ("csv co2_kg", total("co2_kg"), grams / 1e3),
        ("csv mean_w", total("mean_w"), total_uj / 1e6 / seconds),
        ("csv low_uj", total("low_uj"), of("/energy/low_uj")),
        ("csv high_uj", total("high_uj"), of("/energy/high_uj")),
        ("csv device energy_uj", cell(&devices, "row", "device", "energy_uj"), of("/devices/0/energy_uj")),
        ("spans energy_uj", cell(&spans, "name", "step", "energy_uj"), of("/spans/0/energy_uj")),
        ("codecarbon duration", row("duration"), seconds),
        ("codecarbon emissions", row("emissions"), grams / 1e3),
        ("codecarbon emissions_rate", row("emissions_rate"), grams / 1e3 / seconds),
        ("codecarbon energy_consumed", row("energy_consumed"), facility_kwh),
        ("codecarbon cpu_energy", row("cpu_energy"), cpu_kwh * pue),
        ("codecarbon gpu_energy", row("gpu_energy"), gpu_kwh * pue),
        ("codecarbon cpu_power", row("cpu_power") * seconds / 3.6e6, cpu_kwh * pue),
        ("codecarbon gpu_power", row("gpu_power") * seconds / 3.6e6, gpu_kwh * pue),
        ("codecarbon water_consumed", row("water_consumed"), litres),
        ("codecarbon pue", row("pue"), pue),
        ("codecarbon wue", row("wue"), of("/carbon/beside/water/wue")),
        ("scope2 it_kwh", located("it_kwh"), kwh),
        ("scope2 facility_kwh", located("facility_kwh"), facility_kwh),
        ("scope2 co2e_kg", located("co2e_kg"), grams / 1e3),
        ("scope2 co2e_low_kg", located("co2e_low_kg"), of("/carbon/low") / 1e3),
        ("scope2 co2e_high_kg", located("co2e_high_kg"), of("/carbon/high") / 1e3),
        ("hf energy low", field(&hf, "/origin/energy_low_kwh"), of("/energy/low_uj") / UJ_PER_KWH),
        ("hf energy high", field(&hf, "/origin/energy_high_kwh"), of("/energy/high_uj") / UJ_PER_KWH),
        ("hf co2 low", field(&hf, "/origin/co2_low_kg"), of("/carbon/low") / 1e3),
        ("hf co2 high", field(&hf, "/origin/co2_high_kg"), of("/carbon/high") / 1e3),
        ("hf energy", field(&hf, "/summary/total_energy_kwh"), kwh),
        ("hf co2", field(&hf, "/summary/total_co2_kg"), grams / 1e3),
        ("hf hours", field(&hf, "/summary/total_duration_hours"), seconds / 3600.0),
        ("hf cost", field(&hf, "/summary/estimated_cost_usd"), cost),
        ("hf km", field(&hf, "/summary/equivalent_km_driven"), of("/carbon/beside/equivalents/0/amount")),
        ("hf energy_uj", field(&hf, "/current/energy_uj"), total_uj),
        ("summary kwh", field(&summary, "/energy/kwh"), kwh),
        ("summary facility", field(&summary, "/energy/facility_kwh"), facility_kwh),
        ("summary grams", field(&summary, "/carbon/grams"), grams),
        ("summary seconds", field(&summary, "/duration_s"), seconds),
        ("sci E", field(&sci, "/E/kwh"), facility_kwh),
        ("sci O", field(&sci, "/O/g_co2e"), grams),
        ("sci", field(&sci, "/sci/g_co2e"), of("/carbon/beside/sci/grams")),
        ("boamps kwh", field(&boamps, "/measures/0/powerConsumption"), kwh),
        ("boamps seconds", field(&boamps, "/measures/0/measurementDuration"), seconds),
        ("ai act", field(&ai_act, "/energy_mwh"), kwh / 1e3),
        ("ai act low", field(&ai_act, "/energy_low_mwh"), of("/energy/low_uj") / UJ_PER_KWH / 1e3),
        ("ai act high", field(&ai_act, "/energy_high_mwh"), of("/energy/high_uj") / UJ_PER_KWH / 1e3),
        ("summary high", field(&summary, "/energy/high_kwh"), of("/energy/high_uj") / UJ_PER_KWH),
        ("sci low", field(&sci, "/O/low"), of("/carbon/low")),
        ("model card", card, grams),
        ("openmetrics energy", sample(&page, "eco2_energy_joules_total"), total_uj / 1e6),
        ("openmetrics run energy", sample(&page, "eco2_run_energy_joules_total"), total_uj / 1e6),
        ("openmetrics grams", sample(&page, "eco2_run_co2e_grams_total"), grams),
        ("openmetrics cost", sample(&page, "eco2_run_cost"), cost),
        ("hf_training energy", sample(&old, "hf_training_energy_kwh_total"), kwh),
        ("hf_training co2", sample(&old, "hf_training_co2_kg_total"), grams / 1e3),
        ("hf_training cost", sample(&old, "hf_training_estimated_cost_usd"), cost),
        ("hf_training cost again", sample(&old, "hf_training_energy_cost_usd"), cost),
        ("hf_training cost rate", sample(&old, "hf_training_cost_rate_usd_per_hour") * seconds / 3600.0, cost),
    ];
    for (what, found, right) in table {
        assert!((found - right).abs() <= 1e-12 * right.abs(), "{what}: {found} instead of {right}");
    }
}

/// CodeCarbon defines `energy_consumed` as the sum of the energies of CPU, GPU and memory, and `emissions_rate` as emissions
/// per second.
#[test]
fn k14_codecarbon_energies_add_up_as_upstream_defines_them() {
    let mut report = published();
    // Without a remainder of other components.
    report.devices.retain(|device| device.is_summed());
    let total_uj = report.devices.iter().filter_map(|device| device.energy_uj).sum::<u64>();
    report.energy.total_uj = Some(total_uj);
    report.energy.facility_uj = Some((total_uj as f64 * report.energy.pue).round() as u64);
    let table = codecarbon_csv(&report).unwrap();
    let of = |column: &str| cell(&table, "run_id", &report.run.id, column);
    let parts = of("cpu_energy") + of("gpu_energy");
    assert!((of("energy_consumed") - parts).abs() < 1e-12, "{} instead of {parts}", of("energy_consumed"));
    assert!((of("emissions_rate") * of("duration") - of("emissions")).abs() < 1e-15);
}

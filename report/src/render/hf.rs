//! Writes a report with the names and units of HF Eco2AI (kilowatt-hours, kilograms, watts), as JSON.
//!
//! `summary` has the keys of the `summary` of a carbon report version 1.0, `current` the values that a callback shows
//! while training, and `carbon_budget` those of a `CarbonBudgetForecast`. A value that eco2 does not have is `null`,
//! never 0 and never a guess: peak power is known for a single device only, and a field in dollars (`…_usd`) is `null`
//! for a price in another currency. `origin` has the uncertainty, the source of the intensity, and the cost with its
//! currency. A carbon price in dollars, or the label `carbon_price_per_tonne`, prices the emissions.

use super::supplements::{self, Money};
use super::{finite, word};
use crate::Error;
use crate::analysis::scope_of;
use eco2_core::schema::{Carbon, Device, ForecastRecord, GaugeSummary, Report};
use eco2_core::{Component, Decision, Finish, Quality, Spent, Unit, units};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Returns one JSON object with `summary`, `current`, `gpu_metrics`, `environmental_impact`, `carbon_budget`,
/// `carbon_forecast` and `origin`.
///
/// Per-sample figures are kilowatt-hours and kilograms; `samples_per_kwh` divides samples by the run's energy before
/// PUE, and needs both.
///
/// # Errors
/// [`Error::Encode`].
pub fn hf_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let figures = json!({
        "run_id": report.run.id,
        "state": word(&report.run.state),
        "summary": summary(&report),
        "current": current(&report),
        "gpu_metrics": gpu_metrics(&report),
        "environmental_impact": environment(report.carbon.as_ref()),
        "carbon_budget": carbon_budget(&report),
        "carbon_forecast": carbon_forecast(&report),
        "origin": origin(&report),
    });
    let encoded = serde_json::to_string_pretty(&figures);
    encoded.map(|text| text + "\n").map_err(|cause| Error::Encode { what: "the figures", cause })
}

/// Returns the energy of the run, kilowatt-hours; `None` if it is not known.
fn energy_kwh(report: &Report) -> Option<f64> {
    report.energy.total_uj.map(units::kwh)
}

/// Returns the emissions of the run, kilograms; `None` if they are not known.
fn co2_kg(report: &Report) -> Option<f64> {
    report.carbon.as_ref()?.grams.map(|grams| grams / 1e3)
}

/// Returns the mean power of the run, watts; `None` if it is not known.
fn mean_w(report: &Report) -> Option<f64> {
    units::watts(report.energy.total_uj?, report.run.duration_ns)
}

/// Returns the peak power of the only summed device; `None` for several, because their peaks can be at different times.
fn peak_w(report: &Report) -> Option<f64> {
    let mut summed = report.devices.iter().filter(|device| device.is_summed());
    let only = summed.next().and_then(|device| device.peak_w);
    only.filter(|_| summed.next().is_none())
}

/// Returns `part` divided by `whole`; `None` if either is not known, or `whole` is 0.
fn per(part: Option<f64>, whole: Option<u64>) -> Option<f64> {
    Some(part? / whole.filter(|whole| *whole > 0)? as f64)
}

/// Returns a count per kilowatt-hour; `None` if either value is not known or 0.
fn in_a_kwh(count: Option<u64>, kwh: Option<f64>) -> Option<f64> {
    Some(count.filter(|count| *count > 0)? as f64 / kwh.filter(|kwh| *kwh > 0.0)?)
}

/// Name of the label with a carbon price per tonne CO2e. The price applies to all grams of the run, PUE (facility
/// overhead) included.
const PRICE_LABEL: &str = "carbon_price_per_tonne";

/// Returns the price of the emissions in dollars; `None` without a carbon price in dollars.
fn credit_cost(report: &Report) -> Option<f64> {
    let carbon = report.carbon.as_ref()?;
    let grams = carbon.grams?;
    let given = carbon.beside.as_deref().and_then(|supplements| supplements.carbon_price.as_ref());
    // The name of the field states dollars, so an amount in another currency is left out.
    let priced = given.and_then(|price| Some(Money { amount: price.amount?, currency: price.currency.as_deref() }));
    if let Some(dollars) = priced.and_then(|money| money.usd()) {
        return Some(dollars);
    }
    let price: f64 = report.run.labels.get(PRICE_LABEL)?.parse().ok()?;
    (price.is_finite() && price >= 0.0).then(|| eco2_grid::credit_cost(grams, price))
}

/// Returns the carbon intensity of the last segment, g/kWh.
fn g_per_kwh(carbon: Option<&Carbon>) -> Option<f64> {
    carbon.and_then(|carbon| carbon.segments.last()).map(|segment| segment.g_per_kwh)
}

/// Returns the object `summary`.
fn summary(report: &Report) -> Value {
    let (kwh, kg, work) = (energy_kwh(report), co2_kg(report), &report.work);
    let mut summary = json!({
        "total_energy_kwh": kwh, "total_co2_kg": kg,
        "average_power_watts": mean_w(report), "peak_power_watts": peak_w(report),
        "total_duration_hours": report.run.duration_ns as f64 / 3.6e12,
        "total_steps": work.steps, "total_samples": work.samples,
        "average_samples_per_kwh": in_a_kwh(work.samples, kwh),
        "energy_per_sample": per(kwh, work.samples), "co2_per_sample": per(kg, work.samples),
        "estimated_cost_usd": supplements::energy_cost(report).and_then(|cost| cost.usd()),
        "carbon_credit_cost_usd": credit_cost(report),
        "final_loss": work.loss,
    });
    const UNKNOWN: [&str; 4] = ["total_epochs", "model_name", "model_parameters", "dataset_size"];
    if let Some(summary) = summary.as_object_mut() {
        summary.extend(EQUIVALENTS.map(|(name, what)| (name.to_owned(), json!(equivalent(report, what)))));
        summary.extend(UNKNOWN.map(|name| (name.to_owned(), Value::Null)));
    }
    summary
}

/// Names of equivalents in HF Eco2AI, each with the start of the name in eco2.
const EQUIVALENTS: [(&str, &str); 3] = [
    ("equivalent_km_driven", "km in"),
    ("equivalent_trees_needed", "urban tree"),
    ("equivalent_coal_burned_kg", "kg of coal"),
];

/// Returns an equivalent of the grams, from the report or computed with the cited factors.
fn equivalent(report: &Report, what: &str) -> Option<f64> {
    let carbon = report.carbon.as_ref()?;
    carbon.grams?;
    let stored =
        carbon.beside.as_deref().map(|supplements| &supplements.equivalents).filter(|set| !set.is_empty()).cloned();
    let set = stored.unwrap_or_else(|| eco2_grid::carbon::equivalents(carbon.grams));
    set.iter().find(|one| one.what.starts_with(what)).and_then(|one| one.amount)
}

/// Returns the object `current`.
fn current(report: &Report) -> Value {
    let (kwh, kg, work) = (energy_kwh(report), co2_kg(report), &report.work);
    json!({
        "power_watts": mean_w(report), "energy_kwh": kwh, "co2_kg": kg,
        "samples_processed": work.samples, "samples_per_kwh": in_a_kwh(work.samples, kwh),
        "tokens_processed": work.tokens, "tokens_per_kwh": in_a_kwh(work.tokens, kwh),
        "energy_per_sample": per(kwh, work.samples), "co2_per_sample": per(kg, work.samples),
        "watts_per_sample": per(mean_w(report), work.samples),
        "grid_intensity": g_per_kwh(report.carbon.as_ref()),
        "co2_kg_per_hour": kg.filter(|_| report.run.duration_ns > 0).map(|kg| kg / (report.run.duration_ns as f64 / 3.6e12)),
        "duration_seconds": report.run.duration_ns as f64 / 1e9,
        "energy_uj": report.energy.total_uj, "duration_ns": report.run.duration_ns,
    })
}

/// Returns values by GPU, each GPU once: by the device that counts in the total, a counter or integrated power. A GPU
/// that is part of a processor package, whose energy includes it, is listed too. A GPU without a value is left out.
fn by_gpu(report: &Report, figure: impl Fn(&Device) -> Option<Value>) -> Map<String, Value> {
    let is_gpu = |device: &&Device| device.component == Component::Gpu;
    let counts =
        |id: &String| report.devices.iter().filter(is_gpu).any(|device| device.id == *id && device.is_summed());
    let gpus = report.devices.iter().filter(is_gpu).filter(|device| !device.overlaps.iter().any(counts));
    gpus.filter_map(|device| figure(device).map(|value| (device.id.clone(), value))).collect()
}

/// Returns a gauge of a GPU, which can belong to the device that overlaps the one in the total.
fn gauge(report: &Report, gpu: &Device, name: &str, scale: f64) -> Option<Value> {
    let is_same = |device: &&Device| {
        device.id == gpu.id || device.overlaps.contains(&gpu.id) || gpu.overlaps.contains(&device.id)
    };
    let mut gauges = report.devices.iter().filter(is_same).flat_map(|device| &device.gauges);
    let named = |gauge: &&GaugeSummary| gauge.name == name;
    gauges.find(named).map(|gauge| json!(gauge.last * scale))
}

/// Returns the object `gpu_metrics`.
fn gpu_metrics(report: &Report) -> Value {
    json!({
        "name": by_gpu(report, |gpu| Some(json!(gpu.hardware()))),
        "energy_kwh": by_gpu(report, |gpu| gpu.energy_uj.map(|uj| json!(units::kwh(uj)))),
        "power_watts": by_gpu(report, |gpu| gpu.mean_w.map(|watts| json!(watts))),
        "utilization": by_gpu(report, |gpu| gauge(report, gpu, "utilization", 100.0)),
        "memory_used": by_gpu(report, |gpu| gauge(report, gpu, "memory_used", 1e-6)),
        "memory_total": by_gpu(report, |gpu| gauge(report, gpu, "memory_total", 1e-6)),
        "temperature": by_gpu(report, |gpu| gauge(report, gpu, "temperature", 1.0)),
    })
}

/// Returns the lowest and the highest carbon intensity of the run, g/kWh; `None` if there is only one.
fn extremes(carbon: &Carbon) -> Option<(f64, f64)> {
    let known = || carbon.segments.iter().map(|segment| segment.g_per_kwh).filter(|grams| grams.is_finite());
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    (least < most).then_some((least, most))
}

/// Returns what is known of the grid. The electricity mix is that of the zone, or null. It does not influence the
/// intensity.
fn environment(carbon: Option<&Carbon>) -> Value {
    let country = carbon.and_then(|carbon| carbon.zone.split('-').next()).filter(|code| code.len() == 2);
    let zone = carbon.map_or("", |carbon| carbon.zone.as_str());
    let place = eco2_grid::cloud_region(zone).map_or(zone, |region| region.zone.as_str());
    let (mix, extremes) = (eco2_grid::mix(place), carbon.and_then(extremes));
    let mut impact = json!({
        "region_name": carbon.map(|carbon| &carbon.zone), "country_code": country,
        "regional_average_intensity": g_per_kwh(carbon),
        "global_average_intensity": eco2_grid::world().g_per_kwh,
        "renewable_percentage": mix.map(|mix| mix.renewable_percent),
        "fossil_fuel_percentage": mix.map(|mix| mix.fossil_percent),
        "nuclear_percentage": mix.map(|mix| mix.nuclear_percent),
        "mix_year": mix.map(|mix| mix.year),
        "timezone": eco2_grid::time_zone(place),
        "peak_hours_co2": extremes.map(|(_, most)| most), "off_peak_hours_co2": extremes.map(|(least, _)| least),
    });
    // A report contains neither future hours nor the runs of others.
    const UNKNOWN: [&str; 2] = ["optimal_training_window", "efficiency_percentile"];
    if let Some(impact) = impact.as_object_mut() {
        impact.extend(UNKNOWN.map(|name| (name.to_owned(), Value::Null)));
    }
    impact
}

/// Whether a device in the total has values of that quality.
fn any_is(report: &Report, quality: Quality) -> bool {
    report.devices.iter().any(|device| device.is_summed() && device.quality == quality)
}

/// Returns the object `origin`.
fn origin(report: &Report) -> Value {
    let (energy, carbon) = (&report.energy, report.carbon.as_ref());
    let segment = carbon.and_then(|carbon| carbon.segments.last());
    let quality: BTreeMap<&str, String> =
        report.devices.iter().map(|device| (device.id.as_str(), word(&device.quality))).collect();
    let cost = supplements::energy_cost(report);
    json!({
        "cost": cost.map(|cost| cost.amount), "cost_currency": cost.and_then(|cost| cost.currency),
        "cost_note": supplements::why_not_usd(cost),
        "energy_low_kwh": units::kwh(energy.low_uj), "energy_high_kwh": energy.high_uj.map(units::kwh),
        "co2_low_kg": carbon.map(|carbon| carbon.low / 1e3),
        "co2_high_kg": carbon.and_then(|carbon| carbon.high).map(|grams| grams / 1e3),
        "pue": energy.pue, "facility_energy_kwh": energy.facility_uj.map(units::kwh),
        "estimated": any_is(report, Quality::Estimated), "synthetic": any_is(report, Quality::Synthetic),
        "missing_ns": energy.missing_ns,
        "scope": scope_of(report),
        "quality": quality,
        "zone": carbon.map(|carbon| &carbon.zone), "zone_source": carbon.map(|carbon| &carbon.zone_source),
        "intensity_source": segment.map(|segment| &segment.source), "intensity_year": segment.and_then(|s| s.year),
        "intensity_kind": segment.and_then(|segment| segment.kind.as_ref()),
    })
}

/// The probability with which the value at the end of the run is within the forecast interval.
const CONFIDENCE: f64 = 0.9;

/// Returns the limit on carbon with its forecast; `null` without a limit. A value without a forecast is `null`.
fn carbon_budget(report: &Report) -> Value {
    let limits = report.budget.iter().flat_map(|budget| &budget.limits);
    let Some(spent) = limits.into_iter().find(|spent| spent.unit == Unit::Grams) else { return Value::Null };
    let finish = spent.finish.as_ref();
    let mut budget = json!({
        "budget_kg": kg(spent.limit),
        "spent_kg": spent.spent.map(kg),
        "budget_utilization_percent": spent.spent.map(|so_far| 100.0 * so_far / spent.limit),
        "decision": spent.decision,
        "forecasted_overage_kg": finish.map(|finish| kg((finish.mean - spent.limit).max(0.0))),
        "recommendation": recommendation(spent),
    });
    let forecast = report.budget.as_ref().and_then(|budget| budget.forecast.as_ref());
    if let (Value::Object(all), Value::Object(end)) = (&mut budget, end(finish, forecast)) {
        all.extend(end);
    }
    budget
}

/// Returns the forecast of a run without a limit on carbon; `null` if there is a limit or no forecast.
fn carbon_forecast(report: &Report) -> Value {
    let Some(budget) = &report.budget else { return Value::Null };
    let limited = budget.limits.iter().any(|spent| spent.unit == Unit::Grams);
    let forecast = budget.forecast.as_ref().filter(|forecast| forecast.grams.is_some() && !limited);
    let Some(forecast) = forecast else { return Value::Null };
    let mut found = end(forecast.grams.as_ref(), Some(forecast));
    found["spent_kg"] = json!(report.carbon.as_ref().and_then(|carbon| carbon.grams).map(kg));
    found["recommendation"] = json!("a forecast without a budget to compare it with: give max_co2_kg");
    found
}

/// Returns the forecast of a run's end, and the error of earlier forecasts.
fn end(finish: Option<&Finish>, forecast: Option<&ForecastRecord>) -> Value {
    json!({
        "estimated_completion_co2_kg": finish.map(|finish| kg(finish.mean)),
        "low_co2_kg": finish.map(|finish| kg(finish.low)),
        "high_co2_kg": finish.map(|finish| kg(finish.high)),
        "p90_co2_kg": finish.map(|finish| kg(finish.p90)),
        "confidence_level": finish.map(|_| CONFIDENCE),
        "hours_to_completion": forecast.map(|forecast| forecast.rest_ns as f64 / 3.6e12),
        "intensity": forecast.map(|forecast| &forecast.intensity),
        "backtest_error_percent": forecast.and_then(|forecast| forecast.backtest_error_percent),
        "backtest_runs": forecast.and_then(|forecast| forecast.backtest_runs),
    })
}

/// Converts grams to kilograms.
fn kg(grams: f64) -> f64 {
    grams / 1e3
}

/// Returns the advice about the budget. No saving is claimed without a measurement.
fn recommendation(spent: &Spent) -> &'static str {
    match (spent.decision, spent.finish.is_some()) {
        _ if spent.spent.is_none() => "the amount spent is not known: `eco2 report` shows what is missing",
        _ if spent.hard && spent.spent >= Some(spent.limit) => "stop: the budget is spent",
        _ if spent.hard => "stop: the next steps and the reserve would go over the budget",
        _ if spent.soft => "the run will probably not fit: fewer steps, a cleaner hour or zone, or a larger budget",
        (Decision::Go, true) => "the forecast fits the budget",
        (Decision::Go, false) => "no forecast: give the number of steps, or wait for more of them",
        _ => "most of the budget is spent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(finish: Option<Finish>, soft: bool, hard: bool, decision: Decision) -> Spent {
        Spent {
            unit: Unit::Grams,
            spent: Some(600.0),
            low: Some(590.0),
            high: Some(610.0),
            quality: None,
            quality_percent: None,
            limit: 1000.0,
            held: 0.0,
            finish,
            soft,
            hard,
            decision,
        }
    }

    #[test]
    fn every_budget_state_has_a_recommendation() {
        let finish = Some(Finish { mean: 1200.0, low: 1100.0, high: 1300.0, p90: 1250.0 });
        assert!(recommendation(&spent(finish, true, false, Decision::Warn)).contains("probably not fit"));
        assert!(recommendation(&spent(finish, true, true, Decision::Stop)).starts_with("stop"));
        let gone = Spent { spent: Some(1000.0), ..spent(finish, true, true, Decision::Stop) };
        assert_eq!(recommendation(&gone), "stop: the budget is spent");
        let unknown = Spent { spent: None, ..spent(None, false, false, Decision::Warn) };
        assert!(recommendation(&unknown).contains("not known"));
        assert!(recommendation(&spent(finish, false, false, Decision::Go)).contains("fits"));
        assert!(recommendation(&spent(None, false, false, Decision::Go)).starts_with("no forecast"));
    }
}

//! The carbon budget in the names and units of HF Eco2AI's `CarbonBudgetForecast`.

use eco2_core::schema::{ForecastRecord, Report};
use eco2_core::{Decision, Finish, Spent, Unit};
use serde_json::{Value, json};

/// The probability with which the interval holds.
const CONFIDENCE: f64 = 0.9;

/// The limit on carbon with its forecast; `null` without one. What is not forecast is `null`.
pub(super) fn carbon_budget(report: &Report) -> Value {
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

/// The forecast of a run without a limit on carbon; `null` where there is a limit, or nothing is forecast.
pub(super) fn carbon_forecast(report: &Report) -> Value {
    let Some(budget) = &report.budget else { return Value::Null };
    let limited = budget.limits.iter().any(|spent| spent.unit == Unit::Grams);
    let forecast = budget.forecast.as_ref().filter(|forecast| forecast.grams.is_some() && !limited);
    let Some(forecast) = forecast else { return Value::Null };
    let mut found = end(forecast.grams.as_ref(), Some(forecast));
    found["spent_kg"] = json!(report.carbon.as_ref().and_then(|carbon| carbon.grams).map(kg));
    found["recommendation"] = json!("a forecast without a budget to compare it with: give max_co2_kg");
    found
}

/// The end of a run, and how far such forecasts were off.
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

fn kg(grams: f64) -> f64 {
    grams / 1e3
}

/// What the finding means; no saving is claimed that nobody has measured.
fn recommendation(spent: &Spent) -> &'static str {
    match (spent.decision, spent.finish.is_some()) {
        _ if spent.spent.is_none() => "how much is spent is not known: `eco2 report` says what is missing",
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
    fn every_finding_has_its_words() {
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

//! Writes the budget in the summary of `eco2 run`: how much of each limit is used, and the forecast for the end of the
//! run. *Held back* is the amount that is reserved for the next steps, so that a hard limit is not exceeded.

use eco2_core::schema::{BudgetRecord, ForecastRecord, Report};
use eco2_core::{Decision, Finish, Quality, Spent, Unit};

use super::figures::{Spelling, number, percent};
use super::page::{Page, Tone};
use crate::Scope;

/// Adds one row for each limit, and one for the forecast.
pub(super) fn budget(report: &Report, page: &mut Page) {
    let Some(BudgetRecord { limits, forecast, scope }) = &report.budget else { return };
    let spelling = page.spelling();
    for (at, spent) in limits.iter().enumerate() {
        let tone = if spent.decision > Decision::Go { Tone::Warning } else { Tone::Normal };
        page.row(if at == 0 { "Budget" } else { "" }, tone, &limit(spent, spelling));
    }
    if let Some(forecast) = forecast {
        page.row(if limits.is_empty() { "Forecast" } else { "" }, Tone::Normal, &end(forecast, spelling));
    }
    if scope == Scope::Command.name() {
        page.row("", Tone::Normal, "limits and forecast are of the command's part of the energy");
    }
}

/// Returns the state of a limit in words, for an event: value, limit, range, quality, the amount held back, the
/// forecast and the reason: `carbon budget: 810 g CO₂e of 1.00 kg CO₂e used (81 %), range 790 g CO₂e to 830 g CO₂e,
/// measured, 40.0 g CO₂e held back`.
#[must_use]
pub fn spent_text(spent: &Spent) -> String {
    let spelling = Spelling { ascii: false };
    let what = match spent.unit {
        Unit::EnergyUj => "energy",
        Unit::Grams => "carbon",
        Unit::Money => "cost",
    };
    format!("{what} budget: {}{}", limit_used(spent, spelling), reason(spent))
}

/// Returns the reason of the decision, if the value alone does not explain it.
fn reason(spent: &Spent) -> &'static str {
    let reached = |amount: f64| amount >= spent.limit;
    match spent.spent {
        Some(value) if spent.hard && reached(value) => "; the limit is reached",
        Some(value) if spent.hard && reached(value + spent.held) => "; with what is held back, the limit is reached",
        _ if spent.hard => "; the upper bound reaches the limit",
        Some(_) if spent.low.is_some() && spent.high.is_none() => "; a part of the energy is not measured",
        Some(_) if spent.high.is_some_and(reached) => "; the upper bound reaches the limit",
        _ => "",
    }
}

/// Returns the state of a limit in words, with the decision if it is graver than to go on.
fn limit(spent: &Spent, spelling: Spelling) -> String {
    let word = match spent.decision {
        Decision::Go => "",
        Decision::Warn => "WARN: ",
        Decision::Pause => "PAUSE: ",
        Decision::Stop => "STOP: ",
    };
    format!("{word}{}", limit_used(spent, spelling))
}

/// Returns in words how much of a limit is used.
pub(super) fn limit_used(spent: &Spent, spelling: Spelling) -> String {
    let in_words = |value: f64| amount(spent.unit, value, spelling);
    let of = in_words(spent.limit);
    let held = if spent.held > 0.0 { format!(", {} held back", in_words(spent.held)) } else { String::new() };
    let Some(so_far) = spent.spent else { return format!("how much of {of} is used is not known{held}") };
    let (used, share) = (in_words(so_far), percent(so_far, spent.limit));
    let range = range(spent, &in_words);
    let quality =
        spent.quality.map_or_else(String::new, |quality| format!(", {}", quality_text(quality, spent.quality_percent)));
    // At the end of a run the forecast equals the value and is left out.
    let to_come = spent.finish.as_ref().filter(|finish| finish.low < finish.high || finish.mean > so_far);
    let finish =
        to_come.map_or_else(String::new, |finish| format!(", forecast {}", interval(spent.unit, finish, spelling)));
    format!("{used} of {of} used ({share}){range}{quality}{held}{finish}")
}

/// Returns the bounds of the value, if they are known and differ from each other.
fn range(spent: &Spent, in_words: &impl Fn(f64) -> String) -> String {
    match (spent.low, spent.high) {
        (None, None) => String::new(),
        (Some(low), None) => format!(", at least {}", in_words(low)),
        // At prices that may be negative, an amount of money has no lower bound.
        (None, Some(high)) => format!(", at most {}", in_words(high)),
        (Some(low), Some(high)) => {
            let (low, high) = (in_words(low), in_words(high));
            if low == high { String::new() } else { format!(", range {low} to {high}") }
        }
    }
}

/// Returns the quality of the energy: `measured`, or `12 % estimated` if only a part of it is estimated.
#[must_use]
pub fn quality_text(quality: Quality, share_percent: Option<f64>) -> String {
    let word = match quality {
        Quality::Derived => "derived from power",
        Quality::Missing => "not measured",
        Quality::Measured | Quality::Estimated | Quality::Synthetic => quality.name(),
    };
    match share_percent.filter(|share| *share < 99.95) {
        Some(share) => format!("{} {word}", percent(share, 100.0)),
        None => word.to_owned(),
    }
}

/// Returns the forecast with its 90 % interval in words.
fn interval(unit: Unit, finish: &Finish, spelling: Spelling) -> String {
    let [mean, low, high] = [finish.mean, finish.low, finish.high].map(|value| amount(unit, value, spelling));
    format!("{mean} at the end (90 %: {low} to {high})")
}

/// Returns how good forecasts were in tests:
/// `forecasts at this point were off by 0.9 % (median of 24 recorded runs; 92 % of the intervals held)`.
fn tested(forecast: &ForecastRecord, dot: &str) -> String {
    let ForecastRecord { backtest_error_percent, backtest_held_percent, backtest_runs, .. } = forecast;
    match (backtest_error_percent, backtest_held_percent, backtest_runs) {
        (Some(error), Some(held), Some(runs)) => {
            let share = percent(*held, 100.0);
            format!(
                "{dot}forecasts at this point were off by {error:.1} % (median of {runs} recorded runs; {share} of the \
                 intervals held)"
            )
        }
        // Forecasts were tested from a twentieth of a run on. Reports of older versions lack the result.
        _ if forecast.done < forecast.total / 20 => format!("{dot}so early in a run, forecasts are not tested"),
        _ => String::new(),
    }
}

/// Returns in words how far the run is and how the rest is forecast.
fn end(forecast: &ForecastRecord, spelling: Spelling) -> String {
    format!(
        "{} of {} {} done{}{} to go{}intensity of the rest {} g/kWh: {}{}",
        forecast.done,
        forecast.total,
        forecast.progress,
        spelling.dot(),
        spelling.duration(forecast.rest_ns),
        spelling.dot(),
        number(forecast.g_per_kwh),
        forecast.intensity,
        tested(forecast, spelling.dot()),
    )
}

/// Returns an amount with its unit; money has none here.
pub(super) fn amount(unit: Unit, value: f64, spelling: Spelling) -> String {
    match unit {
        Unit::EnergyUj => spelling.energy_only(value.max(0.0) as u64),
        Unit::Grams => spelling.mass_only(value),
        Unit::Money => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(unit: Unit, spent: Option<f64>, limit: f64) -> Spent {
        Spent {
            unit,
            spent,
            low: spent,
            high: spent,
            quality: None,
            quality_percent: None,
            limit,
            held: 0.0,
            finish: None,
            soft: false,
            hard: spent.is_some(),
            decision: Decision::Stop,
        }
    }

    #[test]
    fn a_finding_is_written_in_units_of_fitting_size() {
        let text = |unit, used, limit, held| spent_text(&Spent { held, ..spent(unit, Some(used), limit) });
        let over = text(Unit::EnergyUj, 5_340_000.0, 36_000.0, 0.0);
        assert_eq!(over, "energy budget: 5.34 J of 36.0 mJ used (14833 %); the limit is reached");
        let grams = text(Unit::Grams, 810.0, 1_000.0, 200.0);
        let near = "; with what is held back, the limit is reached";
        assert_eq!(grams, format!("carbon budget: 810 g CO₂e of 1.00 kg CO₂e used (81 %), 200 g CO₂e held back{near}"));
        let money = text(Unit::Money, 2.5, 10.0, 7.5);
        assert_eq!(money, format!("cost budget: 2.50 of 10.0 used (25 %), 7.50 held back{near}"));
        let unknown = spent_text(&Spent { low: Some(0.0), ..spent(Unit::Money, None, 10.0) });
        assert_eq!(unknown, "cost budget: how much of 10.0 is used is not known");
    }

    #[test]
    fn k10_a_finding_names_range_quality_and_what_is_held_back() {
        let of = |high, hard| {
            let held = 3_200_000.0;
            let dead = Spent {
                high,
                hard,
                held,
                quality: Some(Quality::Measured),
                ..spent(Unit::EnergyUj, Some(141e6), 300e6)
            };
            spent_text(&Spent { low: Some(140e6), quality_percent: Some(100.0), decision: Decision::Warn, ..dead })
        };
        let start = "energy budget: 141 J of 300 J used (47 %)";
        let open = "; a part of the energy is not measured";
        assert_eq!(of(None, false), format!("{start}, at least 140 J, measured, 3.20 J held back{open}"));
        let reaches = "; the upper bound reaches the limit";
        assert_eq!(
            of(Some(301e6), false),
            format!("{start}, range 140 J to 301 J, measured, 3.20 J held back{reaches}")
        );
        assert_eq!(
            of(Some(301e6), true),
            format!("{start}, range 140 J to 301 J, measured, 3.20 J held back{reaches}")
        );
        assert_eq!(of(Some(299e6), false), format!("{start}, range 140 J to 299 J, measured, 3.20 J held back"));
        assert_eq!(quality_text(Quality::Estimated, Some(12.0)), "12 % estimated");
    }

    #[test]
    fn a_budget_of_version_0_1_0_has_no_bounds_and_is_read() {
        let text = r#"{"unit":"grams","spent":5.0,"limit":10.0,"held":0.0,"finish":null,"soft":false,"hard":false,"decision":"go"}"#;
        let old: Spent = serde_json::from_str(text).unwrap();
        assert_eq!(spent_text(&old), "carbon budget: 5.00 g CO₂e of 10.0 g CO₂e used (50 %)");
    }
}

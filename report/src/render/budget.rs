//! The budget in the summary: what is spent of each limit, and the forecast of the run's end.

use eco2_core::report::{BudgetRecord, ForecastRecord, Report};
use eco2_core::{Decision, Finish, Spent, Unit};

use super::figures::{Figure, Spelling, number, percent};
use super::page::{Page, Tone};

pub(super) fn budget(report: &Report, page: &mut Page) {
    let Some(BudgetRecord { limits, forecast }) = &report.budget else { return };
    let spelling = page.spelling();
    for (at, spent) in limits.iter().enumerate() {
        let tone = if spent.decision > Decision::Go { Tone::Warning } else { Tone::Normal };
        page.row(if at == 0 { "Budget" } else { "" }, tone, &limit(spent, spelling));
    }
    if let Some(forecast) = forecast {
        page.row(if limits.is_empty() { "Forecast" } else { "" }, Tone::Normal, &end(forecast, spelling));
    }
}

fn limit(spent: &Spent, spelling: Spelling) -> String {
    let (of, share) = (amount(spent.unit, spent.limit, spelling), percent(spent.spent, spent.limit));
    let word = match spent.decision {
        Decision::Go => "",
        Decision::Warn => "WARN: ",
        Decision::Pause => "PAUSE: ",
        Decision::Stop => "STOP: ",
    };
    let spent_now = amount(spent.unit, spent.spent, spelling);
    let finish = spent
        .finish
        .as_ref()
        .map_or_else(String::new, |finish| format!(", forecast {}", interval(spent.unit, finish, spelling)));
    format!("{word}{spent_now} of {of} spent ({share}){finish}")
}

fn interval(unit: Unit, finish: &Finish, spelling: Spelling) -> String {
    let [mean, low, high] = [finish.mean, finish.low, finish.high].map(|value| amount(unit, value, spelling));
    format!("{mean} at the end (90 %: {low} to {high})")
}

fn end(forecast: &ForecastRecord, spelling: Spelling) -> String {
    format!(
        "{} of {} {} done{}{} to go{}intensity of the rest {} g/kWh: {}",
        forecast.done,
        forecast.total,
        forecast.progress,
        spelling.dot(),
        spelling.duration(forecast.rest_ns),
        spelling.dot(),
        number(forecast.g_per_kwh),
        forecast.intensity,
    )
}

fn amount(unit: Unit, value: f64, spelling: Spelling) -> String {
    match unit {
        Unit::EnergyUj => spelling.energy_only(value.max(0.0) as u64),
        Unit::Grams => spelling.mass(Figure::plain(value)),
        Unit::Money => number(value),
    }
}

//! The budget in the summary: what is spent of each limit, and the forecast of the run's end.

use eco2_core::report::{BudgetRecord, ForecastRecord, Report};
use eco2_core::{Decision, Finish, Spent, Unit};

use super::figures::{Spelling, number, percent};
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

/// A finding in words, for an event: `carbon budget: 810 g CO₂e of 1.00 kg CO₂e spent (81 %)`, and where it leads.
#[must_use]
pub fn spent_text(spent: &Spent) -> String {
    let spelling = Spelling { ascii: false };
    let what = match spent.unit {
        Unit::EnergyUj => "energy",
        Unit::Grams => "carbon",
        Unit::Money => "cost",
    };
    let then = if spent.hard { "; the next steps and the reserve would go over it" } else { "" };
    format!("{what} budget: {}{then}", limit_used(spent, spelling))
}

fn limit(spent: &Spent, spelling: Spelling) -> String {
    let word = match spent.decision {
        Decision::Go => "",
        Decision::Warn => "WARN: ",
        Decision::Pause => "PAUSE: ",
        Decision::Stop => "STOP: ",
    };
    format!("{word}{}", limit_used(spent, spelling))
}

fn limit_used(spent: &Spent, spelling: Spelling) -> String {
    let [used, of] = [spent.spent, spent.limit].map(|value| amount(spent.unit, value, spelling));
    let share = percent(spent.spent, spent.limit);
    let finish = spent
        .finish
        .as_ref()
        .map_or_else(String::new, |finish| format!(", forecast {}", interval(spent.unit, finish, spelling)));
    format!("{used} of {of} spent ({share}){finish}")
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
        Unit::Grams => spelling.mass_only(value),
        Unit::Money => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_told_in_units_of_fitting_size() {
        let spent = |unit, spent, limit| Spent {
            unit,
            spent,
            limit,
            decision: Decision::Stop,
            finish: None,
            held: 0.0,
            soft: false,
            hard: true,
        };
        let then = "; the next steps and the reserve would go over it";
        let told = |unit, used, limit| spent_text(&spent(unit, used, limit)).replace(then, "…");
        assert_eq!(told(Unit::EnergyUj, 5_340_000.0, 36_000.0), "energy budget: 5.34 J of 36.0 mJ spent (14833 %)…");
        assert_eq!(told(Unit::Grams, 810.0, 1_000.0), "carbon budget: 810 g CO₂e of 1.00 kg CO₂e spent (81 %)…");
        assert_eq!(told(Unit::Money, 2.5, 10.0), "cost budget: 2.50 of 10.0 spent (25 %)…");
    }
}

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
    let then = match spent.spent {
        Some(amount) if spent.hard && amount >= spent.limit => "; the limit is spent",
        Some(_) if spent.hard => "; the next steps and the reserve would go over it",
        _ => "",
    };
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
    let of = amount(spent.unit, spent.limit, spelling);
    let Some(so_far) = spent.spent else { return format!("how much of {of} is spent is not known") };
    let used = amount(spent.unit, so_far, spelling);
    let share = percent(so_far, spent.limit);
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
            hard: spent.is_some(),
        };
        let told = |unit, used, limit| spent_text(&spent(unit, Some(used), limit));
        let gone = "; the limit is spent";
        let near = "; the next steps and the reserve would go over it";
        let over = told(Unit::EnergyUj, 5_340_000.0, 36_000.0);
        assert_eq!(over, format!("energy budget: 5.34 J of 36.0 mJ spent (14833 %){gone}"));
        let grams = told(Unit::Grams, 810.0, 1_000.0);
        assert_eq!(grams, format!("carbon budget: 810 g CO₂e of 1.00 kg CO₂e spent (81 %){near}"));
        assert_eq!(told(Unit::Money, 2.5, 10.0), format!("cost budget: 2.50 of 10.0 spent (25 %){near}"));
        let unknown = spent_text(&spent(Unit::Money, None, 10.0));
        assert_eq!(unknown, "cost budget: how much of 10.0 is spent is not known");
    }
}

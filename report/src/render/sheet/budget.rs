//! The results of `eco2 check-budget` as Markdown, for the summary of a job in continuous integration.

use eco2_core::{Bounded, Quality};

use super::super::budget::quality_text;
use super::super::numbers::{Amount, digits};
use super::{Sheet, Table};
use crate::analysis::{BudgetCheck, COMMON_ERROR, Figure, IncreaseCheck, IncreaseVerdict, RunEnergy, Scope};

const UJ_PER_KWH: f64 = 3.6e12;

/// Returns the check of a limit on emissions; `name` is that of the run.
#[must_use]
pub fn budget_markdown(check: &BudgetCheck, name: &str) -> String {
    let grams = Bounded::plausible(
        check.actual_kg * 1e3,
        check.actual_low_kg.unwrap_or(0.0) * 1e3,
        check.actual_high_kg.map(|kg| kg * 1e3),
    );
    let range = if check.actual_low_kg.is_some() { Amount::Mass.range(&grams, false) } else { "not known".to_owned() };
    let mut table = Table::new("Emissions", &["Run", "Emissions", "Range", "Limit", "Quality"]);
    table.rows.push(vec![
        name.to_owned(),
        Amount::Mass.text(check.actual_kg * 1e3),
        range,
        Amount::Mass.text(check.budget_kg * 1e3),
        words(check.actual_quality, check.actual_quality_percent),
    ]);
    let verdict = if check.exceeded { "the limit is exceeded" } else { "within the limit" };
    sheet(&format!("Emissions: {verdict}"), table, check.scope, Vec::new())
}

/// Returns the check of a run against a baseline.
#[must_use]
pub fn increase_markdown(check: &IncreaseCheck) -> String {
    let mut table = Table::new("Energy against a baseline", &["Run", "Energy", "Range", "Quality"]);
    for (role, run) in [("baseline", &check.baseline), ("run", &check.run)] {
        let name = if run.name.is_empty() { &run.run_id } else { &run.name };
        let range = |figure: &Figure| Bounded::plausible(figure.value, figure.low, figure.high).times(UJ_PER_KWH);
        let value = |figure: &Figure| Amount::Energy.text(figure.value * UJ_PER_KWH);
        table.rows.push(vec![
            format!("{name} ({role})"),
            run.energy_kwh.as_ref().map_or_else(|| "not known".to_owned(), value),
            run.energy_kwh.as_ref().map_or_else(String::new, |figure| Amount::Energy.range(&range(figure), false)),
            quality_of(run),
        ]);
    }
    let verdict = match check.verdict {
        IncreaseVerdict::Within => "within the limit",
        IncreaseVerdict::Exceeded => "the limit is exceeded",
        IncreaseVerdict::Inconclusive => "inconclusive, as the range contains the limit",
    };
    sheet(&format!("Energy: {verdict}"), table, Some(check.scope), vec![increase_text(check)])
}

/// Returns the increase in words: `Increase: +2.8 % (1.4 to 4.2 %), limit 5 %.`
#[must_use]
pub fn increase_text(check: &IncreaseCheck) -> String {
    let limit = digits(check.max_increase_percent, 3);
    let Some(found) = check.increase else { return format!("Increase: not known, limit {limit} %.") };
    let signed = |percent: f64| format!("{}{} %", if percent < 0.0 { "" } else { "+" }, digits(percent, 3));
    let value = found.percent.map_or_else(|| "not known".to_owned(), signed);
    let range = match (found.low_percent, found.high_percent) {
        (Some(low), Some(high)) => format!("{} to {}", signed(low), signed(high)),
        (Some(low), None) => format!("at least {}", signed(low)),
        (None, Some(high)) => format!("at most {}", signed(high)),
        (None, None) => "range not known".to_owned(),
    };
    let common = if found.is_common_error { format!("; {COMMON_ERROR}") } else { String::new() };
    format!("Increase: {value} ({range}{common}), limit {limit} %.")
}

/// Returns the quality of a run's energy in words.
#[must_use]
pub fn quality_of(run: &RunEnergy) -> String {
    words(run.quality, run.quality_percent)
}

fn words(quality: Option<Quality>, percent: Option<f64>) -> String {
    quality.map_or_else(|| "not known".to_owned(), |quality| quality_text(quality, percent))
}

fn sheet(title: &str, table: Table, scope: Option<Scope>, mut notes: Vec<String>) -> String {
    notes.extend(scope.map(|scope| format!("Energy {}.", scope.words())));
    Sheet { title: format!("eco2: {title}"), tables: vec![table], notes }.markdown()
}

//! The limits of jobs on the screen of `eco2 top`, each with its state and what was used of it.

use eco2_core::{Bounded, RangeKind, Spent, Unit};

use super::super::numbers::{Amount, digits, share};
use super::super::page::{TextStyle, Tone};
use super::table::Table;

/// A limit of a job with what was used of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TopLimit {
    /// Name of the job.
    pub name: String,
    /// Whether the job goes on.
    pub is_running: bool,
    /// What was used.
    pub spent: Spent,
}

impl TopLimit {
    /// Returns `ok` if the upper bound of what was used is below the limit, `over` if the value has reached it, else `near`.
    fn state(&self) -> &'static str {
        match (self.spent.hard, self.spent.high) {
            (true, _) => "over",
            (false, Some(high)) if high < self.spent.limit => "ok",
            (false, _) => "near",
        }
    }
}

/// Returns the table of limits: state, what was used, the range of that, and the limit.
pub(super) fn limit_lines(limits: &[TopLimit], style: &TextStyle) -> Vec<(String, Tone)> {
    let amount = |unit: Unit| match unit {
        Unit::EnergyUj => Some(Amount::Energy),
        Unit::Grams => Some(Amount::Mass),
        Unit::Money => None,
    };
    let text = |unit: Unit, value: f64| amount(unit).map_or_else(|| digits(value, 3), |amount| amount.text(value));
    let used = |one: &TopLimit| {
        let spent = &one.spent;
        spent.spent.map_or_else(|| "not known".to_owned(), |value| text(spent.unit, value))
    };
    let range = |one: &TopLimit| {
        let Spent { unit, spent, low, high, .. } = one.spent;
        let bounds = Bounded { value: spent, low: low.unwrap_or(0.0), high, kind: RangeKind::Plausible };
        amount(unit).map_or_else(String::new, |amount| amount.range(&bounds, false))
    };
    let mut table = Table::new("BUDGET");
    table.words("STATE".to_owned(), 5, limits.iter().map(|one| one.state().to_owned()));
    table.column("USED".to_owned(), 4, limits.iter().map(used));
    table.words("RANGE".to_owned(), 2, limits.iter().map(range));
    table.column("LIMIT".to_owned(), 3, limits.iter().map(|one| text(one.spent.unit, one.spent.limit)));
    let part = |one: &TopLimit| one.spent.spent.map_or_else(String::new, |value| share(value, one.spent.limit));
    table.column("%".to_owned(), 1, limits.iter().map(part));
    let row = |one: &TopLimit| {
        let tone = match (one.is_running, one.state()) {
            (false, _) => Tone::Faint,
            (true, "over") => Tone::Warning,
            (true, _) => Tone::Normal,
        };
        let name = if one.is_running { one.name.clone() } else { format!("{} (ended)", one.name) };
        (name, tone)
    };
    table.lines(limits.iter().map(row), style)
}

//! Text output of `eco2 compare`: a table of runs, then verdicts (how each run differs from the one with the least
//! energy) and notes (limits of the comparison).

use eco2_core::Bounded;
use eco2_core::units::UJ_PER_KWH;

use super::verdict::named;
use super::{Compared, Comparison, Figure, Grouping, RunGroup};
use crate::render::{Page, TextStyle, Tone, number};

/// Returns a table with one row per run, then the verdicts and notes. A `*` marks a run that no other run dominates,
/// which means that none is at least as good in every objective and better in one.
#[must_use]
pub fn comparison_text(comparison: &Comparison, style: &TextStyle) -> String {
    let synthetic = comparison.runs.iter().any(|run| run.synthetic);
    let mut page = Page::new(*style, synthetic);
    let (spelling, per) = (page.spelling(), comparison.per);
    let mut head = vec!["run".to_owned(), "units".to_owned()];
    // Without a price no run has a cost, and its column would take the room of the names.
    let has_costs = comparison.runs.iter().any(|run| run.cost.is_some());
    let columns = ["time", "energy", "carbon", "cost"];
    head.extend(columns.iter().take(if has_costs { 4 } else { 3 }).map(|what| format!("{what}/{per}")));
    let energy = |figure: Figure| spelling.energy(shown(figure).map(|kwh| (kwh * UJ_PER_KWH) as u64));
    let mass = |figure: Figure| spelling.mass(shown(figure));
    let row = |run: &Compared| {
        let star = if run.undominated == Some(true) { "* " } else { "" };
        let units = run.units.map_or_else(|| "not counted".to_owned(), |units| units.to_string());
        let time = run.seconds.map_or_else(missing, |seconds| spelling.duration((seconds * 1e9) as u64));
        let cost = run.cost.map(|cost| format!("{} {}", number(cost), run.currency.as_deref().unwrap_or_default()));
        let mut row = vec![
            format!("{star}{}{}", named(run, &comparison.runs), if run.is_estimated() { " (estimated)" } else { "" }),
            units,
            time,
            run.energy_kwh.map_or_else(missing, energy),
            run.grams.map_or_else(missing, mass),
        ];
        row.extend(has_costs.then(|| cost.unwrap_or_else(missing)));
        row
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(comparison.runs.iter().map(row)).collect();
    page.table(&rows);
    page.row("Scope", Tone::Normal, comparison.scope_text());
    if let Some(grouping) = &comparison.grouping {
        page.row("", Tone::Normal, "");
        page.table(&groups(grouping, per, &energy));
    }
    if !comparison.objectives.is_empty() {
        let names: Vec<&str> = comparison.objectives.iter().map(|objective| objective.as_str()).collect();
        page.row("*", Tone::Normal, &format!("no other run is better in {} together", names.join(", ")));
    }
    comparison.verdicts.iter().for_each(|verdict| page.row("Compared", Tone::Normal, &verdict.text));
    comparison.notes.iter().for_each(|note| page.row("Note", Tone::Warning, note));
    page.finish()
}

/// Returns the table of groups: each with the mean of its runs, and the difference from the group with the least energy.
fn groups(grouping: &Grouping, per: &str, energy: &dyn Fn(Figure) -> String) -> Vec<Vec<String>> {
    let head = [grouping.by.join(", "), "runs".to_owned(), format!("energy/{per}"), "vs least".to_owned()];
    let row = |group: &RunGroup| {
        let spread = group.energy_kwh;
        let mean = |value: f64| {
            energy(Figure { value, low: spread.low.unwrap_or(value), high: Some(spread.high.unwrap_or(value)) })
        };
        let signed = |percent: f64| format!("{}{} %", if percent < 0.0 { "" } else { "+" }, number(percent));
        let more = group.more.map(|more| match (more.low_percent, more.high_percent) {
            (Some(low), Some(high)) => {
                format!("{}  (95 % CI {} to {})", signed(more.percent), signed(low), signed(high))
            }
            _ => format!("{}  (one run: no interval)", signed(more.percent)),
        });
        let least = || if spread.mean.is_some() { "least".to_owned() } else { missing() };
        vec![
            group.label.clone(),
            group.runs.len().to_string(),
            spread.mean.map_or_else(missing, mean),
            more.unwrap_or_else(least),
        ]
    };
    std::iter::once(head.to_vec()).chain(grouping.groups.iter().map(row)).collect()
}

/// Returns the text for a value that is not known.
fn missing() -> String {
    "not known".to_owned()
}

/// Returns the value with bounds in the form that the formatting functions take.
fn shown(figure: Figure) -> Bounded<f64> {
    Bounded::plausible(figure.value, figure.low, figure.high)
}

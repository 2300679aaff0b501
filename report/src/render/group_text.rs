//! Groups of runs as text, JSON and CSV, with the sum over all.

use eco2_core::Bounded;
use serde::Serialize;

use super::csv::table;
use super::figures::{Spelling, count};
use super::groups::{AbsentSource, Group};
use super::page::{Page, TextStyle, Tone};
use super::status_word;
use crate::Error;

/// Groups as JSON: `{"schema": "eco2.groups/1", "label": key, "groups": [...]}`.
///
/// # Errors
/// [`Error::Encode`].
pub fn groups_json(groups: &[Group], key: &str) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        label: &'a str,
        groups: &'a [Group],
    }
    let document = Document { schema: "eco2.groups/1", label: key, groups };
    let text = serde_json::to_string_pretty(&document).map_err(|cause| Error::Encode { what: "the groups", cause })?;
    Ok(text + "\n")
}

/// Groups as CSV: `label,value,runs,duration_ns,energy_uj,low_uj,high_uj,energy_kwh,measured_uj,derived_uj,
/// estimated_uj,synthetic_uj,missing_ns,co2_kg,unpriced_runs,provisional_runs,missing_sources`.
///
/// # Errors
/// [`Error::Table`].
pub fn groups_csv(groups: &[Group], key: &str) -> Result<String, Error> {
    let header = [
        "label",
        "value",
        "runs",
        "duration_ns",
        "energy_uj",
        "low_uj",
        "high_uj",
        "energy_kwh",
        "measured_uj",
        "derived_uj",
        "estimated_uj",
        "synthetic_uj",
        "missing_ns",
        "co2_kg",
        "unpriced_runs",
        "provisional_runs",
        "missing_sources",
    ];
    let row = |group: &Group| {
        let high = group.high_uj.map_or_else(String::new, |high| high.to_string());
        let co2 = group.grams.map_or_else(String::new, |grams| (grams / 1e3).to_string());
        let mut row = vec![key.to_owned(), group.label.clone(), group.runs.len().to_string()];
        let text = |value: Option<u128>| value.map_or_else(String::new, |value| value.to_string());
        row.extend([Some(group.duration_ns), group.energy_uj, Some(group.low_uj)].map(text));
        row.extend([high, group.energy_uj.map_or_else(String::new, |uj| (uj as f64 / 3.6e12).to_string())]);
        let parts = [group.measured_uj, group.derived_uj, group.estimated_uj, group.synthetic_uj, group.missing_ns];
        row.extend(parts.map(|value| value.to_string()));
        row.extend([co2, group.unpriced_runs.to_string(), group.provisional_runs.to_string()]);
        row.push(group.absent.iter().map(absent).collect::<Vec<_>>().join("; "));
        row
    };
    table("the groups", header.map(str::to_owned).to_vec(), groups.iter().map(row))
}

/// Groups as a table for people, the sum in the last row.
#[must_use]
pub fn groups_text(groups: &[Group], key: &str, style: &TextStyle) -> String {
    let synthetic = groups.iter().any(|group| group.synthetic_uj > 0);
    let mut page = Page::new(*style, synthetic);
    let spelling = page.spelling();
    let mut rows = vec![[key, "runs", "energy", "carbon", "flags"].map(str::to_owned).to_vec()];
    rows.extend(groups.iter().map(|group| row(group, spelling)));
    let total = groups.iter().filter_map(|group| group.energy_uj).reduce(u128::saturating_add);
    let runs: usize = groups.iter().map(|group| group.runs.len()).sum();
    let energy =
        total.map_or_else(|| spelling.energy(Bounded::unknown()), |uj| spelling.energy(Bounded::exact(narrow(uj))));
    rows.push(vec!["all".into(), count(runs as u64), energy, String::new(), String::new()]);
    page.table(&rows);
    for group in groups {
        for source in &group.absent {
            page.row("Missing", Tone::Warning, &format!("{}: {}", group.label, absent(source)));
        }
    }
    page.finish()
}

/// Microjoules as text shows them; saturates.
fn narrow(uj: u128) -> u64 {
    u64::try_from(uj).unwrap_or(u64::MAX)
}

fn row(group: &Group, spelling: Spelling) -> Vec<String> {
    let energy = spelling.energy(group.bounded().map(narrow));
    let carbon = match group.grams {
        Some(grams) => spelling.mass(Bounded::exact(grams)),
        None if group.kinds.len() > 1 => "kinds differ".into(),
        None => "not priced".into(),
    };
    let flags = [
        (group.estimated_uj > 0, "ESTIMATED in part"),
        (group.provisional_runs > 0, "provisional in part"),
        (group.grams.is_some() && group.unpriced_runs > 0, "not all priced"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
    vec![group.label.clone(), count(group.runs.len() as u64), energy, carbon, flags.join(", ")]
}

/// `nvml: absent in 2 runs: libnvidia-ml.so.1 was not found`.
fn absent(source: &AbsentSource) -> String {
    let runs = if source.runs == 1 { "1 run".into() } else { format!("{} runs", source.runs) };
    format!("{}: {} in {runs}: {}", source.name, status_word(source.status), source.reason)
}

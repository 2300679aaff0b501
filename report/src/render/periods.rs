//! Writes sums by hour, day, week or month (`eco2 report --period`) as text, JSON and CSV.

use eco2_core::Bounded;
use serde::Serialize;

use super::budget::quality_text;
use super::csv::table;
use super::figures::count;
use super::page::{Page, TextStyle};
use crate::Error;
use crate::analysis::{Period, PeriodSum};

/// Returns the sums as JSON: `{"schema": "eco2.periods/1", "period": "week", "label": key, "sums": [...]}`.
///
/// # Errors
/// [`Error::Encode`].
pub fn periods_json(sums: &[PeriodSum], period: Period, key: Option<&str>) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        period: &'static str,
        label: Option<&'a str>,
        sums: &'a [PeriodSum],
    }
    let document = Document { schema: "eco2.periods/1", period: period.name(), label: key, sums };
    let text = serde_json::to_string_pretty(&document).map_err(|cause| Error::Encode { what: "the periods", cause })?;
    Ok(text + "\n")
}

/// Returns the sums as CSV, one row per period and value of the label. An empty cell is not known.
///
/// # Errors
/// [`Error::Table`].
pub fn periods_csv(sums: &[PeriodSum], period: Period) -> Result<String, Error> {
    let header = [
        "from",
        "period",
        "value",
        "runs",
        "duration_ns",
        "energy_uj",
        "low_uj",
        "high_uj",
        "energy_kwh",
        "quality",
        "co2_kg",
        "unpriced",
        "wasted_uj",
    ];
    let known = |value: Option<u128>| value.map_or_else(String::new, |value| value.to_string());
    let row = |sum: &PeriodSum| {
        vec![
            sum.from.clone(),
            period.name().to_owned(),
            sum.label.clone(),
            sum.runs.to_string(),
            sum.duration_ns.to_string(),
            known(sum.energy_uj),
            sum.low_uj.to_string(),
            known(sum.high_uj),
            sum.energy_uj.map_or_else(String::new, |uj| (uj as f64 / 3.6e12).to_string()),
            sum.quality.name().to_owned(),
            sum.grams.map_or_else(String::new, |grams| (grams / 1e3).to_string()),
            sum.unpriced.to_string(),
            sum.wasted_uj.to_string(),
        ]
    };
    table("the periods", header.map(str::to_owned).to_vec(), sums.iter().map(row))
}

/// Returns the sums as a table for people.
#[must_use]
pub fn periods_text(sums: &[PeriodSum], period: Period, key: Option<&str>, style: &TextStyle) -> String {
    let mut page = Page::new(*style, false);
    let spelling = page.spelling();
    let narrow = |uj: u128| u64::try_from(uj).unwrap_or(u64::MAX);
    let mut rows = vec![
        [
            &format!("{} (UTC)", period.name()),
            key.unwrap_or(""),
            "runs",
            "energy",
            "emissions",
            "quality",
            "of failed runs",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for sum in sums {
        let carbon = match sum.grams {
            Some(grams) => spelling.mass(Bounded::exact(grams)),
            None if sum.kinds.len() > 1 => "kinds differ".to_owned(),
            None => "not priced".to_owned(),
        };
        // The hour: `2026-01-02 03:00`; the day, and the Monday of a week: `2026-01-02`; the month: `2026-01`.
        let length = match period {
            Period::Hour => 16,
            Period::Day | Period::Week => 10,
            Period::Month => 7,
        };
        let from: String = sum.from.replace('T', " ").chars().take(length).collect();
        rows.push(vec![
            if from.is_empty() { "not known".to_owned() } else { from },
            sum.label.clone(),
            count(sum.runs),
            spelling.energy(sum.energy().map(narrow)),
            carbon,
            quality_text(sum.quality, None),
            if sum.wasted_uj > 0 { spelling.energy_only(narrow(sum.wasted_uj)) } else { String::new() },
        ]);
    }
    if sums.iter().all(|sum| sum.wasted_uj == 0) {
        rows.iter_mut().for_each(|row| drop(row.pop()));
    }
    if key.is_none() {
        rows.iter_mut().for_each(|row| drop(row.remove(1)));
    }
    page.table(&rows);
    page.finish()
}

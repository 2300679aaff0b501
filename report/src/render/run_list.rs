//! Writes the list of runs of `eco2 runs`: as text, Markdown, CSV and JSON.

use eco2_core::{Bounded, Quality};
use serde::Serialize;

use super::budget::quality_text;
use super::csv::table;
use super::figures::{Spelling, count};
use super::page::TextStyle;
use crate::Error;
use crate::clean;
use crate::history::{PredictedAmount, Prediction, RunEnd, RunList, RunTotals, StoredRun};
use crate::store::LogSummary;

/// Columns of the text and of Markdown.
const COLUMNS: [&str; 8] = ["ID", "NAME", "STARTED (UTC)", "TIME", "ENERGY", "CO₂e", "QUALITY", "LABELS"];

/// Columns whose cells end at the same place.
const TO_THE_RIGHT: [usize; 3] = [3, 4, 5];
/// The columns that are cut if a line is too wide, and their smallest widths: labels, name, quality, time of day.
const CUT: [(usize, usize); 4] = [(7, 0), (1, 8), (6, 8), (2, 11)];

/// Returns the list as text for people.
#[must_use]
pub fn runs_text(list: &RunList, style: &TextStyle) -> String {
    let spelling = Spelling { ascii: style.ascii };
    let mut text = String::new();
    if !list.runs.is_empty() {
        let mut rows = vec![header(spelling)];
        rows.extend(list.runs.iter().map(|run| row(run, spelling)));
        text = aligned(&rows, style) + "\n";
    }
    for line in sums(list, spelling) {
        let is_wide = line.chars().count() > style.width.max(40);
        text += &if is_wide { line.replace(spelling.dot(), "\n") } else { line };
        text.push('\n');
    }
    text
}

/// Returns rows in columns, at most as wide as the style: labels, then names are cut.
fn aligned(rows: &[Vec<String>], style: &TextStyle) -> String {
    let printable = |cell: &String| {
        let clean = clean::terminal(cell);
        if style.ascii {
            clean.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
        } else {
            clean.into_owned()
        }
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(printable).collect()).collect();
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let mut widths: Vec<usize> = (0..COLUMNS.len()).map(|at| widest(at).unwrap_or(0)).collect();
    for (column, smallest) in CUT {
        let excess = (widths.iter().sum::<usize>() + 2 * (widths.len() - 1)).saturating_sub(style.width.max(40));
        if let Some(width) = widths.get_mut(column) {
            *width = width.saturating_sub(excess).max(smallest.min(*width));
        }
    }
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            let cell = cut(cell, *width);
            if TO_THE_RIGHT.contains(&column) { blanks + &cell } else { cell + &blanks }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        text += &if at == 0 && style.color { format!("\u{1b}[2m{line}\u{1b}[0m\n") } else { format!("{line}\n") };
    }
    text
}

/// Returns a cell that is cut to a width, with `~` at its end.
fn cut(cell: &str, width: usize) -> String {
    match cell.chars().count() {
        length if length <= width => cell.to_owned(),
        _ => cell.chars().take(width.saturating_sub(1)).chain(std::iter::once('~').take(width)).collect(),
    }
}

/// Returns the list as a Markdown table (GitHub Flavored Markdown), with the sums in a line below.
#[must_use]
pub fn runs_markdown(list: &RunList) -> String {
    let spelling = Spelling { ascii: false };
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = header(spelling);
    let mut text = line(&head) + &line(&head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    for run in &list.runs {
        text += &line(&row(run, spelling).iter().map(|cell| clean::markdown(cell)).collect::<Vec<_>>());
    }
    text + "\n" + &sums(list, spelling).join("\n") + "\n"
}

fn header(spelling: Spelling) -> Vec<String> {
    COLUMNS.map(|name| if spelling.ascii { name.replace('₂', "2") } else { name.to_owned() }).to_vec()
}

/// Returns the cells of a run.
fn row(run: &StoredRun, spelling: Spelling) -> Vec<String> {
    let summary = &run.summary;
    let labels: Vec<String> = summary.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    vec![
        run.short_id(),
        summary.name.clone(),
        started(&summary.started_at),
        duration(run),
        amount(run.energy().map(|uj| uj as f64), spelling, |uj| spelling.energy_only(uj as u64)),
        amount(run.grams(), spelling, |grams| spelling.mass_only(grams).trim_end_matches(co2(spelling)).to_owned()),
        quality(run),
        labels.join(" "),
    ]
}

fn co2(spelling: Spelling) -> &'static str {
    if spelling.ascii { " CO2e" } else { " CO₂e" }
}

/// Returns the duration of a run: `2h14m`, `12m04s`, `12.3s`; with `+` if it is not ended.
fn duration(run: &StoredRun) -> String {
    let ns = run.summary.duration_ns;
    let seconds = ns / 1_000_000_000;
    let text = match seconds {
        _ if ns == 0 => return "-".to_owned(),
        0 => format!("{}ms", ns.div_ceil(1_000_000)),
        1..60 => format!("{:.1}s", ns as f64 / 1e9),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    };
    if run.end == RunEnd::Ended { text } else { text + "+" }
}

/// Returns the minute of a start: `2026-11-29 14:02`.
fn started(at: &str) -> String {
    let minute = at.parse::<jiff::Timestamp>().map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
    minute.unwrap_or_else(|_| "-".to_owned())
}

/// Returns a value without its bounds; `-` if it is not known, and a sign before it if it has no upper bound.
fn amount(value: Bounded<f64>, spelling: Spelling, text: impl Fn(f64) -> String) -> String {
    let at_least = if spelling.ascii { ">= " } else { "≥ " };
    match (value.value, value.high) {
        (Some(known), Some(_)) => text(known),
        (Some(_), None) => format!("{at_least}{}", text(value.low)),
        (None, _) if value.low > 0.0 => format!("{at_least}{}", text(value.low)),
        (None, _) => "-".to_owned(),
    }
}

/// Returns the quality in words, and whether the run ended as it should.
fn quality(run: &StoredRun) -> String {
    let words = match run.end {
        RunEnd::Unreadable => return "not readable".to_owned(),
        _ => match run.quality() {
            (Quality::Derived, Some(share)) => quality_text(Quality::Derived, Some(share)).replace(" from power", ""),
            (quality, share) => quality_text(quality, share),
        },
    };
    let fault = match (run.end, run.summary.exit_code) {
        (RunEnd::Open, _) => ", not ended".to_owned(),
        (RunEnd::Interrupted, None) => ", killed".to_owned(),
        (_, Some(code)) if code != 0 => format!(", exit {code}"),
        _ => String::new(),
    };
    words + &fault
}

/// Returns the line of sums, and notes on what they lack.
fn sums(list: &RunList, spelling: Spelling) -> Vec<String> {
    let RunList { runs, totals } = list;
    if totals.runs == 0 {
        return vec!["No runs match.".to_owned()];
    }
    let narrow = |uj: u128| u64::try_from(uj).unwrap_or(u64::MAX);
    let shown = match (runs.len() as u64, totals.runs) {
        (shown, all) if shown < all => format!("{} of {} runs", count(shown), count(all)),
        (_, 1) => "1 run".to_owned(),
        (_, all) => format!("{} runs", count(all)),
    };
    let emissions = if totals.kinds.len() > 1 {
        "emissions of different kinds are not added".to_owned()
    } else {
        spelling.mass(totals.emissions())
    };
    let dot = spelling.dot();
    let all = if shown.contains(" of ") { "all: " } else { "" };
    let energy = spelling.energy(totals.energy().map(narrow));
    let mut lines = vec![format!("{shown}{dot}{all}{energy}{dot}{emissions}")];
    let runs = |number: u64, one: &str, several: &str| match number {
        1 => format!("1 run {one}"),
        _ => format!("{} runs {several}", count(number)),
    };
    let mut note = |number: u64, text: &dyn Fn() -> String| {
        if number > 0 {
            lines.push(text());
        }
    };
    note(totals.open_runs, &|| {
        runs(
            totals.open_runs,
            "has no recorded end (still going, or killed)",
            "have no recorded end (still going, or killed)",
        )
    });
    note(totals.unknown_runs, &|| runs(totals.unknown_runs, "has no known energy", "have no known energy"));
    note(totals.unreadable_runs, &|| runs(totals.unreadable_runs, "cannot be read", "cannot be read"));
    note(totals.failed_runs, &|| {
        let wasted = spelling.energy_only(narrow(totals.wasted_uj));
        format!("{}: {wasted}", runs(totals.failed_runs, "failed", "failed"))
    });
    note(totals.overlapping_runs, &|| {
        let runs = count(totals.overlapping_runs);
        format!("{runs} runs ran at the same time on one machine: the sum may count shared energy more than once")
    });
    lines
}

/// Returns a prediction from the listed runs as text for people.
#[must_use]
pub fn prediction_text(found: &Prediction, style: &TextStyle) -> String {
    let spelling = Spelling { ascii: style.ascii };
    let bounded = |amount: PredictedAmount| Bounded::plausible(amount.value, amount.low, Some(amount.high));
    let what = found.steps.map_or_else(|| "A further run".to_owned(), |steps| format!("{} steps", count(steps)));
    let mut lines = Vec::new();
    if let Some(energy) = found.energy_uj {
        let dot = spelling.dot();
        let emissions = found.grams.map_or_else(String::new, |grams| format!("{dot}{}", spelling.mass(bounded(grams))));
        let energy = spelling.energy(bounded(energy).map(|uj| uj as u64));
        lines.push(format!("{what}: {energy}{emissions}"));
        let runs = count(found.runs);
        let error =
            found.backtest_error_percent.map_or_else(String::new, |error| format!("{dot}median error {error:.1} %"));
        lines.push(format!("from {runs} runs, 90 % interval{error} (each predicted from the others)"));
    }
    if !found.note.is_empty() {
        lines.push(format!("{what}: {}", found.note));
    }
    lines.join("\n") + "\n"
}

/// Returns the list as JSON, schema `eco2.runs/1`, with every digit. `null` is not known.
///
/// # Errors
/// [`Error::Encode`].
pub fn runs_json(list: &RunList, prediction: Option<&Prediction>) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        short_id: String,
        end: RunEnd,
        quality: Quality,
        quality_percent: Option<f64>,
        overlaps: bool,
        records: &'a [std::path::PathBuf],
        faults: &'a [String],
        #[serde(flatten)]
        summary: &'a LogSummary,
    }
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        runs: Vec<Row<'a>>,
        totals: &'a RunTotals,
        #[serde(skip_serializing_if = "Option::is_none")]
        prediction: Option<&'a Prediction>,
    }
    let rows = list.runs.iter().map(|run| {
        let (quality, quality_percent) = run.quality();
        let StoredRun { summary, end, faults, records, overlaps } = run;
        let short_id = run.short_id();
        Row { short_id, end: *end, quality, quality_percent, overlaps: *overlaps, records, faults, summary }
    });
    let document = Document { schema: "eco2.runs/1", runs: rows.collect(), totals: &list.totals, prediction };
    let text = serde_json::to_string_pretty(&document).map_err(|cause| Error::Encode { what: "the runs", cause })?;
    Ok(text + "\n")
}

/// Returns the list as CSV, one row per run, with every digit. An empty cell is not known.
///
/// # Errors
/// [`Error::Table`].
pub fn runs_csv(list: &RunList) -> Result<String, Error> {
    let header = [
        "run_id",
        "short_id",
        "name",
        "started_at",
        "duration_ns",
        "end",
        "exit_code",
        "quality",
        "energy_uj",
        "low_uj",
        "high_uj",
        "energy_kwh",
        "co2_kg",
        "co2_low_kg",
        "co2_high_kg",
        "zone",
        "hostname",
        "steps",
        "samples",
        "tokens",
        "overlaps",
        "labels",
    ];
    let row = |run: &StoredRun| {
        let summary = &run.summary;
        let (energy, grams) = (&summary.energy, run.grams());
        let kg = |grams: Option<f64>| known(grams.map(|grams| grams / 1e3));
        let end = match run.end {
            RunEnd::Ended => "ended",
            RunEnd::Interrupted => "interrupted",
            RunEnd::Open => "open",
            RunEnd::Unreadable => "unreadable",
        };
        let labels: Vec<String> = summary.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![
            summary.run_id.clone(),
            run.short_id(),
            summary.name.clone(),
            summary.started_at.clone(),
            summary.duration_ns.to_string(),
            end.to_owned(),
            known(summary.exit_code),
            run.quality().0.name().to_owned(),
            known(energy.total_uj),
            energy.low_uj.to_string(),
            known(energy.high_uj),
            known(energy.kwh()),
            kg(grams.value),
            kg(summary.grams_low),
            kg(grams.high),
            known(summary.zone.clone()),
            summary.host.hostname.clone(),
            known(summary.steps),
            known(summary.samples),
            known(summary.tokens),
            if run.overlaps { "yes" } else { "no" }.to_owned(),
            labels.join(" "),
        ]
    };
    table("the runs", header.map(str::to_owned).to_vec(), list.runs.iter().map(row))
}

/// Returns a value as the text of a cell; empty if it is not known.
fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

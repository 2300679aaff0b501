//! Computes totals by label for `--by LABEL` (the runs of a team, a project or a model) and writes them as text, JSON
//! and CSV.

use super::csv::table;
use super::figures::{Spelling, count, counted};
use super::not_ok;
use super::page::{Page, TextStyle, Tone};
use crate::Error;
use crate::analysis::{has_failed, measured_once, wasted_uj, whole_runs};
use eco2_core::schema::{Report, State, Status};
use eco2_core::{Bounded, RangeKind, Ranged};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The value of the group of runs that do not have the label.
const NO_LABEL: &str = "(none)";

/// The runs that have the same value of a label, with exact sums.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The label's value, or `(none)`.
    pub label: String,
    /// Ids of the runs, sorted.
    pub runs: Vec<String>,
    /// Sum of the durations, nanoseconds.
    pub duration_ns: u128,
    /// Sum of the runs' known totals, microjoules; `None` if none is known.
    pub energy_uj: Option<u128>,
    /// Sum of the lower bounds, microjoules.
    pub low_uj: u128,
    /// Sum of the upper bounds, microjoules; `None` if a run has none.
    pub high_uj: Option<u128>,
    /// Part of the energy from energy counters, microjoules.
    pub measured_uj: u128,
    /// Part of the energy from power that was summed over time, microjoules.
    pub derived_uj: u128,
    /// Part of the energy that models estimated, microjoules.
    pub estimated_uj: u128,
    /// Part of the energy that was generated for demonstrations and tests, microjoules.
    pub synthetic_uj: u128,
    /// Time without readings, summed over devices, nanoseconds.
    pub missing_ns: u128,
    /// Grams CO2e of the runs with emissions; `None` if there are none, or if their kinds of intensity differ.
    pub grams: Option<f64>,
    /// Kinds of the intensities behind the grams.
    pub kinds: Vec<String>,
    /// Number of runs without grams; `grams` does not cover them.
    pub unpriced_runs: u64,
    /// Number of runs whose values may still change.
    pub provisional_runs: u64,
    /// Number of runs that ended with an exit code other than 0.
    pub failed_runs: u64,
    /// Part of the energy that the failed runs used, microjoules.
    pub wasted_uj: u128,
    /// Sources without readings in some of the runs.
    pub absent: Vec<AbsentSource>,
}

impl Group {
    /// Returns the energy with its bounds, microjoules.
    pub(crate) fn bounded(&self) -> Bounded<u128> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: RangeKind::Plausible }
    }
}

/// A source without readings in some of the runs of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AbsentSource {
    /// Name of the source.
    pub name: String,
    /// Status of the source.
    pub status: Status,
    /// The reason, as in the first of these runs.
    pub reason: String,
    /// Number of these runs.
    pub runs: u64,
}

/// Groups runs by the value of label `key`, in the order of values; runs without it are last, in `(none)`.
///
/// The records of one run (same id) are merged first, so all ranks and attempts count, and a repeated record counts
/// once. Energy of one counter that two runs of a group read at the same time counts once.
#[must_use]
pub fn by_label(reports: &[Report], key: &str) -> Vec<Group> {
    let whole = whole_runs(reports);
    let mut groups: BTreeMap<(bool, &str), Vec<&Report>> = BTreeMap::new();
    for report in &whole {
        let label = report.run.labels.get(key);
        groups.entry((label.is_none(), label.map_or(NO_LABEL, String::as_str))).or_default().push(report);
    }
    groups.into_iter().map(|((_, label), runs)| group(label, &runs)).collect()
}

/// Returns the sums over the runs of one group.
fn group(label: &str, runs: &[&Report]) -> Group {
    let once = measured_once(runs);
    let sum = |field: fn(&Report) -> u64| once.iter().map(|run| u128::from(field(run))).sum::<u128>();
    let count = |wanted: fn(&Report) -> bool| runs.iter().filter(|run| wanted(run)).count() as u64;
    let mut ids: Vec<String> = runs.iter().map(|run| run.run.id.clone()).collect();
    ids.sort_unstable();
    let kinds = kinds(runs);
    let energy: Bounded<u128> = once.iter().map(|run| run.energy.bounded().map(u128::from)).sum();
    Group {
        label: label.to_owned(),
        runs: ids,
        duration_ns: runs.iter().map(|run| u128::from(run.run.duration_ns)).sum(),
        energy_uj: energy.value,
        low_uj: energy.low,
        high_uj: energy.high,
        measured_uj: sum(|run| run.energy.measured_uj),
        derived_uj: sum(|run| run.energy.derived_uj),
        estimated_uj: sum(|run| run.energy.estimated_uj),
        synthetic_uj: sum(|run| run.energy.synthetic_uj),
        missing_ns: sum(|run| run.energy.missing_ns),
        grams: grams(&once).filter(|_| kinds.len() <= 1),
        kinds,
        unpriced_runs: count(|run| run.carbon.as_ref().is_none_or(|carbon| carbon.grams.is_none())),
        provisional_runs: count(|run| run.run.state == State::Provisional),
        failed_runs: count(has_failed),
        wasted_uj: sum(wasted_uj),
        absent: absent_sources(runs),
    }
}

/// Returns the grams of all runs with known emissions; `None` if there is none.
fn grams(runs: &[Report]) -> Option<f64> {
    let priced = runs.iter().filter_map(|run| run.carbon.as_ref()?.grams);
    priced.filter(|grams| grams.is_finite()).reduce(|sum, grams| sum + grams)
}

/// Returns the kinds of the intensities behind the grams of the runs, each once.
fn kinds(runs: &[&Report]) -> Vec<String> {
    let segments = runs.iter().filter_map(|run| run.carbon.as_ref()).flat_map(|carbon| &carbon.segments);
    let kinds: BTreeSet<&str> = segments.map(|segment| segment.kind.as_deref().unwrap_or("unknown")).collect();
    kinds.into_iter().map(str::to_owned).collect()
}

/// Returns the sources without readings in some of the runs, each with the number of runs.
fn absent_sources(runs: &[&Report]) -> Vec<AbsentSource> {
    let mut found: Vec<AbsentSource> = Vec::new();
    for source in runs.iter().flat_map(|run| not_ok(run)) {
        match found.iter_mut().find(|known| known.name == source.name && known.status == source.status) {
            Some(known) => known.runs += 1,
            None => found.push(AbsentSource {
                name: source.name.clone(),
                status: source.status,
                reason: source.reason.clone(),
                runs: 1,
            }),
        }
    }
    found
}

/// Returns the groups as JSON: `{"schema": "eco2.groups/1", "label": key, "groups": [...]}`.
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

/// Returns the groups as CSV with the columns `label,value,runs,duration_ns,energy_uj,low_uj,high_uj,energy_kwh`,
/// `measured_uj,derived_uj,estimated_uj,synthetic_uj,missing_ns,co2_kg,unpriced_runs,provisional_runs,missing_sources`,
/// `failed_runs,wasted_uj`.
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
        "failed_runs",
        "wasted_uj",
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
        row.extend([group.failed_runs.to_string(), group.wasted_uj.to_string()]);
        row
    };
    table("the groups", header.map(str::to_owned).to_vec(), groups.iter().map(row))
}

/// Returns the groups as a table for people, with the sum in the last row.
#[must_use]
pub fn groups_text(groups: &[Group], key: &str, style: &TextStyle) -> String {
    let synthetic = groups.iter().any(|group| group.synthetic_uj > 0);
    let mut page = Page::new(*style, synthetic);
    let spelling = page.spelling();
    let mut rows = vec![[key, "runs", "energy", "emissions", "remarks"].map(str::to_owned).to_vec()];
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

/// Converts microjoules for the text; values beyond 64 bits become the largest.
fn narrow(uj: u128) -> u64 {
    u64::try_from(uj).unwrap_or(u64::MAX)
}

/// Returns the row of a group in the table for people.
fn row(group: &Group, spelling: Spelling) -> Vec<String> {
    let energy = spelling.energy(group.bounded().map(narrow));
    let carbon = match group.grams {
        Some(grams) => spelling.mass(Bounded::exact(grams)),
        None if group.kinds.len() > 1 => "kinds differ".into(),
        None => "not priced".into(),
    };
    let flags = [
        (group.estimated_uj > 0, "estimated in part"),
        (group.provisional_runs > 0, "provisional in part"),
        (group.grams.is_some() && group.unpriced_runs > 0, "not all priced"),
    ];
    let mut flags: Vec<String> = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()).collect();
    if group.failed_runs > 0 {
        flags.push(format!("{} failed: {}", count(group.failed_runs), spelling.energy_only(narrow(group.wasted_uj))));
    }
    vec![group.label.clone(), count(group.runs.len() as u64), energy, carbon, flags.join(", ")]
}

/// Returns a source in words: `nvml: absent in 2 runs: libnvidia-ml.so.1 was not found`.
fn absent(source: &AbsentSource) -> String {
    let runs = counted(source.runs, "run");
    format!("{}: {} in {runs}: {}", source.name, source.status.name(), source.reason)
}

//! Totals by label: a team's, a project's, a model's runs. Sums of runs' own totals, never of running totals.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Report, State, Status};
use eco2_core::{Bounded, RangeKind, Ranged};
use serde::Serialize;

use super::not_ok;
use crate::analysis::{measured_once, whole_runs};

/// The group of the runs that do not have the label.
pub const NO_LABEL: &str = "(none)";

/// The runs that share a label's value, summed exactly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The label's value, or [`NO_LABEL`].
    pub label: String,
    /// Ids of the runs, sorted.
    pub runs: Vec<String>,
    /// Sum of durations, nanoseconds.
    pub duration_ns: u128,
    /// Sum of the runs' known totals, microjoules; `None`: none is known.
    pub energy_uj: Option<u128>,
    /// Sum of lower bounds.
    pub low_uj: u128,
    /// Sum of upper bounds; `None` when any run has none.
    pub high_uj: Option<u128>,
    /// Part from energy counters.
    pub measured_uj: u128,
    /// Part from integrated power.
    pub derived_uj: u128,
    /// Part from models.
    pub estimated_uj: u128,
    /// Part that was generated.
    pub synthetic_uj: u128,
    /// Device-time without knowledge, nanoseconds.
    pub missing_ns: u128,
    /// Grams CO2e of the priced runs; `None` when none is priced, or when their kinds of intensity differ.
    pub grams: Option<f64>,
    /// Kinds of intensity behind the grams.
    pub kinds: Vec<String>,
    /// Runs without grams; `grams` does not cover them.
    pub unpriced_runs: u64,
    /// Runs whose figures may still change.
    pub provisional_runs: u64,
    /// Sources that did not read in some of the runs.
    pub absent: Vec<AbsentSource>,
}

impl Group {
    /// The energy with its bounds, microjoules.
    pub(crate) fn bounded(&self) -> Bounded<u128> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: RangeKind::Plausible }
    }
}

/// A source that did not read, over the runs of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AbsentSource {
    /// Source name.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// Why, as the first such run has it.
    pub reason: String,
    /// In how many runs.
    pub runs: u64,
}

/// Groups runs by the value of label `key`, in the order of values, runs without it last in [`NO_LABEL`].
///
/// The records of one run (same id) are merged first: its ranks and attempts all count, and a record that is given twice
/// counts once. Energy that two runs of a group saw of one counter at one time is counted once.
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
        absent: absent(runs),
    }
}

/// Sum of the priced runs; `None` when none is.
fn grams(runs: &[Report]) -> Option<f64> {
    let priced = runs.iter().filter_map(|run| run.carbon.as_ref()?.grams);
    priced.filter(|grams| grams.is_finite()).reduce(|sum, grams| sum + grams)
}

fn kinds(runs: &[&Report]) -> Vec<String> {
    let segments = runs.iter().filter_map(|run| run.carbon.as_ref()).flat_map(|carbon| &carbon.segments);
    let kinds: BTreeSet<&str> = segments.map(|segment| segment.kind.as_deref().unwrap_or("unknown")).collect();
    kinds.into_iter().map(str::to_owned).collect()
}

fn absent(runs: &[&Report]) -> Vec<AbsentSource> {
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

//! Compares runs for `eco2 compare`: their energy and emissions per unit of work with intervals, and how the runs
//! differ.
//!
//! Only the named runs are compared; there is no benchmark and no percentile. One run per configuration does not show
//! how much runs of one configuration vary.

mod groups;
mod increase;
mod pareto;
mod row;
mod text;
mod verdict;

use eco2_core::schema::Report;
use eco2_core::units::kwh;
use eco2_core::{Bounded, Ranged};
use eco2_grid::carbon::{FunctionalUnit, it_kwh};
use serde::Serialize;

pub use groups::{Difference, Grouping, LeftOut, RunGroup, Spread};
pub use increase::{Increase, increase};
pub use pareto::Objective;
pub use row::{Compared, Figure};
pub use text::comparison_text;
pub(crate) use verdict::COMMON_ERROR;
pub use verdict::{Overlap, Verdict};

use crate::Error;
use crate::analysis::{Scope, is_measured};
use crate::render::finite;

/// A comparison of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Always `eco2.comparison/1`.
    pub schema: &'static str,
    /// The unit of work that values are divided by.
    pub per: &'static str,
    /// Whose energy and emissions are compared.
    pub scope: Scope,
    /// The values to minimise that `undominated` is about.
    pub objectives: Vec<Objective>,
    /// One entry per run, in the order given.
    pub runs: Vec<Compared>,
    /// Each run compared with the one with the least energy per unit.
    pub verdicts: Vec<Verdict>,
    /// The runs by labels; `None`: not requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Grouping>,
    /// Limits of the comparison.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Returns the comparison of reports whose energy is that of a scope, as [`in_scope`](crate::in_scope) returns them.
    #[must_use]
    pub fn of_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Returns whose energy is compared, as a sentence.
    pub(crate) fn scope_text(&self) -> &'static str {
        match self.scope {
            Scope::Machine => "Energy and emissions are those of the whole machines.",
            Scope::Command => "Energy and emissions are the parts of the machines that are attributed to the commands.",
        }
    }
}

/// Compares runs per unit of work. Without a unit, values are per sample, token or step (the first that all runs have
/// counted), else per run. If objectives are given, the runs that no other run dominates are marked.
#[must_use]
pub fn compare(reports: &[Report], per: Option<FunctionalUnit>, objectives: &[Objective]) -> Comparison {
    let unit = per.unwrap_or_else(|| common_unit(reports));
    let mut runs: Vec<Compared> = reports.iter().map(|report| compared(&finite(report), unit)).collect();
    pareto::mark(&mut runs, objectives);
    let verdicts = verdict::verdicts(&runs);
    let notes = verdict::notes(&runs, objectives);
    Comparison {
        grouping: None,
        schema: "eco2.comparison/1",
        per: unit.as_str(),
        scope: Scope::Machine,
        objectives: objectives.to_vec(),
        runs,
        verdicts,
        notes,
    }
}

/// Compares runs as [`compare`] does, and groups them by the values of labels: runs with the same values are repeats.
#[must_use]
pub fn compare_by(
    reports: &[Report],
    per: Option<FunctionalUnit>,
    objectives: &[Objective],
    labels: &[String],
) -> Comparison {
    let comparison = compare(reports, per, objectives);
    let grouping = groups::grouped(reports, &comparison.runs, labels);
    // Then groups of one run are marked one by one.
    let has_repeats = grouping.groups.iter().any(|group| group.runs.len() > 1);
    let kept = comparison.notes.into_iter().skip(usize::from(has_repeats));
    let notes = kept.chain(groups::note_on_estimates(&grouping, &comparison.runs)).collect();
    Comparison { grouping: Some(grouping), notes, ..comparison }
}

/// Returns the comparison as JSON.
///
/// # Errors
/// [`Error::Encode`].
pub fn comparison_json(comparison: &Comparison) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(comparison);
    text.map(|text| text + "\n").map_err(|cause| Error::Encode { what: "the comparison", cause })
}

/// Returns the first of sample, token and step that all reports have counted, else the run.
fn common_unit(reports: &[Report]) -> FunctionalUnit {
    let all = |unit: &FunctionalUnit| reports.iter().all(|report| unit.count(&report.work).is_some());
    [FunctionalUnit::Sample, FunctionalUnit::Token, FunctionalUnit::Step]
        .into_iter()
        .find(all)
        .unwrap_or(FunctionalUnit::Run)
}

/// Returns the entry of a report, with values per `unit`.
fn compared(report: &Report, unit: FunctionalUnit) -> Compared {
    let (energy, units) = (&report.energy, unit.count(&report.work));
    let each = units.map(|units| 1.0 / units as f64);
    let known = is_measured(report);
    let figure = |range: Bounded<f64>| {
        let range = range.times(each?);
        Some(Figure { value: range.value?, low: range.low, high: range.high })
    };
    let carbon = report.carbon.as_ref().filter(|_| known);
    let kinds = carbon.map(|carbon| carbon.segments.iter().filter_map(|segment| segment.kind.clone()));
    let mut kinds: Vec<String> = kinds.into_iter().flatten().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let supplements = carbon.and_then(|carbon| carbon.beside.as_deref());
    Compared {
        run_id: report.run.id.clone(),
        name: report.run.name.clone(),
        labels: report.run.labels.clone(),
        started_at: report.run.started_at.clone(),
        loss: report.work.loss,
        units,
        seconds: each.map(|each| report.run.duration_ns as f64 / 1e9 * each),
        energy_kwh: known.then(|| figure(it_kwh(energy))).flatten(),
        grams: carbon.and_then(|carbon| figure(carbon.bounded())),
        cost: carbon.and_then(|carbon| carbon.cost).zip(each).map(|(cost, each)| cost * each),
        currency: supplements.and_then(|supplements| supplements.cost.as_ref()).and_then(|cost| cost.currency.clone()),
        kinds,
        estimated_share: energy.total_uj.filter(|uj| known && *uj > 0).map(|uj| kwh(energy.estimated_uj) / kwh(uj)),
        model: row::model(report),
        synthetic: energy.synthetic_uj > 0,
        state: crate::render::word(&report.run.state),
        undominated: None,
    }
}

//! Compares the energy of two runs of `eco2 compare` by their intervals, as data and in words, and lists the limits of
//! the comparison.

use eco2_core::schema::State;
use serde::Serialize;

use super::increase::{Increase, increase};
use super::{Compared, Figure, Objective};
use crate::render::{number, word};

/// Explains the range of an increase between two estimates of one machine.
pub(crate) const COMMON_ERROR: &str = "the error that both estimates share cancels, the rest is in the range";

/// Whether two intervals overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// No value is in both intervals.
    Apart,
    /// Some values are in both intervals.
    Overlap,
    /// One of the intervals has no upper bound.
    Unknown,
}

/// A run compared with the one with the least energy per unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Id of the run.
    pub run_id: String,
    /// Id of the run with the least energy per unit.
    pub least_run_id: String,
    /// How much more energy per unit this run needs by the estimates, percent; `None` if the least is 0.
    pub more_percent: Option<f64>,
    /// Lower end of its range, percent; `None`: not known. An error that is common to both runs is cancelled.
    pub low_percent: Option<f64>,
    /// Upper end of its range, percent; `None`: there is none.
    pub high_percent: Option<f64>,
    /// Whether an error that is common to both runs was cancelled: the part of the estimates' error that belongs to the machine.
    pub is_common_error: bool,
    /// Whether the intervals of the two runs overlap, common errors cancelled.
    pub overlap: Overlap,
    /// The comparison in words.
    pub text: String,
}

/// Returns whether the interval of a smaller value overlaps that of a larger one.
fn overlap(least: &Figure, run: &Figure, more: &Increase) -> Overlap {
    match (more.is_common_error, more.low_percent, least.high) {
        (true, Some(low), _) if low > 0.0 => Overlap::Apart,
        (true, Some(_), _) => Overlap::Overlap,
        (_, _, None) => Overlap::Unknown,
        (_, _, Some(high)) if high < run.low => Overlap::Apart,
        _ => Overlap::Overlap,
    }
}

/// Returns one verdict for each run with a known energy except the one with the least.
pub(super) fn verdicts(runs: &[Compared]) -> Vec<Verdict> {
    let known = || runs.iter().enumerate().filter_map(|(place, run)| Some((place, run, run.energy_kwh?)));
    let least = known().min_by(|a, b| a.2.value.total_cmp(&b.2.value));
    let Some((least_place, least, least_figure)) = least else { return Vec::new() };
    let others = known().filter(|(place, ..)| *place != least_place);
    let names = |run| (named(run, runs), named(least, runs));
    others.filter_map(|(_, run, figure)| verdict((run, &figure), (least, &least_figure), names(run))).collect()
}

/// Returns the verdict on a run compared with the one with the least energy; `names` are their names, in this order.
fn verdict(run: (&Compared, &Figure), least: (&Compared, &Figure), names: (String, String)) -> Option<Verdict> {
    let ((run, figure), (least, least_figure)) = (run, least);
    let increase = increase(run, least)?;
    let Increase { percent, low_percent, high_percent, is_common_error } = increase;
    let overlap = overlap(least_figure, figure, &increase);
    let more = match percent {
        Some(percent) => format!("+{} %", number(percent)),
        None => "more energy".to_owned(),
    };
    let certainty = match (overlap, low_percent.zip(high_percent).filter(|_| is_common_error)) {
        (_, Some((low, high))) => {
            format!("plausible range {} to {} %; {COMMON_ERROR}", number(low), number(high))
        }
        (Overlap::Apart, _) => "outside measurement uncertainty".to_owned(),
        (Overlap::Overlap, _) => "within measurement uncertainty".to_owned(),
        (Overlap::Unknown, _) => "not certain: no upper bound".to_owned(),
    };
    let text = format!("{}: {more} vs {} ({certainty})", names.0, names.1);
    let (run_id, least_run_id) = (run.run_id.clone(), least.run_id.clone());
    let more_percent = percent;
    Some(Verdict { run_id, least_run_id, more_percent, low_percent, high_percent, is_common_error, overlap, text })
}

/// Returns a run's name. Returns its id if it has no name, and both if another run has the same name.
pub(super) fn named(run: &Compared, runs: &[Compared]) -> String {
    let alike = runs.iter().filter(|other| other.name == run.name).count();
    match (run.name.as_str(), alike) {
        ("", _) => run.run_id.clone(),
        (name, 0 | 1) => name.to_owned(),
        (name, _) => format!("{name} ({})", run.run_id),
    }
}

/// Returns the limits of the comparison as texts for people.
pub(super) fn notes(runs: &[Compared], objectives: &[Objective]) -> Vec<String> {
    let mut notes = vec!["only one run per configuration: repeat runs to see the variation between them".to_owned()];
    let some = |is: fn(&Compared) -> bool| runs.iter().any(is);
    let kinds = |run: &Compared| run.grams.map(|_| run.kinds.clone());
    let mut all: Vec<Vec<String>> = runs.iter().filter_map(kinds).collect();
    all.sort_unstable();
    all.dedup();
    let limits = [
        (all.len() > 1, "the kinds of intensity differ: grams of different kinds are not comparable"),
        (some(|run| run.units.is_none()), "work was not counted in every run: values per unit are missing there"),
        (some(|run| run.energy_kwh.is_none() && run.units.is_some()), "the energy of some runs is not known"),
        (some(|run| run.estimated_share.is_some_and(|share| share > 0.0)), "some energy is estimated by a model"),
        (
            !objectives.is_empty() && some(Compared::is_estimated),
            "estimated runs are left among the undominated unless another run is better for all that the ranges permit",
        ),
        (some(|run| run.synthetic), "some values are synthetic: generated, not measured"),
        (some(|run| run.state == word(&State::Provisional)), "some runs are provisional: their values may still grow"),
        (currencies(runs) > 1, "the currencies differ: costs are not comparable"),
        (
            !objectives.is_empty() && some(|run| run.undominated.is_none()),
            "runs without one of the values and synthetic ones are not among the undominated; nor is any run where kinds of \
             intensity or currencies would be mixed",
        ),
    ];
    notes.extend(limits.iter().filter(|(is, _)| *is).map(|(_, text)| (*text).to_owned()));
    notes
}

/// Returns the number of different currencies.
fn currencies(runs: &[Compared]) -> usize {
    let mut codes: Vec<&String> =
        runs.iter().filter(|run| run.cost.is_some()).filter_map(|run| run.currency.as_ref()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.len()
}

//! Defines the parts of the advice that `eco2 optimize` gives on a run (topic, evidence, saving), and the arithmetic
//! that the topics share: shares of energy and combined savings. An *episode* is a time in which a GPU was idle or
//! steps stalled.

use eco2_core::schema::{EpisodeRecord, Report};
use eco2_core::{Bounded, Ranged};

/// The name and version of the schema that [`Suggestions::json`] writes.
pub(super) const ADVICE_SCHEMA: &str = "eco2.advice/1";
/// Savings below this share of a run's energy are not reported, percent.
pub(super) const WORTH_PERCENT: f64 = 1.0;

/// The topic of an advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Topic {
    /// GPUs that were idle.
    IdleGpu,
    /// The power that the machine draws without any load.
    IdleMachine,
    /// Steps that took much longer than usual.
    Stalls,
    /// A lower power limit of GPUs.
    PowerLimit,
    /// Another start time.
    Hour,
    /// Another grid zone.
    Region,
}

/// How a saving was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The measured share of the energy is an upper limit of the saving. Another run has to show the saving itself.
    AtMost,
    /// Computed from the run's power profile and carbon intensities.
    Computed,
    /// No saving is stated, because only a sweep or another run shows it.
    Unknown,
}

/// A measured or computed value that advice rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Name of the value.
    pub name: &'static str,
    /// The value.
    pub value: f64,
    /// Unit of the value: `s`, `J`, `W`, `%`, `g/kWh`, `g`, `1`.
    pub unit: &'static str,
}

/// A share of the run in percent with its bounds, and the same in grams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saving {
    /// The saving in percent: of the run's energy for [`Claim::AtMost`] (0 to 100), of its grams for
    /// [`Claim::Computed`] (at most 100).
    pub percent: f64,
    /// Lower bound, percent.
    pub low_percent: f64,
    /// Upper bound, percent.
    pub high_percent: f64,
    /// The saving in grams CO2e; `None` if the run has no grams.
    pub grams: Option<f64>,
}

/// One suggestion, with its evidence and the command that tests it.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// What the suggestion is about.
    pub topic: Topic,
    /// Headline of the suggestion.
    pub title: String,
    /// The observation, and what follows from it.
    pub text: String,
    /// The values that the suggestion is based on.
    pub evidence: Vec<Evidence>,
    /// How `saving` was found.
    pub claim: Claim,
    /// The possible saving; `None` if no saving is stated.
    pub saving: Option<Saving>,
    /// A command that tests the suggestion.
    pub command: String,
    /// Effort of the change: `low`, `medium` or `high`.
    pub difficulty: &'static str,
}

/// A topic that could not be assessed, or that needs no change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAssessed {
    /// The topic that was not assessed.
    pub topic: Topic,
    /// The reason why there is no advice.
    pub reason: String,
}

/// All advice for one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestions {
    /// The run's id.
    pub run: String,
    /// The suggestions, the largest saving first.
    pub advice: Vec<Advice>,
    /// Upper bound of all savings together, percent, at most 100; `None` if no advice states a saving.
    pub combined_percent: Option<f64>,
    /// Topics without advice, each with the reason.
    pub not_assessed: Vec<NotAssessed>,
    /// Share of the run's energy that a model estimated, percent.
    pub estimated_percent: f64,
}

/// The advice and the topics without advice, collected from all topics.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) advice: Vec<Advice>,
    pub(super) not_assessed: Vec<NotAssessed>,
}

impl Findings {
    /// Adds a topic without advice, with the reason.
    pub(super) fn skip(&mut self, topic: Topic, reason: impl Into<String>) {
        self.not_assessed.push(NotAssessed { topic, reason: reason.into() });
    }
}

impl Topic {
    /// Returns the name of this topic in JSON.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::IdleGpu => "idle-gpu",
            Self::IdleMachine => "idle-machine",
            Self::Stalls => "stalls",
            Self::PowerLimit => "power-limit",
            Self::Hour => "hour",
            Self::Region => "region",
        }
    }
}

impl Claim {
    /// Returns the name of this claim in JSON.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AtMost => "at-most",
            Self::Computed => "computed",
            Self::Unknown => "untold",
        }
    }
}

/// Returns the run's command as a shell line; `COMMAND` if the report has none.
pub(super) fn command_line(report: &Report) -> String {
    match report.run.command.as_slice() {
        [] => "COMMAND".to_owned(),
        words => words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "),
    }
}

/// Returns one word of a shell line, quoted if needed.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Returns the command that runs the changed program and compares it with this run.
///
/// The run has the name that the user typed. Only `last` is replaced by the id, because it will then be another run.
pub(super) fn run_and_compare(report: &Report, run_name: &str) -> String {
    let run = if matches!(run_name, "" | "last") { &report.run.id } else { run_name };
    format!("eco2 run -- {} && eco2 compare {} last", command_line(report), shell_word(run))
}

/// Returns `part` as percent of `whole`, at most 100; 0 if `whole` is 0.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (100.0 * part as f64 / whole as f64).min(100.0) }
}

/// Returns the share of a run's energy that was used during episodes, with its grams at the run's mean carbon
/// intensity; `None` if the energy of an episode or of the run is not known.
pub(super) fn energy_share(report: &Report, episodes: &[&EpisodeRecord]) -> Option<Saving> {
    if episodes.iter().any(|episode| episode.energy_uj.is_none()) {
        return None;
    }
    share_of(report, episodes.iter().map(|episode| episode.bounded()).sum())
}

/// Returns the share of a run's energy that is `part`, with its grams at the run's mean carbon intensity; `None` if one of
/// the energies is not known.
pub(super) fn share_of(report: &Report, part: Bounded<u64>) -> Option<Saving> {
    let (energy, sum) = (&report.energy, part);
    let share = percent(sum.value?, energy.total_uj?);
    let low_percent = energy.high_uj.map_or(0.0, |high_uj| percent(sum.low, high_uj)).min(share);
    let high_percent = sum.high.filter(|_| energy.low_uj > 0).map_or(100.0, |high_uj| percent(high_uj, energy.low_uj));
    let grams = report.carbon.as_ref().and_then(|carbon| carbon.grams).map(|grams| grams * share / 100.0);
    Some(Saving { percent: share, low_percent, high_percent: high_percent.max(share), grams })
}

/// Returns the upper bound of all savings together, percent: `100 (1 − Π (1 − s))` over their upper bounds `s`, so it
/// never exceeds 100.
///
/// Start times and zones exclude each other, so only the largest of them counts. Idle GPUs, an idle machine and stalls can
/// be different energies, so their shares add up, to 100 at most.
#[must_use]
pub fn combined_percent(advice: &[Advice]) -> Option<f64> {
    let highs = |topic: Topic| {
        let savings = advice.iter().filter(move |advice| advice.topic == topic).filter_map(|advice| advice.saving);
        savings.map(|saving| saving.high_percent.clamp(0.0, 100.0))
    };
    let largest = |topics: [Topic; 2]| topics.into_iter().flat_map(highs).reduce(f64::max);
    let waste = [Topic::IdleGpu, Topic::IdleMachine, Topic::Stalls]
        .into_iter()
        .filter_map(|topic| highs(topic).reduce(f64::max));
    let groups = [
        waste.reduce(|idle, stalled| (idle + stalled).min(100.0)),
        highs(Topic::PowerLimit).reduce(f64::max),
        largest([Topic::Hour, Topic::Region]),
    ];
    let shares: Vec<f64> = groups.into_iter().flatten().collect();
    let left = shares.iter().fold(1.0, |left, share| left * (1.0 - share / 100.0));
    (!shares.is_empty()).then_some(100.0 * (1.0 - left))
}

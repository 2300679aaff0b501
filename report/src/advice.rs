//! What to change about a run, from what was measured in it, and nothing else.
//!
//! Every [`Advice`] carries the figures that it rests on, what they could save at most or would have saved by computation,
//! with an interval, and a command that tests it. No figure is a rule of thumb: where nothing was measured, a [`Silence`]
//! says why nothing is said. Pure arithmetic over a report; series and places come from the caller.

mod combine;
mod document;
mod elsewhere;
mod limit;
mod page;
mod shares;
pub mod sweep;
mod waste;

use eco2_core::schema::Report;
use eco2_grid::Course;

pub use combine::combined_percent;
pub use elsewhere::{Hours, Region};

/// The schema of [`Counsel::json`].
pub const ADVICE_SCHEMA: &str = "eco2.advice/1";
/// Gauges are read once a second: of a shorter run they say nothing.
const SHORTEST_NS: u64 = 10_000_000_000;
/// Less than this share of a run's energy is not worth a word, percent.
const WORTH_PERCENT: f64 = 1.0;

/// What advice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Topic {
    /// GPUs that ran nothing.
    IdleGpu,
    /// Steps that did not come.
    Stalls,
    /// The power limit of GPUs.
    PowerLimit,
    /// Another hour.
    Hour,
    /// Another place.
    Region,
}

/// What a saving is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The measured share of energy that went into it: more than this cannot be saved, how much of it only a run tells.
    AtMost,
    /// Computed from the run's own course and a series or table.
    Computed,
    /// None: only a sweep or a run can tell.
    Untold,
}

/// A figure that advice rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What it is.
    pub name: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit: `s`, `J`, `W`, `%`, `g/kWh`, `g`, `1`.
    pub unit: &'static str,
}

/// A share of the run in percent with its interval, and the grams that it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saving {
    /// Percent of the run's energy (at most) or grams (computed); within 0 to 100 for the former, never above 100.
    pub percent: f64,
    /// Surely no less, percent.
    pub low_percent: f64,
    /// Surely no more, percent.
    pub high_percent: f64,
    /// Grams CO2e that it is; `None` where the run has no grams.
    pub grams: Option<f64>,
}

/// One thing to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// What it is about.
    pub topic: Topic,
    /// In a few words.
    pub title: String,
    /// What was seen, and what follows.
    pub text: String,
    /// What that rests on.
    pub evidence: Vec<Evidence>,
    /// What `saving` is.
    pub claim: Claim,
    /// `None` where nothing is claimed.
    pub saving: Option<Saving>,
    /// What to run to find out.
    pub command: String,
    /// How much has to be changed: `low`, `medium` or `high`.
    pub difficulty: &'static str,
}

/// Why nothing is said of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Of what.
    pub topic: Topic,
    /// Why.
    pub reason: String,
}

/// All that is to be said of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Counsel {
    /// The run's id.
    pub run: String,
    /// The largest saving first.
    pub advice: Vec<Advice>,
    /// What all of it could save at most, percent, by the upper ends of the savings; `None` without any. Never above 100.
    pub combined_percent: Option<f64>,
    /// What nothing is said of.
    pub silences: Vec<Silence>,
    /// Share of the run's energy that comes from a model, percent.
    pub estimated_percent: f64,
}

/// What the caller brings besides the report.
#[derive(Default)]
pub struct Outside<'a> {
    /// How the run was named by who asked, such as `last` or a file; its id where that is empty.
    pub run: &'a str,
    /// The run's energy over its time; without it no other hour is weighed.
    pub course: Option<Course<'a>>,
    /// A series and the hours that the run may move by.
    pub hours: Option<Hours<'a>>,
    /// Places to compare with.
    pub regions: Vec<Region<'a>>,
}

/// Says what to change about a run.
#[must_use]
pub fn advise(report: &Report, outside: &Outside<'_>) -> Counsel {
    let mut found = Found::default();
    match refusal(report) {
        Some(reason) => Topic::MEASURED.into_iter().for_each(|topic| found.silent(topic, reason)),
        None => {
            waste::idle(report, outside.run, &mut found);
            waste::stalls(report, outside.run, &mut found);
            limit::limit(report, &mut found);
        }
    }
    match no_energy(report) {
        Some(reason) => Topic::ELSEWHERE.into_iter().for_each(|topic| found.silent(topic, reason)),
        None => {
            elsewhere::hour(report, outside, &mut found);
            elsewhere::regions(report, outside, &mut found);
        }
    }
    let Found { mut advice, silences } = found;
    advice.sort_by(|a, b| share(b).total_cmp(&share(a)).then(a.topic.cmp(&b.topic)));
    let combined_percent = combined_percent(&advice);
    let estimated_percent = shares::percent(report.energy.estimated_uj, report.energy.total_uj.unwrap_or(0));
    Counsel { run: report.run.id.clone(), advice, combined_percent, silences, estimated_percent }
}

/// Why nothing at all is said of a run: neither what went into what, nor what it would weigh elsewhere.
fn no_energy(report: &Report) -> Option<&'static str> {
    if report.energy.synthetic_uj > 0 {
        return Some("the run's figures are synthetic: nothing was measured");
    }
    report
        .energy
        .total_uj
        .is_none_or(|uj| uj == 0)
        .then_some("the run has no energy: nothing was measured; eco2 doctor says why")
}

/// Why a run's gauges and spells say nothing.
fn refusal(report: &Report) -> Option<&'static str> {
    no_energy(report).or_else(|| {
        (report.run.duration_ns < SHORTEST_NS)
            .then_some("the run lasted less than 10 s: gauges are read once a second, too seldom to tell")
    })
}

fn share(advice: &Advice) -> f64 {
    advice.saving.map_or(f64::NEG_INFINITY, |saving| saving.percent)
}

/// Advice and silences as they are found.
#[derive(Default)]
struct Found {
    advice: Vec<Advice>,
    silences: Vec<Silence>,
}

impl Found {
    fn silent(&mut self, topic: Topic, reason: impl Into<String>) {
        self.silences.push(Silence { topic, reason: reason.into() });
    }
}

impl Topic {
    const MEASURED: [Self; 3] = [Self::IdleGpu, Self::Stalls, Self::PowerLimit];
    const ELSEWHERE: [Self; 2] = [Self::Hour, Self::Region];

    /// As JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdleGpu => "idle-gpu",
            Self::Stalls => "stalls",
            Self::PowerLimit => "power-limit",
            Self::Hour => "hour",
            Self::Region => "region",
        }
    }
}

impl Claim {
    /// As JSON has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtMost => "at-most",
            Self::Computed => "computed",
            Self::Untold => "untold",
        }
    }
}

/// How the run's command is typed; `COMMAND` where the report does not say.
fn command(report: &Report) -> String {
    match report.run.command.as_slice() {
        [] => "COMMAND".to_owned(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

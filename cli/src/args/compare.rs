//! Flags of `eco2 compare`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use eco2_grid::carbon::FunctionalUnit;
use eco2_report::Objective;

use super::{FlagValues, ScopeFlags};

const COMPARE: &str = "\
RUN is a run log, a JSON report, an ID or name of `eco2 runs`, `last` or `last~1`. Values are per
sample, token or step, whichever every run has counted, else of the whole run. Only these runs are
compared with each other. One run per configuration does not show the variation between runs: with
--by, runs with the same labels are repeats, whose mean has a 95 % confidence interval.

Examples:
  eco2 compare a.json b.json
  eco2 compare a.json b.json --per step --json | jq .verdicts
  eco2 compare runs/*.json --pareto grams,duration,cost
  eco2 compare runs/*.json --by lr,precision -o sweep.html";

/// Flags of `eco2 compare`.
#[derive(Debug, Args)]
#[command(after_long_help = COMPARE)]
pub(crate) struct CompareArgs {
    /// Log or report file, ID or name of a run, `last` or `last~1`; two or more
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    pub(crate) runs: Vec<OsString>,
    /// Unit of work to divide by [default: the one that every run has counted]
    #[arg(long, value_enum)]
    per: Option<Per>,
    /// Mark the runs that no other run beats in all of these: grams, energy, duration, cost
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', hide_possible_values = true)]
    pareto: Vec<Aim>,
    #[command(flatten)]
    pub(crate) scope: FlagValues<ScopeFlags>,
    /// Group the runs by the values of labels; runs of a group are repeats
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Output format [default: by FILE's suffix, else text]
    #[arg(long, value_enum)]
    format: Option<CompareFormat>,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Formats of `eco2 compare`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    /// A table for people
    Text,
    /// A page with charts, in one file that requests nothing
    Html,
    /// The same page as PDF, printed by an installed Chromium or Chrome; needs -o FILE or a pipe
    Pdf,
    /// Every digit, schema eco2.comparison/1
    Json,
    /// One row per run
    Csv,
    /// Tables for a README or a pull request
    Markdown,
    /// Tables for a paper
    Latex,
}

/// Units of work, for `--per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Per {
    Step,
    Sample,
    Token,
    Run,
}

/// Quantities to minimise, for `--pareto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Aim {
    Grams,
    Energy,
    Duration,
    Cost,
}

impl CompareArgs {
    /// The format, from `--format`, `--json` or the suffix of the output file.
    pub(crate) fn chosen(&self) -> CompareFormat {
        let by_suffix = || match self.output.as_deref()?.extension()?.to_str()? {
            "html" => Some(CompareFormat::Html),
            "pdf" => Some(CompareFormat::Pdf),
            "json" => Some(CompareFormat::Json),
            "csv" => Some(CompareFormat::Csv),
            "md" => Some(CompareFormat::Markdown),
            "tex" => Some(CompareFormat::Latex),
            _ => None,
        };
        if self.json { CompareFormat::Json } else { self.format.or_else(by_suffix).unwrap_or(CompareFormat::Text) }
    }

    /// The unit of work that values are divided by; `None`: the one that every run has counted.
    pub(crate) fn per(&self) -> Option<FunctionalUnit> {
        self.per.map(|per| match per {
            Per::Step => FunctionalUnit::Step,
            Per::Sample => FunctionalUnit::Sample,
            Per::Token => FunctionalUnit::Token,
            Per::Run => FunctionalUnit::Run,
        })
    }

    /// The quantities of `--pareto`, each once.
    pub(crate) fn objectives(&self) -> Vec<Objective> {
        let mut objectives = Vec::new();
        for aim in &self.pareto {
            let objective = match aim {
                Aim::Grams => Objective::Grams,
                Aim::Energy => Objective::Energy,
                Aim::Duration => Objective::Duration,
                Aim::Cost => Objective::Cost,
            };
            if !objectives.contains(&objective) {
                objectives.push(objective);
            }
        }
        objectives
    }
}

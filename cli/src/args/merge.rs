//! Flags of `eco2 merge` and `eco2 check-budget`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::quantity::kilograms;
use super::{FlagValues, ScopeFlags};

const MERGE: &str = "\
RUN is a run log, a JSON report, a folder of them, an ID or name of `eco2 runs`, or `last`.
All of them are merged as records of one run: its ranks, its restarts, the command that started
them, an agent. A folder with records of several runs is refused without --force. Each counter
counts once, also if several processes read it. The result can be merged again, in any order.

Examples:
  eco2 merge last
  eco2 merge slurm-4711.0 --json | jq .run.attempts
  eco2 merge node1.json node2.json -o all.json --json";

const CHECK_BUDGET: &str = "\
Reads reports and logs of eco2, and JSON reports of HF Eco2AI. The value decides; its bounds are
shown with it.
With --baseline the range of the increase in energy decides. Of two estimates on one machine only
the error of the machine cancels: an increase has a range of 1/1.37 to 1.37 times. In GitHub Actions
the result is added to the job's summary.
Exit codes: 0 within the limit, 1 exceeded, 2 the range contains the limit, or the file or the
command line is wrong.

Examples:
  eco2 check-budget last --max-co2 5
  eco2 check-budget --report report.json --budget 0.5 --format json
  eco2 check-budget last --baseline main.json --max-increase 5%";

/// Flags of `eco2 merge`.
#[derive(Debug, Args)]
#[command(after_long_help = MERGE)]
pub(crate) struct MergeArgs {
    /// Log, report, folder of them, ID or name of a run, `last` or `last~1`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<OsString>,
    /// Print JSON, schema eco2.report/1
    #[arg(long)]
    pub(crate) json: bool,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Sum the records in a folder as one run even if they belong to several
    #[arg(long)]
    pub(crate) force: bool,
    /// Keep every record in the report, also of more than 1,024, so that it can be merged again
    #[arg(long)]
    pub(crate) whole: bool,
}

/// Flags of `eco2 check-budget`.
#[derive(Debug, Args)]
#[command(after_long_help = CHECK_BUDGET)]
pub(crate) struct CheckBudgetArgs {
    /// Report or log file, ID or name of a run, `last` or `last~1`
    #[arg(value_name = "RUN", required_unless_present = "report")]
    run: Option<OsString>,
    /// RUN as a flag, as in `hf-eco2ai check-budget`
    #[arg(short, long, value_name = "FILE", conflicts_with = "run")]
    report: Option<OsString>,
    /// Limit in kg CO2e
    #[arg(long, visible_alias = "budget", value_name = "KG", value_parser = kilograms, allow_negative_numbers = true)]
    #[arg(required_unless_present = "baseline")]
    pub(crate) max_co2: Option<f64>,
    /// Compare the energy with that of this run instead
    #[arg(long, value_name = "RUN", requires = "max_increase", conflicts_with = "max_co2")]
    pub(crate) baseline: Option<OsString>,
    /// With --baseline: limit of the increase, e.g. 5%
    #[arg(long, value_name = "PERCENT", requires = "baseline", value_parser = percent)]
    pub(crate) max_increase: Option<f64>,
    #[command(flatten)]
    pub(crate) scope: FlagValues<ScopeFlags>,
    /// Output format
    #[arg(long, value_enum, default_value_t = BudgetFormat::Text)]
    format: BudgetFormat,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Formats of `eco2 check-budget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BudgetFormat {
    /// Three lines for people
    Text,
    /// One object with the keys of HF Eco2AI
    Json,
}

/// Parses `5%` or `5`.
fn percent(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.trim_end_matches('%').trim_end().parse().ok();
    let is_allowed = |percent: &f64| percent.is_finite() && *percent >= 0.0;
    value.filter(is_allowed).ok_or_else(|| "allowed: a percentage of 0 or more, such as 5%".to_owned())
}

impl CheckBudgetArgs {
    /// The run to check: RUN or `--report`; clap requires one of them.
    pub(crate) fn run(&self) -> &OsStr {
        self.run.as_deref().or(self.report.as_deref()).unwrap_or_default()
    }

    /// Whether `--json` or `--format json` is set.
    pub(crate) fn wants_json(&self) -> bool {
        self.json || self.format == BudgetFormat::Json
    }
}

//! Flags of `eco2 runs` and `eco2 show`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use eco2_core::Quality;

use super::{FlagValues, ScopeFlags};

const RUNS: &str = "\
Lists the stored runs of this user, newest first, with the sum of all that match. A value without an
upper bound is `≥`; `-` is not known. Times are UTC.

The ID, or its first four characters, is accepted wherever a command takes a RUN.

Examples:
  eco2 runs
  eco2 runs --name 'train*' --since 7d
  eco2 runs --label team=nlp --quality measured --format csv -o runs.csv
  eco2 runs --limit 0 --json | jq '.totals'
  eco2 runs --name train.py --predict=48000
  eco2 runs prune --keep 90d           which runs are older";

const PRUNE: &str = "\
Without --yes nothing is removed. A run without a recorded end is removed only if its log did not
change for that long and for a day; a run whose start is not known is never removed.

Examples:
  eco2 runs prune --keep 90d
  eco2 runs prune --keep 90d --yes";

const REINDEX: &str = "\
The index is a file in the folder of runs. It is kept up to date by itself, and a damaged one is built
again. Use this command after logs were copied into a folder of more than 20,000 runs.

Examples:
  eco2 runs reindex";

const SHOW: &str = "\
RUN is `last`, `last~1` (the run before it), an ID of `eco2 runs`, a run's id or its first
characters, its name, or the path of a run log, a JSON report or a folder of them.

Examples:
  eco2 show                 the last run
  eco2 show last~1          the run before it
  eco2 show 8e2d41          a run by its ID in `eco2 runs`
  eco2 show train.py --all  every device, source and event";

/// Rows of a list for people.
const ROWS: usize = 25;

/// Flags of `eco2 runs`.
#[derive(Debug, Args)]
#[command(after_long_help = RUNS, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) change: Option<ChangeRuns>,
    /// Name of the runs; `*` replaces any characters
    #[arg(short, long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Runs with this label; may be repeated
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = super::flags::pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// Runs that started at this time or later: a date, a time, or an age such as 7d or 12h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Runs that started before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Runs whose energy has this quality at its worst: measured, derived, estimated, synthetic, missing
    #[arg(long, value_enum, value_name = "QUALITY", hide_possible_values = true)]
    quality: Option<WorstQuality>,
    /// Predict the energy and emissions of STEPS steps from these runs [default: of a run like them]
    #[arg(long, value_name = "STEPS", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub(crate) predict: Option<u64>,
    /// Number of runs to list; 0 lists all [default: 25, and all for json and csv]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Output format: text, json, csv, markdown [default: by the suffix of --output, else text]
    #[arg(long, value_enum, hide_possible_values = true)]
    format: Option<ListFormat>,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What `eco2 runs` can change.
#[derive(Debug, Subcommand)]
pub(crate) enum ChangeRuns {
    /// List the runs that are older than an age, and remove them with --yes
    Prune(PruneArgs),
    /// Build the index of the runs again from their logs
    #[command(after_long_help = REINDEX)]
    Reindex,
}

/// Flags of `eco2 runs prune`.
#[derive(Debug, Args)]
#[command(after_long_help = PRUNE)]
pub(crate) struct PruneArgs {
    /// Age of the runs to keep, by their end: a whole number of h, d or w [default: DATA_RETENTION_DAYS days]
    #[arg(long, value_name = "AGE")]
    pub(crate) keep: Option<String>,
    /// Remove the logs; cannot be undone
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Formats of `eco2 runs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Text,
    Json,
    Csv,
    #[value(alias = "md")]
    Markdown,
}

/// Qualities, for `--quality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WorstQuality {
    Measured,
    Derived,
    Estimated,
    Synthetic,
    Missing,
}

impl RunsArgs {
    /// The format, from `--format`, `--json` or the suffix of the file.
    pub(crate) fn format(&self) -> ListFormat {
        let suffix = self.output.as_deref().and_then(Path::extension).and_then(|suffix| suffix.to_str());
        match (self.json, self.format, suffix) {
            (true, ..) => ListFormat::Json,
            (_, Some(format), _) => format,
            (_, _, Some("json")) => ListFormat::Json,
            (_, _, Some("csv")) => ListFormat::Csv,
            (_, _, Some("md")) => ListFormat::Markdown,
            _ => ListFormat::Text,
        }
    }

    /// The number of runs to list; `None` for all.
    pub(crate) fn limit(&self) -> Option<usize> {
        match (self.limit, self.format()) {
            (Some(0), _) | (None, ListFormat::Json | ListFormat::Csv) => None,
            (None, _) => Some(ROWS),
            (limit, _) => limit,
        }
    }

    /// The quality of `--quality`.
    pub(crate) fn quality(&self) -> Option<Quality> {
        self.quality.map(|quality| match quality {
            WorstQuality::Measured => Quality::Measured,
            WorstQuality::Derived => Quality::Derived,
            WorstQuality::Estimated => Quality::Estimated,
            WorstQuality::Synthetic => Quality::Synthetic,
            WorstQuality::Missing => Quality::Missing,
        })
    }
}

/// Flags of `eco2 show`.
#[derive(Debug, Args)]
#[command(after_long_help = SHOW)]
pub(crate) struct ShowArgs {
    /// The run: `last`, `last~1`, an ID of `eco2 runs`, a name or a path
    #[arg(value_name = "RUN", default_value = "last")]
    pub(crate) run: OsString,
    /// Show every device, source and event
    #[arg(short, long, alias = "verbose")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) scope: FlagValues<ScopeFlags>,
    /// Print JSON, schema eco2.report/1
    #[arg(long, conflicts_with = "all")]
    pub(crate) json: bool,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

//! The command line of `eco2` as plain data, parsed by clap.
//!
//! Help texts are the doc comments of the fields. A flag that sets an option takes its help from the option's row
//! (`eco2::options`).

mod compare;
mod completions;
mod config;
#[cfg(feature = "parquet")]
mod export;
mod flags;
mod groups;
#[cfg(feature = "serve")]
pub(crate) mod job;
mod man;
mod merge;
mod optimize;
mod plan;
mod quantity;
mod run;
mod runs;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod top;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use eco2::options::{Row, opt};

pub(crate) use compare::{CompareArgs, CompareFormat};
pub(crate) use completions::{CompletionsArgs, Shell};
pub(crate) use config::{ConfigAction, ConfigArgs, ShowConfigArgs};
#[cfg(feature = "parquet")]
pub(crate) use export::ExportArgs;
use flags::OptionFlags;
pub(crate) use flags::{
    FlagValues, NewPriceFlags, PriceFlags, ProviderFlags, RunIdentityFlags, ScopeFlags, SensorFlags, SummaryFlags,
    SupplementFlags,
};
pub(crate) use man::ManArgs;
pub(crate) use merge::{CheckBudgetArgs, MergeArgs};
pub(crate) use optimize::OptimizeArgs;
pub(crate) use plan::PlanArgs;
pub(crate) use run::RunArgs;
pub(crate) use runs::{ChangeRuns, ListFormat, PruneArgs, RunsArgs, ShowArgs};
#[cfg(feature = "serve")]
pub(crate) use serve::{ServeArgs, ServeFlags};
#[cfg(feature = "serve")]
pub(crate) use top::TopArgs;
pub(crate) use verify::VerifyArgs;

const EXAMPLES: &str = "\
Examples:
  eco2 run -- python train.py          measure a command
  eco2 run --json r.json -- make       and keep the report as JSON
  eco2 doctor                          which sensors this machine has, and how to enable the rest
  eco2 demo                            what a summary looks like, with synthetic data
  eco2 runs                            the stored runs
  eco2 show last~1                     the run before the last
  eco2 report last --format csv        the last run as a table
  sudo eco2 serve                      measure this machine once for all its users

Settings come from flags, then ECO2_* variables, then ./eco2.toml, then
$XDG_CONFIG_HOME/eco2/config.toml, then /etc/eco2/config.toml.
Colours follow NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE.
Exit codes: 0 ok, 1 failure, 2 usage; those of `run` and `doctor` are in their --help.";

const DOCTOR: &str = "\
Exit codes: 0 all requested sources can be read, 1 the calibration failed, 3 some are missing,
4 nothing can be measured (an estimate by the model does not count). rapl-perf and rapl-sysfs read
the same counters: one is enough.

Each energy counter is tested while all CPUs are busy; GPUs are only read. The result is stored for
this machine, and later runs do not use a counter that failed (docs/self-test.md).

Examples:
  eco2 doctor
  eco2 doctor --self-test                      also compare counters with power sensors
  eco2 doctor --calibrate                      on an idle machine with counters, once
  eco2 doctor --source rapl-perf,rapl-sysfs    a machine without GPUs
  eco2 doctor --fix-script > fix.sh            read it, then run it
  eco2 doctor --bundle doctor.tar.gz           for a bug report";

const REPLAY: &str = "\
Examples:
  eco2 run --trace trace.csv -- python train.py
  eco2 replay trace.csv
  eco2 replay trace.csv --spans spans.csv --json - | jq .spans

A span file has the columns name,begin_ns,end_ns, on the clock of the trace.";

const REPORT: &str = "\
RUN is the path of a run log or of a JSON report, an ID or name of `eco2 runs`, `last` or `last~1`.
The records of a run of several processes are merged, as `eco2 merge` does.
A run that was killed has a provisional report: the last one in its log.

Examples:
  eco2 report last
  eco2 report last --json | jq .energy
  eco2 report --by team                 all stored runs, by the label team
  eco2 report --by project --period week
  eco2 report last --steady
  eco2 report last --intensity-series gb.csv    emissions with the intensity of each hour
  eco2 report lr-1 lr-2 lr-3 --by lr --format methods --checklist > methods.md
  eco2 report last --format sci --embodied 8xa100-sxm4-40gb --functional-unit step";

const GRID: &str = "\
Examples:
  eco2 grid DE
  eco2 grid US/CA --json
  eco2 grid GB --provider neso         current intensity from a provider
  eco2 grid | grep EGRID";

const DEMO: &str = "\
Examples:
  eco2 demo
  eco2 demo --json | jq .energy
  eco2 demo --json demo.json";

/// Measure the energy use and carbon emissions of training runs
#[derive(Debug, Parser)]
#[command(name = "eco2", version, arg_required_else_help = true)]
#[command(after_help = "`eco2 help COMMAND` has examples.", after_long_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands of `eco2`, with their flags.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command and report its energy use and emissions
    Run(Box<RunArgs>),
    /// Show the report of a synthetic run, in a second
    Demo(DemoArgs),
    /// Check which sensors this machine has and how to enable the rest
    Doctor(DoctorArgs),
    /// Recompute a report from a recorded trace
    Replay(Box<ReplayArgs>),
    /// List the stored runs
    Runs(Box<RunsArgs>),
    /// Show a stored run
    Show(ShowArgs),
    /// Render runs as text, JSON or CSV
    Report(Box<ReportArgs>),
    /// Compare the energy and emissions of runs, in total or per step
    Compare(CompareArgs),
    /// Merge the records of ranks and restarts into one report
    Merge(MergeArgs),
    /// Write stored runs as Parquet tables for databases
    #[cfg(feature = "parquet")]
    Export(ExportArgs),
    /// Compare a run's emissions with a limit, for scripts
    CheckBudget(CheckBudgetArgs),
    /// Check that stored runs were not changed, and seal them
    Verify(VerifyArgs),
    /// Show the carbon intensity of electricity in a grid zone
    Grid(GridArgs),
    /// Find the lowest-carbon time, place and worker count for a job
    Plan(Box<PlanArgs>),
    /// Suggest how to reduce a run's energy use
    Optimize(Box<OptimizeArgs>),
    /// Show and change settings
    Config(ConfigArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page of a command
    #[command(hide = true)]
    Man(ManArgs),
    /// Begin, end and list jobs whose energy the node agent counts
    #[cfg(feature = "serve")]
    Job(job::JobArgs),
    /// Measure this machine once for all its programs and users
    #[cfg(feature = "serve")]
    Serve(ServeFlags),
    /// Show a node live, or a stored run as it went
    #[cfg(feature = "serve")]
    Top(TopArgs),
}

/// Flags of `eco2 demo`.
#[derive(Debug, Args)]
#[command(after_long_help = DEMO)]
pub(crate) struct DemoArgs {
    /// Print the report as JSON, or write it to FILE in addition to the text
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
    /// Print the full summary, as --summary full does
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) shown: FlagValues<SummaryFlags>,
    #[command(flatten)]
    pub(crate) price: FlagValues<PriceFlags>,
}

/// Flags of `eco2 doctor`.
#[derive(Debug, Args)]
#[command(after_long_help = DOCTOR)]
pub(crate) struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the remedies as a shell script with comments; nothing is run
    #[arg(long, conflicts_with = "json")]
    pub(crate) fix_script: bool,
    /// Write the findings to a .tar.gz file for a bug report, without names of host and user, paths of the home folder and command lines
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "fix_script"])]
    pub(crate) bundle: Option<PathBuf>,
    /// Test the counters for six seconds, to compare them with power sensors [default: about a second]
    #[arg(long)]
    pub(crate) self_test: bool,
    /// Measure the idle machine and two loads of its own for two minutes, for estimates when counters cannot be read
    #[arg(long, conflicts_with = "fix_script")]
    pub(crate) calibrate: bool,
    #[command(flatten)]
    pub(crate) hardware: FlagValues<SensorFlags>,
}

/// Flags of `eco2 replay`.
#[derive(Debug, Args)]
#[command(after_long_help = REPLAY)]
pub(crate) struct ReplayArgs {
    /// The trace, as `eco2 run --trace` writes it
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    #[command(flatten)]
    pub(crate) start: FlagValues<StartTimeFlags>,
    /// Take the spans from this file instead of the trace
    #[arg(long, value_name = "SPANS.csv")]
    pub(crate) spans: Option<PathBuf>,
    /// Write the report as JSON to FILE; `-` prints it instead of the text
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: FlagValues<RunIdentityFlags>,
    #[command(flatten)]
    pub(crate) price: FlagValues<PriceFlags>,
    #[command(flatten)]
    pub(crate) supplements: FlagValues<SupplementFlags>,
}

/// When a recorded run took place.
#[derive(Debug, Clone)]
pub(crate) struct StartTimeFlags;

impl OptionFlags for StartTimeFlags {
    const ROWS: &'static [&'static Row] = &[&opt::STARTED_AT];
}

/// Flags of `eco2 report`.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT)]
pub(crate) struct ReportArgs {
    /// Log or report file, ID or name of a run, `last` or `last~1`
    #[arg(value_name = "RUN", required_unless_present_any = ["by", "period"])]
    pub(crate) runs: Vec<OsString>,
    /// Output format [default: by FILE's suffix, else text]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Sum the runs by the value of a label; without RUN all stored runs
    #[arg(long, value_name = "LABEL")]
    pub(crate) by: Option<String>,
    /// Sum the energy of each hour, day, week or month (UTC); without RUN of all stored runs
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) period: Option<PeriodLength>,
    /// Add the compute resources that conferences ask for to --format methods
    #[arg(long)]
    pub(crate) checklist: bool,
    /// Energy per step of the settled part of the run, without the warm-up
    #[arg(long, conflicts_with_all = ["by", "period"])]
    pub(crate) steady: bool,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Sum the records in a folder as one run even if they belong to several
    #[arg(long, hide_short_help = true)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) scope: FlagValues<ScopeFlags>,
    #[command(flatten)]
    pub(crate) price: FlagValues<NewPriceFlags>,
    #[command(flatten)]
    pub(crate) supplements: FlagValues<SupplementFlags>,
}

impl ReportArgs {
    /// The format, from `--format`, `--json` or the suffix of the output file.
    pub(crate) fn chosen(&self) -> Format {
        let by_suffix = || Format::of_suffix(self.output.as_deref()?.extension()?.to_str()?);
        if self.json { Format::Json } else { self.format.or_else(by_suffix).unwrap_or(Format::Text) }
    }
}

/// Periods of `eco2 report --period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeriodLength {
    Hour,
    Day,
    Week,
    Month,
}

/// Formats of `eco2 report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A summary for people
    Text,
    /// A page with charts, in one file that requests nothing
    Html,
    /// The same page as PDF, printed by an installed Chromium or Chrome; needs -o FILE or a pipe
    Pdf,
    /// Every digit, schema eco2.report/1
    Json,
    /// Tables for a README or a pull request
    Markdown,
    /// Tables for a paper
    Latex,
    /// Power tracks for the Firefox Profiler, profiler.firefox.com
    Firefox,
    /// One row per device
    Csv,
    /// One row per span name
    SpansCsv,
    /// Kilowatt-hours and kilograms, in the names of HF Eco2AI
    HfJson,
    /// Metrics for Prometheus, eco2_... in base units
    Openmetrics,
    /// The same under the names of HF Eco2AI, hf_training_...
    OpenmetricsHf,
    /// A row of CodeCarbon's emissions.csv
    Codecarbon,
    /// Software carbon intensity (ISO/IEC 21031) with its parts
    Sci,
    /// The block co2_eq_emissions of a Hugging Face model card, in grams
    Hf,
    /// A BoAmps report
    Boamps,
    /// Energy in a model's bill of materials, CycloneDX 1.7
    Cyclonedx,
    /// Bought electricity by the GHG Protocol: methods, factors and sources in rows
    Scope2,
    /// The energy values of the EU AI Act's Annex XI
    AiAct,
    /// Electricity and Scope 2 emissions by month and by site, which --by names [default: the grid zone]
    Esg,
    /// Energy and computation for the EU model documentation of general-purpose AI, of one run or several
    Gpai,
    /// A paragraph for the methods section of a paper, about one run or several; with --by, runs of a group are repeats
    Methods,
    /// A summary to share: no names, hosts, ids, labels, commands or days
    Summary,
}

impl Format {
    /// Returns the format that a file's suffix means.
    fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "html" => Self::Html,
            "pdf" => Self::Pdf,
            "json" => Self::Json,
            "csv" => Self::Csv,
            "md" => Self::Markdown,
            "tex" => Self::Latex,
            "prom" => Self::Openmetrics,
            _ => return None,
        })
    }
}

/// Flags of `eco2 grid`.
#[derive(Debug, Args)]
#[command(after_long_help = GRID)]
pub(crate) struct GridArgs {
    /// Code, name or alias, e.g. DE, DEU, Germany, US-CA, California [default: list all zones]
    #[arg(value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// With --provider, also print the hits and misses of its cache
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) provider: FlagValues<ProviderFlags>,
}

/// Parses the command line, whose first word is the program's name.
///
/// # Errors
/// If it is wrong; also for `--help` and `--version`, which are errors to clap.
pub(crate) fn parse(words: &[OsString]) -> Result<Command, clap::Error> {
    let mut definition = definition();
    let cli = Cli::from_arg_matches(&definition.try_get_matches_from_mut(words)?);
    cli.map(|cli| cli.command).map_err(|refusal| refusal.format(&mut definition))
}

/// Returns the definition of the command line, for parsing, completions and manual pages.
pub(crate) fn definition() -> clap::Command {
    groups::grouped(Cli::command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_consistent() {
        definition().debug_assert();
    }

    #[test]
    fn k17_flag_named_by_every_option_exists() {
        let command = Cli::command();
        let flags: Vec<String> = command
            .get_subcommands()
            .flat_map(|subcommand| {
                subcommand.get_arguments().filter_map(|flag| flag.get_long().map(|long| format!("--{long}")))
            })
            .collect();
        for (row, flag) in opt::all().filter_map(|row| Some((row, row.flag?))) {
            assert!(flags.iter().any(|name| name == flag.name), "{}: {}", row.name, flag.name);
        }
    }

    #[test]
    fn words_after_the_command_belong_to_the_command() {
        let parse = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            parse(&words)
        };
        let Ok(Command::Run(run)) = parse("eco2 run --zone DE -- ls --zone -q") else { panic!("not parsed") };
        assert_eq!(run.command, ["ls", "--zone", "-q"]);
        let Ok(Command::Run(run)) = parse("eco2 run ls -la --quiet") else { panic!("not parsed") };
        assert_eq!((run.command.len(), run.is_quiet()), (3, false));
        assert!(parse("eco2 run --zoen DE -- ls").is_err());
    }
}

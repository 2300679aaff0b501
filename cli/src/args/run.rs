//! Flags of `eco2 run`.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::Args;
use eco2::options::{Layer, OptionsError, Row, opt};

use super::flags::{BudgetFlags, FlagValues, OptionFlags, PriceFlags, RunIdentityFlags, SensorFlags, SupplementFlags};

const RUN: &str = "\
The command's input, output and exit code stay unchanged; the summary goes to standard error.
Exit codes: that of the command; 128+n if signal n ended it; 125 eco2 failed, or wrong usage;
126 the command cannot be executed; 127 the command was not found.
Signals are forwarded to the command; the report is written after the command has ended.

Examples:
  eco2 run -- python train.py
  eco2 run --json report.json --zone DE --label team=nlp -- python train.py --epochs 3
  eco2 run --pid 4242                  measure a running process until it ends, or Ctrl-C
  eco2 run --max-co2 0.5 --total-hours 12 -- python train.py    warn if the limit will be exceeded
  eco2 run --trace trace.csv -- make   record every reading, for `eco2 replay`";

/// Flags of `eco2 run`.
#[derive(Debug, Args)]
#[command(after_long_help = RUN, override_usage = "eco2 run [OPTIONS] -- COMMAND...\n       eco2 run [OPTIONS] --pid PID")]
pub(crate) struct RunArgs {
    /// The command and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, conflicts_with = opt::PID.name)]
    pub(crate) command: Vec<OsString>,
    /// Print the full summary, as --summary full does
    #[arg(short, long, conflicts_with = opt::QUIET.name)]
    pub(crate) verbose: bool,
    /// Serve a live page of the run on this machine until the command ends, and print its address
    #[arg(long, hide_short_help = true, conflicts_with = opt::PID.name)]
    pub(crate) ui: bool,
    /// Serve the run's metrics and page on an address of this machine, such as 127.0.0.1:9863, until the command ends
    #[arg(long, hide_short_help = true, value_name = "ADDR:PORT", conflicts_with = opt::PID.name)]
    pub(crate) listen: Option<SocketAddr>,
    #[command(flatten)]
    outputs: FlagValues<OutputFlags>,
    #[command(flatten)]
    identity: FlagValues<RunIdentityFlags>,
    #[command(flatten)]
    record: FlagValues<RecordFlags>,
    #[command(flatten)]
    price: FlagValues<PriceFlags>,
    #[command(flatten)]
    supplements: FlagValues<SupplementFlags>,
    #[command(flatten)]
    limits: FlagValues<BudgetFlags>,
    #[command(flatten)]
    hardware: FlagValues<SensorFlags>,
    #[command(flatten)]
    sampling: FlagValues<SamplingFlags>,
}

/// Flags for the process to measure and the output files.
#[derive(Debug, Clone)]
struct OutputFlags;

impl OptionFlags for OutputFlags {
    const ROWS: &'static [&'static Row] = &[&opt::PID, &opt::JSON, &opt::TRACE, &opt::PUSH];
}

/// Flags for printing and for the run's log.
#[derive(Debug, Clone)]
struct RecordFlags;

impl OptionFlags for RecordFlags {
    const ROWS: &'static [&'static Row] =
        &[&opt::QUIET, &opt::SUMMARY, &opt::SCOPE, &opt::LIVE, &opt::REDACT, &opt::RUN_ID, &opt::LOG];
}

/// Flags for estimates and the sampling interval.
#[derive(Debug, Clone)]
struct SamplingFlags;

impl OptionFlags for SamplingFlags {
    const ROWS: &'static [&'static Row] = &[&opt::ESTIMATE, &opt::INTERVAL];
}

impl RunArgs {
    /// The flags as a layer of options.
    ///
    /// # Errors
    /// If a value is not allowed; the error names the flag.
    pub(crate) fn layer(&self) -> Result<Layer, OptionsError> {
        let mut layer = Layer::default();
        self.outputs.copy_to(&mut layer)?;
        self.identity.copy_to(&mut layer)?;
        self.record.copy_to(&mut layer)?;
        self.price.copy_to(&mut layer)?;
        self.supplements.copy_to(&mut layer)?;
        self.limits.copy_to(&mut layer)?;
        self.hardware.copy_to(&mut layer)?;
        self.sampling.copy_to(&mut layer)?;
        Ok(layer)
    }

    /// Whether one of the [`RecordFlags`] is set, such as `--quiet`.
    #[cfg(test)]
    pub(super) fn is_quiet(&self) -> bool {
        self.record.is_given()
    }
}

//! Flags of `eco2 run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use eco2::options::{Layer, OptionsError};

use super::beside::Beside;
use super::budget::Limits;
use super::flags::{Hardware, Identity, Price, put, put_if, put_path};

const RUN: &str = "\
The command's output, input and exit code are its own; the summary goes to standard error.
Exit codes: the command's; 128+n when signal n ended it; 125 eco2's own failure, usage included;
126 the command cannot be executed, 127 it was not found.
A terminating signal is forwarded; the report is written when the command has ended.

Examples:
  eco2 run -- python train.py
  eco2 run --json report.json --zone DE --label team=nlp -- python train.py --epochs 3
  eco2 run --pid 4242                  until that process ends, or Ctrl-C
  eco2 run --max-co2 0.5 --total-hours 12 -- python train.py    warn when it will not fit
  eco2 run --trace trace.csv -- make   every reading, for `eco2 replay`";

/// Flags of `eco2 run`.
#[derive(Debug, Args)]
#[command(after_long_help = RUN, override_usage = "eco2 run [OPTIONS] -- COMMAND...\n       eco2 run [OPTIONS] --pid PID")]
pub(crate) struct RunArgs {
    /// The command and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, conflicts_with = "pid")]
    pub(crate) command: Vec<OsString>,
    /// Measure while this process runs, instead of a command
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<String>,
    /// Write the report as JSON to FILE; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write every reading to FILE, for `eco2 replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: Identity,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Keep the command's arguments out of the report
    #[arg(long, hide_short_help = true)]
    pub(crate) redact: bool,
    /// Id that the run's processes and restarts share; the launcher's without it
    #[arg(long, value_name = "ID", hide_short_help = true)]
    pub(crate) run_id: Option<String>,
    /// Keep no log of the run
    #[arg(long, hide_short_help = true)]
    pub(crate) no_log: bool,
    #[command(flatten)]
    pub(crate) price: Price,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) hardware: Hardware,
    /// Leave out what has no sensor instead of estimating it
    #[arg(long, help_heading = "Hardware")]
    pub(crate) no_estimate: bool,
    /// Time between polls, such as 10ms; as each counter needs without it
    #[arg(long, value_name = "TIME", hide_short_help = true, help_heading = "Hardware")]
    pub(crate) interval: Option<String>,
}

impl RunArgs {
    /// The flags as a layer of options.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn layer(&self) -> Result<Layer, OptionsError> {
        let mut layer = Layer::default();
        put(&mut layer, "pid", "--pid", &self.pid)?;
        put(&mut layer, "run_id", "--run-id", &self.run_id)?;
        put_path(&mut layer, "json", "--json", &self.json)?;
        put_path(&mut layer, "trace", "--trace", &self.trace)?;
        put(&mut layer, "interval", "--interval", &self.interval)?;
        self.identity.put(&mut layer)?;
        self.price.put(&mut layer)?;
        self.beside.put(&mut layer)?;
        self.limits.put(&mut layer)?;
        self.hardware.put(&mut layer)?;
        put_if(&mut layer, self.quiet, "quiet", "--quiet", true)?;
        put_if(&mut layer, self.redact, "redact", "--redact", true)?;
        put_if(&mut layer, self.no_log, "log", "--no-log", false)?;
        put_if(&mut layer, self.no_estimate, "estimate", "--no-estimate", false)?;
        Ok(layer)
    }
}

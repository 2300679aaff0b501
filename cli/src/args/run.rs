//! Flags of `eco2 run`.

use std::ffi::OsString;

use clap::Args;
use eco2::options::{Layer, OptionsError, Row, opt};

use super::flags::{Flags, Given, Hardware, Identity, Limits, Price, Supplements};

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
    #[arg(value_name = "COMMAND", trailing_var_arg = true, conflicts_with = opt::PID.name)]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    outputs: Given<Outputs>,
    #[command(flatten)]
    identity: Given<Identity>,
    #[command(flatten)]
    manner: Given<Manner>,
    #[command(flatten)]
    price: Given<Price>,
    #[command(flatten)]
    supplements: Given<Supplements>,
    #[command(flatten)]
    limits: Given<Limits>,
    #[command(flatten)]
    hardware: Given<Hardware>,
    #[command(flatten)]
    sampling: Given<Sampling>,
}

/// What is measured, and where the result goes.
#[derive(Debug, Clone)]
struct Outputs;

impl Flags for Outputs {
    const ROWS: &'static [&'static Row] = &[&opt::PID, &opt::JSON, &opt::TRACE];
}

/// What is printed, kept and shared.
#[derive(Debug, Clone)]
struct Manner;

impl Flags for Manner {
    const ROWS: &'static [&'static Row] = &[&opt::QUIET, &opt::REDACT, &opt::RUN_ID, &opt::LOG];
}

/// How sensors are read.
#[derive(Debug, Clone)]
struct Sampling;

impl Flags for Sampling {
    const ROWS: &'static [&'static Row] = &[&opt::ESTIMATE, &opt::INTERVAL];
}

impl RunArgs {
    /// The flags as a layer of options.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn layer(&self) -> Result<Layer, OptionsError> {
        let mut layer = Layer::default();
        self.outputs.put(&mut layer)?;
        self.identity.put(&mut layer)?;
        self.manner.put(&mut layer)?;
        self.price.put(&mut layer)?;
        self.supplements.put(&mut layer)?;
        self.limits.put(&mut layer)?;
        self.hardware.put(&mut layer)?;
        self.sampling.put(&mut layer)?;
        Ok(layer)
    }

    /// Whether nothing but errors is to be printed.
    #[cfg(test)]
    pub(super) fn is_quiet(&self) -> bool {
        self.manner.is_given()
    }
}

//! Flags of `eco2 optimize`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use eco2::options::{Layer, OptionsError, Origin, opt};

use super::flags::{FlagValues, SensorFlags};
use super::quantity::{hours, milliwatts};

const OPTIMIZE: &str = "\
RUN is a run log, a JSON report, an ID or name of `eco2 runs`, or `last`. Suggestions use what
was measured in the run: idle GPUs, stalled steps, power near its limit. With --series or --region
they also compare other hours and places, using the run's energy over time. Percentages are upper
limits of what can be saved. Only a sweep measures what a power limit saves: it runs COMMAND once
per limit, requires root, changes the limit of every visible GPU, and restores the old limits when
it ends, also after SIGINT, SIGTERM and SIGHUP (not after SIGKILL).

Examples:
  eco2 optimize last
  eco2 optimize last --json | jq '.advice[].command'
  eco2 optimize last --series zones.csv --column DE --within 24 --region FR
  eco2 optimize last --zone SE --zone PL
  sudo eco2 optimize --sweep-power-limit -- python train.py --steps 500";

/// Flags of `eco2 optimize`.
#[derive(Debug, Args)]
#[command(after_long_help = OPTIMIZE)]
#[command(
    override_usage = "eco2 optimize [OPTIONS] RUN\n       eco2 optimize --sweep-power-limit [OPTIONS] -- COMMAND..."
)]
pub(crate) struct OptimizeArgs {
    /// Log or report file, ID or name of a run, `last` or `last~1`
    #[arg(value_name = "RUN", required_unless_present = "sweep_power_limit")]
    pub(crate) run: Option<OsString>,
    /// The command of a sweep and its arguments
    #[arg(value_name = "COMMAND", last = true, requires = "sweep_power_limit")]
    pub(crate) command: Vec<OsString>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Compare with other hours: intensity over time at the run's place, CSV or JSON
    #[arg(long, value_name = "FILE", help_heading = "Elsewhere", conflicts_with = "sweep_power_limit")]
    pub(crate) series: Option<PathBuf>,
    /// Column of --series [default: its only one]
    #[arg(long, value_name = "COLUMN", help_heading = "Elsewhere", requires = "series")]
    pub(crate) column: Option<String>,
    /// Hours by which the start may move
    #[arg(long, value_name = "H", value_parser = hours, default_value = "24", help_heading = "Elsewhere", requires = "series")]
    // In nanoseconds.
    pub(crate) within: i64,
    /// Compare with this grid zone, or column of the series; may be repeated
    #[arg(
        long = "region",
        visible_alias = "zone",
        value_name = "ZONE",
        help_heading = "Elsewhere",
        conflicts_with = "sweep_power_limit"
    )]
    pub(crate) regions: Vec<String>,
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// Grid zone of the run [default: that of its report]
    #[arg(long, value_name = "ZONE", help_heading = "Elsewhere")]
    pub(crate) run_zone: Option<String>,
    #[command(flatten)]
    pub(crate) hardware: FlagValues<SensorFlags>,
}

/// Flags of the power limit sweep.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sweep")]
pub(crate) struct SweepArgs {
    /// Run COMMAND under one GPU power limit after another
    #[arg(long, requires = "command")]
    pub(crate) sweep_power_limit: bool,
    /// Limits to try, watts, separated by commas [default: the allowed range in equal steps]
    #[arg(long, value_name = "W,...", value_delimiter = ',', value_parser = milliwatts, requires = "sweep_power_limit")]
    // In milliwatts.
    pub(crate) limits: Vec<u32>,
    /// Number of limits to try
    #[arg(
        long = "limit-count",
        alias = "steps",
        value_name = "N",
        default_value = "4",
        requires = "sweep_power_limit"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=100))]
    pub(crate) limit_count: u32,
    /// Runs at each limit; more than one shows the variation
    #[arg(long, value_name = "N", default_value = "1", requires = "sweep_power_limit")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,
}

impl OptimizeArgs {
    /// The flags as a layer of options.
    ///
    /// # Errors
    /// If a value is not allowed; the error names the flag.
    pub(crate) fn layer(&self) -> Result<Layer, OptionsError> {
        let mut layer = Layer::default();
        if let Some(zone) = &self.run_zone {
            layer.set(&opt::ZONE, zone.as_str(), Origin::code("--run-zone"))?;
        }
        self.hardware.copy_to(&mut layer)?;
        Ok(layer)
    }
}

//! Flags of `eco2 plan`.

use std::path::PathBuf;

use clap::Args;
use eco2::options::opt;

use super::flags::{FlagValues, ProviderFlags};
use super::quantity::{hours, kilowatt_hours, watt_hours, watts};

const PLAN: &str = "\
The series is CSV: times in UTC (ISO 8601) in the first column, then one column of g/kWh per zone,
or gco2e_per_kwh. A job runs without a pause when emissions are lowest. --interruptible allows
pauses; --profile (CSV: workers,throughput,power in W) allows the number of workers to change.
The job ends before start + within. --provider uses a service's forecast, from now on.
JOBS is CSV: id,arrival,duration_h,deadline,interruptible.
An average intensity is what a grid emits, not what one more job changes.

Examples:
  eco2 plan --series de.csv --duration 4 --within 24 --power 700
  eco2 plan --series zones.csv --zone GB --duration 6.5 --within 48 --interruptible --json
  eco2 plan --series de.csv --duration 24 --within 72 --profile scaling.csv --switch-cost 50
  eco2 plan --series zones.csv --duration 6 --within 24 --rank --zone DE --transfer 2
  eco2 plan --series de.csv --jobs queue.csv --machines 8
  eco2 plan --provider neso --zone GB --duration 4 --within 24 --power 700";

/// Flags of `eco2 plan`.
#[derive(Debug, Args)]
#[command(after_long_help = PLAN)]
pub(crate) struct PlanArgs {
    /// Intensity over time, CSV or JSON
    #[arg(long, value_name = "FILE", required_unless_present = opt::INTENSITY_PROVIDER.name, conflicts_with = opt::INTENSITY_PROVIDER.name)]
    pub(crate) series: Option<PathBuf>,
    /// Column of --series; with --provider, the grid zone
    #[arg(short, long, value_name = "COLUMN")]
    pub(crate) zone: Option<String>,
    /// Hours that the job runs; with --profile, with the fewest workers
    #[arg(long, value_name = "H", value_parser = hours, required_unless_present = "jobs")]
    pub(crate) duration: Option<i64>,
    /// Hours from the start to the deadline
    #[arg(long, value_name = "H", value_parser = hours, required_unless_present = "jobs")]
    pub(crate) within: Option<i64>,
    /// Earliest start time, ISO 8601 [default: first slot of the series]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) start: Option<i64>,
    /// The job may pause and resume
    #[arg(long)]
    pub(crate) interruptible: bool,
    /// Plan these jobs instead of one
    #[arg(long, value_name = "CSV", conflicts_with_all = ["duration", "within", "start", "interruptible", "profile", opt::INTENSITY_PROVIDER.name])]
    pub(crate) jobs: Option<PathBuf>,
    /// Power of the job, watts [default: 1000]
    #[arg(long, value_name = "W", value_parser = watts)]
    pub(crate) power: Option<f64>,
    /// Power usage effectiveness, 1 or more
    #[arg(long, value_name = "RATIO", value_parser = number, default_value = "1", hide_default_value = true)]
    pub(crate) pue: f64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) more: PlanMore,
    #[command(flatten)]
    pub(crate) provider: FlagValues<ProviderFlags>,
}

/// Flags for number of workers, place and queue.
#[derive(Debug, Args)]
pub(crate) struct PlanMore {
    /// Throughput and power by workers, CSV
    #[arg(long, value_name = "FILE", help_heading = "Width")]
    pub(crate) profile: Option<PathBuf>,
    /// Change width at the edges of slots only
    #[arg(long, help_heading = "Width")]
    pub(crate) whole_slots: bool,
    /// Energy of each start, watt-hours; implies --whole-slots
    #[arg(long, value_name = "WH", value_parser = watt_hours, help_heading = "Width")]
    pub(crate) start_cost: Option<f64>,
    /// Energy of each change of workers, watt-hours; implies --whole-slots
    #[arg(long, value_name = "WH", value_parser = watt_hours, help_heading = "Width")]
    pub(crate) switch_cost: Option<f64>,
    /// Compare all columns of the series
    #[arg(long, help_heading = "Place", conflicts_with_all = ["jobs", "profile", "whole_slots", "start_cost", "switch_cost", opt::INTENSITY_PROVIDER.name])]
    pub(crate) rank: bool,
    /// Energy to move the job out of --zone, kilowatt-hours
    #[arg(long, value_name = "KWH", value_parser = kilowatt_hours, help_heading = "Place", requires = "rank", requires = "zone")]
    pub(crate) transfer: Option<f64>,
    /// Number of machines that the jobs share [default: one per job]
    #[arg(long, value_name = "N", help_heading = "Place", requires = "jobs", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) machines: Option<u32>,
}

fn instant(text: &str) -> Result<i64, String> {
    eco2_grid::parse_instant(text).ok_or_else(|| "a time in UTC, such as 2026-01-31T13:30Z".to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "a number of at least 0".to_owned())
}

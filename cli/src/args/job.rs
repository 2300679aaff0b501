//! Flags of `eco2 job`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use eco2_agent::GpuName;

use super::flags::{FlagValues, JobLimitFlags, pair};

const JOB: &str = "\
A job is a process with everything that it starts, or a control group. In each second the energy of
each device is divided among the jobs in proportion to the time that each used it. A job within a
job is counted in the inner one, and in the total of the outer one.

Examples:
  eco2 job begin train                      this shell and everything that it starts from now on
  eco2 job begin 48213 --cgroup /slurm/uid_1000/job_48213 --label account=nlp
  eco2 job begin train --max-energy 5kWh    eco2 job list shows whether it keeps to that
  eco2 job list
  eco2 job list --since 2026-11-01 --group-by account    a month of each account, as CSV
  eco2 job end train --steps 4000";

/// Flags of `eco2 job`.
#[derive(Debug, Args)]
#[command(after_long_help = JOB, disable_help_subcommand = true)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    pub(crate) action: JobAction,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum JobAction {
    /// Begin a job
    Begin(BeginJobArgs),
    /// End a job and print its energy
    End(EndJobArgs),
    /// List your jobs: those that go on, and those that ended in the last hour or since a time
    List(ListJobsArgs),
}

/// Where the agent is.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Folder of the agent [default: $ECO2_AGENT, else /run/eco2, else eco2 in $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Flags of `eco2 job begin`.
#[derive(Debug, Args)]
pub(crate) struct BeginJobArgs {
    /// Id of the job, unique among those that go on: letters, digits and -_.:@+=
    #[arg(value_name = "ID", value_parser = id)]
    pub(crate) id: String,
    /// A process; the job is this process and everything that it starts [default: the process that runs eco2]
    #[arg(long, value_name = "PID", conflicts_with = "cgroup")]
    pub(crate) pid: Option<u32>,
    /// A control group by its path below the mount point, which may be made later; for root and the group eco2
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,
    /// Name that is shown [default: the id]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Label of the job; may be repeated
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// User id of the job's owner, for root and the group eco2 [default: the caller]
    #[arg(long, value_name = "UID")]
    pub(crate) uid: Option<u32>,
    /// Numbers or UUIDs of the GPUs that it may use, as nvidia-smi lists them; for root and the group eco2
    #[arg(long, value_delimiter = ',', value_name = "GPUS")]
    pub(crate) gpus: Vec<GpuName>,
    #[command(flatten)]
    pub(crate) limits: FlagValues<JobLimitFlags>,
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
}

/// Flags of `eco2 job end`.
#[derive(Debug, Args)]
pub(crate) struct EndJobArgs {
    /// Id of the job
    #[arg(value_name = "ID", value_parser = id)]
    pub(crate) id: String,
    /// Steps that the job did
    #[arg(long, value_name = "COUNT")]
    pub(crate) steps: Option<u64>,
    /// Wait up to two seconds for the energy of the job's last second
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print the job as JSON instead of one line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
}

/// Flags of `eco2 job list`.
#[derive(Debug, Args)]
pub(crate) struct ListJobsArgs {
    /// Only jobs of this user: a name or a number
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only jobs with this label account
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Also jobs that ended since then, from the agent's history: a date, a time, or an age such as 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Format of the output: text, csv or json
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, hide_possible_values = true)]
    format: JobFormat,
    /// Print the jobs as JSON, as --format json does
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print sums as CSV instead: per month and label account
    #[arg(long, value_enum, value_name = "GROUP", hide_possible_values = true, conflicts_with_all = ["format", "json"], requires = "since")]
    pub(crate) group_by: Option<JobGroup>,
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
}

impl ListJobsArgs {
    /// Returns the format of the output.
    pub(crate) fn format(&self) -> JobFormat {
        if self.json { JobFormat::Json } else { self.format }
    }
}

/// Formats of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum JobFormat {
    #[default]
    Text,
    Csv,
    Json,
}

/// By what jobs are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobGroup {
    Account,
}

/// Checks the id of a job, which becomes a part of an address.
fn id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@+=".contains(c);
    if (1..=128).contains(&text.len()) && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 128 letters, digits and -_.:@+=".to_owned())
    }
}

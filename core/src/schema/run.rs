//! Identity of a run: process, attempts, host, tool, and the work that it did.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Identity of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Run {
    /// Id of the run; its ranks and restarts share it.
    pub id: String,
    /// Unique id of this process's record of the run; names the log. Empty in a merged report.
    #[serde(default)]
    pub part: String,
    /// The record of the command that this process ran under; empty where there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// The name given, or the command's.
    pub name: String,
    /// Labels, given or found (SLURM, cgroup, Kubernetes).
    pub labels: BTreeMap<String, String>,
    /// The command and its arguments; redacted on request.
    pub command: Vec<String>,
    /// Wall clock at the start, RFC 3339 UTC. A label: durations come from the monotonic clock.
    pub started_at: String,
    /// Wall clock at the end: start plus monotonic duration.
    pub ended_at: String,
    /// Monotonic duration, nanoseconds.
    pub duration_ns: u64,
    /// The command's exit code; `None` while running or without a command.
    pub exit_code: Option<i32>,
    /// `provisional` while edges wait for their knots, else `final`.
    pub state: State,
    /// One entry a (re)start.
    pub attempts: Vec<Attempt>,
    /// Where it ran.
    pub host: Host,
    /// What measured it.
    pub tool: Tool,
    /// Which of `world_size` processes this is; `None` for a process that is no rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// How many ranks there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<u32>,
    /// How often the launcher had restarted the run when this process began.
    #[serde(default)]
    pub attempt: u32,
    /// How often the scheduler had requeued the job when this process began.
    #[serde(default)]
    pub requeue: u32,
    /// `CLOCK_BOOTTIME` at the start and the end, nanoseconds; `None` where nothing was measured live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ns: Option<[u64; 2]>,
}

/// One start of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 0.
    pub number: u32,
    /// Wall clock at its start, RFC 3339 UTC.
    pub started_at: String,
    /// Monotonic duration, nanoseconds.
    pub duration_ns: u64,
    /// Energy of this attempt, microjoules; `None`: not known.
    pub energy_uj: Option<u64>,
    /// Ranks of which there is a record; `None` without ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranks: Option<u32>,
    /// Ranks that the launcher started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<u32>,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Kernel's boot id; counters are comparable only within one.
    pub boot_id: String,
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
}

/// The tool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tool {
    /// Version of eco2.
    pub version: String,
}

/// Whether values may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Knots are still to come.
    #[default]
    Provisional,
    /// Settled.
    Final,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Steps; `None`: not counted.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub steps: Option<u64>,
    /// Samples; `None`: not counted.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub samples: Option<u64>,
    /// Tokens; `None`: not counted.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub tokens: Option<u64>,
    /// Last loss given.
    pub loss: Option<f64>,
    /// User-defined numbers, last value each.
    pub extra: BTreeMap<String, f64>,
}

/// Reads a field that may be null but not absent: a misspelt name must not pass for *not known*.
pub(super) fn required_nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

//! The run in a report: its identity ([`Run`]), its attempts, the host, the tool, and the work that it did.
//!
//! A *rank* is one of the processes of a distributed training, an *attempt* one start of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Identity and times of a run.
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
    /// The name that the user set, else the command's.
    pub name: String,
    /// Labels set by the user or found in the environment (SLURM, cgroup, Kubernetes).
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
    /// `provisional` while the run goes on, or the energy at the start or end of a span waits for a counter's update, else
    /// `final`.
    pub state: State,
    /// How the record of the run ends; `None`: not known, as in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RecordEnding>,
    /// One entry per start or restart.
    pub attempts: Vec<Attempt>,
    /// The machine on which it ran.
    pub host: Host,
    /// The tool that measured it.
    pub tool: Tool,
    /// Number of this process among `world_size` processes, from 0; `None` for a process that is no rank.
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

/// The machine on which a run was measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Kernel's boot id; counters are comparable only within one.
    pub boot_id: String,
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
}

/// The tool that measured a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tool {
    /// Version of eco2.
    pub version: String,
}

/// Whether values may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Updates of counters are awaited, which may change values.
    #[default]
    Provisional,
    /// No value changes any more.
    Final,
}

/// How the record of a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordEnding {
    /// With the end of the run.
    Recorded,
    /// Before it: eco2 was killed, because the record has not grown for a day.
    Interrupted,
    /// Before it: the run goes on, or eco2 was killed.
    Open,
}

/// The work that the run did with its energy.
///
/// ```
/// use eco2_core::schema::Work;
///
/// let work = Work { steps: Some(1_000), samples: Some(64_000), ..Work::default() };
/// assert_eq!(work.tokens, None); // not counted, which is not 0
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Number of steps; `None`: not counted.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub steps: Option<u64>,
    /// Number of samples; `None`: not counted.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub samples: Option<u64>,
    /// Number of tokens; `None`: not counted.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub tokens: Option<u64>,
    /// Loss that the program reported last; `None`: none.
    pub loss: Option<f64>,
    /// Numbers that the program reported under names of its own: the last value of each.
    pub extra: BTreeMap<String, f64>,
}

impl Run {
    /// Whether the end of the run is not recorded: the run goes on, or eco2 was killed. In reports of earlier versions this is
    /// not known of a provisional run, which counts as such.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end.map_or(self.state == State::Provisional, |end| end != RecordEnding::Recorded)
    }

    /// Whether the run failed: its command ended with an exit code other than 0, or its record was interrupted.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.exit_code.map_or(self.end == Some(RecordEnding::Interrupted), |code| code != 0)
    }
}

impl Work {
    /// The number in `extra` with the floating-point operations of the run's training, as the Hugging Face Trainer counts them
    /// (`total_flos`).
    pub const FLOP: &'static str = "total_flos";

    /// Returns the floating-point operations; `None`: not reported.
    ///
    /// ```
    /// use eco2_core::schema::Work;
    ///
    /// let mut work = Work::default();
    /// assert_eq!(work.flop(), None);
    /// work.extra.insert(Work::FLOP.to_owned(), 2e15);
    /// assert_eq!(work.flop(), Some(2e15));
    /// ```
    #[must_use]
    pub fn flop(&self) -> Option<f64> {
        self.extra.get(Self::FLOP).copied().filter(|flop| flop.is_finite() && *flop > 0.0)
    }
}

/// Reads a field that may be null but not absent: a misspelt name must not pass for *not known*.
pub(super) fn required_nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

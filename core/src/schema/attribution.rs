//! The parts of the energy that the command, idle capacity and other processes used.

use serde::{Deserialize, Serialize};

/// The users of the attributed devices' energy: command + idle + others + unattributed = their total, exactly.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Attribution {
    /// The command and its descendants.
    pub command_uj: u64,
    /// Idle capacity.
    pub idle_uj: u64,
    /// Everyone else.
    pub others_uj: u64,
    /// Lower bound of the command's share.
    pub low_uj: u64,
    /// Upper bound of the command's share.
    pub high_uj: Option<u64>,
    /// How it was attributed.
    pub method: String,
    /// Energy whose user is not known.
    #[serde(default)]
    pub unattributed_uj: u64,
    /// Lower bound of the command's share without the convention that energy goes with time.
    #[serde(default)]
    pub free_low_uj: u64,
    /// Upper bound without that convention: the energy of all devices within its reach; `None`: unbounded.
    #[serde(default)]
    pub free_high_uj: Option<u64>,
    /// The users in detail; the sums above are over leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Consumer>,
}

/// One consumer of energy: a process tree, container, pod, job or user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consumer {
    /// Unique within the report.
    pub id: String,
    /// `process-tree`, `container`, `pod`, `job`, `user`.
    pub kind: String,
    /// For people.
    pub name: String,
    /// Energy attributed to it, microjoules.
    pub energy_uj: u64,
    /// Lower bound.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// Id of the consumer that contains it.
    pub parent: Option<String>,
}

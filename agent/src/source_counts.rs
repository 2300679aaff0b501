//! Defines what happened at a source since the agent first ran on the machine ([`SourceCounts`]). Plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happened at one source. The counts never fall, also over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCounts {
    /// When one of its sensors was read last, monotonic nanoseconds; `None`: not since the agent started.
    #[serde(skip_deserializing)]
    pub read_ns: Option<u64>,
    /// The same by the wall clock, nanoseconds since 1970.
    #[serde(skip_deserializing)]
    pub read_wall_ns: Option<i64>,
    /// Reads of a sensor that failed, by reason.
    pub errors: BTreeMap<String, u64>,
    /// Wraps of counters.
    pub wraps: u64,
    /// Resets of counters.
    pub resets: u64,
    /// Time in which a sensor could not be read, nanoseconds, added over sensors.
    pub gap_ns: u64,
}

impl SourceCounts {
    /// Returns what of it is kept over a restart.
    pub(crate) fn kept(&self) -> Self {
        Self { read_ns: None, read_wall_ns: None, ..self.clone() }
    }

    /// Whether the same of both is kept.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let numbers = |counts: &Self| (counts.wraps, counts.resets, counts.gap_ns);
        numbers(self) == numbers(other) && self.errors == other.errors
    }
}

//! Sources and what became of them.

use serde::{Deserialize, Serialize};

/// A source and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Source name.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// Why, for people.
    pub reason: String,
    /// What to do, one action; empty when nothing needs doing.
    pub remedy: String,
}

/// State of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Reading.
    Ok,
    /// Reading, but something is missing.
    Degraded,
    /// Not there.
    Absent,
    /// There, but not readable.
    Denied,
    /// Was reading and stopped.
    Lost,
    /// A call did not return.
    Hung,
    /// Not asked for.
    Off,
}

//! The identity of a run: who started what, when and where. Nothing of it changes while the run goes on.

use std::collections::BTreeMap;

use eco2_core::schema::{Host, Run, SourceStatus, Tool};
use jiff::{SignedDuration, Timestamp};

use crate::run::labels::Launch;
use crate::run::pricing::When;

/// What is known of a run before its first reading.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) part: String,
    /// The record of the command that this runs under; empty without one.
    pub(crate) parent: String,
    pub(crate) launch: Launch,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Labels that contradict each other.
    pub(crate) warnings: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) host: Host,
    pub(crate) sources: Vec<SourceStatus>,
    pub(crate) started: Timestamp,
    /// Monotonic clock when `started` was read.
    pub(crate) started_ns: u64,
    /// Boot-time clock then.
    pub(crate) boot_ns: u64,
}

impl Identity {
    /// The run as it is known at its start.
    pub(crate) fn run(&self) -> Run {
        Run {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            command: self.command.clone(),
            started_at: self.started.to_string(),
            ended_at: self.started.to_string(),
            host: self.host.clone(),
            tool: Tool { version: env!("CARGO_PKG_VERSION").to_owned() },
            part: self.part.clone(),
            parent: self.parent.clone(),
            rank: self.launch.rank,
            world_size: self.launch.world_size,
            attempt: self.launch.attempt,
            requeue: self.launch.requeue,
            boot_ns: Some([self.boot_ns; 2]),
            ..Run::default()
        }
    }

    /// Wall time between two monotonic instants: a label, read once at the start and carried by the monotonic clock.
    pub(crate) fn when(&self, begin_ns: u64, end_ns: u64) -> When {
        let since = i64::try_from(begin_ns.saturating_sub(self.started_ns)).unwrap_or(i64::MAX);
        let from = self.started.checked_add(SignedDuration::from_nanos(since)).unwrap_or(self.started);
        When::new(from, end_ns.saturating_sub(begin_ns))
    }
}

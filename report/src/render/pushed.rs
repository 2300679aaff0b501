//! Writes metrics and runs in the formats that servers take by a push: OTLP (the protocol of OpenTelemetry) for metrics and
//! traces, and remote write of Prometheus; and reads the answers of OTLP. All are pure functions; nothing is sent here.

mod answer;
mod group;
mod otlp;
mod remote_write;
mod trace;

pub use answer::{PartialSuccess, otlp_partial_success};
pub use group::group_path;
pub use otlp::otlp_metrics;
pub use remote_write::remote_write;
pub use trace::otlp_trace;

use std::collections::BTreeMap;

use crate::render::openmetrics::{Family, Labels};

/// Since when counters count, nanoseconds since 1970; `None`: not known. A counter that starts again has a new time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CounterStart {
    /// Counters that go on when the sender starts again.
    pub kept_ns: Option<u64>,
    /// Counters that start again with the sender ([`Family::of_sender`](crate::Family::of_sender)).
    pub sender_ns: Option<u64>,
    /// Counters of a job, by the value of the label `run`.
    pub jobs_ns: BTreeMap<String, u64>,
}

impl CounterStart {
    /// Returns the time of the counter with these labels.
    fn of(&self, family: Family, labels: &Labels) -> Option<u64> {
        let job = labels.iter().find(|(name, _)| *name == "run").and_then(|(_, run)| self.jobs_ns.get(run).copied());
        job.or(if family.is_of_sender { self.sender_ns } else { self.kept_ns })
    }
}

/// Where and when the samples of a push were measured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushOrigin {
    /// Time of the values, nanoseconds since 1970.
    pub at_ns: u64,
    /// When the counters were 0, nanoseconds since 1970.
    pub start: CounterStart,
    /// Version of eco2.
    pub version: String,
    /// Host name of the machine.
    pub hostname: String,
    /// What distinguishes this sender from the others: the id of a run's record, or the host name.
    pub instance: String,
    /// Id of the run; `None` for the samples of a node agent. Remote write adds it as label `run` to samples without this label,
    /// so that two runs of one machine do not write to the same series.
    pub run: Option<String>,
    /// Rank of the process in a distributed training; `None`: it has none. Remote write adds it as label `rank`.
    pub rank: Option<u32>,
}

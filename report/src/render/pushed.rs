//! Writes metrics and runs in the formats that servers take by a push: OTLP (the protocol of OpenTelemetry) for metrics and
//! traces, and remote write of Prometheus. All are pure functions from data to bytes; nothing is sent here.

mod group;
mod otlp;
mod remote_write;
mod trace;

pub use group::group_path;
pub use otlp::otlp_metrics;
pub use remote_write::remote_write;
pub use trace::otlp_trace;

/// Where and when the samples of a push were measured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushOrigin {
    /// Time of the values, nanoseconds since 1970.
    pub at_ns: u64,
    /// When the counters were 0, nanoseconds since 1970; `None`: not known.
    pub start_ns: Option<u64>,
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

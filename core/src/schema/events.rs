//! What happened during the run: events, episodes, the state of every source, and the overhead of measuring.

use serde::{Deserialize, Serialize};

use super::event_kind::EventKind;

/// Something that happened during the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Nanoseconds since the start of the run.
    pub at: u64,
    /// What happened: the text of an [`EventKind`], or of a kind of another version.
    pub kind: String,
    /// Device or source; empty for the run.
    pub device: String,
    /// Description for readers of the report.
    pub text: String,
}

impl EventRecord {
    /// Returns an event `at` nanoseconds after the run began; `device` is empty for the run itself.
    ///
    /// ```
    /// use eco2_core::schema::{EventKind, EventRecord};
    ///
    /// let event = EventRecord::new(2_000_000_000, EventKind::GpuLost, "GPU-1", "the driver lost it");
    /// assert_eq!((event.kind.as_str(), event.event_kind()), ("gpu-lost", Some(EventKind::GpuLost)));
    /// // A kind of another version is kept as text.
    /// assert_eq!(EventRecord { kind: "gpu-melted".into(), ..event }.event_kind(), None);
    /// ```
    #[must_use]
    pub fn new(at: u64, kind: EventKind, device: &str, text: impl Into<String>) -> Self {
        Self { at, kind: kind.name().to_owned(), device: device.to_owned(), text: text.into() }
    }

    /// Returns the kind; `None` for one that only another version creates.
    #[must_use]
    pub fn event_kind(&self) -> Option<EventKind> {
        EventKind::from_name(&self.kind)
    }
}

/// Sum of the episodes of one kind and device. An *episode* is a time in which a GPU or the run was in an unwanted or
/// notable state, such as stalled or idle. `eco2 optimize` bases its suggestions on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// `stalled`: no step ended for several times the usual; `idle`, `hot`, `power-capped`: what a GPU reported about
    /// itself.
    pub kind: String,
    /// Device; empty for the run.
    pub device: String,
    /// Number of episodes.
    pub count: u64,
    /// Sum of their lengths, nanoseconds.
    pub duration_ns: u64,
    /// Length of the longest one, nanoseconds.
    pub longest_ns: u64,
    /// Usual length of a step, nanoseconds; `None` for kinds other than `stalled`.
    pub usual_ns: Option<u64>,
    /// Energy used in them, microjoules; `None` where no reading covers them.
    pub energy_uj: Option<u64>,
    /// Lower bound of that energy, microjoules.
    pub low_uj: u64,
    /// Upper bound of that energy, microjoules; `None`: unbounded.
    pub high_uj: Option<u64>,
}

impl EpisodeRecord {
    /// No step ended for several times the usual.
    pub const STALLED: &str = EventKind::Stalled.name();
    /// No kernel ran on the GPU.
    pub const IDLE: &str = "idle";
    /// The GPU slowed down because of its temperature, or reached the most it may have.
    pub const HOT: &str = EventKind::Hot.name();
    /// The GPU slowed down to stay below its power limit.
    pub const POWER_CAPPED: &str = "power-capped";

    /// The kinds that are faults: each is an event too.
    pub const ANOMALIES: [&str; 2] = [Self::STALLED, Self::HOT];

    /// Whether it is a fault, and so an event too.
    ///
    /// ```
    /// use eco2_core::schema::EpisodeRecord;
    ///
    /// let text = r#"{"kind": "stalled", "device": "", "count": 2, "duration_ns": 38000000000, "longest_ns": 20000000000,
    ///     "usual_ns": 500000000, "energy_uj": null, "low_uj": 0, "high_uj": null}"#;
    /// let stalled: EpisodeRecord = serde_json::from_str(text)?;
    /// assert!(stalled.is_anomaly());
    /// assert!(!EpisodeRecord { kind: EpisodeRecord::IDLE.to_owned(), ..stalled }.is_anomaly());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn is_anomaly(&self) -> bool {
        Self::ANOMALIES.contains(&self.kind.as_str())
    }
}

/// A source (an interface such as NVML or RAPL) and whether it could be read.
///
/// ```
/// use eco2_core::schema::{SourceStatus, Status};
///
/// let rapl = SourceStatus {
///     name: "rapl-perf".into(),
///     status: Status::Denied,
///     reason: "opening its counters needs a right that this user lacks".into(),
///     remedy: "sudo sysctl kernel.perf_event_paranoid=0".into(),
/// };
/// assert_eq!(rapl.status.name(), "denied");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Source name.
    pub name: String,
    /// Whether it could be read.
    pub status: Status,
    /// Reason for the status, as text.
    pub reason: String,
    /// One action that the user can take; empty where none is needed.
    pub remedy: String,
}

/// State of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is read.
    Ok,
    /// It is read, but something is missing.
    Degraded,
    /// The machine does not have it.
    Absent,
    /// It exists, but may not be read.
    Denied,
    /// It was read, and stopped during the run.
    Lost,
    /// A call did not return.
    Hung,
    /// It was not requested.
    Off,
}

impl Status {
    /// Returns its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Absent => "absent",
            Self::Denied => "denied",
            Self::Lost => "lost",
            Self::Hung => "hung",
            Self::Off => "off",
        }
    }
}

/// Overhead of measuring.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SelfCost {
    /// CPU time of the sampling threads, nanoseconds.
    pub cpu_ns: u64,
    /// Peak resident memory of this process, bytes.
    pub max_rss_bytes: u64,
    /// Readings taken.
    pub samples: u64,
    /// Spans dropped because a thread's buffer was full, and names above the limit of names.
    pub dropped: u64,
    /// Samplings that came too late and were skipped.
    pub missed_ticks: u64,
    /// Bytes of log lost to a full or failing disk.
    pub log_lost_bytes: u64,
}

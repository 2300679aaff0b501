//! What happened during the run: events, episodes, the state of every source, and the overhead of measuring.

use serde::{Deserialize, Serialize};

use super::event_kind::EventKind;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Nanoseconds since the run began.
    pub at: u64,
    /// What happened: the text of an [`EventKind`], or of a kind of another version.
    pub kind: String,
    /// Device or source; empty for the run.
    pub device: String,
    /// For people.
    pub text: String,
}

impl EventRecord {
    /// An event at an instant of the run; `device` is empty for the run itself.
    #[must_use]
    pub fn new(at: u64, kind: EventKind, device: &str, text: impl Into<String>) -> Self {
        Self { at, kind: kind.name().to_owned(), device: device.to_owned(), text: text.into() }
    }

    /// What happened; `None` for a kind that only another version makes.
    #[must_use]
    pub fn event_kind(&self) -> Option<EventKind> {
        EventKind::from_name(&self.kind)
    }
}

/// Episodes of one kind and device, summed up. The evidence that advice rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// `stalled`: no step ended for several times the usual; `idle`, `hot`, `power-capped`: what a GPU reported about
    /// itself.
    pub kind: String,
    /// Device; empty for the run.
    pub device: String,
    /// How many there were.
    pub count: u64,
    /// Sum of their lengths, nanoseconds.
    pub duration_ns: u64,
    /// The longest one, nanoseconds.
    pub longest_ns: u64,
    /// Stalls: the usual length of a step, nanoseconds.
    pub usual_ns: Option<u64>,
    /// Energy used in them, microjoules; `None` where no reading covers them.
    pub energy_uj: Option<u64>,
    /// Lower bound of it.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
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

    /// The kinds that should not be: each is an event too.
    pub const ANOMALIES: [&str; 2] = [Self::STALLED, Self::HOT];

    /// Whether it is something that should not be, and is an event too.
    #[must_use]
    pub fn is_anomaly(&self) -> bool {
        Self::ANOMALIES.contains(&self.kind.as_str())
    }
}

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

impl Status {
    /// Its name in reports.
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

/// What measuring cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SelfCost {
    /// CPU time of the sampling threads, nanoseconds.
    pub cpu_ns: u64,
    /// Peak resident memory of this process, bytes.
    pub max_rss_bytes: u64,
    /// Readings taken.
    pub samples: u64,
    /// Spans dropped because a ring was full, and names over the cap.
    pub dropped: u64,
    /// Ticks that came too late and were skipped.
    pub missed_ticks: u64,
    /// Bytes of log lost to a full or failing disk.
    pub log_lost_bytes: u64,
}

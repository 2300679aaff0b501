//! How long something unusual held, and the energy that went into it.

use serde::{Deserialize, Serialize};

/// Spells of one kind and device, summed up. The evidence that advice rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpellRecord {
    /// `stalled`: no step ended for several times the usual; `idle`, `hot`, `power-capped`: what a GPU said of itself.
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
    /// Energy used in them, microjoules; `None` where no reading tells.
    pub energy_uj: Option<u64>,
    /// Lower bound of it.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
    pub high_uj: Option<u64>,
}

impl SpellRecord {
    /// No step ended for several times the usual.
    pub const STALLED: &str = "stalled";
    /// No kernel ran on the GPU.
    pub const IDLE: &str = "idle";
    /// The GPU slowed down because of its temperature, or reached the most it may have.
    pub const HOT: &str = "hot";
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

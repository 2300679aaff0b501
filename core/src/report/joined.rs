//! What a report holds so that it can be merged, and what a merged one says of its parts.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::Stretch;

/// What was seen of one counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// Kernel's boot id: a counter's name is good within one boot.
    pub boot_id: String,
    /// Stable device id within the machine.
    pub device: String,
    /// Energy over stretches of boot time.
    pub stretches: Vec<Stretch>,
}

/// How a merged report came about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Merge {
    /// Ranks of which there is a record, of the last attempt; `None` where no process was a rank.
    pub ranks: Option<u32>,
    /// Ranks that the launcher of the last attempt started.
    pub world_size: Option<u32>,
    /// Those without a record, in the last attempt.
    pub missing_ranks: Vec<u32>,
    /// Machines (boots) that were measured.
    pub machines: u32,
    /// Energy that the run's own records tell of outside its attempts (start, between, after), microjoules; it is in no
    /// total. `None` where nothing was measured there.
    pub overhead_uj: Option<u64>,
    /// Time outside the attempts that those records cover, summed over machines, nanoseconds.
    pub overhead_ns: u64,
    /// Steps that were done again after a restart, as far as the steps' numbers are known.
    pub replayed: Vec<Replayed>,
    /// The reports that were merged, without their counters and curves.
    pub parts: Vec<Report>,
    /// Records that could not be read and are in no figure, each with the error; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Steps of an attempt behind the checkpoint that the next one went on from: done, and done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// The attempt whose steps were lost.
    pub attempt: u32,
    /// How many.
    pub steps: u64,
    /// Their share of the attempt's energy, microjoules: an estimate that takes all its steps for equal. It is in the
    /// attempt's energy and in the total. `None`: the attempt's energy is not known.
    pub energy_uj: Option<u64>,
}

//! The energies in a report: of the run ([`Energy`]), of its spans ([`SpanRecord`]; a span is a named part of the run), of
//! its steps over time ([`StepCurve`]) and of the processes that used it ([`Attribution`]).
//!
//! Each energy has a value and two pairs of bounds. `low_uj` and `high_uj` use the devices' power limits where they are
//! known. The *free* bounds use no assumption on power: they follow from the counters alone.

use super::run::State;
use crate::RangeKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Energy of the whole run: sums over devices that do not overlap, in microjoules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Energy {
    /// Best estimate, the sum over the devices that were read; lies in `[low_uj, high_uj]`. `None`: nothing was read.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub total_uj: Option<u64>,
    /// Lower bound, power limits used where known.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded, "at least `low_uj`".
    pub high_uj: Option<u64>,
    /// Free lower bound, microjoules: as `low_uj`, but without the device's power limits.
    pub free_low_uj: u64,
    /// Free upper bound, microjoules: as `high_uj`, but without the device's power limits; `None`: unbounded.
    pub free_high_uj: Option<u64>,
    /// What `low_uj` and `high_uj` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Probability that this range contains the true value, percent; `None` as for `range_kind`.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Part of the total from energy counters.
    pub measured_uj: u64,
    /// Part from integrated power.
    pub derived_uj: u64,
    /// Part from models.
    pub estimated_uj: u64,
    /// Part that was generated on request.
    pub synthetic_uj: u64,
    /// Time for which a device was not read, summed over devices, nanoseconds.
    pub missing_ns: u64,
    /// Total times PUE, microjoules; `None`: not known.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub facility_uj: Option<u64>,
    /// Power usage effectiveness that was used; 1 by default. A merged report whose parts have several has the mean.
    pub pue: f64,
    /// Lower bound of `facility_uj` where parts have several PUEs; `None`: the lower bound times PUE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_low_uj: Option<u64>,
    /// Upper bound of `facility_uj`, present with the lower one; `None` with a lower bound present: unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_high_uj: Option<u64>,
}

/// Totals of all spans of one name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpanRecord {
    /// Name of the spans.
    pub name: String,
    /// Number of spans that have ended.
    pub count: u64,
    /// Sum of durations, nanoseconds.
    pub duration_ns: u64,
    /// Sum of energies, microjoules; `None`: no device was read.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub energy_uj: Option<u64>,
    /// Lower bound of that sum.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// Free lower bound, microjoules: as `low_uj`, but without the device's power limits.
    #[serde(default)]
    pub free_low_uj: u64,
    /// Free upper bound, microjoules: as `high_uj`, but without the device's power limits; `None`: unbounded.
    #[serde(default)]
    pub free_high_uj: Option<u64>,
    /// What `low_uj` and `high_uj` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Probability that this range contains the true value, percent; `None` as for `range_kind`.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Number of starts and ends of spans (edges) whose bracket of readings was longer than two and a half times the median
    /// of this name, or had no reading on one side: they came otherwise than predicted, and widen the bounds. An edge
    /// between two adjacent spans counts once. `None`: no counter was read, and in reports of older versions.
    #[serde(default)]
    pub wide: Option<u64>,
    /// `provisional` while the energy at the start or end of a span waits for the next update of a counter, else `final`.
    pub state: State,
    /// How the start and end of a span treated work that a GPU had queued. With [`DeviceSync::None`], energy of queued
    /// work may be counted in a later span.
    #[serde(default)]
    pub sync: DeviceSync,
    /// Energy by device id, of the devices that were read and do not overlap: adds up to `energy_uj`.
    pub by_device: BTreeMap<String, u64>,
}

/// How the start and end of a span treated work that the GPU had queued but not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceSync {
    /// Not at all: the instant is that at which the CPU reached the start or end of the span.
    #[default]
    None,
    /// The CPU waited at each start and end until the GPU had done its queued work.
    Synchronize,
    /// The GPU recorded the instants itself, with events in its queue.
    Event,
}

/// Energy of the run's own steps over time, in at most 512 bins of equal length. Element *k* of each column belongs to bin
/// *k*, which has the steps that ended from `k × bin_ns` until before `(k + 1) × bin_ns` after the run began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepCurve {
    /// Name of the steps' spans.
    pub name: String,
    /// Length of a bin, nanoseconds.
    pub bin_ns: u64,
    /// Number of steps that ended in the bin.
    pub count: Vec<u64>,
    /// Sum of their durations, nanoseconds.
    pub duration_ns: Vec<u64>,
    /// Sum of their energies, microjoules; `None`: no device was read.
    pub energy_uj: Vec<Option<u64>>,
    /// Lower bound of that sum.
    pub low_uj: Vec<u64>,
    /// Upper bound; `None`: there is none.
    pub high_uj: Vec<Option<u64>>,
}

/// When the spans of one name ran. Spans whose distance is at most `joined_ns` are one part, so that the parts of all names
/// together are at most 256; names after the first 16 are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpanTimeRecord {
    /// Name of the spans.
    pub name: String,
    /// Distance up to which spans are joined, nanoseconds.
    pub joined_ns: u64,
    /// Start of each part, nanoseconds since the start of the run.
    pub from_ns: Vec<u64>,
    /// End of each part.
    pub to_ns: Vec<u64>,
}

/// Which processes used the energy of the attributed devices (those whose use by processes is known, such as a CPU).
/// The parts of the command, idle capacity, others and unknown users add up to the total of these devices exactly. All
/// energies are in microjoules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Attribution {
    /// Energy of the command and its descendants.
    pub command_uj: u64,
    /// Energy of idle capacity.
    pub idle_uj: u64,
    /// Energy of all other processes.
    pub others_uj: u64,
    /// Lower bound of the command's share.
    pub low_uj: u64,
    /// Upper bound of the command's share; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// How the energy was attributed, such as `process tree CPU time`.
    pub method: String,
    /// Energy whose user is not known.
    #[serde(default)]
    pub unattributed_uj: u64,
    /// Free lower bound of the command's share: without the convention that energy is proportional to CPU time.
    #[serde(default)]
    pub free_low_uj: u64,
    /// Free upper bound: all energy of the devices that the command could use; `None`: unbounded.
    #[serde(default)]
    pub free_high_uj: Option<u64>,
    /// The consumers in detail. They nest; the sums above are over those that contain no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Consumer>,
}

/// One consumer of energy: a process tree, container, pod, job or user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consumer {
    /// Id, unique within the report.
    pub id: String,
    /// What it is: `process-tree`, `container`, `pod`, `job`, `user`.
    pub kind: String,
    /// Name that reports show.
    pub name: String,
    /// Energy attributed to it, microjoules.
    pub energy_uj: u64,
    /// Lower bound of that energy.
    pub low_uj: u64,
    /// Upper bound of that energy; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// Id of the consumer that contains it; `None`: none does.
    pub parent: Option<String>,
}

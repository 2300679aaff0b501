//! Energy of the run, of its users, of its spans (named parts of its time) and of its steps.

use super::run::State;
use crate::RangeKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sums over non-overlapping devices, in microjoules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Energy {
    /// The estimate, the sum over the devices that were read; lies in `[low_uj, high_uj]`. `None`: nothing was read.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub total_uj: Option<u64>,
    /// Lower bound, power limits used where known.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded, "at least `low_uj`".
    pub high_uj: Option<u64>,
    /// Lower bound without any assumption on power.
    pub free_low_uj: u64,
    /// Upper bound without any assumption on power.
    pub free_high_uj: Option<u64>,
    /// What `low_uj` and `high_uj` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Coverage of that range, percent.
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
    /// Device-time without knowledge, summed over devices, nanoseconds.
    pub missing_ns: u64,
    /// Total times PUE, microjoules; `None`: not known.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub facility_uj: Option<u64>,
    /// Power usage effectiveness used; 1 unless given. Of a merged report whose parts have several, the mean.
    pub pue: f64,
    /// Lower bound of `facility_uj` where parts have several PUEs; `None`: the lower bound times PUE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_low_uj: Option<u64>,
    /// Upper bound with it; `None` with a lower bound present: unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_high_uj: Option<u64>,
}

/// Totals of all spans of one name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpanRecord {
    /// Name.
    pub name: String,
    /// Spans ended.
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
    /// Lower bound without any assumption on power.
    #[serde(default)]
    pub free_low_uj: u64,
    /// Upper bound without any assumption on power.
    #[serde(default)]
    pub free_high_uj: Option<u64>,
    /// What `low_uj` and `high_uj` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Coverage of that range, percent.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Whether edges still wait.
    pub state: State,
    /// Whether GPU work was awaited at the edges; without, queued work may fall into a later span.
    #[serde(default)]
    pub sync: DeviceSync,
    /// Energy by device id, of the devices that were read and do not overlap: adds up to `energy_uj`.
    pub by_device: BTreeMap<String, u64>,
}

/// What a span's edges did about work that a GPU had queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceSync {
    /// Nothing: an edge is when the host passed it.
    #[default]
    None,
    /// The host waited for the device at every edge.
    Synchronize,
    /// The device stamped the edges itself.
    Event,
}

/// Energy of the run's own steps over time: at most 512 equal parts of the run's time. Part *k* has the steps that
/// ended in `[k, k + 1) × bin_ns`, of which each column has one value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepCurve {
    /// Name of the steps' spans.
    pub name: String,
    /// Length of a part, nanoseconds.
    pub bin_ns: u64,
    /// Steps that ended in it.
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

/// The users of the attributed devices' energy: command + idle + others + unattributed = their total, exactly.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Attribution {
    /// The command and its descendants.
    pub command_uj: u64,
    /// Idle capacity.
    pub idle_uj: u64,
    /// Everyone else.
    pub others_uj: u64,
    /// Lower bound of the command's share.
    pub low_uj: u64,
    /// Upper bound of the command's share.
    pub high_uj: Option<u64>,
    /// How it was attributed.
    pub method: String,
    /// Energy whose user is not known.
    #[serde(default)]
    pub unattributed_uj: u64,
    /// Lower bound of the command's share without the convention that energy goes with time.
    #[serde(default)]
    pub free_low_uj: u64,
    /// Upper bound without that convention: the energy of all devices within its reach; `None`: unbounded.
    #[serde(default)]
    pub free_high_uj: Option<u64>,
    /// The users in detail; the sums above are over leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Consumer>,
}

/// One consumer of energy: a process tree, container, pod, job or user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consumer {
    /// Unique within the report.
    pub id: String,
    /// `process-tree`, `container`, `pod`, `job`, `user`.
    pub kind: String,
    /// For people.
    pub name: String,
    /// Energy attributed to it, microjoules.
    pub energy_uj: u64,
    /// Lower bound.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// Id of the consumer that contains it.
    pub parent: Option<String>,
}

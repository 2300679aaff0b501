//! The report as data: schema `eco2.report/1`. Fields are added, never renamed.
//!
//! Energies are integer microjoules. `None` (JSON `null`) means *not known*: a missing high bound is "at least the low
//! bound", a missing figure is not zero. Rendering lives in `eco2-report`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CurveRecord, RangeKind};

mod beside;
mod budget;
mod device;
mod joined;
mod ranges;
mod source;
mod spell;
mod terms;

pub use beside::{Beside, CarbonPrice, Cost, Embodied, Equivalent, Market, Offset, Sci, Water};
pub use budget::{BudgetRecord, ForecastRecord};
pub use device::{CrossCheck, Device, GapRecord, GaugeSummary, Quantiles, ReplacedPart};
pub use joined::{CounterRecord, Merge, Replayed};
pub use ranges::stated;
pub use source::{SourceStatus, Status};
pub use spell::SpellRecord;
pub use terms::{EmbodiedTerms, MarketTerms, PriceTerms};

/// The schema's name.
pub const SCHEMA: &str = "eco2.report/1";

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Which run this is.
    pub run: Run,
    /// Sums over the devices that do not overlap.
    pub energy: Energy,
    /// One entry a domain, overlapping ones included.
    pub devices: Vec<Device>,
    /// Totals by span name.
    pub spans: Vec<Span>,
    /// What was done with the energy.
    pub work: Work,
    /// The command's share of the host's energy; `None` where nothing allows to tell.
    pub attribution: Option<Attribution>,
    /// Grams, with where each came from; `None` when pricing was not asked for.
    pub carbon: Option<Carbon>,
    /// Every source that was looked for.
    pub sources: Vec<SourceStatus>,
    /// What happened during the run.
    pub events: Vec<EventRecord>,
    /// Times in which a device or the run was idle, stalled, hot or held back; empty where none was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spells: Vec<SpellRecord>,
    /// What measuring cost.
    #[serde(rename = "self")]
    pub own: SelfCost,
    /// What was seen of each counter, for merging; empty where the boot is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<CounterRecord>,
    /// How the energy of each device grew over the run: a device's id once, or one sum a component where there are more than
    /// 64; empty in provisional reports and in those of older versions. Of a merged report on the time of its attempts, one
    /// after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<CurveRecord>,
    /// Energy of the run's own steps over time; `None` where none was seen to end, and in a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_curve: Option<StepCurve>,
    /// Limits and forecast as of the report; `None` without either, and in a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetRecord>,
    /// What this report was merged from; `None` for the report of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

/// Identity of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Run {
    /// Id of the run; its ranks and restarts share it.
    pub id: String,
    /// Unique id of this process's record of the run; names the log. Empty in a merged report.
    #[serde(default)]
    pub part: String,
    /// The record of the command that this process ran under; empty where there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// The name given, or the command's.
    pub name: String,
    /// Labels, given or found (SLURM, cgroup, Kubernetes).
    pub labels: BTreeMap<String, String>,
    /// The command and its arguments; redacted on request.
    pub command: Vec<String>,
    /// Wall clock at the start, RFC 3339 UTC. A label: durations come from the monotonic clock.
    pub started_at: String,
    /// Wall clock at the end: start plus monotonic duration.
    pub ended_at: String,
    /// Monotonic duration, nanoseconds.
    pub duration_ns: u64,
    /// The command's exit code; `None` while running or without a command.
    pub exit_code: Option<i32>,
    /// `provisional` while edges wait for their knots, else `final`.
    pub state: State,
    /// One entry a (re)start.
    pub attempts: Vec<Attempt>,
    /// Where it ran.
    pub host: Host,
    /// What measured it.
    pub tool: Tool,
    /// Which of `world_size` processes this is; `None` for a process that is no rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// How many ranks there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<u32>,
    /// How often the launcher had restarted the run when this process began.
    #[serde(default)]
    pub attempt: u32,
    /// How often the scheduler had requeued the job when this process began.
    #[serde(default)]
    pub requeue: u32,
    /// `CLOCK_BOOTTIME` at the start and the end, nanoseconds; `None` where nothing was measured live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ns: Option<[u64; 2]>,
}

/// One start of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 0.
    pub number: u32,
    /// Wall clock at its start, RFC 3339 UTC.
    pub started_at: String,
    /// Monotonic duration, nanoseconds.
    pub duration_ns: u64,
    /// Energy of this attempt, microjoules; `None`: not known.
    pub energy_uj: Option<u64>,
    /// Ranks of which there is a record; `None` without ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranks: Option<u32>,
    /// Ranks that the launcher started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<u32>,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Kernel's boot id; counters are comparable only within one.
    pub boot_id: String,
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
}

/// The tool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tool {
    /// Version of eco2.
    pub version: String,
}

/// Whether a figure may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Knots are still to come.
    #[default]
    Provisional,
    /// Settled.
    Final,
}

/// Sums over non-overlapping devices, in microjoules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Energy {
    /// The estimate, the sum over the devices that were read; lies in `[low_uj, high_uj]`. `None`: nothing was read.
    #[serde(deserialize_with = "ranges::stated_or_null")]
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
    #[serde(deserialize_with = "ranges::stated_or_null")]
    pub facility_uj: Option<u64>,
    /// Power usage effectiveness used; 1 unless given. Of a merged report whose parts have several, the mean.
    pub pue: f64,
    /// Lower bound of `facility_uj` where parts have several PUEs; `None`: the lower bound times PUE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_low_uj: Option<u64>,
    /// Upper bound with it; `None` beside a lower bound: unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility_high_uj: Option<u64>,
}

/// Totals of all spans of one name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Span {
    /// Name.
    pub name: String,
    /// Spans ended.
    pub count: u64,
    /// Sum of durations, nanoseconds.
    pub duration_ns: u64,
    /// Sum of energies, microjoules; `None`: no device was read.
    #[serde(deserialize_with = "ranges::stated_or_null")]
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

/// Energy of the run's own steps over time: at most 512 equal parts of the run's time. Part *k* has the steps that ended in
/// `[k, k + 1) × bin_ns`, of which each column has one figure.
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

/// What was done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Steps; `None`: not counted.
    #[serde(deserialize_with = "ranges::stated_or_null")]
    pub steps: Option<u64>,
    /// Samples; `None`: not counted.
    #[serde(deserialize_with = "ranges::stated_or_null")]
    pub samples: Option<u64>,
    /// Tokens; `None`: not counted.
    #[serde(deserialize_with = "ranges::stated_or_null")]
    pub tokens: Option<u64>,
    /// Last loss given.
    pub loss: Option<f64>,
    /// User's own figures, last value each.
    pub extra: BTreeMap<String, f64>,
}

/// Who used the energy of the attributed devices: command + idle + others + unattributed = their total, exactly.
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
    /// Who used it in detail; the sums above are over leaves.
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

/// Grams CO2e and where they come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Carbon {
    /// Location-based grams of the total (times PUE); `None`: not known.
    #[serde(deserialize_with = "ranges::stated_or_null")]
    pub grams: Option<f64>,
    /// Lower bound from the energy's bounds.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// What `low` and `high` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Coverage of that range, percent.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Zone.
    pub zone: String,
    /// How the zone was chosen: `given`, `config`, `default-world`, `constant`, `cloud-metadata`, `coordinates`, `country`
    /// (in place of a region without a value), `unknown` (the world average in place of a zone without a value).
    pub zone_source: String,
    /// The table from which anyone can recompute `grams`.
    pub segments: Vec<CarbonSegment>,
    /// What was asked for, so that pricing again changes nothing else; `None` in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<PriceTerms>>,
    /// Embodied grams; `None`: not asked for.
    pub embodied: Option<f64>,
    /// Software carbon intensity, grams per functional unit; `None`: not asked for.
    pub sci: Option<f64>,
    /// Money for the energy; `None`: no price given.
    pub cost: Option<f64>,
    /// What else was asked for, with its bounds and terms; it never changes the grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Box<Beside>>,
}

/// One stretch of energy at one intensity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarbonSegment {
    /// Start, RFC 3339 UTC.
    pub from: String,
    /// End, RFC 3339 UTC.
    pub to: String,
    /// Facility energy in it, microjoules.
    pub energy_uj: u64,
    /// Intensity, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Kind, such as `lifecycle-average-production`.
    pub kind: Option<String>,
    /// Who says so.
    pub source: String,
    /// Year of the figure.
    pub year: Option<i32>,
    /// Whether the provider calls it an estimate.
    pub estimated: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Nanoseconds since the run began.
    pub at: u64,
    /// What: `reset`, `gpu-lost`, `xid`, `source-hung`, …
    pub kind: String,
    /// Device or source; empty for the run.
    pub device: String,
    /// For people.
    pub text: String,
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

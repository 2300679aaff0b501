//! Defines the state of the node at one instant ([`Snapshot`]), which every interface of the agent shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use eco2_core::schema::{BudgetRecord, SourceStatus};
use eco2_core::units::joules;
use eco2_core::{Bounded, Component, Quality, RangeKind, Ranged};
use serde::{Deserialize, Serialize};

use crate::budget::JobBudget;
use crate::emissions::Emissions;
use crate::source_counts::SourceCounts;

/// One instant by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Instant {
    /// Monotonic nanoseconds: decides.
    pub ns: u64,
    /// Nanoseconds since 1970: labels.
    pub wall_ns: i64,
}

/// Which machine this is, and which version of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NodeIdentity {
    /// The kernel's id of this boot. With the id of a device it names a counter.
    pub boot_id: String,
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Version of the agent.
    pub version: String,
}

/// How fine the energies of a snapshot are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Resolution {
    /// Least time between two changes, nanoseconds.
    pub step_ns: u64,
    /// Step of a device's energy, microjoules.
    pub step_uj: u64,
}

impl Resolution {
    /// Every change of every counter.
    pub const FULL: Self = Self { step_ns: 0, step_uj: 1 };
    /// Once a second, in steps of 0.1 J: what any user may see.
    pub const PUBLIC: Self = Self { step_ns: 1_000_000_000, step_uj: 100_000 };

    /// Returns the energy rounded down to this resolution.
    ///
    /// ```
    /// use eco2_agent::Resolution;
    ///
    /// assert_eq!(Resolution::PUBLIC.floor_uj(1_234_567), 1_200_000);
    /// assert_eq!(Resolution::FULL.floor_uj(1_234_567), 1_234_567);
    /// ```
    #[must_use]
    pub fn floor_uj(self, uj: u64) -> u64 {
        uj - uj % self.step_uj.max(1)
    }

    /// Returns an upper bound rounded up to this resolution.
    #[must_use]
    pub fn ceil_uj(self, uj: u64) -> u64 {
        let above = uj % self.step_uj.max(1);
        if above == 0 { uj } else { uj.saturating_add(self.step_uj - above) }
    }

    /// Returns an energy in this resolution: its value and lower bound rounded down, its upper bound rounded up.
    ///
    /// ```
    /// use eco2_agent::Resolution;
    /// use eco2_core::Bounded;
    ///
    /// let coarse = Resolution::PUBLIC.coarse(Bounded::hard(1_234_567, 1_150_000, Some(1_300_001)));
    /// assert_eq!(coarse, Bounded::hard(1_200_000, 1_100_000, Some(1_400_000)));
    /// ```
    #[must_use]
    pub fn coarse(self, energy: Bounded<u64>) -> Bounded<u64> {
        let value = energy.value.map(|uj| self.floor_uj(uj));
        let high = energy.high.map(|high| self.ceil_uj(high));
        Bounded { value, low: self.floor_uj(energy.low), high, ..energy }
    }
}

/// One domain: one sensor or counter of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// Stable id, such as `package-0` or `GPU-<uuid>`.
    pub id: String,
    /// Kind of part.
    pub component: Component,
    /// Kind of sensor: `package`, `dram`, `board`, …
    pub domain: String,
    /// Name that is shown to people.
    pub name: String,
    /// Model of the hardware; `None`: not known.
    pub model: Option<String>,
    /// The source that reads it.
    pub source: String,
    /// How an estimate is calculated; `None` for a sensor.
    pub method: Option<String>,
    /// How its values are obtained; [`Quality::Missing`] while it has never been read.
    pub quality: Quality,
    /// Its energy since the agent first ran on this machine, microjoules: never falls, also over restarts. `None`: not known.
    pub energy_uj: Option<u64>,
    /// Lower bound, microjoules.
    pub low_uj: u64,
    /// Upper bound, microjoules; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// What the bounds promise.
    pub range_kind: RangeKind,
    /// Mean power since the snapshot before, watts; `None`: not known.
    pub power_w: Option<f64>,
    /// Temperature, degrees Celsius; `None`: not known.
    pub temperature_c: Option<f64>,
    /// Share of the time in which it was busy, 0 to 1; `None`: not known.
    pub utilization: Option<f64>,
    /// Whether it is part of the node's total now. Domains that overlap with others are not, such as the cores of a package.
    pub is_summed: bool,
    /// Whether its energy is divided among its users by assumption at present, because its driver does not measure who uses it: by the
    /// slices of MIG, or in equal parts. A job may then have used nothing or all of it.
    pub is_shared: bool,
    /// What of its energy is in the node's total, microjoules: what it used while it was summed. Never falls. `None`: it was
    /// never summed, or is not known.
    pub counted_uj: Option<u64>,
    /// Lower bound of that part, microjoules.
    pub counted_low_uj: u64,
    /// Upper bound of that part, microjoules; `None`: unbounded.
    pub counted_high_uj: Option<u64>,
}

impl Device {
    /// Returns what of its energy is in the node's total; `None`: it was never summed.
    #[must_use]
    pub fn counted(&self) -> Option<Bounded<u64>> {
        let (low, high, kind) = (self.counted_low_uj, self.counted_high_uj, self.range_kind);
        self.counted_uj.map(|uj| Bounded { value: Some(uj), low, high, kind })
    }

    /// Returns the device in a coarser resolution.
    pub(crate) fn coarse(self, to: Resolution) -> Self {
        let energy = to.coarse(self.bounded());
        let counted = self.counted().map(|counted| to.coarse(counted));
        Self {
            energy_uj: energy.value,
            low_uj: energy.low,
            high_uj: energy.high,
            power_w: self.power_w.map(|watts| (watts * 10.0).floor() / 10.0),
            counted_uj: counted.and_then(|counted| counted.value),
            counted_low_uj: counted.map_or(0, |counted| counted.low),
            counted_high_uj: counted.and_then(|counted| counted.high),
            ..self
        }
    }

    /// Returns its energy with that part as what it counts, for a device that was summed all the time.
    pub(crate) fn counting_all(self) -> Self {
        let Self { energy_uj, low_uj, high_uj, .. } = self;
        Self { counted_uj: energy_uj, counted_low_uj: low_uj, counted_high_uj: high_uj, ..self }
    }
}

impl Ranged for Device {
    type Amount = u64;

    fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: self.range_kind }
    }
}

/// What a consumer of the node's energy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ConsumerKind {
    /// Begun and ended by request.
    #[default]
    Job,
    /// A container, found by its control group.
    Container,
    /// A pod of Kubernetes, found by its control group.
    Pod,
    /// A user, found by the user of each process.
    User,
}

impl ConsumerKind {
    /// Whether consumers of this kind are found without a request.
    pub(crate) fn is_found(self) -> bool {
        self != Self::Job
    }

    /// Returns its name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Container => "container",
            Self::Pod => "pod",
            Self::User => "user",
        }
    }
}

/// Why a job has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EndReason {
    /// By request.
    Request,
    /// Its last process ended, or its control group was removed.
    Gone,
    /// The machine was started again: it ended as of the last record of the agent.
    Reboot,
}

/// A job, or another user of the node's devices that energy is attributed to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Consumer {
    /// Number of the consumer, which is never used again, unlike its id.
    pub key: u64,
    /// The id that the job was begun with. An id may be used again after its job has ended.
    pub id: String,
    /// `job`, `container`, `pod` or `user`; of one run `process-tree` and `others`.
    pub kind: &'static str,
    /// Name that is shown to people.
    pub name: String,
    /// The user to whom it belongs. Only this user, root and the group `eco2` may see or end it.
    pub uid: u32,
    /// Energy without that of the consumers within it, microjoules: never falls. So the sum over all consumers counts each
    /// microjoule once.
    pub energy_uj: u64,
    /// Lower bound, microjoules.
    pub low_uj: u64,
    /// Upper bound, microjoules; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// What its energy emitted, grams CO2e: never falls. `None`: not known.
    pub grams: Option<f64>,
    /// Lower bound, grams.
    pub grams_low: f64,
    /// Upper bound, grams; `None`: unbounded.
    pub grams_high: Option<f64>,
    /// When it began, nanoseconds since 1970.
    pub began_wall_ns: i64,
    /// When it ended, nanoseconds since 1970; `None`: it goes on.
    pub ended_wall_ns: Option<i64>,
    /// How long it has lasted, nanoseconds.
    pub duration_ns: u64,
    /// Steps that it reported; `None`: not counted.
    pub steps: Option<u64>,
    /// Why it ended; `None`: it goes on.
    pub end_reason: Option<EndReason>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The id of the innermost consumer that contains it; `None`: it is in no other.
    pub parent: Option<String>,
    /// Its energy with that of every consumer within it, microjoules.
    pub total_uj: u64,
    /// Lower bound of it, microjoules.
    pub total_low_uj: u64,
    /// Upper bound of it, microjoules; `None`: unbounded.
    pub total_high_uj: Option<u64>,
    /// What that energy emitted, grams CO2e: never falls. `None`: not known.
    pub total_grams: Option<f64>,
    /// Lower bound of it, grams.
    pub total_grams_low: f64,
    /// Upper bound of it, grams; `None`: unbounded.
    pub total_grams_high: Option<f64>,
    /// Whether a carbon intensity of it was an estimate, a forecast, or the last one that was known.
    pub grams_are_estimated: bool,
    /// Its limits with what was used of them; `None`: it has none.
    pub budget: Option<JobBudget>,
}

impl Consumer {
    /// Returns its energy per step, joules; unknown where no steps were counted.
    #[must_use]
    pub fn per_step(&self) -> Bounded<f64> {
        let steps = self.steps.filter(|steps| *steps > 0);
        steps.map_or_else(Bounded::unknown, |steps| self.bounded().map(|uj| joules(uj) / steps as f64))
    }

    /// Returns what its energy emitted, grams CO2e.
    #[must_use]
    pub fn emitted(&self) -> Bounded<f64> {
        let (low, high) = (self.grams_low, self.grams_high);
        Bounded { value: self.grams, low, high, kind: RangeKind::Plausible }
    }
}

impl Ranged for Consumer {
    type Amount = u64;

    fn bounded(&self) -> Bounded<u64> {
        let (low, high) = (self.low_uj, self.high_uj);
        Bounded { value: Some(self.energy_uj), low, high, kind: RangeKind::Plausible }
    }
}

/// The node at one instant.
///
/// `Σ consumers + forgotten + idle + not attributed = total = Σ devices' counted_uj`, to the microjoule. Energies never fall from
/// one snapshot to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Which machine this is.
    pub node: Arc<NodeIdentity>,
    /// How fine the energies are.
    pub resolution: Resolution,
    /// Number of the snapshot, from 1; it goes up by one per snapshot and starts at 1 with each start of the agent.
    pub sequence: u64,
    /// When it was made, monotonic nanoseconds.
    pub at_ns: u64,
    /// The same by the wall clock, nanoseconds since 1970.
    pub wall_ns: i64,
    /// When the agent started, monotonic nanoseconds.
    pub began_ns: u64,
    /// When the sampling thread last read a sensor, monotonic nanoseconds: its heartbeat. Where it is more than 2 s before
    /// [`Snapshot::at_ns`], sampling is stuck. `None`: nothing was read yet.
    pub sampled_ns: Option<u64>,
    /// Every domain, in the order in which they were found; the list only grows.
    pub devices: Vec<Device>,
    /// Number of domains beyond the first [`eco2_core::MAX_DOMAINS`], which are not accounted for. Where one of them would be
    /// summed, the total is "at least".
    pub left_out: usize,
    /// Every source that was looked for, and its present status.
    pub sources: Vec<SourceStatus>,
    /// Jobs that go on and jobs that ended not long ago.
    pub consumers: Vec<Consumer>,
    /// Jobs of an earlier boot of the machine, as they were recorded last. Their energy is in no sum of this one.
    pub past: Vec<Consumer>,
    /// Energy of the node, microjoules: what the summed devices used while they were summed. `None`: not known.
    pub total_uj: Option<u64>,
    /// Its lower bound, microjoules.
    pub total_low_uj: u64,
    /// Its upper bound, microjoules; `None`: unbounded.
    pub total_high_uj: Option<u64>,
    /// What these bounds promise.
    pub total_range_kind: RangeKind,
    /// Energy of jobs that ended and are not listed any more, microjoules.
    pub forgotten_uj: u64,
    /// Energy of idle devices, microjoules.
    pub idle_uj: u64,
    /// Energy whose user is not known, or is no job, microjoules.
    pub not_attributed_uj: u64,
    /// What the energy emits and costs; `None`: not known.
    pub emissions: Option<Emissions>,
    /// Limits of a run with what was used of them; `None`: none are set, or it is a node.
    pub budget: Option<BudgetRecord>,
    /// What happened at each source that has sensors, by its name.
    pub counts: BTreeMap<String, SourceCounts>,
    /// Number of events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Readings that were taken.
    pub readings: u64,
    /// Readings that were dropped, because the accounting thread was behind.
    pub dropped: u64,
}

impl Ranged for Snapshot {
    type Amount = u64;

    fn bounded(&self) -> Bounded<u64> {
        let (value, low, high) = (self.total_uj, self.total_low_uj, self.total_high_uj);
        Bounded { value, low, high, kind: self.total_range_kind }
    }
}

impl Snapshot {
    /// Returns the power of the node, watts: the sum over the devices that do not overlap; `None` where none is known.
    #[must_use]
    pub fn power_w(&self) -> Option<f64> {
        let powers = self.devices.iter().filter(|device| device.is_summed).filter_map(|device| device.power_w);
        powers.fold(None, |sum, watts| Some(sum.unwrap_or(0.0) + watts))
    }

    /// Returns the snapshot as the user `uid` may see it: of the consumers only that user's own.
    #[must_use]
    pub fn of_user(&self, uid: u32) -> Self {
        let own = |list: &[Consumer]| list.iter().filter(|consumer| consumer.uid == uid).cloned().collect();
        Self { consumers: own(&self.consumers), past: own(&self.past), ..self.clone() }
    }
}

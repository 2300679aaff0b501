//! The devices in a report: each entry has one *domain*, that is one sensor or counter of a device, with its energy, power,
//! gaps and how well it was read.
//!
//! The *free* bounds of an energy use no assumption on power; the others use the device's power limits where known.

use serde::{Deserialize, Serialize};

use crate::{Component, GapReason, Quality, RangeKind};

/// Energy and state of one domain over the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Stable id, such as `package-0` or a GPU's UUID.
    pub id: String,
    /// Kind of part whose energy it is.
    pub component: Component,
    /// Name of the domain in its field: `package`, `dram`, `board`.
    pub domain: String,
    /// Name that reports show.
    pub name: String,
    /// Model of the hardware: `AMD EPYC 7763`, `NVIDIA H200`. `None`: not known, and in reports of older versions.
    #[serde(default)]
    pub model: Option<String>,
    /// How an estimate was calculated: `estimated from TDP 280 W × 2/128 threads`. `None` for a sensor, and in reports
    /// of older versions, whose `name` ends with it.
    #[serde(default)]
    pub method: Option<String>,
    /// Name of the source that was read: `rapl-perf`, `nvml`.
    pub source: String,
    /// How the values came about: measured, derived, estimated.
    pub quality: Quality,
    /// Energy over the run, microjoules; `None` when nothing was read.
    pub energy_uj: Option<u64>,
    /// Lower bound, microjoules; `None` when nothing was read.
    pub low_uj: Option<u64>,
    /// Upper bound, microjoules; `None` with a value present: unbounded.
    pub high_uj: Option<u64>,
    /// Free lower bound, microjoules: as `low_uj`, but without the device's power limits.
    pub free_low_uj: Option<u64>,
    /// Free upper bound, microjoules: as `high_uj`, but without the device's power limits; `None`: unbounded.
    pub free_high_uj: Option<u64>,
    /// What `low_uj` and `high_uj` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Probability that this range contains the true value, percent; `None` as for `range_kind`.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Declared gain error of the sensor, percent; not included in the bounds.
    pub gain_percent: Option<f64>,
    /// Mean power over the covered time, watts.
    pub mean_w: Option<f64>,
    /// Highest mean power between two counter changes at least 50 ms after each other, watts. Over a shorter time, power was at
    /// least this high.
    pub peak_w: Option<f64>,
    /// Mean length of the times over which the mean powers of `peak_w` and `power_w` were computed, weighted by time, nanoseconds;
    /// `None` where there is none, and in reports of older versions.
    #[serde(default)]
    pub peak_window_ns: Option<u64>,
    /// Power that was not exceeded for 50 %, 90 % and 99 % of the time, watts. From a histogram whose bins are 1.6 % wide.
    pub power_w: Option<Quantiles>,
    /// Covered share of the run, 0 to 1.
    pub coverage: f64,
    /// Learned time between updates of the counter, nanoseconds; `None`: not learned.
    pub update_period_ns: Option<u64>,
    /// How often the counter passed the end of its range and was continued.
    pub wraps: u64,
    /// How often the counter started again.
    pub resets: u64,
    /// Readings that were clamped or rejected.
    pub anomalies: u64,
    /// Reads that failed.
    pub failures: u64,
    /// Readings taken.
    pub readings: u64,
    /// Times that no reading covers.
    pub gaps: Vec<GapRecord>,
    /// Ids of the devices that this one contains or is contained in. Only a device without any is in sums.
    pub overlaps: Vec<String>,
    /// Parts of the energy that another sensor or an estimate counted because the sensor had stopped working; empty
    /// otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<ReplacedPart>,
    /// Comparison with another sensor of the device; `None`: there is none, or too little was read.
    pub cross_check: Option<CrossCheck>,
    /// Gauges of the device, such as temperature.
    pub gauges: Vec<GaugeSummary>,
}

impl Device {
    /// Whether it is in the run's total: no other device counts the same energy.
    #[must_use]
    pub fn is_summed(&self) -> bool {
        self.overlaps.is_empty()
    }

    /// Whether it shows the whole machine or its platform: see [`crate::Domain::is_host_total`].
    #[must_use]
    pub fn is_host_total(&self) -> bool {
        crate::domain::is_host_total(&self.domain)
    }

    /// Returns the hardware's model for exports: `model`; in reports of older versions, which have none, the part of
    /// `name` before the method; else the domain.
    #[must_use]
    pub fn hardware(&self) -> &str {
        let named = self.name.split(": estimated from ").next().unwrap_or_default();
        let old = || crate::domain::model_in(self.component, &self.id, &self.domain, named);
        self.model.as_deref().or_else(old).unwrap_or(&self.domain)
    }

    /// Returns the part of the energy that is of one quality, microjoules.
    #[must_use]
    pub fn uj_of(&self, quality: Quality) -> u64 {
        let sum_uj = |sum: u64, part: &ReplacedPart| sum.saturating_add(part.energy_uj);
        let replaced_uj = self.replaced.iter().fold(0, sum_uj);
        let replaced_of_quality_uj = self.replaced.iter().filter(|part| part.quality == quality).fold(0, sum_uj);
        let own_quality = if self.replaced.is_empty() { self.quality } else { self.own_quality() };
        let whole_uj = self.energy_uj.unwrap_or(0);
        let own_uj = if own_quality == quality { whole_uj.saturating_sub(replaced_uj) } else { 0 };
        own_uj.saturating_add(replaced_of_quality_uj).min(whole_uj)
    }

    /// Returns the quality of the device's own sensor, which was replaced for a while.
    fn own_quality(&self) -> Quality {
        self.replaced.first().map_or(self.quality, |part| part.sensor_quality)
    }
}

/// A part of a device's energy that another sensor or an estimate counted while its own sensor did not work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacedPart {
    /// Start, nanoseconds since the start of the run: the sensor's last update.
    pub from_ns: u64,
    /// End, nanoseconds since the start of the run.
    pub to_ns: u64,
    /// Name of the source that counted instead.
    pub source: String,
    /// How that part came about.
    pub quality: Quality,
    /// How the sensor's own part came about.
    pub sensor_quality: Quality,
    /// Energy of the part, microjoules.
    pub energy_uj: u64,
}

/// Quantiles of power, watts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// Ninth decile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// Comparison of a device's counter with the integrated power of its second sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// What the counter is compared with: `integrated power`.
    pub method: String,
    /// Energy by the second sensor, microjoules.
    pub energy_uj: u64,
    /// Difference: counter minus second sensor, in percent of the second sensor.
    pub difference_percent: f64,
}

/// A time in which a device was not counted, or not placed in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapRecord {
    /// Start, nanoseconds since the start of the run.
    pub from_ns: u64,
    /// End, nanoseconds since the start of the run.
    pub to_ns: u64,
    /// The reason: the text of a [`GapReason`], or of a reason of another version.
    pub reason: String,
}

impl GapRecord {
    /// Returns the reason; `None` for one that only another version states.
    fn gap_reason(&self) -> Option<GapReason> {
        GapReason::ALL.into_iter().find(|reason| reason.name() == self.reason)
    }

    /// Whether the counter counted the energy of this gap. Then only the time at which it was drawn is unknown.
    ///
    /// ```
    /// use eco2_core::schema::GapRecord;
    ///
    /// let gap = |reason: &str| GapRecord { from_ns: 0, to_ns: 5, reason: reason.into() };
    /// assert!(gap("frozen").is_counted()); // it stood still, and then showed the whole energy
    /// assert!(!gap("reset").is_counted()); // what it counted before it started again is lost
    /// ```
    #[must_use]
    pub fn is_counted(&self) -> bool {
        matches!(self.gap_reason(), Some(GapReason::Frozen | GapReason::WrapAmbiguous))
    }
}

/// Readings of a gauge (a value that rises and falls, such as a temperature) over the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GaugeSummary {
    /// Name of the gauge.
    pub name: String,
    /// Unit of the values, such as `Cel`, `By` or `1` (a fraction).
    pub unit: String,
    /// Mean of the readings.
    pub mean: f64,
    /// Highest reading.
    pub max: f64,
    /// Last reading.
    pub last: f64,
}

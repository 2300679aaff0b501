//! What was measured of each device.

use serde::{Deserialize, Serialize};

use crate::{Component, GapReason, Quality, RangeKind};

/// One domain's account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Stable id.
    pub id: String,
    /// Part.
    pub component: Component,
    /// Domain name.
    pub domain: String,
    /// For people.
    pub name: String,
    /// Model of the hardware: `AMD EPYC 7763`, `NVIDIA H200`. `None`: not known, and in reports of older versions.
    #[serde(default)]
    pub model: Option<String>,
    /// How an estimate was calculated: `estimated from TDP 280 W × 2/128 threads`. `None` for a sensor, and in reports
    /// of older versions, whose `name` ends with it.
    #[serde(default)]
    pub method: Option<String>,
    /// Source name.
    pub source: String,
    /// How the values came about.
    pub quality: Quality,
    /// Energy over the run; `None` when nothing was read.
    pub energy_uj: Option<u64>,
    /// Lower bound.
    pub low_uj: Option<u64>,
    /// Upper bound; `None` with a value present: unbounded.
    pub high_uj: Option<u64>,
    /// Lower bound without any assumption on power.
    pub free_low_uj: Option<u64>,
    /// Upper bound without any assumption on power.
    pub free_high_uj: Option<u64>,
    /// What `low_uj` and `high_uj` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Coverage of that range, percent.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Declared gain error of the sensor, percent; not included in the bounds.
    pub gain_percent: Option<f64>,
    /// Mean power over the covered time, watts.
    pub mean_w: Option<f64>,
    /// Highest mean power between two knots (counter changes) with at least 50 ms between them, watts.
    pub peak_w: Option<f64>,
    /// Power at 50 %, 90 % and 99 % of the time, watts (log-linear histogram, 1.6 % wide).
    pub power_w: Option<Quantiles>,
    /// Covered share of the run, 0 to 1.
    pub coverage: f64,
    /// Learned update period of the counter, nanoseconds.
    pub update_period_ns: Option<u64>,
    /// Wraps folded.
    pub wraps: u64,
    /// Resets seen.
    pub resets: u64,
    /// Readings that were clamped or rejected.
    pub anomalies: u64,
    /// Reads that failed.
    pub failures: u64,
    /// Readings taken.
    pub readings: u64,
    /// Times without knowledge.
    pub gaps: Vec<GapRecord>,
    /// Ids of the devices that this one contains or is contained in; never summed unless empty.
    pub overlaps: Vec<String>,
    /// Parts of the energy that something else counted because the sensor had stopped working; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<ReplacedPart>,
    /// Energy as another sensor of the device had it, where there is one.
    pub cross_check: Option<CrossCheck>,
    /// Gauges of the device.
    pub gauges: Vec<GaugeSummary>,
}

impl Device {
    /// Whether it enters the run's total: nothing else counts the same energy.
    #[must_use]
    pub fn is_summed(&self) -> bool {
        self.overlaps.is_empty()
    }

    /// The model for exports: `model`; in reports of older versions the part of `name` that names hardware; else the
    /// domain.
    #[must_use]
    pub fn hardware(&self) -> &str {
        let named = self.name.split(": estimated from ").next().unwrap_or_default();
        let old = || crate::domain::model_in(self.component, &self.id, &self.domain, named);
        self.model.as_deref().or_else(old).unwrap_or(&self.domain)
    }

    /// The part of the energy that is of one quality, microjoules.
    pub(crate) fn uj_of(&self, quality: Quality) -> u64 {
        let by_others = |quality: Option<Quality>| {
            let parts = self.replaced.iter().filter(|part| quality.is_none_or(|quality| part.quality == quality));
            parts.map(|part| part.energy_uj).fold(0, u64::saturating_add)
        };
        let own = if self.replaced.is_empty() { self.quality } else { self.own_quality() };
        let whole_uj = self.energy_uj.unwrap_or(0);
        let own_uj = if own == quality { whole_uj.saturating_sub(by_others(None)) } else { 0 };
        own_uj.saturating_add(by_others(Some(quality))).min(whole_uj)
    }

    /// The quality of the sensor that others replaced for a while.
    fn own_quality(&self) -> Quality {
        self.replaced.first().map_or(self.quality, |part| part.sensor_quality)
    }
}

/// A part of a device's energy that something else counted, while its sensor did not work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplacedPart {
    /// Start, nanoseconds since the run began: the sensor's last update.
    pub from_ns: u64,
    /// End, nanoseconds since the run began.
    pub to_ns: u64,
    /// Source that counted.
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

/// Counter against integrated power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// What was integrated.
    pub method: String,
    /// Energy by it, microjoules.
    pub energy_uj: u64,
    /// `(counter - check) / check`, percent.
    pub difference_percent: f64,
}

/// A gap as reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapRecord {
    /// Start, nanoseconds since the run began.
    pub from_ns: u64,
    /// End, nanoseconds since the run began.
    pub to_ns: u64,
    /// Why: the text of a [`GapReason`], or of a reason of another version.
    pub reason: String,
}

impl GapRecord {
    /// Why; `None` for a reason that only another version states.
    fn gap_reason(&self) -> Option<GapReason> {
        GapReason::ALL.into_iter().find(|reason| reason.name() == self.reason)
    }

    /// Whether the counter counted the energy of this gap: it only showed no values that can be placed in time.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        matches!(self.gap_reason(), Some(GapReason::Frozen | GapReason::WrapAmbiguous))
    }
}

/// A gauge over the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GaugeSummary {
    /// What it is.
    pub name: String,
    /// Base unit.
    pub unit: String,
    /// Mean of the readings.
    pub mean: f64,
    /// Highest reading.
    pub max: f64,
    /// Last reading.
    pub last: f64,
}

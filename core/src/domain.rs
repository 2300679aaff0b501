//! What is measured: one energy (or power) quantity of one device.

use serde::{Deserialize, Serialize};

use crate::Scale;

/// The kind of part whose energy a domain counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// A processor package or a part of one.
    Cpu,
    /// Main memory.
    Memory,
    /// A GPU board or a part of one.
    Gpu,
    /// Anything else, such as the whole platform (psys) or a module.
    Other,
}

/// How a figure came about, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Read from an energy counter.
    Measured,
    /// Integrated from power readings.
    Derived,
    /// Computed by a model from utilisation and a stated wattage.
    Estimated,
    /// Generated; asked for by name, never by default.
    Synthetic,
    /// Nothing is known.
    Missing,
}

/// What a domain's raw value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A counter of energy that only grows, wraps or is reset.
    Energy,
    /// An instantaneous power.
    Power,
}

/// One measured quantity: its identity, its unit and the limits known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// Stable, unique within a run: `package-0`, `dram-0`, `GPU-<uuid>`.
    pub id: String,
    /// The part it belongs to.
    pub component: Component,
    /// The field's name for the domain: `package`, `dram`, `core`, `uncore`, `psys`, `board`, `module`.
    pub domain: String,
    /// What a person calls it: `AMD EPYC, package 0`, `NVIDIA H200`.
    pub name: String,
    /// The source that reads it: `rapl-perf`, `nvml`, …
    pub source: String,
    /// How its figures come about.
    pub quality: Quality,
    /// Counter or instantaneous power.
    pub kind: Kind,
    /// Microjoules (or microwatts) per raw unit.
    pub scale: Scale,
    /// Number of raw values before the counter wraps to 0; `None` when it does not wrap.
    pub range: Option<u64>,
    /// The most it can draw, in microwatts, if known. An assumption: violations are counted.
    pub max_uw: Option<u64>,
    /// The least it draws, in microwatts, if known.
    pub min_uw: Option<u64>,
    /// Id of the domain that contains this one.
    pub parent: Option<String>,
    /// Declared gain error of the sensor, in percent of the reading; not part of the bounds.
    pub gain_percent: Option<f64>,
}

impl Domain {
    /// An energy counter in microjoules with no wrap, no limits and no parent; set the rest by field.
    #[must_use]
    pub fn counter(id: &str, component: Component, domain: &str, source: &str) -> Self {
        Self {
            id: id.to_owned(),
            component,
            domain: domain.to_owned(),
            name: id.to_owned(),
            source: source.to_owned(),
            quality: Quality::Measured,
            kind: Kind::Energy,
            scale: Scale::MICRO,
            range: None,
            max_uw: None,
            min_uw: None,
            parent: None,
            gain_percent: None,
        }
    }

    /// A power sensor in microwatts, integrated by the trapezoid rule; set the rest by field.
    #[must_use]
    pub fn power(id: &str, component: Component, domain: &str, source: &str) -> Self {
        let kind = Kind::Power;
        Self { kind, quality: Quality::Derived, ..Self::counter(id, component, domain, source) }
    }
}

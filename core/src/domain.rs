//! What is measured: one energy (or power) quantity of one device.

use serde::{Deserialize, Serialize};

use crate::{ModelRange, Scale};

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

/// Short-term excess over a power limit that is still taken for energy.
pub(crate) const HEADROOM: u64 = 2;

impl Component {
    /// All components, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Memory, Self::Gpu, Self::Other];

    /// The name as reports and traces have it.
    ///
    /// ```
    /// assert_eq!(eco2_core::Component::Gpu.name(), "gpu");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Gpu => "gpu",
            Self::Other => "other",
        }
    }

    /// The most that one part of this kind draws, microwatts: about twice the largest on the market in 2025 (CPU
    /// package 500 W, memory of one socket 400 W, superchip module 2.7 kW, eight-GPU server 14.3 kW).
    const fn most_uw(self) -> u64 {
        match self {
            Self::Cpu => 1_000_000_000,
            Self::Memory => 800_000_000,
            Self::Gpu => 5_000_000_000,
            Self::Other => 30_000_000_000,
        }
    }
}

/// How a value came about, best first.
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

impl Quality {
    /// Every quality, best first.
    pub const ALL: [Self; 5] = [Self::Measured, Self::Derived, Self::Estimated, Self::Synthetic, Self::Missing];

    /// Its name in reports and traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Derived => "derived",
            Self::Estimated => "estimated",
            Self::Synthetic => "synthetic",
            Self::Missing => "missing",
        }
    }
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
    /// How an estimate is calculated: `estimated from TDP 280 W × 2/128 threads`; `None` for a sensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The source that reads it: `rapl-perf`, `nvml`, …
    pub source: String,
    /// How its values come about.
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
    /// The most that its model can draw, in microwatts (for example a TDP with headroom), where no limit is stated.
    /// Only for plausibility: it never narrows bounds. See [`Domain::most_uw`].
    pub ceiling_uw: Option<u64>,
    /// For a power sensor whose readings are averages: the time before it that each averages over, nanoseconds. `None`:
    /// instantaneous.
    pub average_ns: Option<u64>,
    /// Id of the domain that contains this one.
    pub parent: Option<String>,
    /// Declared gain error of the sensor, in percent of the reading; not part of the bounds.
    pub gain_percent: Option<f64>,
    /// For an estimate: how far the truth may be from the model's power. `None`: its power limits are all that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_range: Option<ModelRange>,
    /// Why the counter failed the last self-test on this machine (`eco2 doctor`); `None`: it passed, or was not tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<CounterFault>,
}

/// Why a counter failed a self-test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CounterFault {
    /// It did not move under load.
    Still,
    /// It contradicts the integrated power of its device.
    Contradicted,
}

impl CounterFault {
    /// The name as traces have it.
    ///
    /// ```
    /// assert_eq!(eco2_core::CounterFault::Still.name(), "still");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::Contradicted => "contradicted",
        }
    }
}

impl Domain {
    /// The field's name for an estimate that counts only while nothing of its component is read otherwise.
    pub const STAND_IN: &str = "stand-in";

    /// An energy counter in microjoules with no wrap, no limits and no parent; set the rest by field.
    ///
    /// ```
    /// use eco2_core::{Component, Domain, Kind, Scale};
    ///
    /// let package = Domain {
    ///     scale: Scale::MILLI,    // the counter shows millijoules
    ///     range: Some(1 << 32),   // and wraps at 2^32
    ///     max_uw: Some(280_000_000), // the package draws at most 280 W
    ///     ..Domain::counter("package-0", Component::Cpu, "package", "my-meter")
    /// };
    /// assert_eq!((package.kind, package.parent), (Kind::Energy, None));
    /// ```
    #[must_use]
    pub fn counter(id: &str, component: Component, domain: &str, source: &str) -> Self {
        Self {
            id: id.to_owned(),
            component,
            domain: domain.to_owned(),
            name: id.to_owned(),
            method: None,
            source: source.to_owned(),
            quality: Quality::Measured,
            kind: Kind::Energy,
            scale: Scale::MICRO,
            range: None,
            max_uw: None,
            min_uw: None,
            ceiling_uw: None,
            average_ns: None,
            parent: None,
            gain_percent: None,
            model_range: None,
            self_test: None,
        }
    }

    /// A power sensor in microwatts, integrated by the trapezoid rule; set the rest by field.
    ///
    /// ```
    /// use eco2_core::{Component, Domain, Kind, Quality};
    ///
    /// let board = Domain::power("gpu-0", Component::Gpu, "board", "my-meter");
    /// assert_eq!((board.kind, board.quality), (Kind::Power, Quality::Derived));
    /// ```
    #[must_use]
    pub fn power(id: &str, component: Component, domain: &str, source: &str) -> Self {
        let kind = Kind::Power;
        Self { kind, quality: Quality::Derived, ..Self::counter(id, component, domain, source) }
    }

    /// The hardware's model: `AMD EPYC 7763` of `AMD EPYC 7763, package 0`. `None` for parts other than processors and
    /// GPUs, and where the name is only the domain's.
    #[must_use]
    pub(crate) fn model(&self) -> Option<&str> {
        model_in(self.component, &self.id, &self.domain, &self.name)
    }

    /// The power, in microwatts, beyond which a reading is believed only when the next one confirms it: twice the
    /// stated limit (a limit is an average over milliseconds), else what the model can draw, else the most that a part
    /// of this kind draws.
    ///
    /// ```
    /// use eco2_core::{Component, Domain};
    ///
    /// let gpu = Domain::counter("gpu-0", Component::Gpu, "board", "my-meter");
    /// assert_eq!(Domain { max_uw: Some(700_000_000), ..gpu }.most_uw(), 1_400_000_000);
    /// ```
    #[must_use]
    pub fn most_uw(&self) -> u64 {
        let stated = self.max_uw.map(|max| max.saturating_mul(HEADROOM));
        stated.or(self.ceiling_uw).unwrap_or_else(|| self.component.most_uw())
    }
}

/// The model in a device's name: what precedes `, <domain> <number>`; see [`Domain::model`].
pub(crate) fn model_in<'a>(component: Component, id: &str, domain: &str, name: &'a str) -> Option<&'a str> {
    let is_place = |text: &str| text == domain || text.strip_prefix(domain).is_some_and(|rest| rest.starts_with(' '));
    let model = name.rsplit_once(", ").filter(|(_, tail)| is_place(tail)).map_or(name, |(model, _)| model).trim();
    let has_model = matches!(component, Component::Cpu | Component::Gpu);
    Some(model).filter(|model| has_model && !model.is_empty() && *model != id && !is_place(model))
}

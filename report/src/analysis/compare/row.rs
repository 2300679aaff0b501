//! Defines the entry of one run in the comparison of `eco2 compare`: values per unit of work, with bounds. PUE is the
//! factor of the facility's overhead.

use std::collections::BTreeMap;

use eco2_core::schema::{Device, Report};
use eco2_core::{Component, Quality};
use serde::Serialize;

/// A value with bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The estimate.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound; `None`: there is none.
    pub high: Option<f64>,
}

impl Figure {
    /// Whether the value is known without an error, as a duration is.
    pub(super) fn is_exact(self) -> bool {
        self.low == self.value && self.high == Some(self.value)
    }
}

/// One run in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Id of the run.
    pub run_id: String,
    /// Name of the run.
    pub name: String,
    /// Labels of the run.
    pub labels: BTreeMap<String, String>,
    /// Wall clock at its start, RFC 3339 UTC.
    pub started_at: String,
    /// Loss that the run reported last; `None`: none.
    pub loss: Option<f64>,
    /// Number of units of work (samples, tokens, steps or 1 run) that the values are divided by; `None`: not counted.
    pub units: Option<u64>,
    /// Seconds per unit; `None`: units were not counted.
    pub seconds: Option<f64>,
    /// Kilowatt-hours per unit, before PUE; `None`: the energy is not known, or units were not counted.
    pub energy_kwh: Option<Figure>,
    /// Location-based grams CO2e per unit; `None`: not known.
    pub grams: Option<Figure>,
    /// Cost per unit; `None` without a price.
    pub cost: Option<f64>,
    /// Currency of the cost; `None`: not known.
    pub currency: Option<String>,
    /// Kinds of intensity behind the grams.
    pub kinds: Vec<String>,
    /// Share of the energy that a model estimated, 0 to 1; `None`: the energy is not known or 0.
    pub estimated_share: Option<f64>,
    /// The machine and the models of its estimated parts, whose error is in part common to all runs with the same; `None`: nothing
    /// is estimated, a GPU is, or the machine is not known.
    #[serde(skip)]
    pub model: Option<String>,
    /// Whether the values were generated, not measured.
    pub synthetic: bool,
    /// State of the report: `provisional` or `final`.
    pub state: String,
    /// Whether no other run is certainly at least as good in every objective and better in one. `None`: there are no
    /// objectives, a value is not known or synthetic, or the values of the runs are not comparable.
    pub undominated: Option<bool>,
}

impl Compared {
    /// Returns how the larger part of the energy came about. Counters and integrated power are both *measured* here.
    #[must_use]
    pub fn quality(&self) -> Quality {
        match (self.energy_kwh, self.estimated_share) {
            (None, _) => Quality::Missing,
            _ if self.synthetic => Quality::Synthetic,
            (_, Some(share)) if share > 0.5 => Quality::Estimated,
            _ => Quality::Measured,
        }
    }

    /// Whether a model estimated the larger part of the energy.
    pub(super) fn is_estimated(&self) -> bool {
        self.quality() == Quality::Estimated
    }
}

/// Returns the machine and the models of its estimated parts, for [`Compared::model`].
pub(super) fn model(report: &Report) -> Option<String> {
    let host = Some(report.run.host.hostname.as_str()).filter(|name| !name.is_empty())?;
    let is_estimated = |device: &&Device| device.is_summed() && device.quality == Quality::Estimated;
    let estimated = || report.devices.iter().filter(is_estimated);
    let name = |device: &Device| format!("{}|{:?}|{:?}|{}", device.id, device.model, device.method, device.source);
    let mut parts: Vec<String> = estimated().map(name).collect();
    parts.sort_unstable();
    // A GPU of one utilisation draws very different powers: the error belongs to the program, not to the machine.
    let some_gpu = estimated().any(|device| device.component == Component::Gpu);
    (!parts.is_empty() && !some_gpu).then(|| format!("{host}\n{}", parts.join("\n")))
}

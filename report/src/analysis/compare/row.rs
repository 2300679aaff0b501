//! Defines the entry of one run in the comparison of `eco2 compare`: values per unit of work, with bounds. PUE is the
//! factor of the facility's overhead.

use std::collections::BTreeMap;

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
    /// Whether the values were generated, not measured.
    pub synthetic: bool,
    /// State of the report: `provisional` or `final`.
    pub state: String,
    /// Whether no other run is at least as good in every objective and better in one. `None`: there are no objectives,
    /// a value is not known or not measured, or the values of the runs are not comparable.
    pub undominated: Option<bool>,
}

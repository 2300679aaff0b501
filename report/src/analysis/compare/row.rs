//! What a comparison shows of one run.

use serde::Serialize;

/// Figures with bounds, as JSON has them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The estimate.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
}

/// A run among others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its id.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Units of work that figures are divided by; `None`: not counted.
    pub units: Option<u64>,
    /// Seconds a unit.
    pub seconds: Option<f64>,
    /// Kilowatt-hours a unit, before PUE; `None`: nothing gave its energy.
    pub energy_kwh: Option<Figure>,
    /// Location-based grams a unit.
    pub grams: Option<Figure>,
    /// Money a unit, where a price was given.
    pub cost: Option<f64>,
    /// Currency of it.
    pub currency: Option<String>,
    /// Kinds of intensity behind the grams.
    pub kinds: Vec<String>,
    /// Share of the energy that a model estimated, 0 to 1.
    pub estimated_share: Option<f64>,
    /// Whether the figures were generated.
    pub synthetic: bool,
    /// `provisional` or `final`.
    pub state: String,
    /// Whether no other run is at least as good in every objective and better in one; `None`: not asked for, a figure is
    /// not known or not measured, or figures that are not comparable would be mixed.
    pub undominated: Option<bool>,
}

//! Results that a report has in addition to its location-based emissions: market-based emissions, cost, water, embodied
//! emissions, offsets. They are never added to the emissions or subtracted from them.
//!
//! Each has the factors with which it was computed, so that anyone can compute it again. Crate `eco2-grid` computes them.

use serde::{Deserialize, Serialize};

/// Values in addition to the grams; only those that were requested are present.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Supplements {
    /// Market-based grams; only where the contract behind them was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    /// Embodied grams of the hardware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embodied: Option<Embodied>,
    /// Software carbon intensity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sci: Option<Sci>,
    /// Water use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub water: Option<Water>,
    /// Money for the energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Money for the carbon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carbon_price: Option<CarbonPrice>,
    /// Offsets bought elsewhere; they reduce no value of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<Offset>,
    /// Everyday equivalents of the grams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equivalents: Vec<Equivalent>,
}

/// Market-based grams (GHG Protocol Scope 2 Guidance, 2015), in addition to the location-based ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Market {
    /// Grams CO2e; `None`: not known.
    pub grams: Option<f64>,
    /// Lower bound, from the energy's.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// The contract's factor, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// The contract, as the user named it.
    pub instrument: String,
}

/// Embodied grams: `TE × (TiR ÷ EL) × (RR ÷ ToR)` (SCI 1.1, ISO/IEC 21031:2024), that is total emissions × (time
/// reserved ÷ expected lifespan) × (resources reserved ÷ total resources).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embodied {
    /// The run's share, grams CO2e.
    pub grams: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound; `None`: not known.
    pub high: Option<f64>,
    /// TE: total embodied emissions of the hardware, kilograms CO2e.
    pub total_kg: f64,
    /// Lower bound of TE.
    pub total_low_kg: f64,
    /// Upper bound of TE; `None`: not known.
    pub total_high_kg: Option<f64>,
    /// TiR: how long the run reserved it, nanoseconds.
    pub reserved_ns: u64,
    /// EL: expected life of the hardware, years of 365 days.
    pub life_years: f64,
    /// RR ÷ ToR: share of the hardware that was reserved, 0 to 1.
    pub share: f64,
    /// The hardware, and the source of its embodied emissions.
    pub source: String,
}

/// Software carbon intensity, `(O + M) per R` (SCI 1.1, ISO/IEC 21031:2024): operational and embodied emissions per
/// functional unit. O is location-based.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sci {
    /// Grams CO2e per functional unit; `None`: not known.
    pub grams: Option<f64>,
    /// Lower bound.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// The functional unit: `step`, `sample`, `token` or `run`.
    pub per: String,
    /// R: number of functional units.
    pub units: u64,
    /// O: operational grams, PUE included; `None`: not known.
    pub operational_g: Option<f64>,
    /// M: embodied grams; `None`: not given, so the result is lower than the standard requires.
    pub embodied_g: Option<f64>,
}

/// Water use: IT energy × WUE + facility energy × EWIF.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Water {
    /// Litres; `None`: not known.
    pub litres: Option<f64>,
    /// Lower bound, from the energy's.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// WUE: litres at the site per kilowatt-hour of IT energy; `None`: not given, and not in the sum.
    pub wue: Option<f64>,
    /// EWIF: litres at the power plants per kilowatt-hour of facility energy; `None`: not given, and not in the sum.
    pub ewif: Option<f64>,
}

/// Cost of the facility's energy (the devices' energy times PUE).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The amount of money. Where `unpriced_uj` is not 0 it covers the priced energy only. `None`: not known.
    pub amount: Option<f64>,
    /// Lower bound, from the energy's; `None`: unbounded, where a price is negative.
    pub low: Option<f64>,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// ISO 4217 code; `None`: not given.
    pub currency: Option<String>,
    /// `flat`, `series`, or `series and flat` where the series has gaps that a flat price fills.
    pub method: String,
    /// Facility energy without a price, microjoules.
    pub unpriced_uj: u64,
}

/// Money for the location-based grams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarbonPrice {
    /// The amount; `None`: not known.
    pub amount: Option<f64>,
    /// Lower bound, from the grams'.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// Price of a tonne CO2e.
    pub per_tonne: f64,
    /// ISO 4217 code; `None`: not given.
    pub currency: Option<String>,
}

/// An offset or removal that was bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offset {
    /// What it is, as the user named it.
    pub name: String,
    /// Kilograms CO2e that it claims.
    pub kg: f64,
}

/// One everyday equivalent of the grams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Equivalent {
    /// What is counted, with its unit, such as `km by car`.
    pub what: String,
    /// Amount in that unit; `None`: not known.
    pub amount: Option<f64>,
    /// Grams CO2e of one unit.
    pub g_each: f64,
    /// Publisher of that value.
    pub source: String,
}

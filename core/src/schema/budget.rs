//! The budget in a report: every limit, and what the run will have used at its end.

use serde::{Deserialize, Serialize};

use crate::budget::{Finish, Spent};

/// Limits and forecast of a run, as of the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// Every limit, and what is spent of it.
    pub limits: Vec<Spent>,
    /// The forecast; `None` where the run's length is not known, or too little was seen.
    pub forecast: Option<ForecastRecord>,
}

/// A run's end, forecast.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ForecastRecord {
    /// What progress is counted in: `steps`, or `milliseconds`.
    pub progress: String,
    /// Progress made.
    pub done: u64,
    /// Progress of the whole run.
    pub total: u64,
    /// How much of it was taken for warm-up, which is not carried on.
    pub warm_up: u64,
    /// How long the rest will take, nanoseconds.
    pub rest_ns: u64,
    /// Energy at the end, microjoules, times PUE.
    pub energy_uj: Finish,
    /// Intensity that the rest is priced with, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Where that intensity comes from.
    pub intensity: String,
    /// Its error in the past, percent; `None` where it is not known.
    pub intensity_error_percent: Option<f64>,
    /// Grams CO2e at the end; `None` where the grams so far are not known.
    #[serde(default)]
    pub grams: Option<Finish>,
    /// How far off the energy that was forecast at this point was in recorded runs: median, percent of the run's
    /// energy. `None` earlier in a run than forecasts were tested.
    #[serde(default)]
    pub backtest_error_percent: Option<f64>,
    /// Share of the 90 % intervals that contained the end in those runs, percent.
    #[serde(default)]
    pub backtest_held_percent: Option<f64>,
    /// How many runs those are.
    #[serde(default)]
    pub backtest_runs: Option<u32>,
}

//! The intensity, or the price, of what is to come.

use crate::IntensityForecast;

/// The intensity, or the price, of what is to come.
#[derive(Debug, Clone, PartialEq)]
pub struct RateForecast {
    /// Grams CO2e, or money, for a kilowatt-hour.
    pub each: f64,
    /// Back-test error; `None` where it is not known.
    pub error_percent: Option<f64>,
    /// The lowest and the highest that was seen, where the past was repeated and nothing tells how well that holds.
    pub span: Option<[f64; 2]>,
    /// Where it comes from.
    pub method: String,
}

impl RateForecast {
    /// By a forecast, or by the past.
    #[must_use]
    pub fn of(found: &IntensityForecast) -> Self {
        let untested = found.season_h.is_some() && found.error_percent.is_none();
        Self {
            each: found.g_per_kwh,
            error_percent: found.error_percent,
            span: untested.then_some(found.seen),
            method: found.method(),
        }
    }

    /// One figure for all time.
    pub(super) fn certain(each: f64, method: String) -> Self {
        Self { each, error_percent: None, span: None, method }
    }
}

//! Market-based grams, beside the location-based ones and only with the contract that they rest on.
//!
//! GHG Protocol, *Scope 2 Guidance* (2015), chapter 6: both methods are reported, and a factor of the market-based one
//! comes from a contractual instrument (certificate, power purchase agreement, supplier's rate, residual mix). Whether a
//! contract meets the Guidance's quality criteria is not checked here.

use eco2_core::schema::{Energy, Market, MarketTerms};

use super::facility_kwh;
use crate::{MAX_G_PER_KWH, RangeError};

/// A contract for electricity and its emission factor.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketContract {
    name: String,
    g_per_kwh: f64,
}

impl MarketContract {
    /// A contract by its name, with its factor in grams CO2e per kilowatt-hour.
    ///
    /// # Errors
    /// [`RangeError`] for a factor outside 0 to 5000.
    pub fn new(name: &str, g_per_kwh: f64) -> Result<Self, RangeError> {
        if !(0.0..=MAX_G_PER_KWH).contains(&g_per_kwh) {
            let allowed = "0 to 5000 grams CO2e per kilowatt-hour";
            return Err(RangeError { what: "the contract's factor", value: g_per_kwh, allowed });
        }
        Ok(Self { name: name.to_owned(), g_per_kwh: g_per_kwh.abs() })
    }

    /// The contract as a report states it.
    #[must_use]
    pub fn terms(&self) -> MarketTerms {
        MarketTerms { instrument: self.name.clone(), g_per_kwh: self.g_per_kwh }
    }

    /// Market-based grams: facility energy × the contract's factor.
    #[must_use]
    pub fn market(&self, energy: &Energy) -> Market {
        let grams = facility_kwh(energy).times(self.g_per_kwh);
        let (instrument, g_per_kwh) = (self.name.clone(), self.g_per_kwh);
        Market { grams: grams.value, low: grams.low, high: grams.high, g_per_kwh, instrument }
    }
}

//! Multiplies energy by one factor per kilowatt-hour, for market-based emissions (option `market`) and water (`wue`,
//! `ewif`).
//!
//! *IT energy* is the energy of the computers. *Facility energy* is IT energy times the power usage effectiveness
//! (PUE).
//!
//! Market-based emissions: GHG Protocol, *Scope 2 Guidance* (2015), chapter 6. They are reported in addition to the
//! location-based ones, and their factor comes from a contractual instrument (certificate, power purchase agreement,
//! supplier's rate, residual mix). Whether a contract meets the Guidance's quality criteria is not checked here.
//!
//! Water: `litres = IT energy × WUE + facility energy × EWIF`. WUE, water usage effectiveness, is the water for cooling
//! at the site (The Green Grid, *Water Usage Effectiveness*, 2011). EWIF, electricity water intensity factor, is the
//! water at the power plants (Li, Yang, Islam, Ren, "Making AI Less Thirsty", 2023). The user states both, because they
//! differ by a factor of a hundred between sites.

use eco2_core::schema::{Energy, Market, MarketTerms, Water};
use eco2_core::units::kwh;
use eco2_core::{Bounded, Ranged};

use crate::{MAX_G_PER_KWH, RangeError};

/// Returns the IT energy of a run, kilowatt-hours.
#[must_use]
pub fn it_kwh(energy: &Energy) -> Bounded<f64> {
    energy.bounded().map(kwh)
}

/// Returns the facility energy of a run, kilowatt-hours. PUE is applied once to the total and to its bounds. If parts
/// of the energy have different PUEs, the bounds are the sums of the parts' bounds.
#[must_use]
pub fn facility_kwh(energy: &Energy) -> Bounded<f64> {
    let it = it_kwh(energy);
    let value = energy.facility_uj.map(kwh);
    match energy.facility_low_uj {
        Some(low) => Bounded { value, low: kwh(low), high: energy.facility_high_uj.map(kwh), kind: it.kind },
        None => Bounded { value, ..it.times(energy.pue) },
    }
}

/// A contract for electricity and its emission factor (option `market`).
#[derive(Debug, Clone, PartialEq)]
pub struct MarketContract {
    name: String,
    g_per_kwh: f64,
}

impl MarketContract {
    /// Makes a contract from its name and its factor, grams CO2e per kilowatt-hour.
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

    /// Returns the contract as a report states it.
    #[must_use]
    pub(crate) fn terms(&self) -> MarketTerms {
        MarketTerms { instrument: self.name.clone(), g_per_kwh: self.g_per_kwh }
    }

    /// Returns the market-based emissions: facility energy × the factor of the contract.
    #[must_use]
    pub fn market(&self, energy: &Energy) -> Market {
        let grams = facility_kwh(energy).times(self.g_per_kwh);
        let (instrument, g_per_kwh) = (self.name.clone(), self.g_per_kwh);
        Market { grams: grams.value, low: grams.low, high: grams.high, g_per_kwh, instrument }
    }
}

/// Water per energy, litres per kilowatt-hour; at least one of the two factors is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaterFactors {
    /// WUE: litres at the site per kilowatt-hour of IT energy.
    pub(super) wue: Option<f64>,
    /// EWIF: litres at the power plants per kilowatt-hour of facility energy.
    pub(super) ewif: Option<f64>,
}

/// Upper limit of accepted factors, litres per kilowatt-hour: ten times a dry site with open cooling towers.
const MOST: f64 = 100.0;

impl WaterFactors {
    /// Returns the two factors; `None` if neither is stated.
    ///
    /// # Errors
    /// [`RangeError`] for a factor outside 0 to 100 litres per kilowatt-hour.
    pub fn new(wue: Option<f64>, ewif: Option<f64>) -> Result<Option<Self>, RangeError> {
        for (what, factor) in [("WUE", wue), ("EWIF", ewif)] {
            if let Some(value) = factor.filter(|factor| !(0.0..=MOST).contains(factor)) {
                return Err(RangeError { what, value, allowed: "0 to 100 litres per kilowatt-hour" });
            }
        }
        Ok((wue.is_some() || ewif.is_some()).then_some(Self { wue, ewif }))
    }

    /// Returns the water of a run, litres. A factor that is not stated adds nothing.
    #[must_use]
    pub fn water(&self, energy: &Energy) -> Water {
        let site = it_kwh(energy).times(self.wue.unwrap_or(0.0));
        let plants = facility_kwh(energy).times(self.ewif.unwrap_or(0.0));
        let Bounded { value: litres, low, high, .. } = site + plants;
        Water { litres, low, high, wue: self.wue, ewif: self.ewif }
    }
}

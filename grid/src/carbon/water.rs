//! Water of a run's energy: at the site for cooling, and at the power plants.
//!
//! `litres = IT kWh × WUE + facility kWh × EWIF` (The Green Grid, *Water Usage Effectiveness*, 2011; Li, Yang, Islam, Ren,
//! "Making AI Less Thirsty", 2023). Both factors are the user's: they differ a hundredfold between places.

use eco2_core::Bounded;
use eco2_core::schema::{Energy, Water};

use super::{facility_kwh, it_kwh};
use crate::RangeError;

/// Litres per kilowatt-hour; at least one of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaterFactors {
    wue: Option<f64>,
    ewif: Option<f64>,
}

/// Most litres per kilowatt-hour that are taken: ten times a dry site with open towers.
const MOST: f64 = 100.0;

impl WaterFactors {
    /// Factors as given; `None` where neither is.
    ///
    /// # Errors
    /// [`RangeError`] for one outside 0 to 100 litres per kilowatt-hour.
    pub fn new(wue: Option<f64>, ewif: Option<f64>) -> Result<Option<Self>, RangeError> {
        for (what, factor) in [("WUE", wue), ("EWIF", ewif)] {
            if let Some(value) = factor.filter(|factor| !(0.0..=MOST).contains(factor)) {
                return Err(RangeError { what, value, allowed: "0 to 100 litres per kilowatt-hour" });
            }
        }
        Ok((wue.is_some() || ewif.is_some()).then_some(Self { wue, ewif }))
    }

    /// WUE, litres at the site per kilowatt-hour of IT energy.
    #[must_use]
    pub fn wue(&self) -> Option<f64> {
        self.wue
    }

    /// EWIF, litres at the power plants per kilowatt-hour of facility energy.
    #[must_use]
    pub fn ewif(&self) -> Option<f64> {
        self.ewif
    }

    /// Litres of a run. A factor that was not given is not in the sum.
    #[must_use]
    pub fn water(&self, energy: &Energy) -> Water {
        let site = it_kwh(energy).times(self.wue.unwrap_or(0.0));
        let plants = facility_kwh(energy).times(self.ewif.unwrap_or(0.0));
        let Bounded { value: litres, low, high, .. } = site + plants;
        Water { litres, low, high, wue: self.wue, ewif: self.ewif }
    }
}

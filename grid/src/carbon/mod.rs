//! Computes the *supplements* of a report, which it holds in addition to location-based emissions: market-based and
//! embodied emissions, Software Carbon Intensity (SCI), water, cost, offsets and everyday equivalents.
//!
//! Pure arithmetic; each formula names its source. Location-based emissions come from [`crate::price`] and never change
//! here: no offset is subtracted from them. A supplement that was not requested is absent. PUE (power usage
//! effectiveness) is applied once, in `facility_uj`, the energy of the facility; the energy of the computers stays
//! available.
//!
//! ```
//! use eco2_grid::carbon::Hardware;
//!
//! // The example of the SCI specification: hardware of 1000 kg that lasts 4 years, reserved for one hour.
//! let hardware = "1000".parse::<Hardware>()?.for_years(4.0)?;
//! let grams = hardware.embodied(3_600_000_000_000).grams;
//! assert_eq!((grams * 100.0).round(), 2854.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cloud;
mod cost;
mod embodied;
mod factors;
mod sci;
mod terms;

pub use cloud::{CLOUDS, CloudPower, cloud_power};
pub use cost::{Tariff, carbon_price, flat_cost, series_cost};
pub use embodied::{EmbodiedRange, HARDWARE, Hardware, HardwareError};
pub use factors::{MarketContract, WaterFactors, facility_kwh, it_kwh};
pub use sci::{FunctionalUnit, equivalents, sci};
pub use terms::{RunFacts, SupplementTerms};

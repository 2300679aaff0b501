//! What stands beside the location-based grams of a run: market-based grams, embodied grams, SCI, water, money, offsets.
//!
//! Pure arithmetic, each formula with its source. The location-based grams come from [`crate::price`] and are never
//! changed here: nothing is netted, and what was not asked for is not there. PUE is in the energy once, as
//! `facility_uj`; IT energy stays beside it.
//!
//! ```
//! use eco2_grid::carbon::Hardware;
//!
//! // The vector of the SCI specification: 1000 kg over 4 years, one hour of it.
//! let hardware = Hardware::named("1000")?.for_years(4.0)?;
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

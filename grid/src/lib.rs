//! Finds the carbon intensity of electricity, computes the emissions and cost of energy from it, and plans jobs for
//! times and places with low intensity. It serves `eco2 grid`, `eco2 plan` and the pricing of every report.
//!
//! * [`lookup`] finds the yearly average intensity of a zone by code, name or alias. [`world`] is the flagged default,
//!   [`constant`] a value that the user states. Each intensity has its source, year, kind and licence.
//! * [`price`] turns energy into emissions at one intensity. [`pricing`] does so over time, with cost and PUE (power
//!   usage effectiveness, the energy overhead of the building). Emissions of different kinds are never added up.
//! * [`provider`] reads intensities over time. A service on the network is asked only if the feature `providers` is on
//!   and the service is named.
//! * [`Series`] is an intensity over time, [`plan`] finds the lowest-carbon time, zone and width for a job in it, and
//!   [`request`] is a plan as JSON.
//! * [`carbon`] computes the supplements of a report: market-based and embodied emissions, SCI, water, cost,
//!   equivalents.
//!
//! Nothing is guessed: where no value is known, the result is `None` or an error that names what to state.
//!
//! ```
//! let germany = eco2_grid::lookup("Germany")?;
//! assert_eq!((germany.zone.as_str(), germany.year), ("DE", Some(2024)));
//! # Ok::<(), eco2_grid::ZoneError>(())
//! ```

#![forbid(unsafe_code)]

pub mod carbon;
mod cities;
mod clouds;
mod counterfactual;
mod impact;
mod intensity;
mod locate;
mod lookup;
mod outlook;
mod places;
pub mod plan;
mod powers;
mod price;
pub mod pricing;
pub mod provider;
mod pue;
pub mod request;
mod series;
mod sha256;
mod zone;
mod zone_document;

pub use cities::{time_zone, zone_in};
pub use clouds::{CloudRegion, cloud_region, cloud_regions};
pub use counterfactual::{Difference, EnergyProfile, PlacedRun, best_start, difference};
pub use impact::{Impact, ImpactColumn, ImpactRow, credit_cost, first_fall, impacts};
pub use intensity::{Intensity, IntensityKind, MAX_G_PER_KWH, UnknownName, ZoneSource, constant};
pub use locate::{LocateError, locate};
pub use lookup::{ZoneError, lookup, lookup_or_around, world};
pub use outlook::{IntensityForecast, outlook};
pub use powers::{PowerImpacts, PowerRows, PowerValues, PowersError, power_impacts};
pub use price::{Consumption, price, recompute};
pub use pue::{Pue, RangeError};
pub use series::{
    EnergySlot, FileError, FileFault, FilePlace, IntensityUnit, Series, SeriesGap, SeriesGrams, SeriesMeta,
    SeriesPoint, SeriesSlot, SlotRule, parse_instant, utc,
};
pub use sha256::Sha256;
pub use zone::{Zone, zones};
pub use zone_document::{Mix, mix, mix_of, named_region, zone_document, zones_document};

/// The attribution that a report with values of the table must contain (required by CC BY 4.0).
pub const ATTRIBUTION: &str = "Grid intensity: Ember, Yearly Electricity Data, and Our World in Data (both CC BY 4.0); \
     US EPA eGRID (public domain); Google, Carbon data of Google Cloud regions (Apache-2.0).";

//! What a kilowatt-hour weighs, when and where.
//!
//! [`lookup`] finds the yearly average of a zone by code, name or alias; [`world`] is the flagged default; [`constant`]
//! is a figure the user brings. [`price`] turns energy into grams with the table from which anyone can recompute them.
//! Every figure carries its source, year, kind and licence, and kinds are never mixed. [`provider`] has intensities over
//! time; nobody is asked over the network unless the feature `providers` is on and a service is named. [`carbon`] has what
//! stands beside the grams. No guessing.
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

pub use cities::time_zone;
pub use clouds::{CloudRegion, cloud_region, cloud_regions};
pub use counterfactual::{Difference, EnergyProfile, PlacedRun, best_begin, difference};
pub use impact::{Impact, ImpactColumn, ImpactRow, credit_cost, first_fall, impacts};
pub use intensity::{Intensity, IntensityKind, MAX_G_PER_KWH, ZoneSource, constant};
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
pub use zone_document::{Mix, mix, mix_of, region_asked_for, zone_document, zones_document};

/// The line that a report with figures of the table must carry (CC BY 4.0 asks for it).
pub const ATTRIBUTION: &str = "Grid intensity: Ember, Yearly Electricity Data, and Our World in Data (both CC BY 4.0); \
     US EPA eGRID (public domain); Google, Carbon data of Google Cloud regions (Apache-2.0).";

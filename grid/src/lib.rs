//! What a kilowatt-hour weighs, when and where.
//!
//! [`lookup`] finds the yearly average of a zone by code, name or alias; [`world`] is the flagged default; [`constant`]
//! is a figure the user brings. [`price`] turns energy into grams with the table from which anyone can recompute them.
//! Every figure carries its source, year, kind and licence, and kinds are never mixed. No network, no guessing.
//!
//! ```
//! let germany = eco2_grid::lookup("Germany")?;
//! assert_eq!((germany.zone.as_str(), germany.year), ("DE", Some(2024)));
//! # Ok::<(), eco2_grid::ZoneError>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod intensity;
mod lookup;
mod price;
mod suggest;
mod table;
mod zone;

pub use error::{RangeError, ZoneError};
pub use intensity::{Intensity, Kind, MAX_G_PER_KWH, ZoneSource, constant, world};
pub use lookup::lookup;
pub use price::{Consumption, Pue, price, recompute};
pub use table::zones;
pub use zone::Zone;

/// The line that a report with figures of the table must carry (CC BY 4.0 asks for it).
pub const ATTRIBUTION: &str = "Grid intensity: Ember, Yearly Electricity Data, and Our World in Data (both CC BY 4.0); \
     US EPA eGRID (public domain).";

//! From energy to grams and money: the one way, for live, replayed, re-priced and merged reports.
//!
//! A [`PriceRequest`] says what is asked for, as plain data. [`Pricing`] is resolved from it once, so that a wrong zone is
//! told before any training. It prices an energy ([`Pricing::price`]), or prices a report again ([`Pricing::price_again`]),
//! which changes only what is asked for anew; [`merge_shares`] adds up what several processes were priced with.

mod again;
mod agreed;
mod ahead;
mod extras;
mod merged;
mod place;
mod request;
mod resolved;
mod segments;
mod sources;
mod told;
mod weigh;
mod when;

pub use agreed::{AgreedTerms, agreed};
pub use ahead::RateForecast;
pub use merged::{EnergyShare, MergedShares, facility, merge_shares};
pub use request::{PriceError, PriceRequest};
pub use resolved::{PriceInput, Pricing};
pub use segments::{NamedZone, price_parts};
pub use sources::IntensitySources;
pub use weigh::{EnergyCurve, EnergySplit, RateStep, Steps, weigh};
pub use when::When;

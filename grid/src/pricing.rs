//! From energy to grams and money: the one way, for live, replayed, re-priced and merged reports.
//!
//! A [`PriceRequest`] says what is asked for, as plain data. [`Pricing`] is resolved from it once, so that a wrong zone is
//! told before any training. It prices an energy ([`Pricing::price`]), or prices a report again ([`Pricing::price_again`]),
//! which changes only what is asked for anew; [`merge_shares`] adds up what several processes were priced with.

mod again;
mod merged;
mod request;
mod resolved;
mod segments;
mod sources;
mod supplements;
mod weigh;

pub use merged::{AgreedTerms, EnergyShare, MergedShares, agreed, facility, merge_shares};
pub use request::{PriceError, PriceRequest, When};
pub use resolved::{PriceInput, Pricing};
pub use segments::{NamedZone, price_parts};
pub use sources::IntensitySources;
pub use supplements::RateForecast;
pub(crate) use weigh::EnergySplit;
pub use weigh::{EnergyCurve, RateStep, Steps, weigh};

//! From energy to grams and money: the one way, for live, replayed, re-priced and merged reports.

mod segments;
mod weigh;

pub(crate) use segments::attributed;
pub use segments::{NamedZone, price_parts};
pub use weigh::{EnergyCurve, Split, Step, Steps, weigh};

//! Computes emissions and cost of energy. Live, replayed, re-priced (`eco2 report RUN --zone ZONE`) and merged reports
//! all use this module.
//!
//! *PUE* (power usage effectiveness) is the energy of the data centre divided by that of its computers. A *zone* is an
//! area of the electricity grid with its own carbon intensity. A [`PriceRequest`] holds the options as plain data.
//! [`Pricing`] is resolved from it once, when a run opens, so that a wrong zone is an error before the training starts.
//! [`Pricing::price`] prices an energy. [`Pricing::price_again`] prices a report again and changes only what the new
//! request names. [`merge_shares`] adds up the emissions and costs of several reports. [`weigh`] is the arithmetic
//! under all of them: energy over time, multiplied by a rate over time; [`RunningAmount`] is the same of an energy that
//! still grows.
//!
//! ```
//! use eco2_core::Bounded;
//! use eco2_core::schema::{Energy, Work};
//! use eco2_grid::pricing::{PriceInput, PriceRequest, Pricing, When};
//!
//! // One kilowatt-hour in an hour in Germany, at a PUE of 1.2 and 0.30 per kilowatt-hour.
//! let request = PriceRequest {
//!     zone: Some("DE".to_owned()),
//!     pue: Some(1.2),
//!     price_per_kwh: Some(0.3),
//!     ..PriceRequest::default()
//! };
//! let pricing = Pricing::resolve(request, Vec::new())?;
//! let when = When::new("2026-01-01T00:00:00Z".parse()?, 3_600_000_000_000);
//! let mut energy = Energy::default().with_total(Bounded::exact(3_600_000_000_000));
//! let run = PriceInput { when: &when, work: &Work::default(), curve: None, coverage: None };
//! let (carbon, events) = pricing.price(&mut energy, &run);
//! // 1.2 kWh of the facility at 342.06 g/kWh.
//! assert!((carbon.grams.unwrap_or(0.0) - 410.472).abs() < 1e-9);
//! assert!((carbon.cost.unwrap_or(0.0) - 0.36).abs() < 1e-9);
//! assert_eq!((energy.facility_uj, events.len()), (Some(4_320_000_000_000), 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod again;
mod merged;
mod rates;
mod request;
mod resolved;
mod running;
mod segments;
mod sources;
mod supplements;

pub use merged::{AgreedTerms, EnergyShare, MergedShares, agreed, facility, merge_shares};
pub(crate) use rates::EnergySplit;
pub use rates::{EnergyCurve, RateStep, Steps, weigh};
pub use request::{PriceError, PriceRequest, When};
pub use resolved::{PriceInput, Pricing};
pub use running::RunningAmount;
pub use segments::{NamedZone, price_parts};
pub use sources::IntensitySources;
pub use supplements::RateForecast;

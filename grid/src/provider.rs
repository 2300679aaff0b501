//! Reads intensities over time from files and services, all through the trait [`Provider`]. It serves the option
//! `intensity_provider`, `eco2 grid --provider` and `eco2 plan --provider`.
//!
//! A [`Provider`] answers a query for a zone and a period with [`IntensitySlot`]s. A [`ProviderChain`] asks several
//! providers in their order, and states for every part of the period which of them covered it. Files, constants and the
//! yearly table need no network. Services need the feature `providers`; they are asked only if they are named, and
//! never on a measuring thread.

mod chain;
mod completed;
mod fault;
mod followed;
mod offline;
mod slot;

#[cfg(feature = "providers")]
mod cached;
#[cfg(feature = "providers")]
mod disk;
#[cfg(feature = "providers")]
mod metadata;
#[cfg(feature = "providers")]
mod service;

pub use chain::{Coverage, IntensityPart, ProviderChain};
pub use fault::ProviderFault;
pub(crate) use followed::FollowedFile;
pub use offline::{Fixed, SeriesFile};
pub use slot::{CacheCounts, IntensityOrigin, IntensityQuery, IntensitySlot, Reply};

#[cfg(feature = "providers")]
pub use cached::Cached;
#[cfg(feature = "providers")]
pub use disk::DiskCache;
#[cfg(feature = "providers")]
pub use metadata::cloud_of_this_machine;
#[cfg(feature = "providers")]
pub use service::{Online, OnlineSetup};

/// Name of the provider that has the yearly averages.
pub(crate) const TABLE: &str = "table";

/// A source of intensities over time.
pub trait Provider: Send + Sync {
    /// Returns the name of the provider in options, such as `electricity-maps`.
    fn name(&self) -> &str;

    /// Returns the slots that overlap a period: measured ones, and forecasts for the future. Times that the provider
    /// does not know are missing from the answer, never 0.
    ///
    /// # Errors
    /// [`ProviderFault`] if there is no answer at all. The call blocks no longer than the limits of the provider allow.
    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault>;

    /// Returns the hits and misses of its cache until now; `None` without a cache.
    fn counts(&self) -> Option<CacheCounts> {
        None
    }
}

/// Names of the services that can be asked over the network; a build without the feature `providers` knows them too.
pub const NAMES: [&str; 6] = ["carbon-aware-sdk", "electricity-maps", "energy-charts", "entsoe", "neso", "watttime"];

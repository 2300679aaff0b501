//! Intensity over time, from whoever publishes it, behind one trait.
//!
//! A [`Provider`] answers with [`IntensitySlot`]s for a zone and a stretch of time. A [`ProviderChain`] asks several in the given order
//! and states for every part of the time who covered it. Files, constants and the yearly table need nothing; what asks the
//! network is behind the feature `providers`, is used only where it was named, and never on a measuring thread.

mod chain;
mod completed;
mod fault;
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
pub use offline::{Fixed, SeriesFile};
pub use slot::{CacheCounts, IntensityOrigin, IntensityQuery, IntensitySlot, Reply};

#[cfg(feature = "providers")]
pub use cached::Cached;
#[cfg(feature = "providers")]
pub use disk::DiskCache;
#[cfg(feature = "providers")]
pub use metadata::cloud_of_this_machine;
#[cfg(feature = "providers")]
pub use service::{NAMES, Online, OnlineSetup};

/// Name of the provider that has the yearly averages.
pub(crate) const TABLE: &str = "table";

/// Someone who knows intensities over time.
pub trait Provider: Send + Sync {
    /// Its name, as options have it: `electricity-maps`.
    fn name(&self) -> &str;

    /// The slots that overlap a stretch of time: measured ones, and forecasts for what is to come. What the provider does
    /// not know is missing from the answer, never 0.
    ///
    /// # Errors
    /// [`ProviderFault`] when it has no answer at all. It never blocks longer than its limits allow.
    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault>;

    /// How often its cache answered so far; `None`: it has none.
    fn counts(&self) -> Option<CacheCounts> {
        None
    }
}

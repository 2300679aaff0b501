//! Intensities without a run: what the named providers know of a stretch of time.

use std::sync::Arc;

use eco2_grid::provider::{Chain, Coverage, Provider, Wanted};

use super::open::online;
use crate::Error;
use crate::options::Options;

/// What the providers that the options name know from `from_ns` to `to_ns`, nanoseconds since 1970 UTC, in the order of
/// time, each part by the first of them that knows it; forecasts after `now_ns`. Asks on this thread, within the providers'
/// limits.
///
/// Nothing stands in for what none of them knows; [`Coverage::faults`] says why.
///
/// # Errors
/// [`Error::Provider`] where one cannot be asked: no token, a wrong address, a build without the feature `providers`.
pub fn intensities(options: &Options, from_ns: i64, to_ns: i64, now_ns: i64) -> Result<Coverage, Error> {
    let providers = options.intensity_provider.iter().map(|name| online(name, options));
    let providers: Vec<Arc<dyn Provider>> = providers.collect::<Result<_, _>>()?;
    let zone = options.zone.as_deref().unwrap_or_default();
    Ok(Chain::new(providers).cover(&Wanted { zone, from_ns, to_ns, now_ns }))
}

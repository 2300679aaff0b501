//! Providers as the options name them.

use std::sync::Arc;

use eco2_grid::provider::Provider;

use crate::Error;
use crate::options::Options;

/// The provider of that name.
///
/// # Errors
/// [`Error::Provider`] where it cannot be asked: no token, a wrong address.
#[cfg(feature = "providers")]
pub(crate) fn online(name: &str, options: &Options) -> Result<Arc<dyn Provider>, Error> {
    use eco2_grid::provider::{Disk, Online, Setup};
    let setup = Setup {
        base: options.provider_url.clone(),
        zone: options.provider_zone.clone(),
        disk: Disk::of_the_user(),
        ..Setup::default()
    };
    let opened = Online::open(name, &setup, |variable| std::env::var(variable).ok());
    let provider = opened.map_err(|fault| Error::Provider { provider: name.to_owned(), fault })?;
    Ok(Arc::new(provider))
}

/// What stands for a provider in a build that asks no network.
#[cfg(not(feature = "providers"))]
pub(crate) fn online(name: &str, _: &Options) -> Result<Arc<dyn Provider>, Error> {
    Ok(Arc::new(NotBuilt(name.to_owned())))
}

/// A provider in a build that asks no network: it costs the intensities, which the table then gives, and not the run.
#[cfg(not(feature = "providers"))]
struct NotBuilt(String);

#[cfg(not(feature = "providers"))]
impl Provider for NotBuilt {
    fn name(&self) -> &str {
        &self.0
    }

    fn slots(
        &self,
        _: &eco2_grid::provider::Wanted<'_>,
    ) -> Result<eco2_grid::provider::Reply, eco2_grid::provider::ProviderFault> {
        Err(eco2_grid::provider::ProviderFault::NotBuilt)
    }
}

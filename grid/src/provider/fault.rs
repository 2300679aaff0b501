//! Defines why a provider (a service that publishes intensities) gave no answer. No message contains text from the
//! service or a secret.

#[cfg(feature = "providers")]
use eco2_net::Outage;
use eco2_net::{NetError, SecretFault};

use crate::IntensityKind;

/// The reason why a provider has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderFault {
    /// The request failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// An answer of an unexpected form.
    #[error("the answer is not understood: {0}")]
    Garbage(&'static str),
    /// An answer without a value for the requested time.
    #[error("no value for that time")]
    NoFigure,
    /// A zone that the provider does not have.
    #[error("no zone {zone:?} there; {remedy}")]
    Zone {
        /// The zone, shortened.
        zone: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// An answer for another zone than the requested one.
    #[error("the answer is not for {zone:?}, which was requested; check --provider-zone and the base address")]
    OtherZone {
        /// The requested zone, shortened.
        zone: String,
    },
    /// Values of another kind than those that are used.
    #[error(
        "its values are {}, the others {}: kinds are not mixed in one sum, so they are not used; name providers of one kind",
        named(*.kind), named(*.used)
    )]
    OtherKind {
        /// What the values count.
        kind: Option<IntensityKind>,
        /// What the values that are used count.
        used: Option<IntensityKind>,
    },
    /// The file has changed, and the new version cannot be used.
    #[error("{0}; the values before are used")]
    File(String),
    /// It failed several times and is not asked for a while.
    #[error("{last}; the next request is in {seconds} s")]
    Resting {
        /// Time until it is asked again, seconds.
        seconds: u64,
        /// The last fault.
        last: Box<ProviderFault>,
    },
    /// This build has no network.
    #[error("this build has no providers that ask the network; build with the feature `providers`")]
    NotBuilt,
    /// The answer had not arrived at the end of the run.
    #[error("the answer was not there when the run ended")]
    Late,
}

impl From<SecretFault> for ProviderFault {
    fn from(fault: SecretFault) -> Self {
        Self::Net(NetError::Secret(fault))
    }
}

impl ProviderFault {
    /// Returns how the fault counts for the circuit breaker.
    #[cfg(feature = "providers")]
    pub(crate) fn outage(&self) -> Outage {
        match self {
            Self::Net(error) => error.outage(),
            _ => Outage::Passing,
        }
    }

    #[cfg(feature = "providers")]
    /// Returns the fault [`ProviderFault::Zone`], with the zone shortened.
    pub(crate) fn zone(zone: &str, remedy: &'static str) -> Self {
        Self::Zone { zone: zone.chars().take(60).collect(), remedy }
    }

    #[cfg(feature = "providers")]
    /// Returns the fault [`ProviderFault::OtherZone`], with the requested zone shortened.
    pub(crate) fn other_zone(zone: &str) -> Self {
        Self::OtherZone { zone: zone.chars().take(60).collect() }
    }
}

/// Returns the name of a kind for messages.
fn named(kind: Option<IntensityKind>) -> &'static str {
    kind.map_or("of a kind that is not stated", IntensityKind::as_str)
}

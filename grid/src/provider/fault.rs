//! Why a provider has no answer. No text of a fault comes from the other side, and none holds a secret.

use super::SecretFault;
use crate::Kind;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// HTTP 401 or 403.
    #[error("the service refused the request (HTTP {0}); check the token and what it may see")]
    Refused(u16),
    /// HTTP 429.
    #[error("the service was asked too often (HTTP 429){}", wait(*.retry_after_s))]
    TooOften {
        /// When to come back, seconds, if it said so.
        retry_after_s: Option<u64>,
    },
    /// Any other status that is no success.
    #[error("the service answered HTTP {0}")]
    Status(u16),
    /// A redirect; none is followed, so that no token goes elsewhere.
    #[error("the service points to another address, which is not followed; correct the base address")]
    Redirect,
    /// No whole answer in time.
    #[error("the service did not answer in time")]
    Timeout,
    /// More than is read.
    #[error("the answer is longer than {most} bytes")]
    TooLarge {
        /// The limit, bytes.
        most: u64,
    },
    /// The other side could not prove who it is.
    #[error("the secure connection failed: the certificate is not trusted, or it is no TLS")]
    Tls,
    /// No connection.
    #[error("the service cannot be reached")]
    Unreachable,
    /// An answer that is not what it should be.
    #[error("the answer is not understood: {0}")]
    Garbage(&'static str),
    /// An answer without a figure for the time that was asked about.
    #[error("no figure for that time")]
    NoFigure,
    /// A zone that the provider does not have.
    #[error("no zone {zone:?} there; {remedy}")]
    Zone {
        /// The zone, shortened.
        zone: String,
        /// What to do.
        remedy: &'static str,
    },
    /// An answer for a zone that was not asked for.
    #[error("the answer is not for {zone:?}, which was requested; check --provider-zone and the base address")]
    OtherZone {
        /// The requested zone, shortened.
        zone: String,
    },
    /// Values of another kind than those that the sum is made of.
    #[error(
        "its values are {}, the others {}: kinds are not mixed in one sum, so they are not used; name providers of one kind",
        named(*.kind), named(*.used)
    )]
    OtherKind {
        /// What the values count.
        kind: Option<Kind>,
        /// What the values that are used count.
        used: Option<Kind>,
    },
    /// The token is missing or is not kept safely.
    #[error(transparent)]
    Secret(#[from] SecretFault),
    /// A base address that is not taken.
    #[error("the base address {0}")]
    Address(&'static str),
    /// It failed several times and is left alone for a while.
    #[error("{last}; it is not asked again for {seconds} s")]
    Resting {
        /// How long, seconds.
        seconds: u64,
        /// What it failed with last.
        last: Box<Fault>,
    },
    /// This build asks nobody.
    #[error("this build has no providers that ask the network; build with the feature `providers`")]
    NotBuilt,
    /// The answer has not come yet.
    #[error("the answer was not there when the run ended")]
    Late,
}

impl Fault {
    /// Whether the same question may be answered a moment later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500,
            Self::Unreachable | Self::Timeout => true,
            _ => false,
        }
    }

    #[cfg(feature = "providers")]
    /// A zone, shortened for [`Fault::Zone`].
    pub(crate) fn zone(zone: &str, remedy: &'static str) -> Self {
        Self::Zone { zone: zone.chars().take(60).collect(), remedy }
    }

    #[cfg(feature = "providers")]
    /// A requested zone, shortened for [`Fault::OtherZone`].
    pub(crate) fn other_zone(zone: &str) -> Self {
        Self::OtherZone { zone: zone.chars().take(60).collect() }
    }
}

fn named(kind: Option<Kind>) -> &'static str {
    kind.map_or("of a kind that is not stated", Kind::as_str)
}

fn wait(retry_after_s: Option<u64>) -> String {
    retry_after_s.map_or_else(String::new, |seconds| format!("; it says to wait {seconds} s"))
}

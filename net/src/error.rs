//! Defines the errors of requests to other machines. No message contains text from the other side, an address or a
//! secret.

use std::path::PathBuf;
use std::time::Duration;

use crate::Outage;

/// The reason why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// HTTP 401 or 403: the service refused the request.
    #[error("the service refused the request (HTTP {0}); check the token and what it may see")]
    Refused(u16),
    /// HTTP 429: too many requests.
    #[error("too many requests to the service (HTTP 429){}", wait(*.retry_after_s))]
    TooOften {
        /// The wait that the service asks for, seconds; `None` if it asks for none.
        retry_after_s: Option<u64>,
    },
    /// HTTP 503 with the wait that the service asks for. Without one it is [`NetError::Status`].
    #[error("the service is not available (HTTP 503); retry after {retry_after_s} s")]
    NotAvailable {
        /// The wait, seconds.
        retry_after_s: u64,
    },
    /// Another HTTP status that is not a success.
    #[error("the service answered HTTP {0}")]
    Status(u16),
    /// A redirect. None is followed, so that no token is sent to another address.
    #[error("the service points to another address, which is not followed; correct the base address")]
    Redirect,
    /// There was no complete answer in time.
    #[error("the service did not answer in time")]
    Timeout,
    /// The answer is longer than the limit.
    #[error("the answer is longer than {most} bytes")]
    TooLarge {
        /// The limit, bytes.
        most: u64,
    },
    /// The other side could not prove its identity.
    #[error("the secure connection failed: the certificate is not trusted, or it is no TLS")]
    Tls,
    /// The file with the certificates to trust cannot be used.
    #[error("{path}: is no file of certificates in PEM form", path = .0.display())]
    Certificate(PathBuf),
    /// No connection was possible.
    #[error("the service cannot be reached")]
    Unreachable,
    /// A login was accepted without a token.
    #[error("the service accepted the login and sent no token")]
    NoToken,
    /// The answer is not HTTP.
    #[error("the answer is not understood: it is no HTTP")]
    NotHttp,
    /// An address that is not allowed, with the reason.
    #[error("the base address {0}")]
    Address(&'static str),
    /// Options of e-mail that cannot be used, with the reason.
    #[error("the options of e-mail {0}")]
    Mail(&'static str),
    /// An SMTP reply that is not a success.
    #[error("the mail server answered {0}{hint}", hint = smtp_hint(*.0))]
    Smtp(u16),
    /// The answer is not SMTP.
    #[error("the answer is not understood: it is no SMTP")]
    NotSmtp,
    /// The secret is missing or not safely stored.
    #[error(transparent)]
    Secret(#[from] crate::SecretFault),
    /// This build has no client for the network.
    #[error("this build cannot use the network; build with the feature `providers`")]
    NotBuilt,
}

impl NetError {
    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500,
            // RFC 5321: 4yz is a transient failure, 5yz a permanent one.
            Self::Smtp(reply) => *reply < 500,
            Self::Unreachable | Self::Timeout => true,
            _ => false,
        }
    }

    /// Whether the service refuses the content of the request, so that sending it again is useless: HTTP 400 to 499 except
    /// 408 (time-out) and 429 (too many requests), and except 401 and 403, which someone can mend by another token.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status(400..=499)) && *self != Self::Status(408)
    }

    /// Returns the shortest wait before another attempt, for [`Retry`](crate::Retry); `None` if another attempt is
    /// useless. HTTP 429 counts as passing, and so does 503, with the wait that the service asks for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooOften { retry_after_s } => Some(Duration::from_secs(retry_after_s.unwrap_or(0))),
            Self::NotAvailable { retry_after_s } => Some(Duration::from_secs(*retry_after_s)),
            error => error.is_passing().then_some(Duration::ZERO),
        }
    }

    /// Returns how the failure counts, for [`Breaker`](crate::Breaker). A refused token stays refused, and a wait that
    /// the service asks for is kept.
    #[must_use]
    pub fn outage(&self) -> Outage {
        match self {
            Self::Refused(_) => Outage::Lasting,
            Self::TooOften { retry_after_s } => Outage::Until(Duration::from_secs(retry_after_s.unwrap_or(0))),
            Self::NotAvailable { retry_after_s } => Outage::Until(Duration::from_secs(*retry_after_s)),
            _ => Outage::Passing,
        }
    }
}

/// Returns advice on an SMTP reply; empty if there is none.
fn smtp_hint(reply: u16) -> &'static str {
    match reply {
        534 | 535 => "; check the user name and the password",
        550..=553 => "; check the addresses",
        _ => "",
    }
}

/// Returns the wait that the service asks for, as a part of the message; empty if it asks for none.
fn wait(retry_after_s: Option<u64>) -> String {
    retry_after_s.map_or_else(String::new, |seconds| format!("; retry after {seconds} s"))
}

//! The errors of requests. No message contains text from the other side, an address or a secret.

use std::time::Duration;

use crate::Outage;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// HTTP 401 or 403.
    #[error("the service refused the request (HTTP {0}); check the token and what it may see")]
    Refused(u16),
    /// HTTP 429.
    #[error("the service was asked too often (HTTP 429){}", wait(*.retry_after_s))]
    TooOften {
        /// The wait that the service asks for, seconds, if it names one.
        retry_after_s: Option<u64>,
    },
    /// Any other status that is not a success.
    #[error("the service answered HTTP {0}")]
    Status(u16),
    /// A redirect; none is followed, so that no token goes elsewhere.
    #[error("the service points to another address, which is not followed; correct the base address")]
    Redirect,
    /// No complete answer in time.
    #[error("the service did not answer in time")]
    Timeout,
    /// A body beyond the limit.
    #[error("the answer is longer than {most} bytes")]
    TooLarge {
        /// The limit, bytes.
        most: u64,
    },
    /// The other side could not prove its identity.
    #[error("the secure connection failed: the certificate is not trusted, or it is no TLS")]
    Tls,
    /// No connection.
    #[error("the service cannot be reached")]
    Unreachable,
    /// An answer that is not HTTP.
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
    /// An answer that is not SMTP.
    #[error("the answer is not understood: it is no SMTP")]
    NotSmtp,
    /// The secret is missing or not safely stored.
    #[error(transparent)]
    Secret(#[from] crate::SecretFault),
    /// This build has no client.
    #[error("this build cannot use the network; build with the feature `providers`")]
    NotBuilt,
}

impl NetError {
    /// Whether the same request may succeed a moment later.
    ///
    /// ```
    /// use eco2_net::NetError;
    ///
    /// assert!(NetError::Status(503).is_passing() && NetError::Timeout.is_passing());
    /// assert!(!NetError::Status(404).is_passing() && !NetError::Refused(401).is_passing());
    /// ```
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

    /// For [`Retry`](crate::Retry): the shortest wait before another attempt, `None` where another attempt is useless. HTTP 429 counts as
    /// passing, with the wait that the service asks for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooOften { retry_after_s } => Some(Duration::from_secs(retry_after_s.unwrap_or(0))),
            error => error.is_passing().then_some(Duration::ZERO),
        }
    }

    /// For [`Breaker`](crate::Breaker): how the failure counts. A refused token does not repair itself, and a requested wait is kept.
    #[must_use]
    pub fn outage(&self) -> Outage {
        match self {
            Self::Refused(_) => Outage::Lasting,
            Self::TooOften { retry_after_s } => Outage::Until(Duration::from_secs(retry_after_s.unwrap_or(0))),
            _ => Outage::Passing,
        }
    }
}

fn smtp_hint(reply: u16) -> &'static str {
    match reply {
        534 | 535 => "; check the user name and the password",
        550..=553 => "; check the addresses",
        _ => "",
    }
}

fn wait(retry_after_s: Option<u64>) -> String {
    retry_after_s.map_or_else(String::new, |seconds| format!("; it asks to wait {seconds} s"))
}

//! Sends requests to other machines, with limits on time, size, attempts and addresses.
//!
//! * [`Http`] and [`Webhook`] (feature `http`) send requests with a limit on time, size, attempts and addresses: HTTPS
//!   anywhere, plain HTTP on this machine only, link-local addresses for cloud metadata only, no redirects.
//! * [`Mailer`] (feature `http`) hands plain-text e-mail to an SMTP server, over TLS always.
//! * [`Secret`] is a token or password that is never printed or written.
//! * [`Retry`] and [`Backoff`] are the one rule for waiting between attempts; [`Clock`] is the time they use, and
//!   [`ScriptedClock`] a clock for tests.
//! * [`Breaker`] stops requests to a service that fails repeatedly.
//! * [`Outbox`] keeps requests in a folder until their server has taken them.
//!
//! This crate knows nothing about energy, carbon or any other crate of this workspace.
//!
//! ```
//! use std::time::Duration;
//! use eco2_net::{Backoff, NetError, Retry, ScriptedClock};
//!
//! // A service that is busy twice, then answers.
//! let mut answers = [Err(NetError::Status(503)), Err(NetError::Timeout), Ok("342 g/kWh")].into_iter();
//! let retry = Retry { backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)), retries: 4 };
//! let clock = ScriptedClock::default();
//! let answer = retry.run(&clock, NetError::retry_after, || answers.next().unwrap_or(Err(NetError::Unreachable)));
//! assert_eq!(answer, Ok("342 g/kWh"));
//! assert_eq!(clock.slept(), Duration::from_secs(1 + 2));
//! ```

#![forbid(unsafe_code)]

mod breaker;
mod clock;
mod error;
mod headers;
mod outbox;
mod retry;
mod secret;

#[cfg(feature = "http")]
mod address;
#[cfg(feature = "http")]
mod email;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod trust;
#[cfg(feature = "http")]
mod webhook;

pub use breaker::{Breaker, OpenCircuit, Outage};
pub use clock::{Clock, ScriptedClock, SystemClock};
pub use error::NetError;
pub use headers::Headers;
pub use outbox::{Message, Method, Outbox, Sent, Stored};
pub use retry::{Backoff, Retry};
pub use secret::{Secret, SecretFault};

#[cfg(feature = "http")]
pub use address::METADATA_HOST;
#[cfg(feature = "http")]
pub use email::{MailAccount, Mailer};
#[cfg(feature = "http")]
pub use http::{Auth, Http, Limits, Login};
#[cfg(feature = "http")]
pub use trust::ServerTrust;
#[cfg(feature = "http")]
pub use webhook::Webhook;

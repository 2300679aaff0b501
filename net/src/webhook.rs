//! Defines [`Webhook`], which posts JSON to an address that is a secret as a whole.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;

use crate::address::{self, ClientKind};
use crate::http::{self, Limits};
use crate::{Clock, NetError, Secret, SystemClock};

/// The longest wait that the other side may ask for before the next attempt; a longer one is shortened.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A webhook. Its address grants the right to write there: it is a [`Secret`], and no error or `Debug` output shows any
/// of it.
///
/// ```
/// use eco2_net::{Limits, NetError, Secret, Webhook};
///
/// let address = Secret::new("https://hooks.example.org/services/T0/B0/abc").ok_or("not printable")?;
/// let webhook = Webhook::new(address, Limits { retries: 4, ..Limits::default() })?;
/// assert!(!format!("{webhook:?}").contains("T0/B0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Webhook {
    agent: Agent,
    address: Secret,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// Returns a webhook with an address such as `https://hooks.example.org/services/T0/B0/abc`.
    ///
    /// # Errors
    /// [`NetError::Address`] for an address that is neither HTTPS nor on this machine, or contains a user or a
    /// fragment.
    pub fn new(address: Secret, limits: Limits) -> Result<Self, NetError> {
        let whole = address.expose();
        let base = whole.split('?').next().unwrap_or(whole);
        if whole.contains('#') || !whole.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NetError::Address("holds a fragment or blanks"));
        }
        let local = address::check(base, ClientKind::Service)?;
        let agent = http::agent(&limits, local, ClientKind::Service, ureq::tls::TlsConfig::default());
        Ok(Self { agent, address, limits, clock: Arc::new(SystemClock::default()) })
    }

    /// Returns the same webhook with waits on another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Posts JSON, and posts it again after an error that may pass or if the other side asks to wait.
    ///
    /// # Errors
    /// [`NetError`] of the last attempt. Blocks at most for the limits' time-out and wait of every attempt.
    pub fn post(&self, body: &str) -> Result<(), NetError> {
        self.post_within(body, &|| None)
    }

    /// Does the same as [`post`](Self::post) within a deadline: `left` returns the remaining time (`None`: no limit),
    /// which may shrink during a wait. A wait longer than that is not started, or is abandoned.
    ///
    /// # Errors
    /// As [`post`](Self::post); the error of the last attempt where time was short.
    pub fn post_within(&self, body: &str, left: &dyn Fn() -> Option<Duration>) -> Result<(), NetError> {
        let again = |error: &NetError| error.retry_after().map(|wait| wait.min(LONGEST_WAIT));
        self.limits.retry().run_within(&*self.clock, left, again, || self.post_once(body))
    }

    /// Sends one POST and checks the status of the answer.
    fn post_once(&self, body: &str) -> Result<(), NetError> {
        let request = self.agent.post(self.address.expose()).header("content-type", "application/json");
        let response = request.send(body).map_err(|error| http::net_error(&error))?;
        http::check_status(&response)
    }
}

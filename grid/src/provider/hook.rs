//! Telling a webhook: a JSON body to an address that is a secret as a whole.

use std::time::{Duration, Instant};

use backon::BackoffBuilder as _;
use ureq::Agent;

use super::http::{self, Limits};
use super::reach::{self, Client};
use super::{Fault, Secret};

/// Waits that the other side asks for are kept up to this long; it is then asked again all the same.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often a wait looks at the time that is left.
const PIECE: Duration = Duration::from_millis(50);

/// A webhook. Its address holds the right to write there: it is a [`Secret`], and no error or `Debug` shows any of it.
#[derive(Debug)]
pub struct Hook {
    agent: Agent,
    address: Secret,
    limits: Limits,
}

/// Sleeps in short pieces; whether there was time for all of it.
fn waited(wait: Duration, left: &dyn Fn() -> Option<Duration>) -> bool {
    let until = Instant::now() + wait;
    loop {
        let rest = until.saturating_duration_since(Instant::now());
        if left().is_some_and(|left| rest >= left) {
            return false;
        }
        if rest.is_zero() {
            return true;
        }
        std::thread::sleep(rest.min(PIECE));
    }
}

impl Hook {
    /// A webhook at an address such as `https://hooks.example.org/services/T0/B0/abc`.
    ///
    /// # Errors
    /// [`Fault::Address`] for what is neither HTTPS nor on this machine, or holds a user or a fragment.
    pub fn new(address: Secret, limits: Limits) -> Result<Self, Fault> {
        let whole = address.expose();
        let base = whole.split('?').next().unwrap_or(whole);
        if whole.contains('#') || !whole.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::Address("holds a fragment or blanks"));
        }
        let local = reach::check(base, Client::Service)?;
        Ok(Self { agent: http::agent(&limits, local, Client::Service), address, limits })
    }

    /// Posts JSON; again where a fault is passing or the other side asks to wait.
    ///
    /// # Errors
    /// [`Fault`] after the last attempt. Blocks for at most the limits' time-out and wait by attempt.
    pub fn post(&self, body: &str) -> Result<(), Fault> {
        self.post_within(body, &|| None)
    }

    /// The same, as long as there is time: `left` says how much, `None` as much as it takes. It may fall while this waits; a
    /// wait that is longer is not begun, or given up.
    ///
    /// # Errors
    /// As [`Hook::post`]; that of the last attempt where time was short.
    pub fn post_within(&self, body: &str, left: &dyn Fn() -> Option<Duration>) -> Result<(), Fault> {
        let mut waits = http::waits(&self.limits).build();
        loop {
            let Err(fault) = self.once(body) else { return Ok(()) };
            let Some(wait) = waits.next().filter(|_| Self::may_pass(&fault)) else { return Err(fault) };
            let asked = match fault {
                Fault::TooOften { retry_after_s: Some(seconds) } => Duration::from_secs(seconds).min(LONGEST_WAIT),
                _ => Duration::ZERO,
            };
            if !waited(wait.max(asked), left) {
                return Err(fault);
            }
        }
    }

    fn may_pass(fault: &Fault) -> bool {
        fault.is_passing() || matches!(fault, Fault::TooOften { .. })
    }

    fn once(&self, body: &str) -> Result<(), Fault> {
        let request = self.agent.post(self.address.expose()).header("content-type", "application/json");
        let response = request.send(body).map_err(|error| http::fault(&error))?;
        http::refusal(&response)
    }
}

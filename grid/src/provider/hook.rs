//! Telling a webhook: a JSON body to an address that is a secret as a whole.

use ureq::Agent;

use super::http::{self, Limits};
use super::{Fault, Secret};

/// A webhook. Its address holds the right to write there: it is a [`Secret`], and no error or `Debug` shows any of it.
#[derive(Debug)]
pub struct Hook {
    agent: Agent,
    address: Secret,
    limits: Limits,
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
        let local = http::check(base)?;
        Ok(Self { agent: http::agent(&limits, local), address, limits })
    }

    /// Posts JSON; again where a fault is passing or the other side asks to wait.
    ///
    /// # Errors
    /// [`Fault`] after the last attempt. Blocks for at most the limits' time-out and wait by attempt.
    pub fn post(&self, body: &str) -> Result<(), Fault> {
        http::again(&self.limits, Self::may_pass, || self.once(body))
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

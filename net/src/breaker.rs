//! A circuit breaker for requests to a service: after several failures in a row no request is sent for a while, then
//! one to try. The breaker is *open* while no request may be sent.

use std::time::Duration;

use crate::Backoff;

/// Number of failures in a row that open the breaker.
const FAILURES: u32 = 3;
/// Time for which the breaker stays open: a minute at first, twice as long each time, an hour at most.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));

/// How a failure counts for a [`Breaker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The failure may pass without a change: the third in a row opens the breaker.
    Passing,
    /// The failure remains until someone changes something: it opens the breaker at once.
    Lasting,
    /// The service asks for a pause: opens the breaker at once, for at least this long.
    Until(Duration),
}

/// The reason why a request is not sent: the breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCircuit<E> {
    /// Time until a request is allowed, seconds, rounded up.
    pub seconds: u64,
    /// The last error of the service.
    pub last: E,
}

/// Counts failures of one service in a row, and allows or refuses requests. Times are nanoseconds of any clock that
/// does not jump back.
///
/// ```
/// use std::time::Duration;
/// use eco2_net::{Breaker, OpenCircuit, Outage};
///
/// let mut breaker = Breaker::default();
/// breaker.failure("HTTP 429", Outage::Until(Duration::from_secs(600)), 0);
/// assert_eq!(breaker.check(0), Err(OpenCircuit { seconds: 600, last: "HTTP 429" }));
/// assert_eq!(breaker.check(600_000_000_000), Ok(()));
/// ```
#[derive(Debug, Clone)]
pub struct Breaker<E> {
    failures: u32,
    until_ns: i64,
    last: Option<E>,
}

impl<E> Default for Breaker<E> {
    fn default() -> Self {
        Self { failures: 0, until_ns: 0, last: None }
    }
}

impl<E: Clone> Breaker<E> {
    /// Checks whether a request may be sent at `now_ns`.
    ///
    /// # Errors
    /// [`OpenCircuit`] with the seconds until a request is allowed.
    pub fn check(&self, now_ns: i64) -> Result<(), OpenCircuit<E>> {
        let left_ns = self.until_ns.saturating_sub(now_ns);
        match &self.last {
            Some(last) if left_ns > 0 => {
                Err(OpenCircuit { seconds: left_ns.unsigned_abs().div_ceil(1_000_000_000), last: last.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Records a success: the breaker closes.
    pub fn success(&mut self) {
        *self = Self::default();
    }

    /// Records a failure at `now_ns`.
    pub fn failure(&mut self, error: E, outage: Outage, now_ns: i64) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some(error);
        let (over, shortest) = match outage {
            Outage::Passing => (self.failures.checked_sub(FAILURES), Duration::ZERO),
            Outage::Lasting => (Some(self.failures - 1), Duration::ZERO),
            Outage::Until(shortest) => (Some(self.failures - 1), shortest),
        };
        if let Some(over) = over {
            let pause = PAUSES.wait(over).max(shortest);
            self.until_ns = now_ns.saturating_add(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn open(seconds: u64) -> Result<(), OpenCircuit<&'static str>> {
        Err(OpenCircuit { seconds, last: "timeout" })
    }

    #[test]
    fn three_failures_open_it_and_a_success_closes_it() {
        let mut breaker = Breaker::default();
        for failure in 0..2 {
            breaker.failure("timeout", Outage::Passing, failure);
            assert_eq!(breaker.check(failure), Ok(()));
        }
        breaker.failure("timeout", Outage::Passing, 0);
        assert_eq!(breaker.check(0), open(60));
        assert_eq!(breaker.check(59 * S + 1), open(1));
        assert_eq!(breaker.check(60 * S), Ok(()), "one may try again");
        breaker.failure("timeout", Outage::Passing, 60 * S);
        assert_eq!(breaker.check(60 * S), open(120));
        breaker.success();
        assert_eq!(breaker.check(60 * S), Ok(()));
    }

    #[test]
    fn refused_token_opens_it_at_once_and_a_requested_pause_is_kept() {
        let mut breaker = Breaker::default();
        breaker.failure("timeout", Outage::Lasting, 0);
        assert_eq!(breaker.check(0), open(60));
        let mut breaker = Breaker::default();
        breaker.failure("timeout", Outage::Until(Duration::from_secs(600)), 0);
        assert_eq!(breaker.check(0), open(600));
        breaker.failure("timeout", Outage::Until(Duration::ZERO), 600 * S);
        assert_eq!(breaker.check(600 * S), open(120), "the second failure in a row");
    }
}

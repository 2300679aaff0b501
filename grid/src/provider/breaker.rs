//! A circuit breaker: who failed several times in a row is left alone for a while, then asked once.

use super::Fault;

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// The first rest, nanoseconds; it doubles with every further failure.
const FIRST_REST_NS: i64 = 60_000_000_000;
/// The longest rest, nanoseconds: an hour.
const LONGEST_REST_NS: i64 = 3_600_000_000_000;

/// How often someone failed in a row, and until when it rests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    failures: u32,
    until_ns: i64,
    last: Option<Fault>,
}

impl Breaker {
    /// Whether it may be asked at `now_ns`.
    ///
    /// # Errors
    /// [`Fault::Resting`] with the seconds that are left.
    pub(crate) fn check(&self, now_ns: i64) -> Result<(), Fault> {
        let left_ns = self.until_ns.saturating_sub(now_ns);
        if left_ns <= 0 {
            return Ok(());
        }
        let seconds = left_ns.unsigned_abs().div_ceil(1_000_000_000);
        let last = self.last.clone().unwrap_or(Fault::Unreachable);
        Err(Fault::Resting { seconds, last: Box::new(last) })
    }

    /// What became of a request. A refused token does not mend itself, and a service that says when to come back is
    /// believed: both rest at once.
    pub(crate) fn note(&mut self, fault: Option<&Fault>, now_ns: i64) {
        let Some(fault) = fault else {
            *self = Self::default();
            return;
        };
        self.failures = self.failures.saturating_add(1);
        self.last = Some(fault.clone());
        let over = match fault {
            Fault::Refused(_) | Fault::TooOften { .. } => Some(self.failures - 1),
            _ => self.failures.checked_sub(FAILURES),
        };
        let Some(over) = over else { return };
        let doubled_ns = FIRST_REST_NS.checked_shl(over.min(10)).unwrap_or(LONGEST_REST_NS).min(LONGEST_REST_NS);
        let asked_ns = match fault {
            Fault::TooOften { retry_after_s: Some(seconds) } => (*seconds as i64).saturating_mul(1_000_000_000),
            _ => 0,
        };
        self.until_ns = now_ns.saturating_add(doubled_ns.max(asked_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn resting(seconds: u64) -> Result<(), Fault> {
        Err(Fault::Resting { seconds, last: Box::new(Fault::Timeout) })
    }

    #[test]
    fn three_failures_open_it_and_a_success_closes_it() {
        let mut breaker = Breaker::default();
        for failure in 0..2 {
            breaker.note(Some(&Fault::Timeout), failure);
            assert_eq!(breaker.check(failure), Ok(()));
        }
        breaker.note(Some(&Fault::Timeout), 0);
        assert_eq!(breaker.check(0), resting(60));
        assert_eq!(breaker.check(59 * S + 1), resting(1));
        assert_eq!(breaker.check(60 * S), Ok(()), "one may try again");
        breaker.note(Some(&Fault::Timeout), 60 * S);
        assert_eq!(breaker.check(60 * S), resting(120));
        breaker.note(None, 200 * S);
        assert_eq!(breaker.check(200 * S), Ok(()));
    }

    #[test]
    fn who_says_when_to_come_back_is_believed() {
        let mut breaker = Breaker::default();
        breaker.note(Some(&Fault::TooOften { retry_after_s: Some(600) }), 0);
        assert!(matches!(breaker.check(0), Err(Fault::Resting { seconds: 600, .. })));
    }
}

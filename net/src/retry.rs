//! Defines how long to wait between attempts: one rule for requests, webhooks and the circuit breaker.

use std::time::Duration;

use crate::Clock;

/// Interval at which a wait checks the remaining time, which may shrink meanwhile.
const PIECE: Duration = Duration::from_millis(50);

/// A wait that doubles with every failure, up to a longest wait.
///
/// ```
/// use std::time::Duration;
/// use eco2_net::Backoff;
///
/// let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));
/// let waits = [0, 1, 2, 10].map(|failures| backoff.wait(failures).as_secs());
/// assert_eq!(waits, [60, 120, 240, 3600]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Returns a rule that waits `first` after the first failure, and never longer than `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the wait after a failure that followed `failures` others in a row.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// The number of attempts, and the waits between them. Each wait is extended by a random part of itself (jitter), so
/// that clients that failed together do not return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The waits between attempts.
    pub backoff: Backoff,
    /// Number of attempts after the first.
    pub retries: u32,
}

impl Retry {
    /// Calls `attempt` until it succeeds, its error is final, or no attempt is left.
    ///
    /// `again` returns the shortest wait that the other side asks for, or `None` for an error that every further
    /// attempt would meet.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub fn run<T, E>(
        &self,
        clock: &dyn Clock,
        again: impl Fn(&E) -> Option<Duration>,
        attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        self.run_within(clock, &|| None, again, attempt)
    }

    /// Does the same as [`run`](Self::run) within a deadline: `left` returns the remaining time (`None`: no limit),
    /// which may shrink during a wait. A wait longer than that is not started, or is abandoned.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub(crate) fn run_within<T, E>(
        &self,
        clock: &dyn Clock,
        left: &dyn Fn() -> Option<Duration>,
        again: impl Fn(&E) -> Option<Duration>,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        for failures in 0..self.retries {
            let error = match attempt() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(shortest) = again(&error) else { return Err(error) };
            let wait = self.backoff.wait(failures);
            let wait = wait.saturating_add(wait.mul_f64(clock.fraction()));
            if !sleep_within(clock, wait.max(shortest), left) {
                return Err(error);
            }
        }
        attempt()
    }
}

/// Sleeps in short pieces; returns whether the remaining time was enough.
fn sleep_within(clock: &dyn Clock, wait: Duration, left: &dyn Fn() -> Option<Duration>) -> bool {
    let until = clock.now() + wait;
    loop {
        let rest = until.saturating_sub(clock.now());
        if left().is_some_and(|left| rest >= left) {
            return false;
        }
        if rest.is_zero() {
            return true;
        }
        clock.sleep(rest.min(PIECE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScriptedClock;

    const S: Duration = Duration::from_secs(1);

    fn retry(retries: u32) -> Retry {
        Retry { backoff: Backoff::new(S, 4 * S), retries }
    }

    /// Returns the number of attempts and the time slept if each attempt fails with the next of `errors`.
    fn failing(retry: Retry, clock: &ScriptedClock, errors: &[Option<Duration>]) -> (usize, Duration) {
        let mut attempts = 0;
        let result = retry.run(
            clock,
            |error: &Option<Duration>| *error,
            || {
                attempts += 1;
                Err::<(), _>(errors[(attempts - 1).min(errors.len() - 1)])
            },
        );
        assert_eq!(result.unwrap_err(), errors[(attempts - 1).min(errors.len() - 1)]);
        (attempts, clock.slept())
    }

    #[test]
    fn waits_double_to_the_longest_and_jitter_extends_them() {
        // 1 + 2 + 4 + 4 s between five attempts.
        assert_eq!(failing(retry(4), &ScriptedClock::default(), &[Some(Duration::ZERO)]), (5, 11 * S));
        // Each wait is half as long again: 1.5 + 3 + 6 + 6 s.
        let mut jitter = ScriptedClock::default();
        jitter.fraction = 0.5;
        assert_eq!(failing(retry(4), &jitter, &[Some(Duration::ZERO)]), (5, Duration::from_millis(16_500)));
    }

    #[test]
    fn final_error_ends_it_and_a_requested_wait_is_kept() {
        assert_eq!(failing(retry(4), &ScriptedClock::default(), &[None]), (1, Duration::ZERO));
        assert_eq!(failing(retry(4), &ScriptedClock::default(), &[Some(30 * S), None]), (2, 30 * S));
        assert_eq!(failing(retry(0), &ScriptedClock::default(), &[Some(S)]), (1, Duration::ZERO), "no retries");
    }

    #[test]
    fn wait_longer_than_the_time_left_is_not_started_and_one_in_progress_is_abandoned() {
        let within = |left: &dyn Fn(&ScriptedClock) -> Option<Duration>| {
            let (clock, mut attempts) = (ScriptedClock::default(), 0);
            let result = retry(9).run_within(
                &clock,
                &|| left(&clock),
                |_: &()| Some(Duration::ZERO),
                || {
                    attempts += 1;
                    Err::<(), _>(())
                },
            );
            assert!(result.is_err());
            (attempts, clock.slept())
        };
        assert_eq!(within(&|_| Some(S)), (1, Duration::ZERO));
        // There is no limit at first. After 200 ms of the first wait half a second remains, too little for the other
        // 800 ms.
        let shrinking =
            |clock: &ScriptedClock| (clock.slept() >= Duration::from_millis(200)).then_some(Duration::from_millis(500));
        assert_eq!(within(&shrinking), (1, Duration::from_millis(200)));
        // 3.5 s in all: waits of 1 and 2 s fit, the next of 4 s does not.
        let deadline = |clock: &ScriptedClock| Some(Duration::from_millis(3_500).saturating_sub(clock.slept()));
        assert_eq!(within(&deadline), (3, 3 * S));
    }

    #[test]
    fn many_failures_do_not_overflow() {
        assert_eq!(Backoff::new(S, 60 * S).wait(u32::MAX), 60 * S);
        assert_eq!(Backoff::new(Duration::MAX, Duration::MAX).wait(31), Duration::MAX);
    }
}

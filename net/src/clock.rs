//! Time and random numbers for retries: those of the machine, or scripted ones for tests.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time by which a [`Retry`](crate::Retry) waits, and the random numbers that spread its waits.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the time since some fixed instant; it never decreases.
    fn now(&self) -> Duration;

    /// Waits for this long.
    fn sleep(&self, wait: Duration);

    /// Returns a number from 0 to 1 (exclusive), which is random for real waits.
    fn fraction(&self) -> f64;
}

/// The clock of this machine.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) {
        std::thread::sleep(wait);
    }

    fn fraction(&self) -> f64 {
        fastrand::f64()
    }
}

/// A clock that advances only by [`Clock::sleep`], which returns at once. Its fraction is always the same.
///
/// ```
/// use std::time::Duration;
/// use eco2_net::{Clock as _, ScriptedClock};
///
/// let clock = ScriptedClock::default();
/// clock.sleep(Duration::from_secs(3600));
/// assert_eq!(clock.slept(), Duration::from_secs(3600));
/// ```
#[derive(Debug, Default)]
pub struct ScriptedClock {
    slept: Mutex<Duration>,
    /// The fraction that it returns instead of random ones; the default is 0.
    pub fraction: f64,
}

impl ScriptedClock {
    /// Returns the sum of all waits so far.
    #[must_use]
    pub fn slept(&self) -> Duration {
        *self.slept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ScriptedClock {
    fn now(&self) -> Duration {
        self.slept()
    }

    fn sleep(&self, wait: Duration) {
        *self.slept.lock().unwrap_or_else(PoisonError::into_inner) += wait;
    }

    fn fraction(&self) -> f64 {
        self.fraction
    }
}

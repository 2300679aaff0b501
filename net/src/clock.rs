//! Time and chance for retries: the machine's, or scripted ones for tests.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time a [`Retry`](crate::Retry) waits by, and the random numbers that spread its waits.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since some fixed instant; never decreases.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, wait: Duration);

    /// A number from 0 to 1 (exclusive), random for real waits.
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

/// A clock that advances only while something sleeps on it, and returns at once. Its fraction is always the same.
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
    /// The fraction that it gives instead of random ones; the default is 0.
    pub fraction: f64,
}

impl ScriptedClock {
    /// All the time that was slept so far.
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

//! Reads the clocks: the monotonic clock decides, the boot-time clock shows sleep, the wall clock only labels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns the nanoseconds of `CLOCK_MONOTONIC`.
///
/// ```
/// use eco2_samplers::clock::monotonic_ns;
///
/// let before_ns = monotonic_ns();
/// assert!(monotonic_ns() >= before_ns);
/// ```
#[must_use]
pub fn monotonic_ns() -> u64 {
    nanoseconds(rustix::time::ClockId::Monotonic)
}

/// Returns the nanoseconds of `CLOCK_BOOTTIME`, which also counts sleep.
#[must_use]
pub fn boottime_ns() -> u64 {
    nanoseconds(rustix::time::ClockId::Boottime)
}

fn nanoseconds(id: rustix::time::ClockId) -> u64 {
    let t = rustix::time::clock_gettime(id);
    t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_nsec.unsigned_abs()
}

/// Where a batch takes its timestamps from.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use eco2_samplers::clock::Clock;
///
/// let now_ns = Arc::new(AtomicU64::new(5));
/// let clock = Clock::Scripted(Arc::clone(&now_ns));
/// now_ns.store(7, Ordering::Relaxed);
/// assert_eq!(clock.now_ns(), 7);
/// ```
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The kernel's monotonic clock.
    #[default]
    Monotonic,
    /// A clock that only a script moves, for tests and replay.
    Scripted(Arc<AtomicU64>),
}

impl Clock {
    /// Returns the present instant, in nanoseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        match self {
            Self::Monotonic => monotonic_ns(),
            Self::Scripted(now) => now.load(Ordering::Relaxed),
        }
    }
}

/// Returns the nanoseconds of CPU time that the calling thread has used (`CLOCK_THREAD_CPUTIME_ID`).
///
/// ```
/// use eco2_samplers::clock::thread_cpu_ns;
///
/// let before_ns = thread_cpu_ns();
/// let sum: u64 = (0..10_000).sum();
/// assert!(thread_cpu_ns() >= before_ns && sum > 0);
/// ```
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    nanoseconds(rustix::time::ClockId::ThreadCPUTime)
}

/// Returns the nanoseconds of the wall clock since 1970; negative before. For labels only.
#[must_use]
pub fn wall_ns() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    t.tv_sec.saturating_mul(1_000_000_000).saturating_add(t.tv_nsec)
}

/// 2025-01-01T00:00:00Z: this software did not exist before.
const EARLIEST_NS: i64 = 1_735_689_600 * 1_000_000_000;
/// 2037-01-01T00:00:00Z: the last year that a 32-bit `time_t` can show; clocks that are wrong like to sit beyond it.
const LATEST_NS: i64 = 2_114_380_800 * 1_000_000_000;

/// The pair of clocks that labels a run: one look at the wall clock, everything after it by the monotonic clock.
///
/// Labels made by [`Epoch::wall_at`] are therefore in order and at true distances, however the wall clock is
/// stepped while the run lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Monotonic nanoseconds of the look.
    pub mono_ns: u64,
    /// Wall-clock nanoseconds since 1970 at that instant.
    pub wall_ns: i64,
}

impl Epoch {
    /// Looks at both clocks now.
    #[must_use]
    pub fn now() -> Self {
        Self { mono_ns: monotonic_ns(), wall_ns: wall_ns() }
    }

    /// Returns the wall-clock label of a monotonic instant, before or after the epoch.
    ///
    /// ```
    /// use eco2_samplers::clock::Epoch;
    ///
    /// let epoch = Epoch { mono_ns: 1_000, wall_ns: 1_800_000_000_000_000_000 };
    /// assert_eq!(epoch.wall_at(1_500), 1_800_000_000_000_000_500);
    /// ```
    #[must_use]
    pub fn wall_at(&self, mono_ns: u64) -> i64 {
        let since = i128::from(mono_ns) - i128::from(self.mono_ns);
        let wall = i128::from(self.wall_ns) + since;
        i64::try_from(wall).unwrap_or(if wall < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns how far the wall clock was stepped or slewed between the epoch and a `later` one; to annotate, never to
    /// correct.
    ///
    /// ```
    /// use eco2_samplers::clock::Epoch;
    ///
    /// let start = Epoch { mono_ns: 0, wall_ns: 100 };
    /// let later = Epoch { mono_ns: 50, wall_ns: 1_150 }; // the wall clock was set forward
    /// assert_eq!(start.step_ns(later), 1_000);
    /// ```
    #[must_use]
    pub fn step_ns(&self, later: Self) -> i64 {
        later.wall_ns.saturating_sub(self.wall_at(later.mono_ns))
    }

    /// Whether the wall clock shows a year in which this cannot run (1970, 2038): labels are wrong, durations are not.
    ///
    /// ```
    /// use eco2_samplers::clock::Epoch;
    ///
    /// assert!(Epoch { mono_ns: 0, wall_ns: 0 }.far_off()); // 1970
    /// ```
    #[must_use]
    pub fn far_off(&self) -> bool {
        !(EARLIEST_NS..LATEST_NS).contains(&self.wall_ns)
    }
}

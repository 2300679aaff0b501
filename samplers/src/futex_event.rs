//! A word that one thread waits on until another raises it or an absolute instant passes.
//!
//! A futex rather than `clock_nanosleep`, because a sleeping sampler must be woken for a flush and for the end; the
//! deadline is as absolute (`FUTEX_WAIT_BITSET` counts on the monotonic clock, futex(2)) and the timer slack the same.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex;

use crate::clock::monotonic_ns;

/// Counts how often it was raised.
#[derive(Debug, Default)]
pub(crate) struct FutexEvent(AtomicU32);

impl FutexEvent {
    /// How often it was raised. Acquire pairs with the Release in [`FutexEvent::raise`]: what was written before is seen.
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Wakes every waiting thread.
    pub(crate) fn raise(&self) {
        self.0.fetch_add(1, Ordering::Release);
        // Fails only where there is no futex system call; then waits end at their deadline.
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, u32::MAX >> 1);
    }

    /// Sleeps until the count differs from `seen` or the monotonic clock shows `deadline_ns`; returns the count.
    pub(crate) fn wait(&self, seen: u32, deadline_ns: u64) -> u32 {
        while self.count() == seen && monotonic_ns() < deadline_ns {
            let until = futex::Timespec {
                tv_sec: i64::try_from(deadline_ns / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: (deadline_ns % 1_000_000_000) as i64,
            };
            // A time-out, a wake-up without cause and a count that changed at once all mean: look again.
            let _ = futex::wait_bitset(&self.0, futex::Flags::PRIVATE, seen, Some(&until), NonZeroU32::MAX);
        }
        self.count()
    }
}

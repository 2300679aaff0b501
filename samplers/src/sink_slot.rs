//! How the sampling thread and its owner meet: the sink, which a closing run takes back even if the thread hangs in a read;
//! and a word that one thread waits on until another raises it or an absolute instant passes.
//!
//! The wait is a futex rather than `clock_nanosleep`, because a sleeping sampler must be woken for a flush and for the end;
//! the deadline is as absolute (`FUTEX_WAIT_BITSET` counts on the monotonic clock, futex(2)) and the timer slack the same.

use crate::Sink;
use crate::clock::monotonic_ns;
use rustix::thread::futex;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// The sink, while it has not been taken back. Held only for calls into it, never for a read.
pub(crate) struct SinkSlot(Mutex<Option<Box<dyn Sink>>>);

impl SinkSlot {
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        Self(Mutex::new(Some(sink)))
    }

    /// Calls into the sink; `None` once it was taken back.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut dyn Sink) -> R) -> Option<R> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sink.as_mut().map(|sink| call(sink.as_mut()))
    }

    /// Takes the sink back; `None` if a call into it has not returned by `deadline_ns`.
    pub(crate) fn take(&self, deadline_ns: u64) -> Option<Box<dyn Sink>> {
        loop {
            if let Some(mut sink) = self.try_lock() {
                return sink.take();
            }
            if monotonic_ns() >= deadline_ns {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<Box<dyn Sink>>>> {
        match self.0.try_lock() {
            Ok(sink) => Some(sink),
            Err(TryLockError::Poisoned(sink)) => Some(sink.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

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

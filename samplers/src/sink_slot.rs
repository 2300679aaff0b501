//! What the sampling thread shares with the thread that started it: the sink, and events to wait for.
//!
//! The sink is where readings go. It lies in a [`SinkSlot`], out of which the closing thread takes it back even if the
//! sampling thread hangs in a read. A [`FutexEvent`] is a counter on which one thread waits until another raises it or
//! an absolute instant passes.
//!
//! The wait is a futex rather than `clock_nanosleep`, because a sleeping sampling thread must be woken for a flush
//! (read everything now) and for the end. Its deadline is just as absolute (`FUTEX_WAIT_BITSET` counts on the monotonic
//! clock, futex(2)), and the timer slack is the same.

use crate::Sink;
use crate::clock::monotonic_ns;
use rustix::thread::futex;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Holds the sink until it is taken back. The lock is held only for calls into the sink, never while a source is read.
pub(crate) struct SinkSlot(Mutex<Option<Box<dyn Sink>>>);

impl SinkSlot {
    /// Puts `sink` into a new slot.
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        Self(Mutex::new(Some(sink)))
    }

    /// Passes the sink to `call` and returns its result; `None` once the sink was taken back.
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

    /// Locks the slot if no call into the sink is under way. A call that panicked does not keep the sink in.
    fn try_lock(&self) -> Option<MutexGuard<'_, Option<Box<dyn Sink>>>> {
        match self.0.try_lock() {
            Ok(sink) => Some(sink),
            Err(TryLockError::Poisoned(sink)) => Some(sink.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// An event that one thread raises and others wait for; it counts how often it was raised.
#[derive(Debug, Default)]
pub(crate) struct FutexEvent(AtomicU32);

impl FutexEvent {
    /// Returns how often it was raised. Acquire pairs with the Release in [`FutexEvent::raise`]: who sees the count
    /// also sees what was written before the raise.
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Counts one more and wakes every waiting thread.
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

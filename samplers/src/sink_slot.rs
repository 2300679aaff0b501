//! Where the sampling thread finds its sink, and where a closing run takes it back even if the thread hangs in a read.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::Sink;
use crate::clock::monotonic_ns;

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

//! Locks mutexes for the whole crate, also after a thread has panicked while it held one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Returns the locked data, whether or not a thread panicked while it held the lock. All data under locks of this crate is plain
/// and usable after a panic, so that the measurement goes on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

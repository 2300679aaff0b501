//! What the callers of a meter and its sampling thread share.
//!
//! Locks are taken in this order: engine, sharing, the user's own figures, the budget; and held for moments, never during a read of
//! hardware or of a disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eco2_core::EventPool;
use eco2_core::report::Work;
use eco2_samplers::clock;

use crate::alerts::Outbox;
use crate::assemble::Facts;
use crate::budget::Keeper;
use crate::engine::Engine;
use crate::sharing::Sharing;

/// The longest that opening waits for the sampling thread's first tick: only a source that hangs on that very thread, or
/// a machine that does not let it run, takes as long.
const FIRST_TICK: Duration = Duration::from_millis(250);

/// Everything of a run that is not the caller's alone.
pub(crate) struct Shared {
    pub(crate) facts: Arc<Facts>,
    pub(crate) engine: Mutex<Engine>,
    pub(crate) begun: Condvar,
    pub(crate) sharing: Mutex<Sharing>,
    pub(crate) pool: EventPool,
    pub(crate) work: WorkCounters,
    pub(crate) budget: Keeper,
    pub(crate) alerts: Arc<Outbox>,
}

/// What was done so far, as told.
#[derive(Default)]
pub(crate) struct WorkCounters {
    pub(crate) steps: AtomicU64,
    pub(crate) samples: AtomicU64,
    pub(crate) tokens: AtomicU64,
    pub(crate) figures: Mutex<Figures>,
}

/// The user's own figures: last values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) loss: Option<f64>,
    pub(crate) extra: BTreeMap<String, f64>,
}

impl Shared {
    /// Waits for the beginning of the run, for a bounded time. A source that holds the sampling thread up does not hold
    /// the run up: what it reads is uncovered until it has answered.
    pub(crate) fn wait_begun(&self) {
        let engine = lock(&self.engine);
        let waited = self.begun.wait_timeout_while(engine, FIRST_TICK, |engine| !engine.begun);
        let (mut engine, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !engine.begun {
            engine.begin(clock::monotonic_ns());
        }
    }
}

impl WorkCounters {
    pub(crate) fn so_far(&self) -> Work {
        let Figures { loss, extra } = lock(&self.figures).clone();
        // Relaxed: counters that only reports read.
        let count = |counter: &AtomicU64| Some(counter.load(Ordering::Relaxed)).filter(|count| *count > 0);
        Work { steps: count(&self.steps), samples: count(&self.samples), tokens: count(&self.tokens), loss, extra }
    }
}

/// Locks, whatever became of the last holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held has left plain data behind; measuring goes on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

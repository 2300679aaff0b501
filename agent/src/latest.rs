//! Shares the newest snapshots between the accounting thread and those that show them ([`Latest`]).

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::Snapshot;

/// The two views of the node at one instant.
#[derive(Debug, Clone)]
pub struct Views {
    /// For root and the group `eco2`.
    pub full: Arc<Snapshot>,
    /// For everyone: steps of 1 s and 0.1 J.
    pub public: Arc<Snapshot>,
}

/// The newest views. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Latest(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    views: Mutex<Views>,
    changed: Condvar,
    /// Since when the counters count that are kept over a restart, nanoseconds since 1970; `None`: not known.
    since_ns: Option<u64>,
}

impl Latest {
    /// Returns a place that shows `views`.
    #[must_use]
    pub fn new(views: Views) -> Self {
        Self::counting_since(views, None)
    }

    /// Returns a place that shows `views`, whose counters count since `since_ns`, nanoseconds since 1970; `None`: not known.
    pub(crate) fn counting_since(views: Views, since_ns: Option<u64>) -> Self {
        Self(Arc::new(Shared { views: Mutex::new(views), changed: Condvar::new(), since_ns }))
    }

    /// Returns since when the counters count that are kept over a restart, nanoseconds since 1970; `None`: not known.
    pub(crate) fn counting_since_ns(&self) -> Option<u64> {
        self.0.since_ns
    }

    /// Returns the newest views. The lock is held for the time of copying two pointers.
    #[must_use]
    pub fn views(&self) -> Views {
        self.0.views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the views, and wakes every thread that waits for them.
    pub fn publish(&self, views: Views) {
        *self.0.views.lock().unwrap_or_else(PoisonError::into_inner) = views;
        self.0.changed.notify_all();
    }

    /// Waits at most `patience` for views after the snapshot number `seen`; returns the newest, whichever they are.
    #[must_use]
    pub fn wait_after(&self, seen: u64, patience: Duration) -> Views {
        let views = self.0.views.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |views: &mut Views| views.full.sequence == seen;
        let waited = self.0.changed.wait_timeout_while(views, patience, is_old);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

//! Shares the newest snapshots between the accounting thread and those that show them ([`Latest`]).

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use eco2_report::CounterStart;

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

/// Gets each new view on the thread that publishes it, so that no other thread has to wake for it.
pub(crate) trait Listener: Debug + Send + Sync {
    /// Takes new views.
    fn published(&self, views: &Views);
}

#[derive(Debug)]
struct Shared {
    views: Mutex<Views>,
    changed: Condvar,
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    /// Since when the counters count, without those of jobs. It does not change: another time would be a new start of the counters.
    counter_start: CounterStart,
}

impl Latest {
    /// Returns a place that shows `views`.
    #[must_use]
    pub fn new(views: Views) -> Self {
        Self::counting_since(views, None)
    }

    /// Returns a place that shows `views`. `kept_ns`: since when the counters count that the agent keeps over its restart, nanoseconds
    /// since 1970; `None`: not known.
    pub(crate) fn counting_since(views: Views, kept_ns: Option<u64>) -> Self {
        let Snapshot { wall_ns, at_ns, began_ns, .. } = &*views.full;
        let sender_ns =
            u64::try_from(*wall_ns).ok().map(|wall_ns| wall_ns.saturating_sub(at_ns.saturating_sub(*began_ns)));
        Self(Arc::new(Shared {
            views: Mutex::new(views),
            changed: Condvar::new(),
            listeners: Mutex::default(),
            counter_start: CounterStart { kept_ns, sender_ns, ..CounterStart::default() },
        }))
    }

    /// Returns since when the counters count, without those of jobs; always the same.
    pub(crate) fn counter_start(&self) -> &CounterStart {
        &self.0.counter_start
    }

    /// Returns the newest views. The lock is held for the time of copying two pointers.
    #[must_use]
    pub fn views(&self) -> Views {
        self.0.views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the views, wakes every thread that waits for them, and passes them to the listeners. One that panics does not end the
    /// caller, which keeps the accounts.
    pub fn publish(&self, views: Views) {
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        *self.0.views.lock().unwrap_or_else(PoisonError::into_inner) = views.clone();
        self.0.changed.notify_all();
        listeners.retain(|listener| {
            let Some(listener) = listener.upgrade() else { return false };
            // The hook has reported it.
            let _ = catch_unwind(AssertUnwindSafe(|| listener.published(&views)));
            true
        });
    }

    /// Passes the present views to a listener, and all that follow while it exists.
    pub(crate) fn listen(&self, listener: &Arc<impl Listener + 'static>) {
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listener.published(&self.views());
        let weak = Arc::downgrade(listener);
        listeners.push(weak);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{latest, views};

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<u64>>);

    impl Listener for Heard {
        fn published(&self, views: &Views) {
            self.0.lock().unwrap().push(views.full.sequence);
        }
    }

    #[test]
    fn listener_gets_the_present_views_and_each_that_follows_until_it_is_gone() {
        let (latest, heard) = (latest(1), Arc::new(Heard::default()));
        latest.listen(&heard);
        (2..5).for_each(|second| latest.publish(views(second)));
        assert_eq!(*heard.0.lock().unwrap(), [1, 2, 3, 4]);
        drop(heard);
        latest.publish(views(5));
        assert_eq!((latest.views().full.sequence, latest.0.listeners.lock().unwrap().len()), (5, 0));
    }

    #[derive(Debug)]
    struct Broken;

    impl Listener for Broken {
        fn published(&self, views: &Views) {
            assert_eq!(views.full.sequence, 1);
        }
    }

    #[test]
    fn listener_that_panics_ends_neither_the_publisher_nor_the_others() {
        let (latest, broken, heard) = (latest(1), Arc::new(Broken), Arc::new(Heard::default()));
        latest.listen(&broken);
        latest.listen(&heard);
        (2..4).for_each(|second| latest.publish(views(second)));
        assert_eq!(*heard.0.lock().unwrap(), [1, 2, 3]);
    }
}

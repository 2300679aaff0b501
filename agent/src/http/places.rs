//! Limits the connections by TCP ([`Places`]). When all places are taken, a new connection takes the place of the one that has been idle
//! longest, so that one client that opens many connections does not keep out the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Since when a connection is idle: no request of it is answered. One that has not sent a whole request is idle too.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    /// Milliseconds from `began` on; `BUSY`: a request is answered.
    idle_since_ms: AtomicU64,
}

const BUSY: u64 = u64::MAX;

impl Default for Activity {
    fn default() -> Self {
        Self { began: Instant::now(), idle_since_ms: AtomicU64::new(0) }
    }
}

impl Activity {
    /// Notes that a request is answered now.
    pub(crate) fn begin(&self) {
        // One thread serves all connections, and no other memory is published by this value.
        self.idle_since_ms.store(BUSY, Ordering::Relaxed);
    }

    /// Notes that the answer is ready.
    pub(crate) fn end(&self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(BUSY - 1);
        self.idle_since_ms.store(ms, Ordering::Relaxed);
    }

    /// Returns since when it is idle; `None`: it is not.
    fn idle_since(&self) -> Option<Instant> {
        let ms = self.idle_since_ms.load(Ordering::Relaxed);
        (ms != BUSY).then(|| self.began + std::time::Duration::from_millis(ms))
    }
}

/// The places of all connections.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    all: HashMap<u64, (Arc<Activity>, Option<AbortHandle>)>,
}

/// The place of one connection; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    all: Places,
    number: u64,
    pub(crate) activity: Arc<Activity>,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, held: Mutex::default(), freed: Notify::new() }))
    }

    /// Returns a place. If all are taken, ends the connection that has been idle longest; if none is idle, waits for one that ends.
    pub(crate) async fn enter(&self) -> Place {
        loop {
            let freed = self.0.freed.notified();
            if let Some(place) = self.try_enter() {
                return place;
            }
            freed.await;
        }
    }

    fn try_enter(&self) -> Option<Place> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.all.len() >= self.0.most {
            let idle = held.all.iter().filter(|(_, (_, task))| task.is_some());
            let idle = idle.filter_map(|(number, (activity, _))| Some((activity.idle_since()?, *number)));
            let (_, oldest) = idle.min()?;
            if let Some((_, Some(task))) = held.all.remove(&oldest) {
                task.abort();
            }
        }
        held.next += 1;
        let number = held.next;
        let activity = Arc::new(Activity::default());
        held.all.insert(number, (Arc::clone(&activity), None));
        Some(Place { all: self.clone(), number, activity })
    }

    /// Sets the task that serves the connection of a place, so that it can be ended.
    pub(crate) fn set_task(&self, number: u64, task: AbortHandle) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, own)) = held.all.get_mut(&number) {
            *own = Some(task);
        }
    }
}

impl Place {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.all.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all.remove(&self.number);
        self.all.0.freed.notify_one();
    }
}

//! Keeps the rings in which threads record the starts and ends of spans (timed parts of the program): threads claim
//! them, one consumer reads them all, and a ring is used again when its thread is done.
//!
//! A *lane* is one ring with its state word. This holds the lane's *generation* (how many threads gave it back before)
//! and one of three states:
//!
//! ```text
//! FREE --claim: any thread, compare-exchange--> CLAIMED --drop: its producer--> RETIRED --drain: consumer--> FREE,
//! generation + 1
//! ```
//! A thread owns the writing end of a ring from its claim until its `Producer` is dropped; the consumer always owns the
//! reading end.

use std::sync::Arc;

use super::lane::{Drained, Lane};
use super::producer::Producer;
use crate::sync::{AtomicU64, Ordering};

/// The rings, as threads see them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct EventPool {
    lanes: Arc<[Arc<Lane>]>,
    /// How many lanes, from the first, were ever claimed: the consumer leaves the others alone.
    used: Arc<AtomicU64>,
    /// Number of spans of threads that got no ring.
    unclaimed: Arc<AtomicU64>,
}

impl EventPool {
    /// Returns `rings` rings of at least `capacity` events each (rounded up to a power of two; 16 bytes an event), and
    /// the one consumer of them all. A ring is allocated when the first thread claims it.
    #[must_use]
    pub fn new(rings: usize, capacity: usize) -> (Self, EventConsumer) {
        let lanes: Arc<[_]> = (0..rings).map(|_| Arc::new(Lane::new(capacity))).collect();
        let used = Arc::new(AtomicU64::new(0));
        let pool = Self { lanes: Arc::clone(&lanes), used: Arc::clone(&used), unclaimed: Arc::new(AtomicU64::new(0)) };
        (pool, EventConsumer { lanes, used })
    }

    /// Returns a ring's writing end for the calling thread; `None` while all rings are taken. A thread calls it once. It
    /// allocates the ring if no thread has had that one before; recording allocates nothing.
    #[must_use]
    pub fn claim(&self) -> Option<Producer> {
        let claimed = |(index, lane): (usize, &Arc<Lane>)| Some((index, Arc::clone(lane), lane.claim()?));
        let (index, lane, ring) = self.lanes.iter().enumerate().find_map(claimed)?;
        self.used.fetch_max(index as u64 + 1, Ordering::Release);
        Some(Producer::new(lane, ring))
    }

    /// Counts a span as dropped whose thread got no ring.
    pub fn drop_unclaimed(&self) {
        self.unclaimed.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of spans that were not recorded: no ring, no room in it, or more than
    /// [`MAX_OPEN`](crate::MAX_OPEN) open on a thread.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.unclaimed.load(Ordering::Relaxed) + self.sum(|lane| &lane.dropped)
    }

    /// Returns the number of ends that had no start on their thread; nothing was recorded for them.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.sum(|lane| &lane.unmatched)
    }

    /// Returns the sum of one count over all lanes.
    fn sum(&self, count: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        // Relaxed: a count for a report, ordered with nothing.
        self.lanes.iter().map(|lane| count(lane).load(Ordering::Relaxed)).sum()
    }
}

/// The reading end of all rings of a pool, for the accounting thread (the one that computes energies). There is one.
#[derive(Debug)]
pub struct EventConsumer {
    lanes: Arc<[Arc<Lane>]>,
    used: Arc<AtomicU64>,
}

impl EventConsumer {
    /// Hands everything recorded so far to `take`, as (thread index, generation, event or the thread's end); returns
    /// the number of events.
    ///
    /// Events come in order within a thread, in no order between threads. When a thread is done its index is used
    /// again, under a higher generation: spans that were open there then never end.
    pub fn drain(&mut self, mut take: impl FnMut(usize, u64, Drained)) -> usize {
        let used = self.used.load(Ordering::Acquire) as usize;
        let lanes = self.lanes.iter().enumerate().take(used);
        lanes.map(|(thread, lane)| lane.drain(|generation, drained| take(thread, generation, drained))).sum()
    }
}

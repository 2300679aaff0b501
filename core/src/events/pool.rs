//! The pool of event rings: claimed by threads, drained by one consumer, recycled when a thread is done.
//!
//! A lane's state word holds its generation and one of three states:
//!
//! ```text
//! FREE --claim: any thread, compare-exchange--> CLAIMED --drop: its producer--> RETIRED --drain: consumer--> FREE, generation + 1
//! ```
//! A thread owns the producing end between its claim and its drop; the consumer always owns the other end.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use super::producer::Producer;
use super::spsc::Spsc;
use super::{Event, EventKind};
use crate::sync::{AtomicU64, Ordering, Sound};

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const RETIRED: u64 = 2;
const STATE: u64 = 3;
/// Adds one to the generation.
const GENERATION: u64 = 4;

/// One ring, its state, and what its producers counted.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) ring: Spsc<Sound>,
    state: CachePadded<AtomicU64>,
    /// Spans that were not recorded; stored by the lane's producer only.
    pub(super) dropped: AtomicU64,
    /// Ends without a begin; stored by the lane's producer only.
    pub(super) unmatched: AtomicU64,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self { ring: Spsc::new(capacity), state: CachePadded::new(zero()), dropped: zero(), unmatched: zero() }
    }

    fn claim(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        // Acquire: pairs with the release in `recycle`, so that the new producer sees the ring as the last one left it.
        state & STATE == FREE
            && self.state.compare_exchange(state, state | CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The producer is done.
    pub(super) fn retire(&self) {
        // Relaxed: in state CLAIMED only the producer changes it.
        let state = self.state.load(Ordering::Relaxed);
        // Release: pairs with the acquire in `drain`; who sees RETIRED sees every event.
        self.state.store(state & !STATE | RETIRED, Ordering::Release);
    }

    /// Hands over the events, then the end of the thread, if it has ended.
    fn drain(&self, mut take: impl FnMut(u64, Drained)) -> usize {
        // Acquire: pairs with the release in `retire`. Read before the events, so that RETIRED means all are there.
        let state = self.state.load(Ordering::Acquire);
        let generation = state / GENERATION;
        let taken = match state & STATE {
            FREE => 0,
            _ => self.ring.drain(|pair| take(generation, Drained::Event(Event::unpack(pair)))),
        };
        if state & STATE == RETIRED {
            take(generation, Drained::Over);
            // Release: pairs with the acquire in `claim`. In state RETIRED only the consumer changes it.
            self.state.store((generation + 1) * GENERATION + FREE, Ordering::Release);
        }
        taken
    }
}

/// The rings, as threads see them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct EventPool {
    lanes: Arc<[Arc<Lane>]>,
    /// How many lanes, from the first, were ever claimed: the consumer leaves the others alone.
    used: Arc<AtomicU64>,
    unclaimed: Arc<AtomicU64>,
}

impl EventPool {
    /// `rings` rings of at least `capacity` events each (rounded up to a power of two; 16 bytes an event), and the one
    /// consumer of them all. Everything is allocated here.
    #[must_use]
    pub fn new(rings: usize, capacity: usize) -> (Self, EventConsumer) {
        let lanes: Arc<[_]> = (0..rings).map(|_| Arc::new(Lane::new(capacity))).collect();
        let used = Arc::new(AtomicU64::new(0));
        let pool = Self { lanes: Arc::clone(&lanes), used: Arc::clone(&used), unclaimed: Arc::new(AtomicU64::new(0)) };
        (pool, EventConsumer { lanes, used })
    }

    /// A ring for the calling thread; `None` while all are taken. Allocates nothing; meant once per thread.
    #[must_use]
    pub fn claim(&self) -> Option<Producer> {
        let (index, lane) = self.lanes.iter().enumerate().find(|(_, lane)| lane.claim())?;
        self.used.fetch_max(index as u64 + 1, Ordering::Release);
        Some(Producer::new(Arc::clone(lane)))
    }

    /// Counts a span of a thread that got no ring.
    pub fn drop_unclaimed(&self) {
        self.unclaimed.fetch_add(1, Ordering::Relaxed);
    }

    /// Spans that were not recorded: no ring, no room, or more than [`MAX_OPEN`](super::MAX_OPEN) open on a thread.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.unclaimed.load(Ordering::Relaxed) + self.sum(|lane| &lane.dropped)
    }

    /// Ends that had no begin on their thread; nothing was recorded for them.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.sum(|lane| &lane.unmatched)
    }

    fn sum(&self, count: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        // Relaxed: a figure for a report, ordered with nothing.
        self.lanes.iter().map(|lane| count(lane).load(Ordering::Relaxed)).sum()
    }
}

/// What comes out of a thread's ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// An event.
    Event(Event),
    /// The thread has ended, or gave its ring back: nothing more comes from it.
    Over,
}

/// The consuming end of all rings of a pool, for the accounting thread. There is one.
#[derive(Debug)]
pub struct EventConsumer {
    lanes: Arc<[Arc<Lane>]>,
    used: Arc<AtomicU64>,
}

impl EventConsumer {
    /// Hands over every event recorded so far as (thread index, generation, event); returns how many.
    ///
    /// In order within a thread, in no order between threads. A thread index is used again, under a higher generation,
    /// when its thread is done: whatever was still open there then stays open for ever.
    pub fn drain(&mut self, mut take: impl FnMut(usize, u64, Event)) -> usize {
        self.drain_threads(|thread, generation, drained| {
            if let Drained::Event(event) = drained {
                take(thread, generation, event);
            }
        })
    }

    /// The same, with the ends of threads.
    pub fn drain_threads(&mut self, mut take: impl FnMut(usize, u64, Drained)) -> usize {
        let used = self.used.load(Ordering::Acquire) as usize;
        let lanes = self.lanes.iter().enumerate().take(used);
        lanes.map(|(thread, lane)| lane.drain(|generation, drained| take(thread, generation, drained))).sum()
    }
}

impl EventKind {
    /// Whether a span begins with it.
    #[must_use]
    pub fn begins(self) -> bool {
        matches!(self, Self::Begin | Self::Step | Self::Start)
    }

    /// Whether a span ends with it.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::End | Self::Step)
    }
}

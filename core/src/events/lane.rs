//! Defines the event that reports the start or end of a span (a timed part of the program), and the lane that carries
//! the events of one thread to the accounting thread.
//!
//! A *lane* is a ring of events, a state word that decides which thread may use the ring, and counts of what was not
//! recorded. Its *producer* is the thread that records; the one *consumer* is the accounting thread.
//!
//! The state word holds the lane's *generation* (how many threads gave it back before) times 4, plus one of three
//! states: free, claimed by a producer, or retired (the producer is gone, the last events are still to be read).
//! `pool.rs` draws the transitions.

use std::sync::{Arc, OnceLock};

use super::spsc::Spsc;
use crate::sync::{AtomicU64, Ordering, Sound};
use crossbeam_utils::CachePadded;

/// What happened to a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanEventKind {
    /// A span began.
    Begin,
    /// The nearest open span of that name, on that thread, ended.
    End,
    /// A step ended and the next one began, at one instant. The step is the nearest open span of that name; without one
    /// it is the first step, which began with the run.
    Step,
    /// Steps start here: the next step of that name starts, and an open one is dropped.
    Start,
}

impl SpanEventKind {
    /// Whether a span starts with this event.
    #[must_use]
    pub fn begins(self) -> bool {
        matches!(self, Self::Begin | Self::Step | Self::Start)
    }

    /// Whether a span ends with this event.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::End | Self::Step)
    }
}

/// One event, 16 bytes in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanEvent {
    /// The instant: ticks of the processor's time stamp counter (TSC) if [`Self::tsc`], else monotonic nanoseconds.
    pub ticks: u64,
    /// Number of the span's name, as the caller numbers names.
    pub id: u32,
    /// What happened.
    pub kind: SpanEventKind,
    /// Whether `ticks` are those of the time stamp counter.
    pub tsc: bool,
}

/// First bit of the kind in an event's second word: the id takes the 32 bits below.
const KIND_SHIFT: u32 = 32;
/// Bit of the clock in the second word: the kind takes 2 bits.
const TSC_SHIFT: u32 = 34;

impl SpanEvent {
    /// Returns the event as two words: `ticks`; and `id` in bits 0 to 31, the kind in 32 and 33, the clock in 34.
    #[inline]
    pub(crate) fn pack(self) -> [u64; 2] {
        [self.ticks, u64::from(self.id) | (self.kind as u64) << KIND_SHIFT | u64::from(self.tsc) << TSC_SHIFT]
    }

    /// Returns the event of two words that [`Self::pack`] wrote.
    #[inline]
    pub(crate) fn unpack([ticks, word]: [u64; 2]) -> Self {
        let kind = match (word >> KIND_SHIFT) & 3 {
            0 => SpanEventKind::Begin,
            1 => SpanEventKind::End,
            2 => SpanEventKind::Step,
            _ => SpanEventKind::Start,
        };
        Self { ticks, id: word as u32, kind, tsc: (word >> TSC_SHIFT) & 1 == 1 }
    }
}

/// What the consumer reads from a thread's ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// An event.
    Event(SpanEvent),
    /// The thread has ended, or gave its ring back: no more events come from it.
    Over,
}

/// State: no thread has the lane.
const FREE: u64 = 0;
/// State: a producer has the lane.
const CLAIMED: u64 = 1;
/// State: the producer is gone, and the consumer has not yet read its last events.
const RETIRED: u64 = 2;
/// Mask of the state in the state word: its lowest two bits.
const STATE: u64 = 3;
/// Adds one to the generation, which takes the bits above the state.
const GENERATION: u64 = 4;

/// One ring, its state word, and the counts of its producers, summed over all of them.
#[derive(Debug)]
pub(super) struct Lane {
    /// Made by the first claim: most lanes of a pool are never used, and an unused ring would take as much memory as a used one.
    ring: OnceLock<Arc<Spsc<Sound>>>,
    capacity: usize,
    state: CachePadded<AtomicU64>,
    /// Spans that were not recorded; stored by the lane's producer only.
    pub(super) dropped: AtomicU64,
    /// Ends without a start; stored by the lane's producer only.
    pub(super) unmatched: AtomicU64,
}

impl Lane {
    /// Returns a free lane whose ring will hold at least `capacity` events.
    pub(super) fn new(capacity: usize) -> Self {
        let (zero, ring) = (|| AtomicU64::new(0), OnceLock::new());
        Self { ring, capacity, state: CachePadded::new(zero()), dropped: zero(), unmatched: zero() }
    }

    /// Takes the lane for the calling thread and returns its ring; `None` if the lane is not free.
    pub(super) fn claim(&self) -> Option<Arc<Spsc<Sound>>> {
        let state = self.state.load(Ordering::Relaxed);
        // Acquire: pairs with the release at the end of `drain`, so the new producer sees the ring as the last one left
        // it.
        if state & STATE != FREE {
            return None;
        }
        self.state.compare_exchange(state, state | CLAIMED, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // No other thread makes the ring: the lane is this thread's. A consumer that does not see the ring yet finds no event.
        Some(Arc::clone(self.ring.get_or_init(|| Arc::new(Spsc::new(self.capacity)))))
    }

    /// Marks the lane as retired: its producer records no more.
    pub(super) fn retire(&self) {
        // Relaxed: in state CLAIMED only the producer changes it.
        let state = self.state.load(Ordering::Relaxed);
        // Release: pairs with the acquire in `drain`: a consumer that sees RETIRED sees every event.
        self.state.store(state & !STATE | RETIRED, Ordering::Release);
    }

    /// Hands the events to `take` with the lane's generation, then the end of the thread, if it has ended; returns the
    /// number of events. A retired lane is free afterwards, under the next generation.
    pub(super) fn drain(&self, mut take: impl FnMut(u64, Drained)) -> usize {
        // Acquire: pairs with the release in `retire`. Read before the events, so that RETIRED means all are there.
        let state = self.state.load(Ordering::Acquire);
        let generation = state / GENERATION;
        let taken = match self.ring.get().filter(|_| state & STATE != FREE) {
            None => 0,
            Some(ring) => ring.drain(|pair| take(generation, Drained::Event(SpanEvent::unpack(pair)))),
        };
        if state & STATE == RETIRED {
            take(generation, Drained::Over);
            // Release: pairs with the acquire in `claim`. In state RETIRED only the consumer changes it.
            self.state.store((generation + 1) * GENERATION + FREE, Ordering::Release);
        }
        taken
    }
}

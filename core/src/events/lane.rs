//! An event of a span, and one lane of the event pool that carries it: a ring, the state that decides which thread may use
//! it, and its producer's counts.
//!
//! The state word holds the lane's generation and one of three states; `pool.rs` draws the transitions.

use super::spsc::Spsc;
use crate::sync::{AtomicU64, Ordering, Sound};
use crossbeam::utils::CachePadded;

/// What happened.
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
    /// Whether a span starts with it.
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

/// One event, 16 bytes in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanEvent {
    /// When: TSC ticks if [`Self::tsc`], else monotonic nanoseconds.
    pub ticks: u64,
    /// Which name, as numbered by the caller.
    pub id: u32,
    /// What happened.
    pub kind: SpanEventKind,
    /// Whether `ticks` are the time stamp counter's.
    pub tsc: bool,
}

const KIND_SHIFT: u32 = 32;
const TSC_SHIFT: u32 = 34;

impl SpanEvent {
    /// The event as two words; the second holds `id` in bits 0 to 31, the kind in 32 and 33, the clock in 34.
    #[inline]
    pub(crate) fn pack(self) -> [u64; 2] {
        [self.ticks, u64::from(self.id) | (self.kind as u64) << KIND_SHIFT | u64::from(self.tsc) << TSC_SHIFT]
    }

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

/// What comes out of a thread's ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// An event.
    Event(SpanEvent),
    /// The thread has ended, or gave its ring back: nothing more comes from it.
    Over,
}

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
    /// Ends without a start; stored by the lane's producer only.
    pub(super) unmatched: AtomicU64,
}

impl Lane {
    pub(super) fn new(capacity: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self { ring: Spsc::new(capacity), state: CachePadded::new(zero()), dropped: zero(), unmatched: zero() }
    }

    pub(super) fn claim(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        // Acquire: pairs with the release in `recycle`, so that the new producer sees the ring as the last one left it.
        state & STATE == FREE
            && self.state.compare_exchange(state, state | CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The producer is done.
    pub(super) fn retire(&self) {
        // Relaxed: in state CLAIMED only the producer changes it.
        let state = self.state.load(Ordering::Relaxed);
        // Release: pairs with the acquire in `drain`: a consumer that sees RETIRED sees every event.
        self.state.store(state & !STATE | RETIRED, Ordering::Release);
    }

    /// Hands over the events, then the end of the thread, if it has ended.
    pub(super) fn drain(&self, mut take: impl FnMut(u64, Drained)) -> usize {
        // Acquire: pairs with the release in `retire`. Read before the events, so that RETIRED means all are there.
        let state = self.state.load(Ordering::Acquire);
        let generation = state / GENERATION;
        let taken = match state & STATE {
            FREE => 0,
            _ => self.ring.drain(|pair| take(generation, Drained::Event(SpanEvent::unpack(pair)))),
        };
        if state & STATE == RETIRED {
            take(generation, Drained::Over);
            // Release: pairs with the acquire in `claim`. In state RETIRED only the consumer changes it.
            self.state.store((generation + 1) * GENERATION + FREE, Ordering::Release);
        }
        taken
    }
}

//! Events: how the training's threads tell the accounting thread when a span began and ended, at the cost of two stores.
//!
//! Each thread claims a [`Producer`] from the [`EventPool`] that was allocated when the meter opened, and records into
//! the single-producer single-consumer ring behind it. The one [`EventConsumer`] drains all rings. Recording allocates
//! nothing, locks nothing, makes no system call and never waits. When a ring is full whole spans are dropped, never
//! half ones, and they are counted: a begin takes room for its end too.
//!
//! A ring whose producer was dropped is drained once more, then given to the next thread under a new generation.

mod pool;
mod producer;
pub(crate) mod spsc;

pub use pool::{Drained, EventConsumer, EventPool};
pub use producer::{MAX_OPEN, Producer};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A span began.
    Begin,
    /// The nearest open span of that name, on that thread, ended.
    End,
    /// A step ended and the next one began, at one instant. The step is the nearest open span of that name; without one it
    /// is the first step, which began with the run.
    Step,
    /// Steps start here: the next step of that name begins, and an open one is given up.
    Start,
}

/// One event, 16 bytes in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event {
    /// When: TSC ticks if [`Self::tsc`], else monotonic nanoseconds.
    pub ticks: u64,
    /// Which name, as numbered by whoever records.
    pub id: u32,
    /// What happened.
    pub kind: EventKind,
    /// Whether `ticks` are the time stamp counter's.
    pub tsc: bool,
}

const KIND_SHIFT: u32 = 32;
const TSC_SHIFT: u32 = 34;

impl Event {
    /// The event as two words; the second holds `id` in bits 0 to 31, the kind in 32 and 33, the clock in 34.
    #[inline]
    pub(crate) fn pack(self) -> [u64; 2] {
        [self.ticks, u64::from(self.id) | (self.kind as u64) << KIND_SHIFT | u64::from(self.tsc) << TSC_SHIFT]
    }

    #[inline]
    pub(crate) fn unpack([ticks, word]: [u64; 2]) -> Self {
        let kind = match (word >> KIND_SHIFT) & 3 {
            0 => EventKind::Begin,
            1 => EventKind::End,
            2 => EventKind::Step,
            _ => EventKind::Start,
        };
        Self { ticks, id: word as u32, kind, tsc: (word >> TSC_SHIFT) & 1 == 1 }
    }
}

//! One event of a span, and its two words in a ring of the event pool.

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

//! Records the starts and ends of one thread's spans (timed parts of the program) in a ring that the accounting thread
//! reads ([`Producer`]).
//!
//! The producer keeps the ids (numbers of names) of the spans that are open, so it recognises an end that has no start.
//! A start is recorded only if the ring has room for the span's end too: `reserved` counts the events written and one
//! end for each open recorded span. So an end never fails, and only whole spans are dropped.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::lane::Lane;
use super::lane::{SpanEvent, SpanEventKind};
use super::spsc::Spsc;
use crate::sync::{AtomicU64, Ordering, Sound};

/// The most spans that can be open at a time on one thread (their ids take 512 bytes); further ones are dropped and
/// counted.
pub const MAX_OPEN: usize = 64;
/// Bit, above the 32 of an id, that marks an open span whose start was dropped: its end is to be dropped too.
const LOST: u64 = 1 << 32;

/// The writing end of a thread's ring. It may be sent to another thread, but not shared.
///
/// In its methods `id` is the caller's number for the span's name, any `u32`. `ticks` is the instant: ticks of the
/// processor's time stamp counter (TSC) if `tsc`, else monotonic nanoseconds. Dropping the producer gives the ring
/// back; spans that are still open then never end.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<eco2_core::Producer>();
/// ```
#[derive(Debug)]
pub struct Producer {
    lane: Arc<Lane>,
    ring: Arc<Spsc<Sound>>,
    /// Number of events written since the ring was made.
    head: u64,
    /// Number of events written, and one for the end of each open recorded span.
    reserved: u64,
    /// What `reserved` may reach: the consumer's tail, as last seen, plus the capacity.
    limit: u64,
    /// Number of open spans; those beyond [`MAX_OPEN`] are counted but not remembered.
    depth: usize,
    /// Ids of the open spans, oldest first, with [`LOST`] where the start was dropped.
    open: [u64; MAX_OPEN],
    /// Prevents `Sync`: two threads must not record into one ring.
    unshared: PhantomData<Cell<()>>,
}

impl Producer {
    /// Takes over the producing end of a lane that was just claimed, with its ring.
    pub(super) fn new(lane: Arc<Lane>, ring: Arc<Spsc<Sound>>) -> Self {
        let head = ring.head();
        let limit = ring.tail() + ring.capacity();
        Self { lane, ring, head, reserved: head, limit, depth: 0, open: [0; MAX_OPEN], unshared: PhantomData }
    }

    /// Whether the pool and its consumer are gone, so that events recorded here will never be read.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        Arc::strong_count(&self.lane) == 1
    }

    /// Records that a span began. Returns `false` if it was dropped for want of room, and counted as such.
    #[inline]
    pub fn begin(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        if self.reserved + 2 > self.limit {
            return self.begin_when_full(id, ticks, tsc);
        }
        let Some(top) = self.open.get_mut(self.depth) else { return self.begin_too_deep() };
        *top = u64::from(id);
        self.depth += 1;
        self.reserved += 2;
        self.put(SpanEventKind::Begin, id, ticks, tsc);
        true
    }

    /// Records that the nearest open span of this id ended. Returns `false` if there is none or if its start was
    /// dropped.
    ///
    /// Spans may overlap. An end without a start is counted as unmatched. While more than [`MAX_OPEN`] spans are open
    /// ends are taken to be in reverse order of the starts.
    #[inline]
    pub fn end(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        if self.top() != Some(u64::from(id)) {
            return self.end_below_top(id, ticks, tsc);
        }
        self.depth -= 1;
        self.put(SpanEventKind::End, id, ticks, tsc);
        true
    }

    /// Ends a step of this id and starts the next one, in one event. The step that ends is the nearest open span of
    /// this id; without one it is the first step, which began with the run.
    ///
    /// Returns `false` if the step that should start was dropped. The step before it ends all the same, unless it was
    /// the first.
    #[inline]
    pub fn step(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        if self.top() != Some(u64::from(id)) || self.reserved + 1 > self.limit {
            return self.step_slowly(id, ticks, tsc);
        }
        self.reserved += 1;
        self.put(SpanEventKind::Step, id, ticks, tsc);
        true
    }

    /// Starts the steps of this id: the next one starts here, and an open one is dropped.
    ///
    /// Returns `false` if there was no room; an open step then goes on.
    pub fn start(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        let place = if self.depth > MAX_OPEN { None } else { self.nearest(id) };
        match place {
            Some(place) if self.open[place] & LOST == 0 => {
                if !self.has_room_for(1) {
                    return self.drop_span();
                }
                self.reserved += 1;
                self.put(SpanEventKind::Start, id, ticks, tsc);
                true
            }
            Some(place) => self.open_again(SpanEventKind::Start, place, (id, ticks, tsc)),
            None => self.open_new(SpanEventKind::Start, id, ticks, tsc),
        }
    }

    /// Returns the entry of the last open span in `open`; `None` if there is none, or if it is too deep to be
    /// remembered.
    #[inline]
    fn top(&self) -> Option<u64> {
        self.open.get(self.depth.wrapping_sub(1)).copied()
    }

    /// Writes an event for which there is room.
    #[inline]
    fn put(&mut self, kind: SpanEventKind, id: u32, ticks: u64, tsc: bool) {
        self.ring.publish(self.head, SpanEvent { ticks, id, kind, tsc }.pack());
        self.head += 1;
    }

    /// Whether there is room for `more` events. Reads first how far the consumer has come.
    fn has_room_for(&mut self, more: u64) -> bool {
        self.limit = self.ring.tail() + self.ring.capacity();
        self.reserved + more <= self.limit
    }

    /// Records a start once the consumer has made room, else remembers the span as dropped.
    #[cold]
    fn begin_when_full(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        if self.has_room_for(2) {
            return self.begin(id, ticks, tsc);
        }
        let Some(top) = self.open.get_mut(self.depth) else { return self.begin_too_deep() };
        *top = u64::from(id) | LOST;
        self.depth += 1;
        self.drop_span()
    }

    /// Records an event of `kind` that starts a span while none of this id is open.
    #[cold]
    fn open_new(&mut self, kind: SpanEventKind, id: u32, ticks: u64, tsc: bool) -> bool {
        let has_room = self.has_room_for(2);
        let Some(top) = self.open.get_mut(self.depth) else { return self.begin_too_deep() };
        *top = u64::from(id) | if has_room { 0 } else { LOST };
        self.depth += 1;
        if !has_room {
            return self.drop_span();
        }
        self.reserved += 2;
        self.put(kind, id, ticks, tsc);
        true
    }

    /// Counts a span beyond [`MAX_OPEN`] as open and as dropped.
    #[cold]
    fn begin_too_deep(&mut self) -> bool {
        self.depth += 1;
        self.drop_span()
    }

    /// Ends a span that is not the last open one, or counts an end without a start.
    #[cold]
    fn end_below_top(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        if self.depth > MAX_OPEN {
            self.depth -= 1;
            return false;
        }
        let Some(place) = self.nearest(id) else {
            count_one(&self.lane.unmatched);
            return false;
        };
        let lost = self.open[place] & LOST != 0;
        self.open.copy_within(place + 1..self.depth, place);
        self.depth -= 1;
        if !lost {
            self.put(SpanEventKind::End, id, ticks, tsc);
        }
        !lost
    }

    /// Records a step whose span is not the last open one, or for which the known room is too small.
    #[cold]
    fn step_slowly(&mut self, id: u32, ticks: u64, tsc: bool) -> bool {
        if self.depth > MAX_OPEN {
            return self.drop_span();
        }
        let Some(place) = self.nearest(id) else { return self.open_new(SpanEventKind::Step, id, ticks, tsc) };
        if self.open[place] & LOST != 0 {
            return self.open_again(SpanEventKind::Begin, place, (id, ticks, tsc));
        }
        if self.has_room_for(1) {
            self.reserved += 1;
            self.put(SpanEventKind::Step, id, ticks, tsc);
            return true;
        }
        // Room for the end of the old step was reserved; for the new step there is none.
        self.put(SpanEventKind::End, id, ticks, tsc);
        self.open[place] |= LOST;
        self.drop_span()
    }

    /// Records a step or a start at the open span with index `place`, whose own start was dropped: there may be room
    /// for the next one. `(id, ticks, tsc)` as in the methods above.
    fn open_again(&mut self, kind: SpanEventKind, place: usize, (id, ticks, tsc): (u32, u64, bool)) -> bool {
        if !self.has_room_for(2) {
            return self.drop_span();
        }
        self.open[place] &= !LOST;
        self.reserved += 2;
        self.put(kind, id, ticks, tsc);
        true
    }

    /// Returns the index in `open` of the nearest open span of this id among those remembered.
    fn nearest(&self, id: u32) -> Option<usize> {
        self.open[..self.depth.min(MAX_OPEN)].iter().rposition(|open| *open & !LOST == u64::from(id))
    }

    /// Counts a dropped span; returns `false`, the answer of the method that dropped it.
    fn drop_span(&self) -> bool {
        count_one(&self.lane.dropped);
        false
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.lane.retire();
    }
}

/// Adds one to a count that only this thread stores. Relaxed, because no other value depends on its order.
fn count_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

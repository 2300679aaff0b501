//! The recording end of one ring: what a thread calls around its spans.
//!
//! The producer keeps the ids of the spans that are open, so that an end can be distinguished from a stray one.
//! `reserved` is what the ring must have room for: the events written and one end for each open recorded span. So an
//! end never fails, and what is dropped is whole spans.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::lane::Lane;
use super::lane::{SpanEvent, SpanEventKind};
use crate::sync::{AtomicU64, Ordering};

/// The most spans that can be open at a time on one thread; further ones are dropped and counted.
pub const MAX_OPEN: usize = 64;
/// Marks an open span whose start was dropped: its end is to be dropped too.
const LOST: u64 = 1 << 32;

/// A thread's recording end. May be sent to another thread, but not shared: every method takes `&mut self`.
///
/// Ids are the caller's, any `u32`. `ticks` are TSC ticks if `tsc`, else monotonic nanoseconds. Dropping it gives the
/// ring back; spans that are still open then never end.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<eco2_core::Producer>();
/// ```
#[derive(Debug)]
pub struct Producer {
    lane: Arc<Lane>,
    /// Events written.
    head: u64,
    /// Events written and ends promised.
    reserved: u64,
    /// What `reserved` may reach: the consumer's tail, as last seen, plus the capacity.
    limit: u64,
    /// Open spans; more than [`MAX_OPEN`] count but are not remembered.
    depth: usize,
    open: [u64; MAX_OPEN],
    /// Not `Sync`.
    unshared: PhantomData<Cell<()>>,
}

impl Producer {
    /// Takes over the producing end of a lane that was just claimed.
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        let head = lane.ring.head();
        let limit = lane.ring.tail() + lane.ring.capacity();
        Self { lane, head, reserved: head, limit, depth: 0, open: [0; MAX_OPEN], unshared: PhantomData }
    }

    /// Whether the pool and its consumer are gone: what is recorded here will never be read.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        Arc::strong_count(&self.lane) == 1
    }

    /// Records that a span began; `false` if it was dropped, and counted, for want of room.
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

    /// Records that the nearest open span of this id ended; `false` if there is none or if its start was dropped.
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
    /// `false` if the span that should start was dropped; the one before it ends all the same, unless it was the first.
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
    /// `false` if there was no room; an open step then goes on.
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

    /// The last open span; `None` if there is none, or if it is too deep to be remembered.
    #[inline]
    fn top(&self) -> Option<u64> {
        self.open.get(self.depth.wrapping_sub(1)).copied()
    }

    #[inline]
    fn put(&mut self, kind: SpanEventKind, id: u32, ticks: u64, tsc: bool) {
        self.lane.ring.publish(self.head, SpanEvent { ticks, id, kind, tsc }.pack());
        self.head += 1;
    }

    /// Whether there is room for `more`, after a look at where the consumer is.
    fn has_room_for(&mut self, more: u64) -> bool {
        self.limit = self.lane.ring.tail() + self.lane.ring.capacity();
        self.reserved + more <= self.limit
    }

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

    /// An event of `kind` that starts a span while none of this id is open.
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

    #[cold]
    fn begin_too_deep(&mut self) -> bool {
        self.depth += 1;
        self.drop_span()
    }

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
        // The old span's end has its place; the new span has none.
        self.put(SpanEventKind::End, id, ticks, tsc);
        self.open[place] |= LOST;
        self.drop_span()
    }

    /// A step or a start over a span whose own start was dropped: there may be room for the next one.
    fn open_again(&mut self, kind: SpanEventKind, place: usize, (id, ticks, tsc): (u32, u64, bool)) -> bool {
        if !self.has_room_for(2) {
            return self.drop_span();
        }
        self.open[place] &= !LOST;
        self.reserved += 2;
        self.put(kind, id, ticks, tsc);
        true
    }

    /// Index of the nearest open span of this id among those remembered.
    fn nearest(&self, id: u32) -> Option<usize> {
        self.open[..self.depth.min(MAX_OPEN)].iter().rposition(|open| *open & !LOST == u64::from(id))
    }

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

/// Adds one to a count that only this thread stores. Relaxed: ordered with nothing.
fn count_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

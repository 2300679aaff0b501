//! Keeps the last N snapshots in a ring of atomic words that one thread writes and any number of threads read, without
//! locks. A snapshot is all energies at one time, but this file does not interpret its words.
//!
//! The ring consists of *lines* of 16 words. Line 0 is the control line with two numbers: `head`, the newest whole
//! snapshot, and `reserve`, the one whose writing began last. The slots follow. Snapshot `k` (from 1, never reset: a
//! u64 lasts 584 years at 1 GHz) lies in slot `k mod N`. Only the writer stores anything.
//!
//! ```text
//! write k:  reserve = k; fence(Release); slot[k mod N] = …; head = k (Release)
//! read k:   k <= head;   fence(Acquire); copy slot[k mod N]; fence(Acquire); good if reserve - k < N
//! ```
//! * The copy holds nothing older than `k`: the reader has seen the release store of `head`, and its first acquire
//!   fence comes after that, so it sees all of snapshot `k`.
//! * The copy holds nothing newer than `k`. Had it seen one word of snapshot `k + N` or later, then the writer's
//!   release fence and the reader's second acquire fence would show that `reserve` to the reader too, and
//!   `reserve - k >= N`.
//!
//! A *heartbeat* is a word outside the ring that the writer stores after a write ([`store_beat`], [`load_beat`]): a reader
//! that sees it also sees that snapshot or a newer one, so that a writer that seems to live has not published less.
//!
//! Readers only load, and only relaxed, so that a read-only mapping can serve them. A writer that dies in the middle
//! leaves `head` where it was: the last whole snapshot stays readable (with a seqlock, readers would wait without end).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering, Orderings, Sound, fence};

/// Words in a line: 16 words of 8 bytes are 128 bytes.
const WORDS: usize = 16;
/// How often a reader tries before it gives up: a try fails only if the writer went round the ring during it.
const TRIES: usize = 3;
/// Index of `head` in the control line.
const HEAD: usize = 0;
/// Index of `reserve` in the control line.
const RESERVE: usize = 1;

/// A line of the ring: 16 words that are atomic. 128 bytes are two cache lines: x86-64 prefetches cache lines in pairs, so
/// smaller units would disturb their neighbours.
///
/// Any 128 bytes at an address that is a multiple of 128 are a line. Without loom it is as large as its words.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Line(pub(crate) [AtomicU64; WORDS]);

impl Default for Line {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Line {
    /// Bytes of a line.
    pub const BYTES: usize = WORDS * 8;

    /// Returns a word; `None` from the 16th on. It is for words that are no part of a ring, such as those of a header before it.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.0.get(index)
    }

    /// Stores a heartbeat in a word outside the ring, after [`TimelineWriter::publish`](crate::TimelineWriter::publish); from the
    /// 16th word on nothing.
    pub fn store_beat(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            store_beat::<Sound>(word, value);
        }
    }

    /// Loads a heartbeat; 0 from the 16th word on. What is read of the ring later is not older than it.
    #[inline]
    #[must_use]
    pub fn load_beat(&self, index: usize) -> u64 {
        self.word(index).map_or(0, load_beat::<Sound>)
    }
}

/// A handle on the ring. `O` is the set of memory orderings; only the models under loom use other ones than `Sound`. `M` is the
/// memory: that of this process, or a file that several processes map. Private to the timeline, which hands out one writer.
pub(crate) struct Ring<O, M = Arc<[Line]>> {
    lines: M,
    /// Number of slots minus one; as N is a power of two, `k & mask` is the slot of snapshot `k`.
    mask: u64,
    /// Lines in a slot.
    stride: usize,
    orderings: PhantomData<O>,
}

impl<O: Orderings> Ring<O> {
    /// Returns a ring of at least `slots` slots (rounded up to a power of two, 2 or more) of `stride` lines each.
    #[must_use]
    pub(crate) fn new(slots: usize, stride: usize) -> Self {
        let slots = slots.max(2).next_power_of_two();
        let stride = stride.max(1);
        let lines = (0..=slots * stride).map(|_| Line::default()).collect();
        Self { lines, mask: slots as u64 - 1, stride, orderings: PhantomData }
    }
}

impl<O: Orderings, M: AsRef<[Line]>> Ring<O, M> {
    /// Returns a handle on a ring in `lines`, which are all zero before the first write; `None` unless `slots` is a power of two,
    /// 2 or more, and `lines` has exactly as many lines as the ring ([`lines_of`]).
    #[must_use]
    pub(crate) fn over(lines: M, slots: usize, stride: usize) -> Option<Self> {
        let fits = slots >= 2 && slots.is_power_of_two() && stride >= 1;
        let fits = fits && lines_of(slots, stride) == Some(lines.as_ref().len());
        fits.then_some(Self { lines, mask: slots as u64 - 1, stride, orderings: PhantomData })
    }

    /// Returns another handle, for a reader.
    #[must_use]
    pub(crate) fn share(&self) -> Self
    where
        M: Clone,
    {
        Self { lines: self.lines.clone(), mask: self.mask, stride: self.stride, orderings: PhantomData }
    }

    /// Publishes the next snapshot; `fill` is given its number and its slot. Only one handle may ever write.
    pub(crate) fn write(&mut self, fill: impl FnOnce(u64, &[Line])) {
        // Relaxed: only this thread stores it.
        let index = self.control(HEAD).load(Ordering::Relaxed) + 1;
        // Relaxed: ordered before the slot's words by the fence, which pairs with the reader's second fence.
        self.control(RESERVE).store(index, Ordering::Relaxed);
        if O::RESERVE_FENCE {
            fence(Ordering::Release);
        }
        fill(index, self.slot(index));
        // Release: pairs with the reader's first fence, so that a reader that sees this number sees the whole slot.
        self.control(HEAD).store(index, O::HEAD_STORE);
    }

    /// Returns the number of the newest snapshot; 0 before the first. One more is a number too, whatever a damaged file has there.
    #[inline]
    #[must_use]
    pub(crate) fn head(&self) -> u64 {
        // Relaxed: `read` puts the acquire fence after it.
        self.control(HEAD).load(Ordering::Relaxed).min(u64::MAX - 1)
    }

    /// Returns the number of the oldest snapshot that the writer's next write does not overwrite; `head` is the newest.
    #[must_use]
    pub(crate) fn oldest(&self, head: u64) -> u64 {
        (head + 1).saturating_sub(self.mask).max(1)
    }

    /// Lets `copy` copy snapshot `index`, which is not newer than a [`Self::head`] this thread has seen.
    ///
    /// Returns whether the copy is snapshot `index`; if not, it may be a mixture of several.
    #[inline]
    pub(crate) fn read(&self, index: u64, copy: impl FnOnce(&[Line])) -> bool {
        if O::HEAD_FENCE {
            fence(Ordering::Acquire);
        }
        copy(self.slot(index));
        if O::CHECK_FENCE {
            fence(Ordering::Acquire);
        }
        // Relaxed: the fence above orders it after the copy.
        !O::LAP_CHECK || self.control(RESERVE).load(Ordering::Relaxed).wrapping_sub(index) <= self.mask
    }

    /// Lets `copy` copy the newest snapshot, in at most [`TRIES`] tries. Returns its number; `None` if there is none,
    /// or if every try failed.
    #[inline]
    pub(crate) fn read_latest(&self, mut copy: impl FnMut(&[Line])) -> Option<u64> {
        for _ in 0..TRIES {
            let head = self.head();
            if head == 0 {
                return None;
            }
            if self.read(head, &mut copy) {
                return Some(head);
            }
        }
        None
    }

    /// Returns a word of the control line.
    #[inline]
    fn control(&self, word: usize) -> &AtomicU64 {
        &self.lines.as_ref()[0].0[word]
    }

    /// Returns the lines of snapshot `index`'s slot.
    #[inline]
    fn slot(&self, index: u64) -> &[Line] {
        let first = 1 + (index & self.mask) as usize * self.stride;
        &self.lines.as_ref()[first..first + self.stride]
    }
}

/// Stores a heartbeat after a write.
pub(crate) fn store_beat<O: Orderings>(word: &AtomicU64, value: u64) {
    // Release: pairs with the fence of `load_beat`, so that a reader that sees the value also sees `head` of the write before it.
    word.store(value, O::BEAT_STORE);
}

/// Loads a heartbeat, before a read of the ring.
#[inline]
pub(crate) fn load_beat<O: Orderings>(word: &AtomicU64) -> u64 {
    // Relaxed, as only such loads are allowed of read-only memory; the fence orders it before what is read of the ring.
    let value = word.load(Ordering::Relaxed);
    if O::BEAT_FENCE {
        fence(Ordering::Acquire);
    }
    value
}

/// Returns the lines that a ring of `slots` slots of `stride` lines takes: its control line and its slots.
#[must_use]
pub(crate) fn lines_of(slots: usize, stride: usize) -> Option<usize> {
    slots.checked_mul(stride)?.checked_add(1)
}

impl<O: Orderings, M: AsRef<[Line]> + Clone> Clone for Ring<O, M> {
    fn clone(&self) -> Self {
        self.share()
    }
}

impl<O, M> fmt::Debug for Ring<O, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("mask", &self.mask).field("stride", &self.stride).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn number(ring: &mut Ring<Sound>) {
        ring.write(|index, lines| lines[0].0[0].store(index, Ordering::Relaxed));
    }

    #[test]
    fn a_reader_that_is_lapped_gives_up_after_three_tries() {
        let mut writer = Ring::<Sound>::new(4, 1);
        let reader = writer.share();
        number(&mut writer);
        let mut tries = 0;
        let lapped = reader.read_latest(|_| {
            tries += 1;
            (0..4).for_each(|_| number(&mut writer));
        });
        assert_eq!((lapped, tries), (None, 3));
        let nearly = reader.read_latest(|_| (0..3).for_each(|_| number(&mut writer)));
        assert_eq!(nearly, Some(13), "three writes leave the fourth slot alone");
    }

    #[test]
    fn a_damaged_newest_number_is_read_without_an_overflow() {
        let ring = Ring::<Sound>::new(4, 1);
        ring.control(HEAD).store(u64::MAX, Ordering::Relaxed);
        let head = ring.head();
        assert_eq!((head + 1, ring.oldest(head)), (u64::MAX, u64::MAX - 3));
    }

    #[test]
    fn a_writer_that_dies_in_a_write_leaves_the_last_snapshot() {
        let mut writer = Ring::<Sound>::new(2, 1);
        let reader = writer.share();
        (0..3).for_each(|_| number(&mut writer));
        let dies = std::panic::AssertUnwindSafe(|| writer.write(|_, _| panic!("killed")));
        assert!(std::panic::catch_unwind(dies).is_err());
        let mut seen = 0;
        let found = reader.read_latest(|lines| seen = lines[0].0[0].load(Ordering::Relaxed));
        assert_eq!((found, seen), (Some(3), 3));
    }
}

//! Carries pairs of 64-bit words from one thread (the producer) to another (the consumer) through a ring without locks.
//! One pair is one event of the program's timed parts, but this file does not interpret it.
//!
//! `head` counts the pairs written, `tail` those read; neither is ever reset. Only the producer stores `head` and the
//! slots from `tail + capacity` on; only the consumer stores `tail`. The producer decides whether there is room.

use std::marker::PhantomData;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Ordering, Orderings};

/// The ring. Its methods take `&self`: the pool that keeps the rings decides which thread owns which end. `O` is the
/// set of memory orderings; only the models under loom use other ones than `Sound`.
#[derive(Debug)]
pub(crate) struct Spsc<O> {
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
    slots: Box<[[AtomicU64; 2]]>,
    orderings: PhantomData<O>,
}

impl<O: Orderings> Spsc<O> {
    /// Returns an empty ring of at least `capacity` pairs (rounded up to a power of two, 2 or more).
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        let zero = || AtomicU64::new(0);
        let slots = (0..capacity.max(2).next_power_of_two()).map(|_| [zero(), zero()]).collect();
        Self { head: CachePadded::new(zero()), tail: CachePadded::new(zero()), slots, orderings: PhantomData }
    }

    /// Returns how many pairs fit.
    #[must_use]
    pub(crate) fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Returns how many pairs were written so far. For the producer.
    #[must_use]
    pub(crate) fn head(&self) -> u64 {
        // Relaxed: the producer's own, or handed over by the pool's state word.
        self.head.load(Ordering::Relaxed)
    }

    /// Returns how many pairs were read so far. For the producer, before it writes over them.
    #[must_use]
    pub(crate) fn tail(&self) -> u64 {
        // Acquire: pairs with the release in `drain`; the slots up to here have been read.
        self.tail.load(Ordering::Acquire)
    }

    /// Writes pair number `head`, for which the producer knows that there is room.
    #[inline]
    pub(crate) fn publish(&self, head: u64, pair: [u64; 2]) {
        let slot = &self.slots[head as usize & (self.slots.len() - 1)];
        // Relaxed: published by the store below.
        slot[0].store(pair[0], Ordering::Relaxed);
        slot[1].store(pair[1], Ordering::Relaxed);
        // Release: pairs with the acquire in `drain`.
        self.head.store(head + 1, O::EVENT_STORE);
    }

    /// Hands every pair written so far to `take`, in order; returns how many. For the consumer.
    ///
    /// A call ends although the producer goes on: pairs written meanwhile wait for the next call.
    pub(crate) fn drain(&self, mut take: impl FnMut([u64; 2])) -> usize {
        // Relaxed: the consumer's own.
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: pairs with the release in `publish`; the slots before it are written.
        let head = self.head.load(Ordering::Acquire);
        for index in tail..head {
            let slot = &self.slots[index as usize & (self.slots.len() - 1)];
            take([slot[0].load(Ordering::Relaxed), slot[1].load(Ordering::Relaxed)]);
        }
        // Release: pairs with the acquire in `tail`; the slots may be written again.
        self.tail.store(head, Ordering::Release);
        (head - tail) as usize
    }
}

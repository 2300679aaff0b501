//! [`Stepped`] runs the sampling loop without its thread: the caller sets the time of each tick. It is for tests and
//! demonstrations with scripted clocks.
//!
//! A tick is one wake-up of the loop, in which it reads the sources that are due and hands the readings to the sink.

use crate::clock::monotonic_ns;
use crate::options::Options;
use crate::sink_slot::SinkSlot;
use crate::tick_loop::{Now, TickLoop};
use crate::{Sink, Source};

/// Sampling that advances only by calls.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use eco2_samplers::synthetic::{Curve, Synthetic};
/// use eco2_samplers::{Options, Stepped, clock::Clock};
///
/// let now_ns = Arc::new(AtomicU64::new(0));
/// let clock = Clock::Scripted(Arc::clone(&now_ns));
/// let source = Synthetic::new(Curve::default(), clock.clone());
/// let options = Options { clock, ..Options::default() };
/// let mut sampling = Stepped::new(vec![Box::new(source)], Box::new(()), &options);
/// for _ in 0..10 {
///     let next_ns = sampling.next_ns();
///     now_ns.store(next_ns, Ordering::Relaxed);
///     sampling.step(next_ns, 0);
/// }
/// assert_eq!(sampling.counted(), (10, 0)); // ten ticks, none missed
/// ```
pub struct Stepped {
    rounds: TickLoop,
    sink_slot: SinkSlot,
}

impl Stepped {
    /// Returns a loop that has read nothing yet; everything is due at what `options.clock` shows. Options that concern
    /// a thread do nothing.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn Source>>, sink: Box<dyn Sink>, options: &Options) -> Self {
        let now = Now { ns: options.clock.now_ns(), slept_ns: 0 };
        Self { rounds: TickLoop::new(sources, options, now), sink_slot: SinkSlot::new(sink) }
    }

    /// Returns the instant at which the thread would wake next.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.rounds.next_ns()
    }

    /// Runs one tick at `now_ns`, which the clock should show; `slept_ns` is how long the machine has slept since the
    /// start.
    pub fn step(&mut self, now_ns: u64, slept_ns: u64) {
        let slept_ns = i64::try_from(slept_ns).unwrap_or(i64::MAX);
        self.rounds.tick(Now { ns: now_ns, slept_ns }, false, &self.sink_slot);
    }

    /// Waits until each source on a thread of its own has answered what it was asked, so that by a scripted clock it
    /// answers at once. Never call it while a source hangs.
    pub fn settle(&mut self) {
        self.rounds.settle();
    }

    /// Returns the number of ticks so far, and how many were missed.
    #[must_use]
    pub fn counted(&self) -> (u64, u64) {
        self.rounds.counted()
    }

    /// Returns the sink; `None` only if a call into it on another thread has not returned.
    #[must_use]
    pub fn finish(self) -> Option<Box<dyn Sink>> {
        self.sink_slot.take(monotonic_ns())
    }
}

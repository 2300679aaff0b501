//! The sampling loop without its thread: whoever holds it says what time it is. For scripted clocks.

use crate::clock::monotonic_ns;
use crate::outlet::Outlet;
use crate::rounds::{Now, Options, Rounds};
use crate::{Sink, Source};

/// Sampling that goes on only when told to.
pub struct Stepped {
    rounds: Rounds,
    outlet: Outlet,
}

impl Stepped {
    /// Nothing is read yet; everything is due at what `options.clock` shows. Options that concern a thread do nothing.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn Source>>, sink: Box<dyn Sink>, options: &Options) -> Self {
        let now = Now { ns: options.clock.now_ns(), slept_ns: 0 };
        Self { rounds: Rounds::new(sources, options, now), outlet: Outlet::new(sink) }
    }

    /// The instant at which the thread would wake next.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.rounds.next_ns()
    }

    /// One tick at `now_ns`, which the clock should show; `slept_ns` is how long the machine has slept since the start.
    pub fn step(&mut self, now_ns: u64, slept_ns: u64) {
        let slept_ns = i64::try_from(slept_ns).unwrap_or(i64::MAX);
        self.rounds.tick(Now { ns: now_ns, slept_ns }, false, &self.outlet);
    }

    /// Waits until each source on a thread of its own has answered what it was asked: by a scripted clock, it then
    /// answers at once. Never call it while a source hangs.
    pub fn settle(&mut self) {
        self.rounds.settle();
    }

    /// Ticks so far, and how many were missed.
    #[must_use]
    pub fn counted(&self) -> (u64, u64) {
        self.rounds.counted()
    }

    /// The sink; `None` only if a call into it panicked half-way on another thread.
    #[must_use]
    pub fn finish(self) -> Option<Box<dyn Sink>> {
        self.outlet.take(monotonic_ns())
    }
}

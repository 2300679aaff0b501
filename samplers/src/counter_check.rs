//! [`CounterCheck`] observes, for a self-test, the counters of a source while they are read.
//!
//! It wraps a source, which reads one interface such as RAPL, and passes everything on unchanged. It observes whether
//! counters move, by how much at least, and what a read costs. The result is read through a [`CheckedCounters`] after
//! the source has gone to the sampling thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eco2_core::{Domain, Fault, Gauge, Kind, Quality, Reading};

use crate::clock::thread_cpu_ns;
use crate::{Batch, Change, DeviceUse, Source, SourceEvent, Watched};

/// What was seen of one counter.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedCounter {
    /// The counter.
    pub domain: Domain,
    /// How often its value changed.
    pub changes: u64,
    /// Its smallest growth from one reading to the next, microjoules; `None` where it never grew.
    pub smallest_step_uj: Option<u64>,
    /// How often it was read.
    pub reads: u64,
    /// Whether it was unchanged for so long that its source takes it for one that does not count.
    pub is_unsupported: bool,
    /// CPU time of one read, nanoseconds: the mean over all sensors of its source.
    pub read_cpu_ns: Option<u64>,
    /// Its last value.
    last: Option<u64>,
}

/// What is seen of a source's counters, shared with the thread that reads the source.
#[derive(Debug, Clone, Default)]
pub struct CheckedCounters(Arc<Mutex<SourceCheck>>);

#[derive(Debug, Default)]
struct SourceCheck {
    /// One per domain of the source, in its order.
    domains: Vec<CheckedCounter>,
    cpu_ns: u64,
    reads: u64,
}

impl CheckedCounters {
    /// Returns what was seen of the source's energy counters, without estimates and power sensors.
    #[must_use]
    pub fn counters(&self) -> Vec<CheckedCounter> {
        let seen = self.lock();
        let read_cpu_ns = seen.cpu_ns.checked_div(seen.reads);
        let is_counter = |counter: &&CheckedCounter| {
            let Domain { kind, quality, .. } = counter.domain;
            kind == Kind::Energy && matches!(quality, Quality::Measured | Quality::Derived)
        };
        seen.domains.iter().filter(is_counter).map(|seen| CheckedCounter { read_cpu_ns, ..seen.clone() }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, SourceCheck> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source whose counters are watched; see the module's text.
pub struct CounterCheck {
    inner: Box<dyn Source>,
    seen: CheckedCounters,
    /// CPU time of the calling thread, nanoseconds.
    cpu_ns: fn() -> u64,
}

impl CounterCheck {
    /// Wraps `inner`; the second value shows what was seen.
    ///
    /// ```
    /// use eco2_samplers::clock::Clock;
    /// use eco2_samplers::counter_check::CounterCheck;
    /// use eco2_samplers::synthetic::{Curve, Synthetic};
    /// use eco2_samplers::{Batch, Source};
    ///
    /// let synthetic = Synthetic::new(Curve::default(), Clock::Monotonic);
    /// let (mut source, seen) = CounterCheck::new(Box::new(synthetic));
    /// source.read(&mut Batch::default());
    /// assert!(seen.counters().is_empty(), "synthetic values are no sensor's");
    /// ```
    #[must_use]
    pub fn new(inner: Box<dyn Source>) -> (Self, CheckedCounters) {
        let mut check = Self { inner, seen: CheckedCounters::default(), cpu_ns: thread_cpu_ns };
        check.sync();
        let seen = check.seen.clone();
        (check, seen)
    }

    /// Adds domains that have appeared.
    fn sync(&mut self) {
        let mut seen = self.seen.lock();
        for domain in &self.inner.domains()[seen.domains.len()..] {
            seen.domains.push(CheckedCounter {
                domain: domain.clone(),
                changes: 0,
                smallest_step_uj: None,
                reads: 0,
                is_unsupported: false,
                read_cpu_ns: None,
                last: None,
            });
        }
    }
}

impl CheckedCounter {
    fn see(&mut self, reading: &Reading) {
        self.reads += 1;
        self.is_unsupported = reading.value == Err(Fault::Unsupported);
        let Ok(value) = reading.value else { return };
        let before = self.last.replace(value);
        if let Some(before) = before.filter(|before| *before != value) {
            self.changes += 1;
            // A counter that falls has wrapped or was reset: that is no step.
            if let Some(grown) = value.checked_sub(before) {
                let step_uj = self.domain.scale.micro(grown);
                self.smallest_step_uj = Some(self.smallest_step_uj.map_or(step_uj, |least| least.min(step_uj)));
            }
        }
    }
}

impl Source for CounterCheck {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn domains(&self) -> &[Domain] {
        self.inner.domains()
    }

    fn read(&mut self, batch: &mut Batch) {
        let first = batch.readings().len();
        let before_ns = (self.cpu_ns)();
        self.inner.read(batch);
        let used_ns = (self.cpu_ns)().saturating_sub(before_ns);
        self.sync();
        let mut seen = self.seen.lock();
        seen.cpu_ns = seen.cpu_ns.saturating_add(used_ns);
        for (domain, reading) in batch.readings().iter().skip(first) {
            seen.reads += 1;
            if let Some(counter) = seen.domains.get_mut(*domain) {
                counter.see(reading);
            }
        }
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        self.inner.gauges(out);
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        self.inner.notes(out);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        self.inner.changes(out);
    }

    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        self.inner.users(watched, out);
    }

    fn may_hang(&self) -> bool {
        self.inner.may_hang()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::atomic::AtomicU64;

    use crate::clock::Clock;
    use eco2_core::{Component, Scale};

    thread_local!(static CPU_NS: Cell<u64> = const { Cell::new(0) });

    /// A counter in millijoules, a power sensor of the same board, and an estimate; the script is the counter's values.
    struct Board {
        domains: Vec<Domain>,
        script: Vec<Result<u64, Fault>>,
    }

    impl Source for Board {
        fn name(&self) -> &str {
            "board"
        }
        fn domains(&self) -> &[Domain] {
            &self.domains
        }
        fn read(&mut self, batch: &mut Batch) {
            CPU_NS.with(|ns| ns.set(ns.get() + 9_000));
            let value = self.script.remove(0);
            batch.group(|put| {
                put(0, value);
                put(1, Ok(100_000_000));
                put(2, Ok(5));
            });
        }
    }

    fn seen(script: Vec<Result<u64, Fault>>) -> Vec<CheckedCounter> {
        let counter = |id: &str| Domain::counter(id, Component::Gpu, "board", "nvml");
        let domains = vec![
            Domain { scale: Scale::MILLI, ..counter("GPU-1") },
            Domain { kind: Kind::Power, ..counter("GPU-1/power") },
            Domain { quality: Quality::Estimated, ..counter("GPU-1/estimate") },
        ];
        let reads = script.len();
        let (check, seen) = CounterCheck::new(Box::new(Board { domains, script }));
        let mut check = CounterCheck { cpu_ns: || CPU_NS.with(Cell::get), ..check };
        let mut batch = Batch::new(Clock::Scripted(Arc::new(AtomicU64::new(1))));
        for _ in 0..reads {
            check.read(&mut batch);
        }
        seen.counters()
    }

    #[test]
    fn counter_is_seen_with_its_steps_and_the_cost_of_a_read() {
        let counters = seen(vec![Ok(10), Ok(15), Ok(15), Ok(17), Err(Fault::Failed), Ok(3), Ok(9)]);
        assert_eq!(counters.len(), 1, "an estimate and a power sensor are no counters: {counters:?}");
        let counter = &counters[0];
        assert_eq!((counter.domain.id.as_str(), counter.reads, counter.changes), ("GPU-1", 7, 4));
        assert_eq!(counter.smallest_step_uj, Some(2_000), "the fall from 17 to 3 is no step");
        assert_eq!(counter.read_cpu_ns, Some(3_000), "9 µs for three sensors");
    }

    #[test]
    fn counter_that_does_not_count_is_seen_as_still() {
        let still = &seen(vec![Ok(10), Ok(10), Err(Fault::Unsupported)])[0];
        assert_eq!((still.changes, still.smallest_step_uj, still.is_unsupported), (0, None, true));
        assert_eq!((seen(vec![])[0].read_cpu_ns, seen(vec![])[0].reads), (None, 0));
    }
}

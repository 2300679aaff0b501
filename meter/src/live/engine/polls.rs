//! The engine behind the sampling loop: how often a counter is read depends on what was learned of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2_core::{Component, Domain, EventPool, Timeline};
use eco2_samplers::clock::Clock;
use eco2_samplers::{Batch, Options, Roots, Source, Stepped};

use super::*;

const MS: u64 = 1_000_000;
/// How often the counter changes.
const UPDATE_MS: u64 = 100;

/// 100 W, told every `UPDATE_MS`; counts the reads that saw something new.
struct Slow {
    domains: Vec<Domain>,
    begun_ns: u64,
    last: u64,
    reads: Arc<[AtomicU64; 2]>,
}

impl Source for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let updates = (batch.now_ns() - self.begun_ns) / (UPDATE_MS * MS);
        self.reads[0].fetch_add(1, Ordering::Relaxed);
        self.reads[1].fetch_add(updates - self.last, Ordering::Relaxed);
        assert!(updates - self.last <= 1, "an update was slept through");
        self.last = updates;
        batch.one(0, || Ok(updates * UPDATE_MS * 100_000));
    }
}

/// The first value is as old as nobody knows, which is no part of a period: else a machine that is up for hours would have
/// its slow counters read hours later.
#[test]
fn a_slow_counter_is_read_about_twice_an_update_however_long_the_machine_is_up() {
    let (_pool, rings) = EventPool::new(1, 64);
    let Timeline { writer, .. } = Timeline::new(4, 8).unwrap();
    let hot = HotClock::new(Clock::Monotonic, &Roots { procfs: "/none".into(), ..Roots::default() });
    let engine = Engine::new(rings, hot, Publisher::new(writer, 4));
    let begun_ns = engine.ledger.opened_ns() + 36_000_000 * MS;
    let now = Arc::new(AtomicU64::new(begun_ns));
    let reads = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let domains = vec![Domain::counter("slow", Component::Other, "board", "slow")];
    let source = Slow { domains, begun_ns, last: 0, reads: Arc::clone(&reads) };
    let options = Options { clock: Clock::Scripted(Arc::clone(&now)), ..Options::default() };
    let mut sampling = Stepped::new(vec![Box::new(source)], Box::new(engine), &options);
    let mut until = |ms: u64| {
        while sampling.next_ns() <= begun_ns + ms * MS {
            let next_ns = sampling.next_ns();
            now.store(next_ns, Ordering::Relaxed);
            sampling.step(next_ns, 0);
        }
        [reads[0].swap(0, Ordering::Relaxed), reads[1].swap(0, Ordering::Relaxed)]
    };
    // Polled at first, every 10 ms.
    assert!(until(1_000)[0] > 50);
    let [read, seen] = until(61_000);
    assert!((599..=601).contains(&seen), "{seen} of 600 updates seen");
    assert!(read < 3 * 600, "{read} reads of 600 updates");
}

//! The engine fed by hand: steps from the rings, events and their number, and how often a slow counter is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2_core::{Component, Domain, EventPool, Gauge, Producer, Reading, Timeline};
use eco2_samplers::clock::Clock;
use eco2_samplers::schedule::Demand;
use eco2_samplers::{Batch, Options, Roots, Sink as _, Source, SourceEvent, Stepped};

use super::*;
use crate::run::curves::Curves;
use crate::run::episodes::episode_records;

const MS: u64 = 1_000_000;

/// An engine without counters; the ticks of its clock are nanoseconds.
fn bare(rings: EventConsumer) -> Engine {
    let Timeline { writer, .. } = Timeline::new(4, 8).unwrap();
    let clock = HotClock::new(Clock::Monotonic, &Roots { procfs: "/none".into(), ..Roots::default() });
    Engine::new(rings, clock, Publisher::new(writer, 4))
}

/// An engine with one counter and one thread that steps; the clock's ticks are nanoseconds.
struct Fixture {
    engine: Engine,
    steps: Producer,
    name: NameId,
    opened_ns: u64,
    /// Keeps the thread's ring alive.
    _pool: EventPool,
}

impl Fixture {
    fn new() -> Self {
        let (pool, rings) = EventPool::new(1, 64);
        let mut engine = bare(rings);
        engine.domains(0, &[Domain::counter("GPU-1", Component::Gpu, "board", "test")]);
        let (opened_ns, name) = (engine.ledger.opened_ns(), engine.ledger.intern(STEP));
        let steps = pool.claim().unwrap();
        ticked(&mut engine, opened_ns);
        Self { engine, steps, name, opened_ns, _pool: pool }
    }
}

/// Ends a tick and begins the next one.
fn ticked(engine: &mut Engine, at_ns: u64) {
    engine.tick(at_ns);
    engine.look(at_ns, &mut Demand::default());
}

/// Events of which alerts are made, so far.
fn alerted(engine: &Engine) -> Vec<(String, String)> {
    let alerted = engine.events.iter().filter(|event| event.event_kind().is_some_and(EventKind::is_alert));
    alerted.map(|event| (event.kind.clone(), event.device.clone())).collect()
}

#[test]
fn k13_stalls_heat_and_xids_are_events_of_alerts_when_they_happen() {
    let Fixture { mut engine, mut steps, name, opened_ns, _pool } = Fixture::new();
    let gauge = |name: &str, value: f64| Gauge { device: "GPU-1".into(), name: name.into(), unit: "1".into(), value };
    // A step a second until 10 s, and none after; hot from 12 s to 14 s, and again from 20 s on.
    for second in 0..30 {
        let at_ns = opened_ns + second * 1_000 * MS;
        let hot = (12..14).contains(&second) || second >= 20;
        engine.gauges(at_ns, &[gauge("throttle_reasons", if hot { 64.0 } else { 0.0 })]);
        if second <= 10 {
            assert!(steps.step(name.0, at_ns, false));
        }
        if second == 25 {
            let (device, text) = ("GPU-1".to_owned(), "XID 79: GPU has fallen off the bus".to_owned());
            engine.note(SourceEvent { at_ns, kind: EventKind::Xid, device, text });
        }
        ticked(&mut engine, at_ns);
    }
    let expected = [("hot", "GPU-1"), ("stalled", ""), ("hot", "GPU-1"), ("xid", "GPU-1")];
    assert_eq!(alerted(&engine), expected.map(|(kind, device)| (kind.to_owned(), device.to_owned())));
    let at: Vec<u64> = engine.events.iter().map(|event| event.at / 1_000 / MS).collect();
    assert_eq!(at, [12, 16, 20, 25], "five usual steps after the last one");
}

#[test]
fn k10_progress_has_the_time_of_its_step_and_not_of_the_tick() {
    let (pool, rings) = EventPool::new(2, 64);
    let mut engine = bare(rings);
    let opened_ns = engine.ledger.opened_ns();
    let [step, micro] = ["step", "micro"].map(|name| engine.ledger.intern(name).0);
    let [mut one, mut two] = [(), ()].map(|()| pool.claim().unwrap());
    ticked(&mut engine, opened_ns);
    assert_eq!(engine.own_steps.progress(), None);
    for ms in [10, 20, 30] {
        assert!(one.step(micro, opened_ns + ms * MS, false) && one.step(micro, opened_ns + (ms + 1) * MS, false));
        assert!(one.step(step, opened_ns + (ms + 1) * MS, false));
    }
    assert!(two.step(step, opened_ns + 35 * MS, false));
    ticked(&mut engine, opened_ns + 100 * MS);
    let expected = Progress { from_ns: opened_ns, done: 3, at_ns: opened_ns + 31 * MS };
    assert_eq!(engine.own_steps.progress(), Some(expected));
    assert!(!engine.own_steps.on_one_thread());
}

#[test]
fn a_step_that_does_not_come_is_an_event_with_its_energy() {
    let Fixture { mut engine, mut steps, name, opened_ns, _pool } = Fixture::new();
    for (step, ms) in [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 9_900, 10_000].into_iter().enumerate() {
        // 100 W; the clock's ticks are nanoseconds.
        let at_ns = opened_ns + ms * MS;
        engine.readings(
            0,
            &[(0, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(ms * 100_000) })],
            &mut Vec::new(),
        );
        // Some end steps and begin the next, others only end what they began.
        let recorded = if step == 0 {
            steps.begin(name.0, opened_ns, false)
        } else {
            steps.step(name.0, opened_ns + ms * MS, false)
        };
        assert!(recorded);
        engine.drain();
    }
    let account = engine.account(opened_ns + 10_000 * MS);
    let (spells, events) = episode_records(&engine.episodes, &account, &Curves::of(&engine.ledger, &account), false);
    assert_eq!((spells[0].count, spells[0].duration_ns), (1, 8_900 * MS));
    assert_eq!((events[0].kind.as_str(), events[0].at), ("stalled", 1_000 * MS));
    let uj = spells[0].energy_uj.unwrap();
    assert!(uj.abs_diff(890_000_000) < 10_000_000, "{uj}");
}

/// How often the counter changes.
const UPDATE_MS: u64 = 100;

/// 100 W, episode_records every `UPDATE_MS`; counts the reads that saw something new.
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
        self.reads[1].fetch_add(u64::from(updates > self.last), Ordering::Relaxed);
        self.last = updates;
        batch.one(0, || Ok(updates * UPDATE_MS * 100_000));
    }
}

/// The first value's age is unknown, so it must not enter the period: on a machine that is up for hours, slow counters would
/// otherwise be read hours later.
#[test]
fn a_slow_counter_is_read_once_a_second_however_long_the_machine_is_up() {
    let (_pool, rings) = EventPool::new(1, 64);
    let engine = bare(rings);
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
    // Polled until its first update, every 10 ms.
    let [read, seen] = until(1_000);
    assert!((5..=15).contains(&read) && seen >= 1, "{read} {seen}");
    let [read, seen] = until(61_000);
    assert!((59..=61).contains(&read) && read == seen, "{read} reads, {seen} of them of an update");
}

/// An engine with one counter, and when it was opened.
fn engine() -> (Engine, u64) {
    let (_, rings) = EventPool::new(1, 8);
    let mut engine = bare(rings);
    engine.domains(0, &[Domain::counter("GPU-1", Component::Gpu, "board", "test")]);
    let opened_ns = engine.ledger.opened_ns();
    (engine, opened_ns)
}

fn read(engine: &mut Engine, at_ns: u64, raw: u64) {
    engine.readings(0, &[(0, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(raw) })], &mut Vec::new());
}

fn kinds(engine: &Engine) -> Vec<String> {
    engine.all_events().into_iter().map(|event| event.kind).collect()
}

#[test]
fn events_are_listed_by_time_since_the_beginning() {
    let (mut engine, opened_ns) = engine();
    engine.record_event(opened_ns + 50 * MS, EventKind::LabelsContradict, "", String::new());
    ticked(&mut engine, opened_ns + 60 * MS);
    engine.record_event(opened_ns + 90 * MS, EventKind::GpuBack, "", String::new());
    engine.record_event(opened_ns + 70 * MS, EventKind::GpuLost, "", String::new());
    assert_eq!(kinds(&engine), ["labels-contradict", "gpu-lost", "gpu-back"]);
    assert_eq!(engine.all_events().iter().map(|event| event.at / MS).collect::<Vec<_>>(), [0, 10, 30]);
}

#[test]
fn a_counter_that_resets_again_and_again_leaves_room_for_other_events() {
    let (mut engine, opened_ns) = engine();
    for tick in 0..2_000 {
        read(&mut engine, opened_ns + tick * 10 * MS, if tick % 2 == 0 { 1_000 } else { 10 });
    }
    engine.record_event(opened_ns, EventKind::GpuLost, "GPU-2", String::new());
    assert_eq!(kinds(&engine).iter().filter(|kind| *kind == "reset").count(), 10);
    assert!(kinds(&engine).contains(&"gpu-lost".to_owned()));
    assert_eq!(engine.ledger.tracks()[0].counts().resets, 1_000, "all are counted");
}

#[test]
fn d22_spans_that_wait_for_a_silent_counter_are_bounded() {
    let (mut engine, opened_ns) = engine();
    read(&mut engine, opened_ns, 0);
    let name = engine.ledger.intern("kernel");
    for at_ns in (0..3 * MAX_PENDING as u64).map(|span| opened_ns + span * 1_000) {
        engine.ledger.begin(0, name, at_ns, 0);
        engine.ledger.end(0, name, at_ns + 500, 0);
        if at_ns % (10 * MS) < 1_000 {
            ticked(&mut engine, at_ns);
        }
    }
    assert!(engine.ledger.pending() <= MAX_PENDING + 10_000, "{}", engine.ledger.pending());
    assert_eq!(kinds(&engine), ["spans-settled-early"]);
}

#[test]
fn what_follows_a_sleep_is_no_second_reset() {
    let (mut engine, opened_ns) = engine();
    for (at, raw) in [(0, 100), (10, 200), (20, 5), (30, 6)] {
        read(&mut engine, opened_ns + at * MS, raw);
    }
    engine.suspended(opened_ns + 30 * MS, opened_ns + 40 * MS);
    read(&mut engine, opened_ns + 40 * MS, 9);
    assert_eq!(kinds(&engine), ["reset", "suspend"]);
}

/// In a quiet second nothing is drained; 20,000 spans begin and end in it.
#[test]
fn burst_after_quiet_is_measured_as_far_as_there_is_room_and_the_rest_is_counted() {
    let (pool, rings) = EventPool::new(1, 1 << 14);
    let mut engine = bare(rings);
    let (opened_ns, name) = (engine.ledger.opened_ns(), engine.ledger.intern("load"));
    ticked(&mut engine, opened_ns);
    let mut thread = pool.claim().unwrap();
    let mut record = |span: u64| {
        let at_ns = opened_ns + span * 50_000;
        let has_room = thread.begin(name.0, at_ns, false);
        thread.end(name.0, at_ns + 20_000, false);
        has_room
    };
    let measured = (0..20_000).filter(|span| record(*span)).count() as u64;
    assert!((8_000..=8_192).contains(&measured), "{measured} of 16,384 events");
    assert_eq!(pool.dropped(), 20_000 - measured);
    ticked(&mut engine, opened_ns + 1_000 * MS);
    assert!(record(20_000), "there is room again");
    ticked(&mut engine, opened_ns + 1_100 * MS);
    let spans = engine.account(opened_ns + 1_100 * MS).spans;
    // Whole spans: each has its 20 µs.
    assert_eq!((spans[0].count, spans[0].duration_ns), (measured + 1, (measured + 1) * 20_000));
    assert_eq!(engine.ledger.unmatched(), 0);
}

//! Steps that pass through the rings, and one that does not come.

use eco2_core::{Component, Domain, EventPool, Gauge, Producer, Reading, Timeline};
use eco2_samplers::clock::Clock;
use eco2_samplers::{Roots, Sink as _, SourceEvent};

use super::*;
use crate::run::alerts;
use crate::run::curves::Curves;
use crate::run::episodes::told;

const MS: u64 = 1_000_000;

/// An engine with one counter and one thread that steps; the clock's ticks are nanoseconds.
struct Rig {
    engine: Engine,
    steps: Producer,
    name: NameId,
    opened_ns: u64,
    /// Keeps the thread's ring alive.
    _pool: EventPool,
}

impl Rig {
    fn new() -> Self {
        let (pool, rings) = EventPool::new(1, 64);
        let Timeline { writer, .. } = Timeline::new(4, 8).unwrap();
        let clock = HotClock::new(Clock::Monotonic, &Roots { procfs: "/none".into(), ..Roots::default() });
        let mut engine = Engine::new(rings, clock, Publisher::new(writer, 4));
        engine.domains(0, &[Domain::counter("GPU-1", Component::Gpu, "board", "test")]);
        let (opened_ns, name) = (engine.ledger.opened_ns(), engine.ledger.intern(STEP));
        let steps = pool.claim().unwrap();
        engine.tick(opened_ns);
        Self { engine, steps, name, opened_ns, _pool: pool }
    }
}

/// Events of which alerts are made, so far.
fn alerted(engine: &Engine) -> Vec<(String, String)> {
    let alerted = engine.events.iter().filter(|event| alerts::is_told(&event.kind));
    alerted.map(|event| (event.kind.clone(), event.device.clone())).collect()
}

#[test]
fn k13_stalls_heat_and_xids_are_events_of_alerts_when_they_happen() {
    let Rig { mut engine, mut steps, name, opened_ns, _pool } = Rig::new();
    let gauge = |name: &str, value: f64| Gauge { device: "GPU-1".into(), name: name.into(), unit: "1".into(), value };
    // A step a second until 10 s, and none after; hot from 12 s to 14 s, and again from 20 s on.
    for second in 0..30 {
        let at_ns = opened_ns + second * 1_000 * MS;
        let hot = (12..14).contains(&second) || second >= 20;
        engine.gauges(at_ns, &[gauge("throttle_reasons", if hot { 64.0 } else { 0.0 })]);
        if second <= 10 {
            assert!(steps.step(name.index(), at_ns, false));
        }
        if second == 25 {
            let (device, text) = ("GPU-1".to_owned(), "XID 79: GPU has fallen off the bus".to_owned());
            engine.note(SourceEvent { at_ns, kind: "xid", device, text });
        }
        engine.tick(at_ns);
    }
    let expected = [("hot", "GPU-1"), ("stalled", ""), ("hot", "GPU-1"), ("xid", "GPU-1")];
    assert_eq!(alerted(&engine), expected.map(|(kind, device)| (kind.to_owned(), device.to_owned())));
    let at: Vec<u64> = engine.events.iter().map(|event| event.at / 1_000 / MS).collect();
    assert_eq!(at, [12, 16, 20, 25], "five usual steps after the last one");
}

#[test]
fn k10_progress_has_the_time_of_its_step_and_not_of_the_tick() {
    let (pool, rings) = EventPool::new(2, 64);
    let Timeline { writer, .. } = Timeline::new(4, 8).unwrap();
    let clock = HotClock::new(Clock::Monotonic, &Roots { procfs: "/none".into(), ..Roots::default() });
    let mut engine = Engine::new(rings, clock, Publisher::new(writer, 4));
    let opened_ns = engine.ledger.opened_ns();
    let [step, micro] = ["step", "micro"].map(|name| engine.ledger.intern(name).index());
    let [mut one, mut two] = [(), ()].map(|()| pool.claim().unwrap());
    engine.tick(opened_ns);
    assert_eq!(engine.own_steps.progress(), None);
    for ms in [10, 20, 30] {
        assert!(one.step(micro, opened_ns + ms * MS, false) && one.step(micro, opened_ns + (ms + 1) * MS, false));
        assert!(one.step(step, opened_ns + (ms + 1) * MS, false));
    }
    assert!(two.step(step, opened_ns + 35 * MS, false));
    engine.tick(opened_ns + 100 * MS);
    let expected = Progress { from_ns: opened_ns, done: 3, at_ns: opened_ns + 31 * MS };
    assert_eq!(engine.own_steps.progress(), Some(expected));
    assert!(!engine.own_steps.on_one_thread());
}

#[test]
fn a_step_that_does_not_come_is_an_event_with_its_energy() {
    let Rig { mut engine, mut steps, name, opened_ns, _pool } = Rig::new();
    for (step, ms) in [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 9_900, 10_000].into_iter().enumerate() {
        // 100 W; the clock's ticks are nanoseconds.
        let at_ns = opened_ns + ms * MS;
        engine.readings(0, &[(0, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(ms * 100_000) })]);
        // Some end steps and begin the next, others only end what they began.
        let recorded = if step == 0 {
            steps.begin(name.index(), opened_ns, false)
        } else {
            steps.step(name.index(), opened_ns + ms * MS, false)
        };
        assert!(recorded);
        engine.drain();
    }
    let account = engine.account(opened_ns + 10_000 * MS);
    let (spells, events) = told(&engine.spells, &account, &Curves::of(&engine.ledger, &account), false);
    assert_eq!((spells[0].count, spells[0].duration_ns), (1, 8_900 * MS));
    assert_eq!((events[0].kind.as_str(), events[0].at), ("stalled", 1_000 * MS));
    let uj = spells[0].energy_uj.unwrap();
    assert!(uj.abs_diff(890_000_000) < 10_000_000, "{uj}");
}

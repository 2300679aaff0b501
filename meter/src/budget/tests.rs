//! Simulated runs with a scripted clock: what the budget decides from readings and steps.

use eco2_core::{Component, Domain, EventPool, Fault, Reading, Timeline};
use eco2_samplers::clock::Clock;
use eco2_samplers::tsc::HotClock;
use eco2_samplers::{Roots, Sink as _};
use jiff::Timestamp;

use super::*;
use crate::publish::Publisher;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// A run of one counter whose readings are scripted.
struct Rig {
    engine: Engine,
    keeper: Keeper,
    pricing: Pricing,
    opened_ns: u64,
}

impl Rig {
    fn new(options: &Options, domain: Domain) -> Self {
        let (_pool, rings) = EventPool::new(4, 1 << 12);
        let Timeline { writer, .. } = Timeline::new(4, 8).unwrap();
        let clock = HotClock::new(Clock::Monotonic, &Roots { procfs: "/none".into(), ..Roots::default() });
        let mut engine = Engine::new(rings, clock, Publisher::new(writer, 4));
        engine.domains(0, &[domain]);
        let opened_ns = engine.ledger.opened_ns();
        let pricing = Pricing::resolve(options).unwrap();
        Self { engine, keeper: Keeper::new(options), pricing, opened_ns }
    }

    fn read(&mut self, after_ns: u64, value: Result<u64, Fault>) {
        let at_ns = self.opened_ns + after_ns;
        self.engine.readings(0, &[(0, Reading { before_ns: at_ns, after_ns: at_ns, value })]);
        self.engine.tick(at_ns);
    }

    fn look(&mut self, after_ns: u64, closed: bool, asks: Asks) -> Vec<Spent> {
        let account = self.engine.account(self.opened_ns + after_ns);
        let when = When::new(Timestamp::UNIX_EPOCH, account.end_ns - account.begin_ns);
        let (engine, pricing) = (&self.engine, &self.pricing);
        let looked = Looked { engine, account: &account, pricing, when: &when, closed, asks };
        self.keeper.assess(&looked).map_or_else(Vec::new, |budget| budget.limits)
    }
}

fn limited(joules: f64) -> Options {
    let mut options = Options { zone: Some("DE".to_owned()), ..Options::default() };
    options.budget.max_energy_kwh = Some(joules / 3.6e6);
    options
}

fn counter() -> Domain {
    Domain::counter("GPU-1", Component::Gpu, "board", "test")
}

/// 100 W, read every 10 ms, until the counter dies.
fn hundred_watts(rig: &mut Rig, until_ns: u64) {
    for at in (0..=until_ns).step_by(10 * MS as usize) {
        rig.read(at, Ok(at / 10));
    }
}

#[test]
fn k10_a_counter_that_died_is_never_go_and_stops_only_a_strict_budget() {
    for strict in [false, true] {
        let mut options = limited(300.0);
        options.budget.strict = strict;
        let mut rig = Rig::new(&options, counter());
        hundred_watts(&mut rig, 1_410 * MS);
        let alive = rig.look(1_410 * MS, false, Asks::Program)[0];
        assert_eq!((alive.decision, alive.spent), (Decision::Go, Some(141e6)), "{alive:?}");
        assert!(alive.high.is_some_and(|high| (141e6..142e6).contains(&high)), "{alive:?}");
        for tenth in 142..200 {
            rig.read(tenth * 10 * MS, Err(Fault::Failed));
            let dead = rig.look(tenth * 10 * MS, false, Asks::Program)[0];
            let expected = if strict { Decision::Stop } else { Decision::Warn };
            assert_eq!((dead.spent, dead.high, dead.decision), (Some(141e6), None, expected), "{dead:?}");
        }
        let over = rig.look(2 * S, true, Asks::Nobody)[0];
        assert!(over.decision >= Decision::Warn && over.high.is_none(), "{over:?}");
    }
}

#[test]
fn k10_one_dead_counter_of_two_opens_the_sum() {
    let mut rig = Rig::new(&limited(1_000.0), counter());
    rig.engine.domains(0, &[counter(), Domain::counter("GPU-2", Component::Gpu, "board", "test")]);
    for at in (0..=1_000).step_by(10) {
        let at_ns = rig.opened_ns + at * MS;
        let value = if at < 500 { Ok(at * 50_000) } else { Err(Fault::Lost) };
        rig.engine.readings(0, &[(1, Reading { before_ns: at_ns, after_ns: at_ns, value })]);
        rig.read(at * MS, Ok(at * 100_000));
    }
    let found = rig.look(S, false, Asks::Program)[0];
    assert_eq!((found.spent, found.high, found.decision), (Some(124_500_000.0), None, Decision::Warn), "{found:?}");
}

#[test]
fn k10_nothing_measured_is_never_go() {
    let mut rig = Rig::new(&limited(300.0), counter());
    rig.read(0, Err(Fault::Denied));
    let found = rig.look(S, false, Asks::Program)[0];
    assert_eq!((found.spent, found.low, found.high, found.decision), (None, Some(0.0), None, Decision::Warn));
}

#[test]
fn held_back_is_ceiling_power_until_the_next_look_and_the_largest_step() {
    // A ceiling of 300 W; looks every 100 ms, at 100 W: 30 J until the next one, 10 J for the largest step, and what was
    // used since the last update at the ceiling: 10 ms of it.
    let mut rig = Rig::new(&limited(1_000.0), Domain { max_uw: Some(300_000_000), ..counter() });
    for look in 1..=20 {
        for tick in 0..10 {
            let at = ((look - 1) * 100 + tick * 10) * MS;
            rig.read(at, Ok(at / 10));
        }
        rig.look(look * 100 * MS, false, Asks::Program);
    }
    let found = rig.look(2_000 * MS, false, Asks::Nobody)[0];
    // The last update was 5 to 10 ms ago, at 300 W; steps count whole updates of 1 J.
    assert!((41.5e6..=45e6).contains(&found.held), "{found:?}");
}

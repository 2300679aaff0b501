//! A schedule with a fixed interval, against scripted clocks and simulated counters. Sampling on demand: `on_demand`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use eco2_core::{Component, Domain, Ledger, Reading, Track};
use eco2_samplers::schedule::{Demand, Learned, Pace, Schedule, SourceAnswer, longest_interval_ns};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn counter() -> Domain {
    Domain::counter("gpu-0", Component::Gpu, "board", "test")
}

fn reading(at_ns: u64, raw: u64) -> [(usize, Reading); 1] {
    [(0, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(raw) })]
}

/// Returns the instants at which a schedule reads a source until `until_ns`; `raw` is its value then.
fn read(pace: Pace, domains: &[Domain], until_ns: u64, raw: impl Fn(u64) -> u64) -> Vec<u64> {
    let mut schedule = Schedule::new(pace, 0);
    schedule.domains(0, domains);
    let (mut track, mut reads) = (Track::new(domains[0].clone()), Vec::new());
    while schedule.next_ns() <= until_ns {
        let now = schedule.next_ns();
        schedule.wake(now, &Demand::default());
        schedule.gauges_due();
        if schedule.plan(0) {
            let readings = reading(now, raw(now));
            track.push(&readings[0].1);
            let change_ns = track.last_change_ns();
            let learned = change_ns.map(|change_ns| Learned { domain: 0, change_ns, period: track.precise_period() });
            schedule.was_read(0, SourceAnswer::Given(&readings), learned.as_slice());
            reads.push(now);
        }
    }
    reads
}

/// Reads a regular counter for `seconds`.
fn polled(interval_ns: u64, period_ns: u64, seconds: u64, domains: &[Domain]) -> Vec<u64> {
    read(Pace::Fixed(interval_ns), domains, seconds * S, |now| now / period_ns)
}

#[test]
fn a_fixed_interval_is_a_grid_of_absolute_instants_whatever_is_learned() {
    for period_ns in [MS, 100 * MS] {
        let reads = polled(10 * MS, period_ns, 2, &[counter()]);
        assert_eq!(reads, (0..=200).map(|i| i * 10 * MS).collect::<Vec<_>>());
    }
    assert_eq!(polled(S, 100 * MS, 60, &[counter()]).len(), 61, "--interval 1s means a read a second");
}

#[test]
fn a_counter_is_read_four_times_in_the_shortest_time_in_which_it_can_wrap() {
    let mut domain = counter();
    // 65.5 kJ at 300 W: 218 s.
    (domain.range, domain.max_uw) = (Some(65_536_000_000), Some(300_000_000));
    assert_eq!(longest_interval_ns(&domain), Some(54_613_333_333));
    // Without a limit, at what the model can draw, and without that at the class's 800 W or more.
    (domain.max_uw, domain.ceiling_uw) = (None, Some(600_000_000));
    assert_eq!(longest_interval_ns(&domain), Some(27_306_666_666));
    domain.ceiling_uw = None;
    assert!(longest_interval_ns(&domain).is_some_and(|ns| ns < 20_480_000_000));
    // 1 J at 20 W: 50 ms, though a read a second was asked for; on demand, too.
    (domain.range, domain.max_uw) = (Some(1_000_000), Some(20_000_000));
    for pace in [Pace::Fixed(S), Pace::Fixed(10 * MS), Pace::default()] {
        let reads = read(pace, std::slice::from_ref(&domain), 10 * S, |now| now / (100 * MS));
        assert!(reads.windows(2).all(|w| w[1] - w[0] <= 12_500_000), "{pace:?} {reads:?}");
    }
}

#[test]
fn a_counter_of_unknown_power_is_read_four_times_an_observed_wrap() {
    let domain = Domain { range: Some(1_000), ..counter() };
    for pace in [Pace::Fixed(S), Pace::default()] {
        // Wraps every 2.2 s.
        let reads = read(pace, std::slice::from_ref(&domain), 60 * S, |now| now / (2_200 * MS / 1_000) % 1_000);
        let last: Vec<u64> = reads.windows(2).map(|w| w[1] - w[0]).skip(100).collect();
        assert!(last.len() > 20 && last.iter().all(|step| *step <= 550 * MS), "{pace:?} {last:?}");
    }
}

/// What is known of a power whose last change does not matter.
const POWER: [Learned; 1] = [Learned { domain: 0, change_ns: (1, 1), period: None }];

/// Reads a square wave of 1 s between 12 W and 2 W once a second for 20 min.
fn squared(seed: u64) -> (Ledger, Vec<u64>) {
    let domain = Domain { max_uw: Some(15_000_000), ..Domain::power("GPU-1", Component::Gpu, "board", "test") };
    let mut ledger = Ledger::new(0, 1);
    ledger.add_domain(domain.clone());
    let mut schedule = Schedule::new(Pace::Fixed(S), 0).seeded(seed);
    schedule.domains(0, &[domain]);
    let mut reads = Vec::new();
    while schedule.next_ns() <= 1_201 * S {
        let now = schedule.next_ns();
        schedule.wake(now, &Demand::default());
        schedule.gauges_due();
        if schedule.plan(0) {
            let watts = if (now / (S / 2)) % 2 == 0 { 12 } else { 2 };
            let readings = reading(now, watts * 1_000_000);
            ledger.reading(0, &readings[0].1);
            schedule.was_read(0, SourceAnswer::Given(&readings), &POWER);
            reads.push(now);
        }
    }
    (ledger, reads)
}

/// On a grid every reading is of 12 W: 14.4 kJ, of which 8.4 kJ were drawn, and nothing shows that it is wrong.
#[test]
fn k02_power_is_read_at_random_instants_so_that_no_load_hides_behind_the_interval() {
    let mut held = 0;
    for seed in 0..40 {
        let (ledger, reads) = squared(seed);
        assert!((1_201..=1_202).contains(&reads.len()), "one in each interval: {}", reads.len());
        let late: Vec<u64> = reads[1..].iter().map(|at| at % S / (S / 4)).collect();
        let quarters: [usize; 4] = std::array::from_fn(|i| late.iter().filter(|&&quarter| quarter == i as u64).count());
        assert!(quarters.iter().all(|count| (230..=370).contains(count)), "{quarters:?}");
        let device = ledger.account(1_200 * S).devices.remove(0);
        let (low, high) = (device.low_uj.unwrap(), device.high_uj.unwrap());
        held += u32::from((low..=high).contains(&8_400_000_000));
    }
    assert!((34..=40).contains(&held), "{held} of 40 ranges hold the truth");
}

#[test]
fn k02_power_of_a_device_with_a_moving_counter_is_read_on_the_grid() {
    let power =
        Domain { parent: Some("gpu-0".into()), ..Domain::power("gpu-0/power", Component::Gpu, "power", "test") };
    let reads = polled(10 * MS, MS, 2, &[counter(), power.clone()]);
    assert!(reads.iter().skip(3).all(|at| at % (10 * MS) == 0), "{reads:?}");
    let reads = polled(10 * MS, MS, 2, &[power]);
    assert!(reads.iter().filter(|at| *at % (10 * MS) == 0).count() < 3, "{reads:?}");
}

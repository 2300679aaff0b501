//! A counter that contradicts the power of its own device (K5).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::schema::Device;
use eco2_core::{Account, Component, CounterFault, Domain, Fault, Ledger, Quality, RangeKind, Reading, Scale};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// A board at 400 W whose counter shows `percent` of that, read every 100 ms; one span from 1 s to 3 s.
fn board(percent: u64, seconds: u64) -> Account {
    tested_board(percent, seconds, None)
}

/// The same, with the result of an earlier self-test of the counter.
fn tested_board(percent: u64, seconds: u64, self_test: Option<CounterFault>) -> Account {
    let mut ledger = Ledger::new(0, 4);
    let counter = Domain::counter("GPU-1", Component::Gpu, "board", "nvml");
    let counter = Domain { scale: Scale::MILLI, self_test, ..counter };
    let power =
        Domain { parent: Some("GPU-1".into()), ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let (counter, power) = (ledger.add_domain(counter), ledger.add_domain(power));
    let span = ledger.intern("step");
    for tick in 0..=seconds * 10 {
        let at_ns = tick * 100 * MS;
        let reading = |value| Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) };
        // 400 W are 40 J, 40,000 mJ, in 100 ms.
        ledger.reading(counter, &reading(7_000_000 + tick * 400 * percent));
        ledger.reading(power, &reading(400_000_000));
        match at_ns {
            S => ledger.begin(0, span, at_ns, 0),
            at_ns if at_ns == 3 * S => assert!(ledger.end(0, span, at_ns, 0)),
            _ => {}
        }
    }
    ledger.account(seconds * S)
}

fn gpu(account: &Account) -> &Device {
    account.devices.iter().find(|device| device.id == "GPU-1").unwrap()
}

#[test]
fn k05_a_frozen_counter_is_replaced_by_integrated_power() {
    let account = board(0, 4);
    // 400 W × 4 s.
    let device = gpu(&account);
    assert_eq!((device.energy_uj, device.quality), (Some(1_600_000_000), Quality::Derived));
    assert_eq!((account.energy.total_uj, account.energy.derived_uj), (Some(1_600_000_000), 1_600_000_000));
    assert_eq!(account.energy.measured_uj, 0);
    assert_eq!(account.spans[0].by_device["GPU-1"], 800_000_000);
    assert_eq!(account.spans[0].energy_uj, Some(800_000_000));
}

#[test]
fn k05_a_counter_that_is_far_off_its_power_keeps_both_in_its_bounds() {
    // zeus#181: 57 % of the power, for 8 s: 1824 J by the counter, 3200 J by power.
    let account = board(57, 8);
    let device = gpu(&account);
    assert_eq!((device.energy_uj, device.quality), (Some(3_200_000_000), Quality::Derived));
    assert!(device.low_uj.unwrap() <= 1_824_000_000, "{device:?}");
    assert!(device.high_uj.is_none_or(|high| high >= 3_200_000_000), "{device:?}");
    assert_eq!(device.range_kind, Some(RangeKind::Plausible));
    assert!(device.cross_check.as_ref().unwrap().difference_percent < -42.0);
    let span = &account.spans[0];
    assert!(span.low_uj <= 456_000_000 && span.energy_uj == Some(800_000_000), "{span:?}");
}

/// A load of 600 W and 100 W in turn, whose mean of 350 W the counter shows. Its power is read once a second, and by chance
/// more often while it is high: 100 W once in eight readings, so that the integral is 54 % too high.
#[test]
fn k05_power_that_is_read_seldom_contradicts_no_counter() {
    let mut ledger = Ledger::new(0, 4);
    let counter = Domain::counter("GPU-1", Component::Gpu, "board", "nvml");
    let counter = ledger.add_domain(Domain { scale: Scale::MILLI, ..counter });
    let parent = Some("GPU-1".into());
    let power = Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let power = ledger.add_domain(power);
    for second in 0..=8 {
        let reading = |value| Reading { before_ns: second * S, after_ns: second * S, value: Ok(value) };
        ledger.reading(counter, &reading(1_000_000 + second * 350_000));
        ledger.reading(power, &reading(if second == 4 { 100_000_000 } else { 600_000_000 }));
    }
    let device = gpu(&ledger.account(8 * S)).clone();
    assert_eq!((device.energy_uj, device.quality), (Some(2_800_000_000), Quality::Measured), "{device:?}");
    assert!(device.cross_check.unwrap().difference_percent < -30.0);
}

#[test]
fn k05_a_counter_that_agrees_with_its_power_stays_the_value() {
    for (percent, seconds) in [(97, 8), (57, 2)] {
        let account = board(percent, seconds);
        assert_eq!(gpu(&account).quality, Quality::Measured, "{percent} % for {seconds} s");
        assert_eq!(account.energy.total_uj, Some(4_000_000 * percent * seconds));
    }
}

#[test]
fn k05_a_counter_that_failed_a_self_test_gives_way_until_it_is_judged_again() {
    let fault = Some(CounterFault::Contradicted);
    // 400 W for 2 s: too short to be judged by this run alone.
    let account = tested_board(57, 2, fault);
    assert_eq!((gpu(&account).energy_uj, gpu(&account).quality), (Some(800_000_000), Quality::Derived));
    assert_eq!((account.energy.derived_uj, account.events.len()), (800_000_000, 0));
    let judged = tested_board(97, 8, fault);
    assert_eq!((gpu(&judged).energy_uj, gpu(&judged).quality), (Some(3_104_000_000), Quality::Measured));
    let still = tested_board(0, 1, Some(CounterFault::Still));
    assert_eq!((gpu(&still).energy_uj, gpu(&still).quality), (Some(400_000_000), Quality::Derived));
}

#[test]
fn k05_a_counter_that_failed_a_self_test_and_does_not_move_is_missing_not_zero() {
    for (self_test, moves, expected) in [
        (None, false, (Some(0), Quality::Measured)),
        (Some(CounterFault::Still), false, (None, Quality::Missing)),
        (Some(CounterFault::Still), true, (Some(5), Quality::Measured)),
    ] {
        let mut ledger = Ledger::new(0, 4);
        let memory = Domain::counter("dram-0", Component::Memory, "dram", "rapl-sysfs");
        let memory = ledger.add_domain(Domain { self_test, ..memory });
        for (at_ns, uj) in [(0, 7), (100 * MS, if moves { 12 } else { 7 })] {
            ledger.reading(memory, &Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(uj) });
        }
        let account = ledger.account(100 * MS);
        assert_eq!((account.devices[0].energy_uj, account.devices[0].quality), expected);
        assert_eq!(account.energy.total_uj, expected.0);
    }
}

/// What a sensor shows at an instant in milliseconds, and `None` where it is not read.
type Shows<'a> = &'a dyn Fn(u64) -> Option<Result<u64, Fault>>;

/// A board whose counter shows microjoules, and whose power, an average over `average_ns`, is in watts; up to ten
/// readings a second. Also gives whether the power was the source, at each of them.
fn followed(seconds: u64, average_ns: u64, counter: Shows<'_>, watts: Shows<'_>) -> (Account, Vec<bool>) {
    let mut ledger = Ledger::new(0, 4);
    let board = ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "nvml"));
    let power = ledger.add_domain(Domain {
        parent: Some("GPU-1".into()),
        average_ns: Some(average_ns),
        ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml")
    });
    let mut replaced = Vec::new();
    for at_ms in (0..=seconds * 1_000).step_by(100) {
        let at_ns = at_ms * MS;
        let mut read = |domain, value: Option<Result<u64, Fault>>| {
            value.map(|value| ledger.reading(domain, &Reading { before_ns: at_ns, after_ns: at_ns, value }))
        };
        read(board, counter(at_ms));
        read(power, watts(at_ms).map(|watts| watts.map(|watts| watts * 1_000_000)));
        let source = ledger.sources(at_ns)[board];
        assert_eq!(ledger.account(at_ns).sources[board], source, "live and account at {at_ms} ms");
        replaced.push(source == power);
    }
    (ledger.account(seconds * S), replaced)
}

/// 100 W are 100,000 µJ in a millisecond.
fn sound(at_ms: u64) -> Option<Result<u64, Fault>> {
    Some(Ok(at_ms * 100_000))
}

#[test]
fn k05_power_that_fails_is_no_contradiction() {
    let watts = |at_ms| Some(if at_ms < 60_000 { Ok(100) } else { Err(Fault::Failed) });
    let (account, replaced) = followed(100, 0, &sound, &watts);
    let device = gpu(&account);
    assert_eq!((device.energy_uj, device.quality), (Some(10_000_000_000), Quality::Measured));
    assert_eq!((account.events.len(), &device.cross_check), (0, &None));
    assert!(!replaced.contains(&true));
}

#[test]
fn k05_power_that_first_answers_late_is_no_contradiction() {
    let watts = |at_ms| Some(if at_ms < 90_000 { Err(Fault::Failed) } else { Ok(100) });
    let (account, replaced) = followed(100, 0, &sound, &watts);
    assert_eq!((gpu(&account).energy_uj, account.events.len()), (Some(10_000_000_000), 0));
    assert!(!replaced.contains(&true));
}

#[test]
fn k05_sensors_found_late_in_a_run_do_not_contradict_by_lag_alone() {
    // Both are read for the last 2 s of 100 s, and the power sensor shows the load a second late.
    let counter = |at_ms| if at_ms < 98_000 { None } else { sound(at_ms) };
    let watts = |at_ms| (at_ms >= 98_000).then_some(Ok(if at_ms < 99_000 { 0 } else { 100 }));
    let (account, replaced) = followed(100, 0, &counter, &watts);
    assert_eq!((gpu(&account).quality, account.events.len()), (Quality::Measured, 0), "{account:?}");
    assert!(!replaced.contains(&true));
    // A counter that shows twice the power still contradicts it 5 s after both were found.
    let doubled = |at_ms| if at_ms < 90_000 { None } else { Some(Ok(at_ms * 200_000)) };
    let steady = |at_ms| (at_ms >= 90_000).then_some(Ok(100));
    let (account, replaced) = followed(100, 0, &doubled, &steady);
    assert_eq!(gpu(&account).quality, Quality::Derived);
    assert_eq!(replaced.iter().position(|&is| is), Some(950));
}

#[test]
fn k05_sensors_that_are_only_late_do_not_contradict_each_other() {
    // Once a second, and the first time after one: 4 s are integrated until 5.9 s.
    let seldom = |at_ms: u64| (at_ms > 0 && at_ms % 1_000 == 0).then_some(Ok(100));
    let stepwise = |at_ms: u64| sound(at_ms / 1_000 * 1_000);
    for (average_ns, counter, watts) in [
        (0, &sound as Shows<'_>, &seldom as Shows<'_>),
        (S, &sound, &seldom),
        (S, &stepwise, &seldom),
        (S, &stepwise, &|_| Some(Ok(100))),
    ] {
        let (account, replaced) = followed(20, average_ns, counter, watts);
        assert_eq!((gpu(&account).quality, account.events.len()), (Quality::Measured, 0), "{account:?}");
        assert!(!replaced.contains(&true));
    }
    // One that counts 57 % still contradicts, as soon as 5 s are over.
    let (account, replaced) = followed(6, S, &|at_ms| Some(Ok(at_ms * 57_000)), &|_| Some(Ok(100)));
    assert_eq!((gpu(&account).quality, account.events.len()), (Quality::Derived, 1));
    assert_eq!(replaced.iter().position(|&is| is), Some(50));
}

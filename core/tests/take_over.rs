//! Sensors that die in mid-run, and what counts their device from then on (K5, decision 10).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::schema::Device;
use eco2_core::{Account, Component, Domain, Fault, Ledger, Quality, RangeKind, Reading, Scale};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const TICK: u64 = 100 * MS;

/// What a counter does at an instant, given how many microjoules its device has drawn.
type Counter<'a> = &'a dyn Fn(u64, u64) -> Result<u64, Fault>;

/// A board at `watts`, read every 100 ms for `seconds`; a span of each second.
fn board(watts: u64, seconds: u64, counter: Counter<'_>) -> (Account, Vec<String>, Vec<u64>) {
    let mut ledger = Ledger::new(0, 64);
    let domain = Domain { max_uw: Some(700_000_000), ..Domain::counter("GPU-1", Component::Gpu, "board", "nvml") };
    let parent = Some("GPU-1".to_owned());
    let power = Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let (board, power) = (ledger.add_domain(domain), ledger.add_domain(power));
    let step = ledger.intern("second");
    let mut levels = Vec::new();
    for tick in 0..=seconds * 10 {
        let at_ns = tick * TICK;
        let reading = |value| Reading { before_ns: at_ns, after_ns: at_ns, value };
        ledger.reading(board, &reading(counter(at_ns, 5_000_000 + watts * 100_000 * tick)));
        ledger.reading(power, &reading(Ok(watts * 1_000_000)));
        if at_ns % S == 0 {
            ledger.step(0, step, at_ns, 0);
        }
        levels.push(ledger.last_knot(board).unwrap().uj);
    }
    let kinds = ledger.take_notices(board).iter().map(|notice| notice.kind.event_kind().name().to_owned()).collect();
    (ledger.account(seconds * S), kinds, levels)
}

fn gpu(account: &Account) -> &Device {
    account.devices.iter().find(|device| device.id == "GPU-1").unwrap()
}

fn assert_near(uj: Option<u64>, right: u64) {
    let uj = uj.unwrap();
    assert!(uj.abs_diff(right) <= right / 50, "{uj} of {right}");
}

#[test]
fn k05_a_counter_that_stops_in_mid_run_is_followed_by_its_power() {
    // 300 W for 10 s; the counter is frozen from 4 s on.
    let (account, kinds, levels) = board(300, 10, &|at_ns, uj| Ok(if at_ns <= 4 * S { uj } else { 1_205_000_000 }));
    let device = gpu(&account);
    assert_near(device.energy_uj, 3_000_000_000);
    assert_eq!((device.quality, device.range_kind), (Quality::Derived, Some(RangeKind::Plausible)));
    // Of each quality what it counted: 1200 J and 1800 J.
    assert_near(Some(account.energy.measured_uj), 1_200_000_000);
    assert_near(Some(account.energy.derived_uj), 1_800_000_000);
    assert_eq!(account.energy.measured_uj + account.energy.derived_uj, account.energy.total_uj.unwrap());
    assert_eq!(account.energy.total_uj, device.energy_uj);
    // Whatever the load did: what the counter has counted, and at most its limit from then on.
    assert!(device.free_low_uj.unwrap() <= 1_200_000_000, "{device:?}");
    assert_eq!((device.coverage, device.gaps.len()), (1.0, 0));
    let span = &account.spans[0];
    assert_near(span.energy_uj, 3_000_000_000);
    assert!(span.low_uj <= 3_000_000_000 && span.free_low_uj <= 1_200_000_000, "{span:?}");
    assert_eq!(kinds, ["sensor-replaced"]);
    assert!(levels.windows(2).all(|pair| pair[0] <= pair[1]), "what is published never falls");
}

#[test]
fn k05_a_counter_that_fails_for_good_is_followed_by_its_power() {
    let failing = |at_ns, uj| if at_ns <= 4 * S { Ok(uj) } else { Err(Fault::Failed) };
    let (account, kinds, _) = board(300, 10, &failing);
    let device = gpu(&account);
    assert_near(device.energy_uj, 3_000_000_000);
    assert!(device.high_uj.is_some(), "{device:?}");
    assert_eq!((device.coverage, kinds), (1.0, vec!["sensor-replaced".to_owned()]));
    assert_near(Some(account.energy.derived_uj), 1_800_000_000);
}

#[test]
fn k05_a_counter_that_restarts_counts_from_there_and_nothing_twice() {
    // Lost from 2 s to 5 s, then from 0 again.
    let counter = |at_ns: u64, uj: u64| match at_ns {
        _ if at_ns <= 2 * S => Ok(uj),
        _ if at_ns < 5 * S => Err(Fault::Lost),
        _ => Ok((at_ns - 5 * S) * 300 / 1_000),
    };
    let (account, kinds, levels) = board(300, 8, &counter);
    let device = gpu(&account);
    assert_near(device.energy_uj, 2_400_000_000);
    assert_near(Some(device.replaced[0].energy_uj), 900_000_000);
    assert_eq!((device.replaced.len(), kinds), (1, ["sensor-replaced", "sensor-returned"].map(str::to_owned).to_vec()));
    assert!(device.high_uj.unwrap() < 2_800_000_000, "the gap is none any more: {device:?}");
    assert_near(account.spans[0].energy_uj, 2_400_000_000);
    assert!(levels.windows(2).all(|pair| pair[0] <= pair[1]));
}

#[test]
fn k05_a_counter_that_was_only_late_is_believed() {
    // Unreadable from 2 s to 5 s, and counting on meanwhile: 10 % more than its power showed.
    let counter = |at_ns: u64, uj: u64| {
        let more = at_ns.clamp(2 * S, 5 * S) - 2 * S;
        if (2 * S + 1..5 * S).contains(&at_ns) { Err(Fault::Failed) } else { Ok(uj + more * 30 / 1_000) }
    };
    let (account, kinds, _) = board(300, 8, &counter);
    let device = gpu(&account);
    assert_near(device.energy_uj, 2_490_000_000);
    assert_eq!((device.quality, device.replaced.len()), (Quality::Measured, 0));
    assert_eq!(kinds, ["sensor-replaced", "sensor-returned"]);
}

#[test]
fn k05_spans_that_a_deputy_counted_get_the_energy_of_a_counter_that_was_only_late() {
    // As above: 330 W from 2 s to 5 s and 300 W else, while its power shows 300 W all the time.
    let right = |from_ns: u64, to_ns: u64| {
        let late_ns = to_ns.clamp(2 * S, 5 * S) - from_ns.clamp(2 * S, 5 * S);
        (to_ns - from_ns) * 3 / 10 + late_ns * 3 / 100
    };
    let mut ledger = Ledger::new(0, 64);
    let domain = Domain { max_uw: Some(700_000_000), ..Domain::counter("GPU-1", Component::Gpu, "board", "nvml") };
    let parent = Some("GPU-1".to_owned());
    let power = Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let (board, power) = (ledger.add_domain(domain), ledger.add_domain(power));
    let step = ledger.intern("step");
    ledger.bin_steps(step);
    // Within, into, out of, around and before the part, in ticks; the last name has three spans.
    let spans = [("within", 31, 42), ("into", 11, 35), ("out", 41, 66), ("around", 7, 71), ("before", 3, 9)];
    let spans = [&spans[..], &[("three", 21, 28), ("three", 33, 36), ("three", 44, 60)]].concat();
    let at = |tick: u64| tick * TICK - TICK / 3;
    for tick in 0..=82 {
        for (thread, (name, from, to)) in spans.iter().enumerate() {
            let name = ledger.intern(name);
            if *from == tick {
                ledger.begin(1 + thread, name, at(tick), 0);
            } else if *to == tick {
                ledger.end(1 + thread, name, at(tick), 0);
            }
        }
        if tick > 0 && tick % 4 == 0 {
            ledger.step(0, step, at(tick), 0);
        }
        let (before_ns, is_lost) = (tick * TICK, (21..50).contains(&tick));
        let value = if is_lost { Err(Fault::Failed) } else { Ok(5_000_000 + right(0, before_ns)) };
        ledger.reading(board, &Reading { before_ns, after_ns: before_ns, value });
        ledger.reading(power, &Reading { before_ns, after_ns: before_ns, value: Ok(300_000_000) });
    }
    let account = ledger.account(8 * S);
    assert_eq!(gpu(&account).replaced.len(), 0);
    for span in &account.spans {
        let own = spans.iter().filter(|(name, ..)| *name == span.name);
        let sum: u64 = own.map(|(_, from, to)| right(at(*from), at(*to))).sum();
        let sum = if span.name == "step" { right(0, at(80)) } else { sum };
        let uj = span.energy_uj.unwrap();
        assert!(uj.abs_diff(sum) <= 10, "{}: {uj} of {sum}", span.name);
        assert!(span.low_uj <= sum && span.high_uj.is_some_and(|high_uj| sum <= high_uj), "{span:?} {sum}");
        assert!(span.free_low_uj <= sum && span.free_high_uj.is_some_and(|high_uj| sum <= high_uj), "{span:?} {sum}");
    }
    assert_eq!(account.spans.len(), 7);
    // Each step of four ticks has a bin of its own.
    let bins = ledger.step_curve(&account).unwrap();
    let with_steps: Vec<usize> = (0..bins.count.len()).filter(|bin| bins.count[*bin] > 0).collect();
    assert_eq!(with_steps.len(), 20);
    for (number, bin) in with_steps.into_iter().enumerate() {
        let start_ns = if number == 0 { 0 } else { at(4 * number as u64) };
        let sum = right(start_ns, at(4 * number as u64 + 4));
        let (uj, low_uj, high_uj) = (bins.energy_uj[bin].unwrap(), bins.low_uj[bin], bins.high_uj[bin].unwrap());
        assert!(
            uj.abs_diff(sum) <= 10 && (low_uj..=high_uj).contains(&sum),
            "{number}: {low_uj} {uj} {high_uj}, {sum}"
        );
    }
}

#[test]
fn k05_a_counter_that_works_is_not_replaced() {
    for counter in [
        // Fails for less than a second, or its board draws nothing to speak of.
        &(|at_ns: u64, uj: u64| if (4 * S..S * 9 / 2).contains(&at_ns) { Err(Fault::Failed) } else { Ok(uj) })
            as Counter<'_>,
        &|_, uj| Ok(uj),
    ] {
        let (account, kinds, _) = board(300, 10, counter);
        assert_eq!((gpu(&account).quality, kinds.len()), (Quality::Measured, 0));
        assert_near(gpu(&account).energy_uj, 3_000_000_000);
    }
    let (account, kinds, _) = board(0, 10, &|_, _| Ok(5_000_000));
    assert_eq!((gpu(&account).energy_uj, kinds.len()), (Some(0), 0));
}

/// A package at 60 W whose counter dies at 3 s; its estimate, 50 W in [20 W, 120 W], is on standby and has values from
/// 3.1 s on.
#[test]
fn k05_a_package_that_dies_is_followed_by_its_estimate() {
    let mut ledger = Ledger::new(0, 4);
    let package = ledger.add_domain(Domain {
        max_uw: Some(200_000_000),
        scale: Scale::MICRO,
        ..Domain::counter("package-0", Component::Cpu, "package", "rapl-sysfs")
    });
    let estimate = ledger.add_domain(Domain {
        quality: Quality::Estimated,
        parent: Some("package-0".to_owned()),
        min_uw: Some(20_000_000),
        max_uw: Some(120_000_000),
        ..Domain::counter("package-0/estimate", Component::Cpu, "package", "model")
    });
    for tick in 0..=100 {
        let at_ns = tick * TICK;
        let reading = |value| Reading { before_ns: at_ns, after_ns: at_ns, value };
        let counted = if tick <= 30 { Ok(6_000_000 * tick) } else { Err(Fault::Gone) };
        ledger.reading(package, &reading(counted));
        // It had counted 5 J at the beginning, until the package was seen to move.
        let estimated = match tick {
            0..2 => Ok(5_000_000 * tick),
            2 => Err(Fault::NotAvailable),
            31.. => Ok(5_000_000 + 5_000_000 * (tick - 30)),
            _ => continue,
        };
        ledger.reading(estimate, &reading(estimated));
    }
    let account = ledger.account(10 * S);
    let device = &account.devices[package];
    // 180 J counted, 350 J estimated.
    assert_near(device.energy_uj, 530_000_000);
    assert_eq!((device.quality, account.energy.total_uj), (Quality::Estimated, device.energy_uj));
    assert_near(Some(account.energy.estimated_uj), 350_000_000);
    // 7 s at 20 W to 120 W.
    assert!(device.low_uj.unwrap().abs_diff(180_000_000 + 140_000_000) < 20_000_000, "{device:?}");
    assert!(device.high_uj.unwrap().abs_diff(180_000_000 + 840_000_000) < 30_000_000, "{device:?}");
    assert!(!account.devices[estimate].is_summed());
}

#[test]
fn k05_where_the_deputy_has_died_too_nothing_is_covered() {
    // 100 W for 100 s: the counter is frozen from 10 s on, and its power fails from 20 s on.
    let mut ledger = Ledger::new(0, 4);
    let board = ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "nvml"));
    let parent = Some("GPU-1".to_owned());
    let power = ledger.add_domain(Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") });
    for tick in 0..=1_000 {
        let at_ns = tick * TICK;
        let reading = |value| Reading { before_ns: at_ns, after_ns: at_ns, value };
        ledger.reading(board, &reading(Ok(10_000_000 * tick.min(100))));
        ledger.reading(power, &reading(if tick <= 200 { Ok(100_000_000) } else { Err(Fault::Failed) }));
    }
    let account = ledger.account(100 * S);
    let device = &account.devices[board];
    // 1 kJ counted, 1 kJ integrated, 80 s not read.
    assert_near(device.energy_uj, 2_000_000_000);
    assert_eq!(account.energy.missing_ns, 80 * S);
    assert_eq!((device.coverage, device.gaps.len()), (0.2, 1));
    assert_eq!((device.gaps[0].from_ns, device.gaps[0].to_ns), (20 * S, 100 * S));
    assert!((device.mean_w.unwrap() - 100.0).abs() < 1.0, "over the time that was read: {device:?}");
}

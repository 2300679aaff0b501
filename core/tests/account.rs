//! What the account sums, where a run begins and ends, and figures at the edge of what integers hold.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod sim;

use eco2_core::{Component, Domain, Fault, GapReason, Kind, Ledger, Reading, Scale, Track};
use sim::{Load, Random, Setup};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn at(ms: u64, value: u64) -> Reading {
    Reading { before_ns: ms * MS, after_ns: ms * MS + 1_000, value: Ok(value) }
}

fn domain(id: &str, component: Component, kind: &str, parent: Option<&str>) -> Domain {
    Domain { parent: parent.map(str::to_owned), ..Domain::counter(id, component, kind, "t") }
}

/// Ids of what is summed when those listed in `read` are read and the others are not.
fn summed(domains: &[Domain], read: &[&str]) -> Vec<String> {
    let mut ledger = Ledger::new(0, 1);
    for domain in domains {
        let index = ledger.add_domain(domain.clone());
        let value = if read.contains(&domain.id.as_str()) { Ok(7) } else { Err(Fault::Failed) };
        ledger.reading(index, &Reading { value, ..at(0, 0) });
    }
    let devices = ledger.account(S).devices;
    devices.iter().filter(|device| device.is_summed() && device.energy_uj.is_some()).map(|d| d.id.clone()).collect()
}

#[test]
fn m09_memory_is_no_part_of_the_package_that_is_its_parent_in_the_tree_of_names() {
    let domains = [
        domain("package-0", Component::Cpu, "package", None),
        domain("dram-0", Component::Memory, "dram", Some("package-0")),
        domain("GPU-1", Component::Gpu, "board", None),
        domain("hbm-1", Component::Memory, "memory", Some("GPU-1")),
    ];
    assert_eq!(summed(&domains, &["package-0", "dram-0", "GPU-1", "hbm-1"]), ["package-0", "dram-0", "GPU-1"]);
}

#[test]
fn m27_a_module_is_summed_only_where_nothing_within_it_is_read() {
    let linked = [
        domain("module-0", Component::Other, "module", None),
        domain("GPU-1", Component::Gpu, "board", Some("module-0")),
        domain("package-0", Component::Cpu, "package", Some("module-0")),
    ];
    assert_eq!(summed(&linked, &["module-0", "GPU-1", "package-0"]), ["GPU-1", "package-0"]);
    assert_eq!(summed(&linked, &["module-0"]), ["module-0"], "the others gave nothing but failures");
    assert_eq!(summed(&linked[1..], &["GPU-1"]), ["GPU-1"], "a module that is not there hides nothing");
    let unlinked = [linked[0].clone(), domain("GPU-1", Component::Gpu, "board", None)];
    assert_eq!(summed(&unlinked, &["module-0", "GPU-1"]), ["GPU-1"], "a module's parts need not name it");
}

#[test]
fn a_sensor_replaces_a_counter_that_cannot_be_read() {
    let check = Domain { kind: Kind::Power, ..domain("GPU-1/power", Component::Gpu, "power", Some("GPU-1")) };
    let domains = [domain("GPU-1", Component::Gpu, "board", None), check];
    assert_eq!(summed(&domains, &["GPU-1", "GPU-1/power"]), ["GPU-1"]);
    assert_eq!(summed(&domains, &["GPU-1/power"]), ["GPU-1/power"]);
}

#[test]
fn m43_a_device_without_a_reading_leaves_the_total_without_an_upper_bound() {
    let mut ledger = Ledger::new(MS, 1);
    let read = Domain { max_uw: Some(1_000_000), ..domain("package-0", Component::Cpu, "package", None) };
    let index = ledger.add_domain(read);
    ledger.add_domain(domain("GPU-1", Component::Gpu, "board", None));
    for ms in 0..20 {
        ledger.reading(index, &at(ms, ms * 1_000));
    }
    let account = ledger.account(10 * MS);
    assert!(account.devices[0].high_uj.is_some());
    assert_eq!((account.energy.high_uj, account.energy.free_high_uj), (None, None));
    assert_eq!(account.energy.missing_ns, 9 * MS);
}

/// The run's last edge keeps its knots, though 512 and more come after it.
#[test]
fn the_end_of_a_run_is_settled_by_its_own_knots() {
    let mut ledger = Ledger::new(100 * MS, 1);
    let index = ledger.add_domain(domain("package-0", Component::Cpu, "package", None));
    for ms in 0..5_000 {
        if ms == 200 {
            ledger.end_at(200 * MS);
        }
        ledger.reading(index, &at(ms, ms * 1_000));
    }
    assert!(ledger.ended());
    let energy = ledger.account(200 * MS).energy;
    assert_eq!((energy.total_uj, energy.low_uj, energy.high_uj), (Some(100_000), 97_999, Some(102_001)));
}

#[test]
fn a_counter_faster_than_its_polls_is_dated_by_its_readings() {
    // 10 W read once a second: what lies between the first and the last reading is what they differ by.
    let mut ledger = Ledger::new(S, 1);
    let index = ledger.add_domain(domain("package-0", Component::Cpu, "package", None));
    for second in 1..=4 {
        ledger.reading(index, &at(second * 1_000, second * 10_000_000));
    }
    assert_eq!(ledger.account(4 * S).energy.total_uj, Some(30_000_000));
    assert_eq!(ledger.account(3 * S).energy.total_uj, Some(20_000_000));
}

/// After sleep a count starts again, and what it hides is another part of a unit than before.
#[test]
fn m35_a_coarse_counter_that_restarted_is_off_by_one_more_unit() {
    // 1.999 J at first, 2.0 J before sleep, 100.999 J after it, 102.0 J at last: 1.002 J, by whole units 4 - 1.
    let mut ledger = Ledger::new(0, 1);
    let coarse = Domain { scale: Scale::UNIT, ..domain("GPU-1", Component::Gpu, "board", None) };
    let index = ledger.add_domain(coarse);
    for (ms, joules) in [(0, 0), (10, 1), (20, 2), (30, 100), (40, 101), (50, 102), (60, 103)] {
        if ms == 30 {
            ledger.break_segment(None, GapReason::Suspend);
        }
        let reading = at(ms, joules);
        ledger.reading(index, &Reading { after_ns: reading.before_ns, ..reading });
    }
    assert_eq!(ledger.account(51 * MS).energy.low_uj, 1_000_000);
}

#[test]
fn a_span_of_no_time_has_no_energy_and_no_doubt() {
    let mut ledger = Ledger::new(0, 4);
    let index = ledger.add_domain(domain("package-0", Component::Cpu, "package", None));
    let name = ledger.intern("nothing");
    for ms in [0, 10, 20, 30] {
        ledger.reading(index, &at(ms, ms * 1_000));
    }
    for at_ns in [15 * MS, 900 * MS] {
        let mark = ledger.mark(at_ns);
        ledger.close(name, mark, at_ns);
    }
    let span = ledger.account(S).spans.remove(0);
    assert_eq!((span.count, span.energy_uj, span.low_uj, span.high_uj), (2, Some(0), 0, Some(0)));
}

#[test]
fn f42_values_beyond_64_bits_saturate() {
    let mut ledger = Ledger::new(0, 4);
    let name = ledger.intern("all");
    let power = |id: &str| Domain { scale: Scale::UNIT, ..Domain::power(id, Component::Gpu, "board", "t") };
    let counter = |id: &str| domain(id, Component::Cpu, "package", None);
    let marks = [ledger.mark(0), ledger.mark(0)];
    for (index, domain) in [counter("a"), counter("b"), power("c"), power("d")].into_iter().enumerate() {
        let step = if domain.kind == Kind::Power { 0 } else { u64::MAX / 3 };
        ledger.add_domain(domain);
        for (place, time_ns) in [0, 1, u64::MAX - 1, u64::MAX].into_iter().enumerate() {
            let raw = if step == 0 { u64::MAX } else { step * place as u64 };
            ledger.reading(index, &Reading { before_ns: time_ns, after_ns: time_ns, value: Ok(raw) });
        }
    }
    for mark in marks {
        ledger.close(name, mark, u64::MAX);
    }
    let account = ledger.account(u64::MAX);
    assert_eq!((account.energy.total_uj, account.spans[0].energy_uj), (Some(u64::MAX), Some(u64::MAX)));
}

/// Mean error of spans against a counter that keeps time badly, by how late its updates come.
#[test]
fn m23_a_counter_that_keeps_time_badly_is_dated_by_its_brackets() {
    for (jitter_ns, limit) in [(0, 0.01), (2 * MS, 0.02), (10 * MS, 0.03), (25 * MS, 0.035)] {
        let (end, mut random) = (120 * S, Random::new(7));
        let load = Load::square(S, 100_000_000, 700_000_000, end + S);
        let (poll_ns, period_ns) = (10 * MS, 100 * MS);
        let setup = Setup { period_ns, jitter_ns, poll_ns, range: None, unit_uj: 1_000, fail_percent: 0, offset: 7 };
        let mut ledger = Ledger::new(0, 1);
        let index = ledger.add_domain(setup.domain());
        let (mut errors, mut truths, mut from) = (0, 0, 5 * S);
        for reading in setup.readings(&mut random, &load, end) {
            ledger.reading(index, &reading);
            while from + 250 * MS < reading.before_ns.saturating_sub(400 * MS) {
                let (track, to) = (&ledger.tracks()[0], from + 250 * MS);
                let truth = load.uj(to) - load.uj(from);
                errors += (track.at(to, 0).uj - track.at(from, 0).uj).abs_diff(truth);
                truths += truth;
                from = to + random.between(0, 30 * MS);
            }
        }
        let error = errors as f64 / truths as f64;
        println!("{jitter_ns} ns: {:.2} %", error * 100.0);
        assert!(error <= limit, "{jitter_ns} ns: {error}");
    }
}

#[test]
fn gaps_too_many_to_list_are_missing_time_all_the_same() {
    // Every fourth power reading fails for 40 s: 1 000 gaps of 20 ms each, of which 512 are listed.
    let mut ledger = Ledger::new(0, 1);
    let index = ledger.add_domain(Domain::power("GPU-1", Component::Gpu, "board", "t"));
    for tick in 0..4_000 {
        let value = if tick % 4 == 1 { Err(Fault::Failed) } else { Ok(100) };
        ledger.reading(index, &Reading { before_ns: tick * 10 * MS, after_ns: tick * 10 * MS, value });
    }
    let account = ledger.account(39_990 * MS);
    assert_eq!((account.devices[0].gaps.len(), account.energy.missing_ns), (512, 1_000 * 20 * MS));
    let wraps = Domain { range: Some(1_000), max_uw: Some(1_000_000), ..domain("p", Component::Cpu, "package", None) };
    let mut ledger = Ledger::new(0, 1);
    let index = ledger.add_domain(wraps);
    for ms in 0..2_000 {
        ledger.reading(index, &at(ms, ms * 7 % 1_000));
    }
    let account = ledger.account(1_999 * MS);
    assert_eq!(account.devices[0].gaps.len(), 1, "what adjoins is one gap");
    assert_eq!((account.devices[0].coverage, account.energy.high_uj), (0.0, None));
}

#[test]
fn k06_change_by_one_unit_was_seen_between_the_readings_around_it_for_the_schedule() {
    let mut track = Track::new(domain("a", Component::Cpu, "package", None));
    for (ms, value) in [(1_000_000, 500), (1_000_010, 500), (1_000_020, 501), (1_000_030, 501), (1_000_040, 502)] {
        track.push(&at(ms, value));
        let Some((from_ns, to_ns)) = track.last_change_ns() else { continue };
        // Reading is planned by this: with a bracket from the machine's start on, the next read would be hours away.
        assert!(to_ns - from_ns <= 11_000_000, "{from_ns} to {to_ns}");
    }
    assert!(track.last_change_ns().is_some());
}

#[test]
fn k14_model_and_method_of_a_device_are_fields_besides_its_name() {
    let of = |id: &str, component, kind: &str, name: &str, method: Option<&str>| {
        let mut ledger = Ledger::new(0, 1);
        let (name, method) = (name.to_owned(), method.map(str::to_owned));
        ledger.add_domain(Domain { name, method, ..domain(id, component, kind, None) });
        let device = ledger.account(S).devices.remove(0);
        (device.model, device.method)
    };
    let some = |text: &str| Some(text.to_owned());
    let package = |name: &str| of("package-0", Component::Cpu, "package", name, None).0;
    assert_eq!(package("AMD EPYC, package 0"), some("AMD EPYC"));
    assert_eq!(package("Intel(R) Xeon(R) CPU, rev. 2, package 0"), some("Intel(R) Xeon(R) CPU, rev. 2"));
    assert_eq!((package("package 0"), package("package-0"), package("")), (None, None, None));
    assert_eq!(
        of("dram-0", Component::Memory, "dram", "AMD EPYC, dram 0", None).0,
        None,
        "a processor's, not memory's"
    );
    assert_eq!(of("psys", Component::Other, "psys", "platform (psys)", None).0, None);
    let sum = "estimated from TDP 280 W × 2/128 threads";
    let estimate = of("cpu-estimate", Component::Cpu, "package", "AMD EPYC 7763", Some(sum));
    assert_eq!(estimate, (some("AMD EPYC 7763"), some(sum)));
}

//! What the energies of a run are computed from at its end: enough to compute them again, to the microjoule.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::{Account, Component, Domain, Fault, Ledger, Quality, Ranged, Reading, RunEnds, Scale};

const MS: u64 = 1_000_000;

/// A package with a counter that wraps, a board whose counter `board` gives, its power, and an estimate of the memory; read every
/// 100 ms for 8 s, of which the run has the time from 1.23 s to 7.77 s.
fn run(board: impl Fn(u64) -> Result<u64, Fault>) -> (Ledger, u64) {
    let mut ledger = Ledger::new(0, 4);
    let package = Domain::counter("package-0", Component::Cpu, "package", "rapl");
    let package = ledger.add_domain(Domain { range: Some(100_000_000), max_uw: Some(300_000_000), ..package });
    let counter = Domain::counter("GPU-1", Component::Gpu, "board", "nvml");
    let counter = ledger.add_domain(Domain { scale: Scale::MILLI, ..counter });
    let parent = Some("GPU-1".to_owned());
    let power = Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let power = ledger.add_domain(Domain { max_uw: Some(700_000_000), ..power });
    let memory = Domain::counter("memory", Component::Memory, "memory", "model");
    let memory = Domain { quality: Quality::Estimated, min_uw: Some(1_000_000), max_uw: Some(9_000_000), ..memory };
    let memory = ledger.add_domain(memory);
    let (begin_ns, end_ns) = (1_230 * MS, 7_770 * MS);
    for tick in 0..=80 {
        let at_ns = tick * 100 * MS;
        if tick == 13 {
            ledger.restart_at(begin_ns);
        }
        if tick == 78 {
            ledger.end_at(end_ns);
        }
        let reading =
            |value| Reading { before_ns: at_ns + tick % 7, after_ns: at_ns + 1_000 + tick * tick % 11, value };
        // 150 W, so that 100 J pass in two thirds of a second.
        ledger.reading(package, &reading(Ok((7 + tick * 15_000_003) % 100_000_000)));
        ledger.reading(counter, &reading(board(tick)));
        ledger.reading(power, &reading(Ok(400_000_000 + (tick * 37 % 50) * 1_000_000)));
        ledger.reading(memory, &reading(Ok(tick * 500_017)));
    }
    (ledger, end_ns)
}

/// The counts of the run as they are read from a log, compared with its account.
fn checked(ledger: &Ledger, end_ns: u64) -> (RunEnds, Account) {
    let account = ledger.account(end_ns);
    let text = serde_json::to_string(&ledger.run_ends(end_ns)).unwrap();
    let ends: RunEnds = serde_json::from_str(&text).unwrap();
    assert_eq!((ends.begin_ns, ends.end_ns), (account.begin_ns, end_ns));
    let domains: Vec<&Domain> = ledger.tracks().iter().map(|track| track.domain()).collect();
    let overlaps = ends.overlaps(&domains);
    for (at, (device, energy)) in account.devices.iter().zip(ends.energies()).enumerate() {
        let energy = energy.unwrap();
        assert_eq!((energy.limited, energy.free), (device.bounded(), device.free()), "{}", device.id);
        assert_eq!(overlaps[at].as_ref().is_none_or(Vec::is_empty), device.is_summed() || overlaps[at].is_none());
        assert_eq!(overlaps[at].clone().unwrap_or_else(|| device.overlaps.clone()), device.overlaps);
        let times = [ends.begin_ns, ends.end_ns];
        assert!(ends.domains[at].follow_from_changes(domains[at], times), "{:?}", ends.domains[at]);
    }
    (ends, account)
}

#[test]
fn energies_follow_from_the_counts_at_both_ends_to_the_microjoule() {
    let (ledger, end_ns) = run(|tick| Ok(5_000_000 + tick * 41_000));
    let (ends, account) = checked(&ledger, end_ns);
    let package = &ends.domains[0];
    // Between the readings at 7.7 s and 7.8 s: 150 W × 6.54 s, by the counter's steps of 15.000003 J.
    assert!(account.devices[0].energy_uj.unwrap().abs_diff(981_000_000) < 15_000_003, "{package:?}");
    assert_eq!((package.wraps, package.resets), (12, 0));
    let (before, after) = (package.end.before.unwrap(), package.end.after.unwrap());
    assert!(before.at_ns <= end_ns && after.at_ns > end_ns && after.uj - before.uj == 15_000_003, "{package:?}");
    let mut other = package.clone();
    other.end.uj += 1;
    assert!(!other.follow_from_changes(ledger.tracks()[0].domain(), [ends.begin_ns, ends.end_ns]));
    assert!(ends.domains[2].margin_uj > 0, "integrated power is known to a margin");
}

#[test]
fn energy_of_a_contradicted_or_replaced_counter_follows_from_the_counts() {
    // Half of what the power shows.
    let (ledger, end_ns) = run(|tick| Ok(5_000_000 + tick * 20_000));
    let (ends, account) = checked(&ledger, end_ns);
    assert_eq!((ends.domains[1].reported_by, account.devices[1].quality), (Some(2), Quality::Derived));
    assert_eq!(account.devices[1].energy_uj, account.devices[2].energy_uj);
    let (ledger, end_ns) = run(|tick| Ok(5_000_000 + tick.min(40) * 41_000));
    let (ends, _) = checked(&ledger, end_ns);
    assert_eq!(ends.domains[1].replaced, 1, "its power counts from the last change on");
    let (ledger, end_ns) = run(|tick| if tick == 50 { Err(Fault::Lost) } else { Ok(tick % 50 * 41_000) });
    let (ends, account) = checked(&ledger, end_ns);
    assert_eq!(ends.domains[1].resets, account.devices[1].resets);
    assert_eq!(account.devices[1].free_high_uj, None, "what it counted while it was lost is not known");
}

/// The counter cannot be read around an end of the run, while its power counts for it, and then has counted on.
#[test]
fn energy_with_a_part_that_was_dropped_again_follows_from_the_counts() {
    for lost in [5..30, 70..79] {
        let counter = |tick: u64| if lost.contains(&tick) { Err(Fault::Failed) } else { Ok(5_000_000 + tick * 41_000) };
        let (ledger, end_ns) = run(counter);
        let (ends, account) = checked(&ledger, end_ns);
        let (counts, device) = (&ends.domains[1], &account.devices[1]);
        assert_eq!((device.replaced.len(), counts.replaced), (0, 0), "{lost:?}");
        assert!(counts.start.after.is_some() && counts.end.after.is_some(), "{lost:?}: {counts:?}");
        // 41 J in 100 ms, from 1.23 s to 7.77 s, to the width of a reading.
        assert!(device.energy_uj.unwrap().abs_diff(6_540 * 410_000) < 10_000, "{lost:?}: {device:?}");
    }
}

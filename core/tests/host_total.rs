//! Totals of the whole machine (a BMC, `psys`): in no sum, compared with the parts over the time that they cover.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use eco2_core::schema::{HostTotal, State};
use eco2_core::{Component, Domain, Fault, Ledger, Quality, RangeKind, Reading, Scale};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn reading(at_ns: u64, value: Result<u64, Fault>) -> Reading {
    Reading { before_ns: at_ns, after_ns: at_ns, value }
}

fn package(id: &str) -> Domain {
    Domain::counter(id, Component::Cpu, "package", "rapl-perf")
}

fn psys(id: &str) -> Domain {
    Domain::counter(id, Component::Other, "psys", "rapl-perf")
}

fn bmc() -> Domain {
    Domain { scale: Scale::UNIT, ..Domain::power("bmc-1", Component::Other, Domain::HOST, "redfish") }
}

/// Reads a counter of 100 W every 10 ms in these milliseconds.
fn count(ledger: &mut Ledger, domain: usize, from_ms: u64, to_ms: u64) {
    (from_ms..=to_ms).step_by(10).for_each(|ms| {
        ledger.reading(domain, &reading(ms * MS, Ok(ms * 100_000)));
    });
}

fn only(ledger: &Ledger, end_ns: u64) -> HostTotal {
    let mut totals = ledger.host_totals(&ledger.account(end_ns));
    assert_eq!(totals.len(), 1);
    totals.remove(0)
}

/// A BMC answers 5.3 s after the run's start, once a second. 250 W in 54 s are 13,500 J, of which the package used 5,400 J.
#[test]
fn a_late_total_is_compared_with_the_parts_over_its_own_time_and_is_in_no_sum() {
    let mut ledger = Ledger::new(0, 4);
    let (package, bmc) = (ledger.add_domain(package("package-0")), ledger.add_domain(bmc()));
    count(&mut ledger, package, 0, 5_300);
    (0..55).for_each(|second| {
        ledger.reading(bmc, &reading(5_300 * MS + second * S, Ok(250)));
        count(&mut ledger, package, 5_310 + second * 1_000, 6_300 + second * 1_000);
    });
    let account = ledger.account(60 * S);
    assert_eq!((account.energy.total_uj, account.energy.missing_ns), (Some(6_000_000_000), 0));
    assert_eq!(account.state, State::Final, "nothing waits for the next reading of a BMC");
    let total = only(&ledger, 60 * S);
    assert_eq!((total.from_ns, total.to_ns), (5_300 * MS, 59_300 * MS));
    assert_eq!((total.energy_uj, total.parts_uj), (Some(13_500_000_000), Some(5_400_000_000)));
    assert_eq!((total.remainder_uj, total.quality), (Some(8_100_000_000), Quality::Derived));
    // The range of the total, and the counter's own steps of 1 J at both ends.
    let least = i64::try_from(total.low_uj).unwrap() - 5_400_000_000;
    let most = i64::try_from(total.high_uj.unwrap()).unwrap() - 5_400_000_000;
    assert!(total.remainder_low_uj.unwrap().abs_diff(least) < 3_000_000, "{total:?}");
    assert!(total.remainder_high_uj.unwrap().abs_diff(most) < 3_000_000, "{total:?}");
    assert_eq!(total.range_kind, Some(RangeKind::Plausible));
}

#[test]
fn remainder_is_unknown_where_a_part_or_the_total_was_not_read_for_a_while() {
    let run = |parts: &[Domain], bmc_fails_at: Option<u64>| {
        let mut ledger = Ledger::new(0, 1);
        let parts: Vec<(usize, &Domain)> = parts.iter().map(|part| (ledger.add_domain(part.clone()), part)).collect();
        let bmc = ledger.add_domain(bmc());
        for second in 0..=20 {
            for (at, _) in parts.iter().filter(|(_, part)| part.id != "never") {
                count(&mut ledger, *at, second * 1_000, second * 1_000 + 990);
            }
            let value = if bmc_fails_at == Some(second) { Err(Fault::Failed) } else { Ok(250) };
            ledger.reading(bmc, &reading(second * S, value));
        }
        only(&ledger, 20 * S)
    };
    assert_eq!(run(&[package("package-0")], None).remainder_uj, Some(3_000_000_000));
    let unread = run(&[package("package-0"), package("never")], None);
    assert_eq!((unread.remainder_uj, unread.remainder_low_uj), (None, None), "the parts are at least 2,000 J");
    let most = i64::try_from(unread.high_uj.unwrap()).unwrap() - 2_000_000_000;
    assert!(unread.remainder_high_uj.is_some_and(|high| high.abs_diff(most) < 3_000_000), "{unread:?}");
    let gap = run(&[package("package-0")], Some(7));
    assert_eq!((gap.remainder_uj, gap.high_uj, gap.remainder_high_uj), (None, None, None), "the total is at least");
    let alone = run(&[], None);
    assert_eq!((alone.energy_uj, alone.parts_uj, alone.remainder_uj), (Some(5_000_000_000), None, None));
}

#[test]
fn parts_that_show_more_than_the_total_leave_a_negative_remainder() {
    let mut ledger = Ledger::new(0, 1);
    let (platform, package) = (ledger.add_domain(psys("psys")), ledger.add_domain(package("package-0")));
    for ms in (0..=10_100).step_by(10) {
        let read = Reading { before_ns: ms * MS, after_ns: ms * MS + 1_000, value: Ok(ms * 40_000) };
        ledger.reading(platform, &read);
        ledger.reading(package, &reading(ms * MS, Ok(ms * 100_000)));
    }
    let total = only(&ledger, 10 * S);
    assert_eq!((total.energy_uj, total.remainder_uj), (Some(400_000_000), Some(-599_999_900)));
    assert_eq!((total.from_ns, total.to_ns, total.range_kind), (1_000, 10 * S, Some(RangeKind::Hard)));
    assert!(total.high_uj.is_some_and(|high| high < 402_000_000), "{total:?}");
}

#[test]
fn a_bmc_and_a_platform_counter_are_both_shown_and_of_two_platform_counters_no_remainder_is() {
    let mut ledger = Ledger::new(0, 1);
    let all = [package("package-0"), bmc(), psys("psys"), psys("psys-1")].map(|domain| ledger.add_domain(domain));
    for ms in (0..=10_100).step_by(100) {
        for domain in all {
            let value = if domain == all[1] { 250 } else { ms * 100_000 };
            ledger.reading(domain, &reading(ms * MS, Ok(value)));
        }
    }
    let account = ledger.account(10 * S);
    let totals = ledger.host_totals(&account);
    assert_eq!(account.energy.total_uj, Some(1_000_000_000), "none is summed");
    let shown: Vec<_> = totals.iter().map(|total| (total.device.as_str(), total.remainder_uj)).collect();
    assert_eq!(shown, [("bmc-1", Some(1_500_000_000)), ("psys", None), ("psys-1", None)]);
}

#[test]
fn a_start_of_the_run_after_the_first_reading_moves_the_window() {
    let mut ledger = Ledger::new(0, 1);
    let (package, bmc) = (ledger.add_domain(package("package-0")), ledger.add_domain(bmc()));
    ledger.reading(bmc, &reading(S, Ok(250)));
    count(&mut ledger, package, 1_000, 1_500);
    ledger.restart_at(1_500 * MS);
    count(&mut ledger, package, 1_510, 1_990);
    (2..=21).for_each(|second| {
        ledger.reading(bmc, &reading(second * S, Ok(250)));
        count(&mut ledger, package, second * 1_000, second * 1_000 + 990);
    });
    let total = only(&ledger, 21_500 * MS);
    assert_eq!((total.from_ns, total.to_ns, total.energy_uj), (0, 19_500 * MS, Some(4_875_000_000)));
    assert_eq!(total.remainder_uj, Some(4_875_000_000 - 1_950_000_000));
}

/// The package has shown 512 changes since: its energy at the instant of the reading is not known any more.
#[test]
fn a_reading_that_took_too_long_does_not_move_the_window() {
    let mut ledger = Ledger::new(0, 1);
    let (package, bmc) = (ledger.add_domain(package("package-0")), ledger.add_domain(bmc()));
    for second in 0..=20 {
        count(&mut ledger, package, second * 1_000, second * 1_000 + 990);
        ledger.reading(bmc, &reading(second * S, Ok(250)));
    }
    count(&mut ledger, package, 21_000, 40_000);
    ledger.reading(bmc, &reading(21 * S, Ok(250)));
    let total = only(&ledger, 40 * S);
    assert_eq!((total.to_ns, total.parts_uj), (20 * S, Some(2_000_000_000)));
}

#[test]
fn spans_end_without_the_next_reading_of_a_bmc() {
    let mut ledger = Ledger::new(0, 4);
    let (package, bmc) = (ledger.add_domain(package("package-0")), ledger.add_domain(bmc()));
    let step = ledger.intern("step");
    ledger.reading(bmc, &reading(0, Ok(250)));
    ledger.begin(0, step, S, 0);
    ledger.end(0, step, 2 * S, 0);
    count(&mut ledger, package, 0, 2_100);
    assert_eq!((ledger.pending(), ledger.settled(2 * S)), (0, true));
    let _ = bmc;
}

//! The counts at both ends of a run: where they are in the log, and what kept readings show of them.

use super::*;
use eco2_core::{Component, Domain, Ledger, RunEnds};
use eco2_report::check_ends;

const S: u64 = 1_000_000_000;

#[test]
fn d34_counts_at_the_ends_follow_all_readings_and_a_lost_block_is_known() {
    let mut encoder = encoder();
    feed(&mut encoder, &mut Generator::new(Brackets::Shared), 300);
    let ends = RunEnds { begin_ns: 1_000, end_ns: u64::MAX, ..RunEnds::default() };
    encoder.ends(&ends).unwrap();
    encoder.finish(&fixture::report()).unwrap();
    let mut frames = check::split(&encoder.take(Vec::new()));
    let kinds: Vec<u8> = frames.iter().map(|frame| frame[4]).collect();
    let place = kinds.iter().position(|kind| *kind == 11).unwrap();
    assert!(kinds[place + 1..].iter().all(|kind| [7, 8, 10].contains(kind)), "{kinds:?}");
    let whole = parse(&frames.concat()).unwrap();
    assert_eq!((whole.ends, whole.missing_blocks), (Some(ends), 0));
    frames.remove(kinds.iter().position(|kind| *kind == 3).unwrap());
    assert_eq!(parse(&frames.concat()).unwrap().missing_blocks, 1);
}

/// A log of one counter that was read each second for 20 s.
fn log_of_one_counter() -> LogContents {
    let domain = Domain::counter("package-0", Component::Cpu, "package", "rapl");
    let mut ledger = Ledger::new(0, 4);
    let at = ledger.add_domain(domain.clone());
    let reading =
        |second: u64| Reading { before_ns: second * S, after_ns: second * S + 9, value: Ok(second * 7_000_000) };
    for second in 0..20 {
        if second == 18 {
            ledger.end_at(17 * S + S / 2);
        }
        ledger.reading(at, &reading(second));
    }
    let (ends, account) = (ledger.run_ends(17 * S + S / 2), ledger.account(17 * S + S / 2));
    let mut report = Report { devices: account.devices, ..Report::empty(fixture::report().run) };
    report.run.duration_ns = ends.end_ns - ends.begin_ns;
    LogContents {
        domains: [(0, domain)].into(),
        ends: Some(ends),
        final_report: Some(report),
        history: (0..20).map(|second| (0, reading(second))).collect(),
        ..LogContents::default()
    }
}

#[test]
fn d34_readings_contradict_a_count_only_where_the_log_has_all_blocks() {
    let mut log = log_of_one_counter();
    let sound = check_ends(&log).unwrap();
    assert_eq!((sound.figures.differences, sound.exact_devices, sound.confirmed_devices), (vec![], 1, 1));
    // Without the first readings, the count is that since a later one.
    log.history.drain(..5);
    let edited = check_ends(&log).unwrap();
    assert_eq!((edited.figures.differences.len(), edited.not_confirmed.len()), (1, 0), "{edited:?}");
    log.missing_blocks = 1;
    let lost = check_ends(&log).unwrap();
    assert_eq!(
        (lost.figures.differences.len(), lost.not_confirmed.len(), lost.confirmed_devices),
        (0, 1, 0),
        "{lost:?}"
    );
}

#[test]
fn d34_only_a_device_whose_energy_is_exact_is_confirmed() {
    let mut log = log_of_one_counter();
    let device = &mut log.final_report.as_mut().unwrap().devices[0];
    device.energy_uj = device.energy_uj.map(|uj| uj + 3);
    let edited = check_ends(&log).unwrap();
    assert_eq!(
        (edited.figures.differences.len(), edited.exact_devices, edited.confirmed_devices),
        (1, 0, 0),
        "{edited:?}"
    );
    let mut log = log_of_one_counter();
    log.ends.as_mut().unwrap().domains[0].end.before.as_mut().unwrap().uj += 3;
    let edited = check_ends(&log).unwrap();
    assert_eq!((edited.exact_devices, edited.confirmed_devices), (0, 0), "{edited:?}");
}

//! Spans: nested, overlapping, of several threads, late, unmatched, and over a counter that dies.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::schema::{Report, State, StepCurve};
use eco2_core::{Account, Component, Domain, Ledger, Quality, Ranged, Reading};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// A counter at 1 W that is read every 10 ms: a microjoule a microsecond, so energies are durations.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new(0, 16);
    ledger.add_domain(Domain::counter("package-0", Component::Cpu, "package", "t"));
    ledger
}

fn read_until(ledger: &mut Ledger, from_ms: u64, to_ms: u64) {
    for ms in (from_ms..=to_ms).step_by(10) {
        let at = ms * MS;
        ledger.reading(0, &Reading { before_ns: at, after_ns: at, value: Ok(ms * 1_000) });
    }
}

#[test]
fn nested_overlapping_and_parallel_spans_each_get_their_own_time() {
    let mut ledger = ledger();
    read_until(&mut ledger, 0, 100);
    let [outer, inner, across] = ["outer", "inner", "across"].map(|name| ledger.intern(name));
    ledger.begin(0, outer, 100 * MS, 0);
    ledger.begin(0, inner, 150 * MS, 0);
    ledger.begin(0, across, 180 * MS, 0);
    ledger.end(0, inner, 200 * MS, 0);
    ledger.begin(1, inner, 160 * MS, 0);
    ledger.end(0, outer, 300 * MS, 0);
    ledger.end(0, across, 340 * MS, 0);
    ledger.end(1, inner, 190 * MS, 0);
    read_until(&mut ledger, 110, 500);
    let account = ledger.account(400 * MS);
    let of = |name: &str| account.spans.iter().find(|span| span.name == name).unwrap();
    // Knots lie in the middle of their brackets, 5 ms early: the same for both edges.
    assert_eq!((of("outer").energy_uj, of("outer").duration_ns), (Some(200_000), 200 * MS));
    assert_eq!((of("inner").energy_uj, of("inner").count), (Some(50_000 + 30_000), 2));
    assert_eq!(of("across").energy_uj, Some(160_000));
}

#[test]
fn steps_share_their_edges() {
    let mut ledger = ledger();
    let step = ledger.intern("step");
    for ms in (0..=1_000).step_by(10) {
        read_until(&mut ledger, ms, ms);
        if (105..=900).contains(&ms) {
            ledger.step(0, step, ms * MS - 3, 0);
        }
    }
    let account = ledger.account(950 * MS);
    let steps = &account.spans[0];
    // 80 calls are 80 steps; the first began with the run.
    assert_eq!((steps.count, steps.duration_ns), (80, 900 * MS - 3));
    assert_eq!(steps.energy_uj, ledger.account(900 * MS - 3).energy.total_uj);
    let two_edges = 2 * 2 * 10_000 + 4;
    assert!(steps.high_uj.unwrap() - steps.low_uj <= two_edges, "{steps:?}");
}

/// Steps of thread `thread` at these milliseconds, 1 mJ a millisecond.
fn stepped(ledger: &mut Ledger, thread: usize, at_ms: &[u64]) {
    let step = ledger.intern("step");
    at_ms.iter().for_each(|ms| _ = ledger.step(thread, step, ms * MS, 0));
}

fn steps_of(ledger: &Ledger, end_ms: u64) -> (u64, u64, Option<u64>) {
    let account = ledger.account(end_ms * MS);
    let steps = account.spans.iter().find(|span| span.name == "step").cloned().unwrap_or_default();
    (steps.count, steps.duration_ns / MS, steps.energy_uj)
}

#[test]
fn k10_ten_steps_are_ten_and_their_energies_sum_to_the_run() {
    let mut ledger = ledger();
    read_until(&mut ledger, 0, 1_200);
    stepped(&mut ledger, 0, &[100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
    let run = ledger.account(1_000 * MS).energy.total_uj;
    assert_eq!(steps_of(&ledger, 1_200), (10, 1_000, run));
}

#[test]
fn k10_steps_start_where_they_are_started() {
    let mut ledger = ledger();
    read_until(&mut ledger, 0, 1_200);
    let step = ledger.intern("step");
    ledger.start_steps(0, step, 100 * MS, 0);
    stepped(&mut ledger, 0, &[200, 300]);
    // An evaluation until 700 ms is no step.
    ledger.start_steps(0, step, 700 * MS, 0);
    stepped(&mut ledger, 0, &[800]);
    assert_eq!(steps_of(&ledger, 1_200), (3, 300, Some(300_000)));
    assert_eq!(ledger.ended_spans(0, step), 3);
}

#[test]
fn k10_after_an_explicit_end_the_next_step_only_starts() {
    let mut ledger = ledger();
    read_until(&mut ledger, 0, 1_200);
    let step = ledger.intern("step");
    stepped(&mut ledger, 0, &[100, 200]);
    assert!(ledger.end(0, step, 300 * MS, 0) && ledger.step(0, step, 700 * MS, 0).is_none());
    assert_eq!(ledger.step(0, step, 800 * MS, 0), Some(700 * MS));
    assert_eq!(steps_of(&ledger, 1_200), (4, 400, Some(400_000)));
}

#[test]
fn k10_threads_at_one_time_have_a_chain_each_and_one_after_another_share_one() {
    let mut ledger = ledger();
    read_until(&mut ledger, 0, 1_200);
    let step = ledger.intern("step");
    stepped(&mut ledger, 0, &[100, 200, 300]);
    stepped(&mut ledger, 1, &[150, 250]);
    assert_eq!((ledger.ended_spans(0, step), ledger.ended_spans(1, step)), (3, 2));
    assert_eq!(steps_of(&ledger, 1_200), (5, 300 + 250, Some(550_000)));
    // Both end; two others go on where they stopped.
    ledger.abandon(0);
    ledger.abandon(1);
    stepped(&mut ledger, 2, &[400]);
    stepped(&mut ledger, 0, &[450]);
    assert_eq!((ledger.ended_spans(2, step), ledger.ended_spans(0, step)), (4, 3));
    assert_eq!(steps_of(&ledger, 1_200), (7, 400 + 450, Some(850_000)));
    // A thread that has ended by now, but stepped meanwhile, continues none of them.
    ledger.abandon(2);
    stepped(&mut ledger, 3, &[399, 500]);
    assert_eq!(ledger.ended_spans(3, step), 2);
}

#[test]
fn an_end_without_a_start_is_counted_and_ignored() {
    let mut ledger = ledger();
    let name = ledger.intern("a");
    assert!(!ledger.end(0, name, 5, 0));
    assert_eq!(ledger.unmatched(), 1);
    assert!(ledger.account(10).spans.is_empty());
}

#[test]
fn a_dead_counter_holds_no_span_up() {
    let mut ledger = ledger();
    ledger.add_domain(Domain::counter("dram-0", Component::Memory, "dram", "t"));
    read_until(&mut ledger, 0, 100);
    ledger.reading(1, &Reading { before_ns: 0, after_ns: 0, value: Ok(0) });
    let name = ledger.intern("a");
    for step in 10..2_000u64 {
        ledger.begin(0, name, step * 10 * MS, 0);
        read_until(&mut ledger, step * 10, step * 10);
        ledger.end(0, name, step * 10 * MS + MS, 0);
    }
    assert_eq!(ledger.pending(), 1_990);
    ledger.give_up(19_000 * MS);
    assert!(ledger.pending() < 110, "{}", ledger.pending());
    let account = ledger.account(20_000 * MS);
    assert_eq!(account.spans[0].count, 1_990);
    assert_eq!(account.spans[0].high_uj, None, "what the dead counter missed has no upper bound");
}

#[test]
fn sum_over_devices_is_the_total_exactly() {
    let mut ledger = Ledger::new(MS, 16);
    for index in 0..5u64 {
        ledger.add_domain(Domain::counter(&format!("GPU-{index}"), Component::Gpu, "board", "t"));
    }
    for ms in (0..500).step_by(7) {
        for index in 0..5u64 {
            let value = Ok(ms * 1_003 * (index + 1));
            ledger.reading(index as usize, &Reading { before_ns: ms * MS, after_ns: ms * MS + 3, value });
        }
    }
    let account = ledger.account(333 * MS);
    assert_eq!(
        account.devices.iter().filter_map(|device| device.energy_uj).sum::<u64>(),
        account.energy.total_uj.unwrap()
    );
    assert_eq!(Some(account.energy.measured_uj), account.energy.total_uj);
    assert!(account.energy.bounded().is_consistent() && account.energy.high_uj.is_some());
}

#[test]
fn a_domain_that_was_never_read_is_missing_not_zero() {
    let account = ledger().account(MS);
    let device = &account.devices[0];
    assert_eq!((device.energy_uj, device.quality, device.coverage), (None, Quality::Missing, 0.0));
    assert_eq!(account.energy.missing_ns, MS);
}

#[test]
fn a_late_domain_is_uncovered_until_it_comes() {
    let mut ledger = ledger();
    read_until(&mut ledger, 0, 500);
    let late = ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "t"));
    for ms in (500..=1_000).step_by(10) {
        ledger.reading(late, &Reading { before_ns: ms * MS, after_ns: ms * MS, value: Ok(ms) });
        read_until(&mut ledger, ms, ms);
    }
    let account = ledger.account(900 * MS);
    let device = &account.devices[1];
    assert!((device.coverage - 4.0 / 9.0).abs() < 1e-9, "{}", device.coverage);
    assert_eq!((device.high_uj, device.gaps[0].reason.as_str()), (None, "uncovered"));
    assert_eq!(account.state, State::Final);
}

#[test]
fn report_data_survives_json() {
    let text = r#"{"schema":"eco2.report/1","run":{"id":"a","name":"a","labels":{},"command":[],"started_at":"","ended_at":"",
        "duration_ns":1,"exit_code":null,"state":"final","attempts":[],"host":{"boot_id":"","hostname":"","kernel":""},
        "tool":{"version":"0"}},"energy":{"total_uj":1,"low_uj":0,"high_uj":null,"free_low_uj":0,"free_high_uj":null,
        "measured_uj":1,"derived_uj":0,"estimated_uj":0,"synthetic_uj":0,"missing_ns":0,"facility_uj":1,"pue":1.0},
        "devices":[],"spans":[],"work":{"steps":0,"samples":0,"tokens":0,"loss":null,"extra":{}},"attribution":null,
        "carbon":null,"sources":[],"events":[],
        "self":{"cpu_ns":0,"max_rss_bytes":0,"samples":0,"dropped":0,"missed_ticks":0,"log_lost_bytes":0}}"#;
    let report: Report = serde_json::from_str(text).unwrap();
    let again: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(report, again);
}

#[test]
fn what_an_ended_thread_left_open_never_ends() {
    let mut ledger = ledger();
    let name = ledger.intern("a");
    ledger.begin(0, name, 5 * MS, 0);
    ledger.abandon(0);
    assert!(!ledger.end(0, name, 9 * MS, 0));
    read_until(&mut ledger, 0, 100);
    assert_eq!(ledger.account(50 * MS).spans.len(), 0);
}

#[test]
fn k01_steps_over_time_add_up_to_the_steps_and_take_bounded_memory() {
    let mut ledger = ledger();
    let (step, other) = (ledger.intern("step"), ledger.intern("other"));
    ledger.bin_steps(step);
    // 400 s, so that bins of 100 ms have become such of 800 ms; three steps in ten seconds are missing, and two names run.
    for ms in (0..=400_000).step_by(10) {
        read_until(&mut ledger, ms, ms);
        if ms % 50 == 0 && ms > 0 && ms % 10_000 > 150 {
            ledger.step(0, step, ms * MS - 3, 0);
            ledger.step(0, other, ms * MS - 2, 0);
        }
    }
    let account = ledger.account(400_000 * MS);
    let (steps, curve) = (&account.spans[0], ledger.step_curve(&account).unwrap());
    assert_eq!((curve.name.as_str(), curve.bin_ns), ("step", 800 * MS));
    assert!(curve.count.len() <= 512 && curve.count.len() == curve.high_uj.len());
    assert_eq!(curve.count.iter().sum::<u64>(), steps.count);
    assert_eq!(curve.duration_ns.iter().sum::<u64>(), steps.duration_ns);
    assert_eq!(curve.energy_uj.iter().map(|uj| uj.unwrap()).sum::<u64>(), steps.energy_uj.unwrap());
    for (at, count) in curve.count.iter().enumerate() {
        assert!(curve.low_uj[at] <= curve.energy_uj[at].unwrap() && curve.energy_uj[at] <= curve.high_uj[at]);
        // A chain of steps has two uncertain ends, of two readings' distance (20 mJ) each, in each of the bins that it was.
        assert!(curve.high_uj[at].unwrap() - curve.low_uj[at] <= 8 * 2 * 20_001, "{at}: {count} steps");
    }
}

#[test]
fn k01_steps_of_a_run_without_readings_have_no_energy() {
    let mut ledger = Ledger::new(0, 16);
    let step = ledger.intern("step");
    ledger.bin_steps(step);
    ledger.step(0, step, 100, 0);
    ledger.fix_edges();
    let curve = ledger.step_curve(&ledger.account(200)).unwrap();
    assert_eq!((curve.count, curve.energy_uj, curve.low_uj, curve.high_uj), (vec![1], vec![None], vec![0], vec![None]));
}

/// A record of [`recorded`]: milliseconds since the one before, the thread, and what it does there.
type Record = (u64, usize, u8);

/// Returns the account and the steps over time of a run of three counters, of which two are read at other periods. `each`: the
/// edges are fixed after each record, so that every step is kept as an entry of its own.
fn recorded(records: &[Record], each: bool) -> (Account, StepCurve) {
    let mut ledger = ledger();
    let limited = Domain { max_uw: Some(2_000_000), ..Domain::counter("gpu-0", Component::Gpu, "board", "t") };
    ledger.add_domain(limited);
    ledger.add_domain(Domain::counter("memory-0", Component::Memory, "memory", "t"));
    let [step, other, load] = ["step", "other", "load"].map(|name| ledger.intern(name));
    ledger.bin_steps(step);
    let mut records = records.iter().scan(0, |at_ms, record| {
        *at_ms += record.0;
        Some((*at_ms, record.1, record.2))
    });
    let mut next = records.next();
    let mut end_ms = 100;
    for ms in 0.. {
        for domain in (0..3).filter(|domain| ms % [7, 40, 90][*domain] == 0) {
            // Power that changes, so that an energy shows its time.
            let value = Ok(ms * 1_000 + ms * ms % 977);
            ledger.reading(domain, &Reading { before_ns: ms * MS, after_ns: ms * MS + 9_000, value });
        }
        while let Some((at_ms, thread, what)) = next.filter(|(at_ms, ..)| *at_ms <= ms) {
            // No two threads at the same nanosecond: a step of one would continue the steps of the other.
            let (at_ns, error_ns) = (at_ms * MS + 100 + thread as u64, at_ms % 3 * 50);
            match what {
                0..=5 => _ = ledger.step(thread, step, at_ns, error_ns),
                6..=8 => _ = ledger.step(thread, other, at_ns, error_ns),
                9 => ledger.begin(thread, load, at_ns, error_ns),
                10 => _ = ledger.end(thread, load, at_ns, error_ns),
                11 => ledger.start_steps(thread, step, at_ns, error_ns),
                12 => _ = ledger.end(thread, step, at_ns, error_ns),
                _ => ledger.abandon(thread),
            }
            if each {
                ledger.fix_edges();
            }
            (next, end_ms) = (records.next(), at_ms + 100);
        }
        if next.is_none() && ms > end_ms + 200 {
            break;
        }
    }
    let account = ledger.account(end_ms * MS);
    let curve = ledger.step_curve(&account).unwrap_or_default();
    (account, curve)
}

proptest! {
    #[test]
    fn steps_kept_as_one_entry_have_the_energy_of_single_ones(
        records in prop::collection::vec((0..4_u64, Just(0_usize), 0..14_u8), 1..300),
    ) {
        // Of steps kept as one entry all edges count as wide if the last one does. They differ where the first of them lie
        // within the duration of a reading.
        let energies = |each| {
            let (mut account, curve) = recorded(&records, each);
            account.spans.iter_mut().for_each(|span| span.wide = None);
            (account, curve)
        };
        prop_assert_eq!(energies(false), energies(true));
    }

    /// Of threads that step in turns each has a chain of its own, so that the bounds are those of other chains.
    #[test]
    fn steps_of_several_threads_kept_as_one_entry_have_the_energy_of_single_ones(
        records in prop::collection::vec((0..4_u64, 0..4_usize, 0..14_u8), 1..300),
    ) {
        let ((account, curve), (single_account, single_curve)) = (recorded(&records, false), recorded(&records, true));
        prop_assert_eq!(&account.devices, &single_account.devices);
        prop_assert_eq!((curve.count, curve.duration_ns), (single_curve.count, single_curve.duration_ns));
        for (span, single) in account.spans.iter().zip(&single_account.spans) {
            prop_assert_eq!((&span.name, span.count, span.duration_ns), (&single.name, single.count, single.duration_ns));
            prop_assert_eq!(&span.by_device, &single.by_device);
            prop_assert!(Some(span.low_uj) <= span.energy_uj && span.high_uj.is_none_or(|high| Some(high) >= span.energy_uj));
        }
    }
}

/// Reads the counter, which is updated every millisecond, at these milliseconds; `edges_ms` are ends of adjacent steps.
fn wide_of(reads_ms: &[u64], edges_ms: &[u64], domains: impl Fn(&mut Ledger)) -> Option<u64> {
    let mut ledger = Ledger::new(0, 16);
    domains(&mut ledger);
    let step = ledger.intern("step");
    let mut edges = edges_ms.iter().peekable();
    for at_ms in reads_ms {
        while let Some(edge_ms) = edges.next_if(|edge_ms| *edge_ms < at_ms) {
            ledger.step(0, step, edge_ms * MS, 0);
        }
        let at_ns = at_ms * MS;
        for domain in 0..ledger.tracks().len() {
            ledger.reading(domain, &Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(at_ms * 1_000) });
        }
    }
    ledger.account(reads_ms.last().unwrap() * MS).spans[0].wide
}

fn one_counter(ledger: &mut Ledger) {
    ledger.add_domain(Domain::counter("package-0", Component::Cpu, "package", "t"));
}

#[test]
fn edges_that_were_read_around_less_closely_than_usual_are_counted() {
    // Read every 10 ms for 5 s: each of the 24 edges lies between two readings of 10 ms.
    let edges_ms: Vec<u64> = (1..25).map(|edge| edge * 200 + 5).collect();
    let often: Vec<u64> = (0..=5_000).step_by(10).collect();
    assert_eq!(wide_of(&often, &edges_ms, one_counter), Some(0));
    // No reading from 1,000 to 1,200 ms: one edge. From 2,000 to 2,020 ms: twice as long as usual, which is not wide.
    let pauses = |at_ms: &u64| !(1_001..1_200).contains(at_ms) && *at_ms != 2_010;
    let paused: Vec<u64> = often.iter().copied().filter(pauses).collect();
    assert_eq!(wide_of(&paused, &edges_ms, one_counter), Some(1));
    // Several steps that end within one pause are kept as one entry, and each of their ends is counted.
    let short: Vec<u64> =
        edges_ms.iter().copied().chain(1_010..1_020).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    assert_eq!(wide_of(&paused, &short, one_counter), Some(11));
}

#[test]
fn wide_edges_are_those_of_counters_and_not_known_without_one() {
    let reads_ms: Vec<u64> = (0..=5_000).step_by(10).filter(|at_ms| !(1_001..1_200).contains(at_ms)).collect();
    let edges_ms: Vec<u64> = (1..25).map(|edge| edge * 200 + 5).collect();
    let power = |ledger: &mut Ledger| {
        ledger.add_domain(Domain::power("gpu-0", Component::Gpu, "board", "t"));
    };
    assert_eq!(wide_of(&reads_ms, &edges_ms, power), None);
    let both = |ledger: &mut Ledger| {
        power(ledger);
        one_counter(ledger);
    };
    assert_eq!(wide_of(&reads_ms, &edges_ms, both), Some(1));
}

#[test]
fn edge_after_which_a_counter_never_changed_is_wide() {
    let mut ledger = ledger();
    let step = ledger.intern("step");
    for edge_ms in [205, 405, 605, 805, 1_005] {
        read_until(&mut ledger, edge_ms - 205, edge_ms - 5);
        ledger.step(0, step, edge_ms * MS, 0);
    }
    ledger.give_up(2_000 * MS);
    assert_eq!(ledger.account(2_000 * MS).spans[0].wide, Some(1));
}

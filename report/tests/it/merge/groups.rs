//! Totals by label: every run whole, and what several runs saw of one counter once.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::Report;
use eco2_report::by_label;
use proptest::prelude::*;

use super::{CPU_W, GPU_W, S, Seen, other, rank, report};

/// Joules of both devices in seconds of machine time.
fn joules(seconds: u64) -> Option<u128> {
    Some(u128::from((CPU_W + GPU_W) * seconds * 1_000_000))
}

fn reports(seen: &[Seen]) -> Vec<Report> {
    seen.iter().map(report).collect()
}

#[test]
fn k07_two_runs_on_one_gpu_at_one_time_are_counted_once() {
    // 0 to 10 s and 5 to 15 s on one machine are 15 s of it, not 20.
    let groups = by_label(&reports(&[other("a", "pa", 0, 10), other("b", "pb", 5, 15)]), "team");
    assert_eq!((groups.len(), groups[0].energy_uj), (1, joules(15)));
    let bounds = (groups[0].low_uj, groups[0].high_uj);
    assert!(bounds.0 <= joules(15).unwrap() && bounds.1 >= joules(15), "{bounds:?}");
    assert_eq!(groups[0].runs, ["a", "b"]);
    let separate = by_label(&reports(&[other("a", "pa", 0, 10), other("b", "pb", 10, 20)]), "team");
    assert_eq!(separate[0].energy_uj, joules(20), "one after the other");
    let elsewhere = Seen { boot: "b1", ..other("b", "pb", 5, 15) };
    let machines = by_label(&reports(&[other("a", "pa", 0, 10), elsewhere]), "team");
    assert_eq!(machines[0].energy_uj, joules(20), "on two machines");
}

#[test]
fn k07_every_rank_and_every_attempt_of_a_run_counts() {
    // Two ranks on two machines for 10 s each, then a restart of rank 0 for 5 s.
    let second = Seen { boot: "b1", ..rank(1, 2, 0, 10) };
    let restarted = Seen { attempt: 1, ..rank(0, 2, 20, 25) };
    let groups = by_label(&reports(&[rank(0, 2, 0, 10), second, restarted]), "team");
    assert_eq!((groups[0].energy_uj, groups[0].runs.len()), (joules(25), 1));
    // A record that is given twice counts once.
    let twice = by_label(&reports(&[rank(0, 2, 0, 10), rank(0, 2, 0, 10)]), "team");
    assert_eq!(twice[0].energy_uj, joules(10));
}

#[test]
fn k07_ranks_of_two_runs_that_share_a_machine_are_counted_once() {
    let mut other_job = rank(0, 1, 5, 15);
    (other_job.id, other_job.part) = ("other", "q0".into());
    let groups = by_label(&reports(&[rank(0, 1, 0, 10), other_job]), "team");
    assert_eq!(groups[0].energy_uj, joules(15));
}

fn any_run() -> impl Strategy<Value = Seen> {
    let id = prop::sample::select(vec!["a", "b", "c", "d"]);
    let boot = prop::sample::select(vec!["b0", "b1"]);
    (id, boot, 0..40_u64, 1..20_u64).prop_map(|(id, boot, from, lasted)| Seen {
        boot,
        part: format!("{id}-{boot}-{from}-{lasted}"),
        ..other(id, "", from, from + lasted)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn k07_a_grouped_total_is_the_union_of_machine_seconds(seen in prop::collection::vec(any_run(), 1..8)) {
        let mut seconds: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for run in &seen {
            seconds.entry(run.boot).or_default().extend(run.from_ns / S..run.to_ns / S);
        }
        let oracle = seconds.values().map(BTreeSet::len).sum::<usize>() as u64;
        let groups = by_label(&reports(&seen), "team");
        prop_assert_eq!((groups.len(), groups[0].energy_uj), (1, joules(oracle)));
    }
}

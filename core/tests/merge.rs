//! Merging is a union: idempotent, commutative, associative, and blind to who saw a counter how often.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::{CounterKey, Stretch, Union};
use proptest::prelude::*;

fn key(device: &str) -> CounterKey {
    CounterKey { boot_id: "boot".to_owned(), device: device.to_owned() }
}

/// What a reader sees of a counter that runs at a constant `uj_per_ns`, between two instants.
fn seen(from_ns: u64, to_ns: u64, uj_per_ns: u64) -> Stretch {
    let points = vec![(from_ns, 0), (to_ns, (to_ns - from_ns) * uj_per_ns)];
    Stretch { points, below_uj: 0, above_uj: Some(0) }
}

fn union(stretches: &[(u64, u64, u64)]) -> Union {
    let mut union = Union::default();
    for &(device, from, length) in stretches {
        union.insert(key(&format!("GPU-{device}")), seen(from, from + length + 1, device + 1));
    }
    union
}

fn merged(unions: &[&Union]) -> Union {
    unions.iter().fold(Union::default(), |mut sum, one| {
        sum.merge(one);
        sum
    })
}

fn stretches() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    prop::collection::vec((0u64..3, 0u64..1_000, 0u64..500), 0..12)
}

proptest! {
    #[test]
    fn f39_merge_is_idempotent_commutative_and_associative(a in stretches(), b in stretches(), c in stretches()) {
        let (a, b, c) = (union(&a), union(&b), union(&c));
        prop_assert_eq!(merged(&[&a, &a]).total(), a.total());
        prop_assert_eq!(merged(&[&a, &b]), merged(&[&b, &a]));
        prop_assert_eq!(merged(&[&merged(&[&a, &b]), &c]), merged(&[&a, &merged(&[&b, &c])]));
    }

    /// The oracle counts the nanoseconds covered by anybody, one by one.
    #[test]
    fn the_energy_of_a_union_is_that_of_the_covered_time(list in stretches()) {
        let mut expected = 0;
        for device in 0..3 {
            let covered = |ns: u64| list.iter().any(|&(d, from, length)| d == device && from <= ns && ns < from + length + 1);
            expected += (0..2_000).filter(|&ns| covered(ns)).count() as u64 * (device + 1);
        }
        prop_assert_eq!(union(&list).total().energy_uj, expected);
    }
}

#[test]
fn eight_ranks_that_read_one_gpu_report_it_once() {
    let mut all = Union::default();
    for rank in 0..8 {
        let mut union = Union::default();
        union.insert(key("GPU-1"), seen(rank * 3, 1_000 + rank, 5));
        all.merge(&union);
    }
    assert_eq!(all.total().energy_uj, 1_007 * 5);
    assert_eq!(all.total().covered_ns, 1_007);
}

#[test]
fn a_stretch_that_falls_is_refused() {
    let mut union = Union::default();
    let falling = Stretch { points: vec![(0, 5), (1, 4)], below_uj: 0, above_uj: None };
    assert!(!union.insert(key("GPU-1"), falling));
    assert!(!union.insert(key("GPU-1"), Stretch { points: vec![], below_uj: 0, above_uj: None }));
    assert_eq!(union.total().energy_uj, 0);
}

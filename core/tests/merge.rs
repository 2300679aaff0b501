//! Merging is a union: idempotent, commutative, associative, and independent of which reader saw a counter how often.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::{CounterKey, Quality, Stretch, Union, Window};
use proptest::prelude::*;

fn key(device: &str) -> CounterKey {
    CounterKey { boot_id: "boot".to_owned(), device: device.to_owned() }
}

/// What a reader sees of a counter that runs at a constant `uj_per_ns`, between two instants.
fn seen(from_ns: u64, to_ns: u64, uj_per_ns: u64) -> Stretch {
    points(&[(from_ns, 0), (to_ns, (to_ns - from_ns) * uj_per_ns)])
}

fn points(points: &[(u64, u64)]) -> Stretch {
    Stretch {
        quality: Quality::Measured,
        at_ns: points.iter().map(|point| point.0).collect(),
        uj: points.iter().map(|point| point.1).collect(),
        slack_ns: 0,
        below_uj: 0,
        above_uj: Some(0),
        free_below_uj: 0,
        free_above_uj: Some(0),
    }
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

    /// The oracle counts the nanoseconds covered by any reader, one by one.
    #[test]
    fn the_energy_of_a_union_is_that_of_the_covered_time(list in stretches()) {
        let mut expected = 0;
        for device in 0..3 {
            let covered = |ns: u64| list.iter().any(|&(d, from, length)| d == device && from <= ns && ns < from + length + 1);
            expected += (0..2_000).filter(|&ns| covered(ns)).count() as u64 * (device + 1);
        }
        prop_assert_eq!(union(&list).total().energy.value.unwrap_or(0), expected);
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
    assert_eq!(all.total().energy.value.unwrap_or(0), 1_007 * 5);
    assert_eq!(all.total().covered_ns, 1_007);
}

#[test]
fn a_stretch_that_falls_is_refused() {
    let mut union = Union::default();
    assert!(!union.insert(key("GPU-1"), points(&[(0, 0), (1, 4), (2, 3)])));
    assert!(!union.insert(key("GPU-1"), points(&[(5, 0), (5, 4)])));
    assert!(!union.insert(key("GPU-1"), points(&[(5, 1), (6, 4)])), "energy counts from the first point");
    assert!(!union.insert(key("GPU-1"), points(&[])));
    assert!(!union.insert(key("GPU-1"), Stretch { uj: vec![0], ..points(&[(0, 0), (1, 1)]) }));
    assert_eq!(union.total().energy.value.unwrap_or(0), 0);
}

#[test]
fn a_stretch_that_is_cut_is_bounded_by_the_points_around_the_cut() {
    let mut union = Union::default();
    let curve = [(0, 0), (100, 10), (200, 50), (300, 60)];
    union.insert(key("GPU-1"), Stretch { below_uj: 1, above_uj: Some(2), ..points(&curve) });
    let within = |from_ns, to_ns| union.within(&key("GPU-1"), &[Window { from_ns, to_ns }]);
    let whole = within(0, 300);
    assert_eq!((whole.energy.low, whole.energy.value.unwrap_or(0), whole.energy.high), (59, 60, Some(62)));
    // At 150 the counter was between 10 and 50, by a straight line at 30.
    let cut = within(150, 300);
    assert_eq!((cut.energy.low, cut.energy.value.unwrap_or(0), cut.energy.high), (9, 30, Some(52)));
    // A point that may be 10 ns off is no evidence about an instant 5 ns from it.
    let mut vague = Union::default();
    vague.insert(key("GPU-1"), Stretch { slack_ns: 10, ..points(&curve) });
    let cut = vague.within(&key("GPU-1"), &[Window { from_ns: 105, to_ns: 300 }]);
    assert_eq!((cut.energy.low, cut.energy.high), (10, Some(60)));
}

#[test]
fn f37_a_record_whose_end_was_read_goes_before_one_that_broke_off() {
    // Killed at 700, its counter last seen at 600; the other one knows how it went on. Both in either order.
    let killed = Stretch { above_uj: Some(900), free_above_uj: None, ..points(&[(0, 0), (600, 600), (700, 600)]) };
    let orders = [[killed.clone(), seen(300, 1_000, 1)], [seen(300, 1_000, 1), killed]];
    for order in orders {
        let mut union = Union::default();
        order.into_iter().for_each(|stretch| assert!(union.insert(key("GPU-1"), stretch)));
        assert_eq!(union.total().energy.value.unwrap_or(0), 1_000);
    }
}

#[test]
fn a_counter_goes_before_a_model_and_a_bounded_record_before_an_unbounded_one() {
    let mut union = Union::default();
    let all = [Window { from_ns: 0, to_ns: 1_000 }];
    union.insert(key("GPU-1"), Stretch { quality: Quality::Estimated, ..seen(0, 1_000, 100) });
    union.insert(key("GPU-1"), Stretch { above_uj: None, ..seen(0, 500, 3) });
    union.insert(key("GPU-1"), seen(100, 300, 2));
    let merged = union.within(&key("GPU-1"), &all);
    assert_eq!(merged.by_quality, [200 * 2 + 300 * 3, 0, 500 * 100, 0]);
    assert_eq!((merged.energy.high, merged.covered_ns), (None, 1_000));
    let worse = union.uncovered(&key("GPU-1"), Quality::Derived, &all);
    assert_eq!(worse, [Window { from_ns: 500, to_ns: 1_000 }]);
}

#[test]
fn of_records_that_are_alike_one_is_kept_whatever_came_first() {
    let both = [seen(0, 10, 3), seen(0, 10, 4)];
    let union = |order: [usize; 2]| {
        let mut union = Union::default();
        order.iter().for_each(|&at| _ = union.insert(key("GPU-1"), both[at].clone()));
        union
    };
    assert_eq!(union([0, 1]), union([1, 0]));
    assert_eq!(union([0, 1]).counters().map(|(_, stretches)| stretches.len()).sum::<usize>(), 1);
    let mut long = union([0, 1]);
    long.insert(key("GPU-1"), seen(0, 11, 5));
    assert_eq!(long.counters().next().unwrap().1.len(), 1, "what a longer record covers is not kept");
}

/// Staggered stretches of one counter, none within another: as many as a large report may hold.
#[test]
fn f39_many_stretches_of_one_counter_are_joined_in_no_quadratic_time() {
    let began = std::time::Instant::now();
    let mut union = Union::default();
    for at in 0..200_000 {
        union.insert(key("GPU-1"), seen(at * 2, at * 2 + 3, 5));
    }
    assert_eq!(union.total().energy.value.unwrap_or(0), (199_999 * 2 + 3) * 5);
    // A square of them takes minutes; this some tenths of a second.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

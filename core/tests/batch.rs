//! Bulk accounting against its definition: the fast kernels must return what a plain loop over the points returns.
#![cfg(not(loom))]

use eco2_core::batch::{guarded_energy, join, wrapping_energy};
use proptest::prelude::*;

/// Energy and gaps, one difference at a time.
fn plainly(raw: &[u32], limit_raw: u32) -> (u64, u64) {
    let differences = raw.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    differences.fold(
        (0, 0),
        |(sum, gaps), by| {
            if by > limit_raw { (sum, gaps + 1) } else { (sum + u64::from(by), gaps) }
        },
    )
}

/// A counter that starts at `first` and grows by differences of up to `most`, drawn from `seed`.
fn counter(len: usize, first: u32, most: u32, seed: u64) -> Vec<u32> {
    let mut random = seed | 1;
    let mut value = first;
    let mut next = || {
        // xorshift64, Marsaglia 2003.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        value = value.wrapping_add((random >> 32) as u32 % most.saturating_add(1).max(1));
        value
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a_wrap_on_a_block_boundary_counts_once() {
    // 4096 differences to a block: the wrap is put before, at and behind its end.
    for at in 4090..4103 {
        let raw: Vec<u32> = (0..9_000u32).map(|i| i.wrapping_sub(at)).collect();
        assert_eq!(wrapping_energy(&raw), 8_999, "wrap at {at}");
        assert_eq!(guarded_energy(&raw, 1), (8_999, 0), "wrap at {at}");
    }
}

#[test]
fn a_gap_on_a_block_boundary_counts_once() {
    for at in 4090..4103 {
        let raw: Vec<u32> = (0..9_000u32).map(|i| if i < at { i } else { i + 1_000 }).collect();
        assert_eq!(guarded_energy(&raw, 10), (8_998, 1), "gap at {at}");
    }
}

#[test]
fn differences_as_large_as_the_range_allows_are_not_lost() {
    // Every difference is 2^32 - 1: each is a wrap, and their sum leaves 32 bits in every block.
    let raw: Vec<u32> = (0..10_000u32).map(|i| 0u32.wrapping_sub(i)).collect();
    let all = 9_999 * u64::from(u32::MAX);
    assert_eq!(wrapping_energy(&raw), all);
    assert_eq!(guarded_energy(&raw, u32::MAX), (all, 0));
    assert_eq!(guarded_energy(&raw, u32::MAX - 1), (0, 9_999));
}

/// E(t): the same definition with a search from the beginning.
fn energy_at(times: &[u64], energy: &[u64], t_ns: u64) -> u64 {
    let after = times.iter().position(|&time| time > t_ns).unwrap_or(times.len());
    match after {
        0 => energy[0],
        _ if after == times.len() => energy[after - 1],
        _ => {
            let (from, to) = (after - 1, after);
            let part = u128::from(energy[to] - energy[from]) * u128::from(t_ns - times[from]);
            energy[from] + (part / u128::from(times[to] - times[from])) as u64
        }
    }
}

#[test]
fn times_that_do_not_rise_end_nothing() {
    let mut out = [0; 2];
    join(&[5, 5, 3, 9], &[10, 4, 8, 2], &[9, 1], &[2, 7], &mut out);
    join(&[], &[], &[9, 1], &[2, 7], &mut out);
    assert_eq!(out, [0, 0]);
}

proptest! {
    #[test]
    fn guarded_energy_is_its_definition(
        len in 0..10_000usize, first: u32, most in prop_oneof![1..100_000u32, any::<u32>()], seed: u64, limit in any::<u32>(), share in 0..3u32,
    ) {
        let raw = counter(len, first, most, seed);
        // A limit that anything, nearly everything, or nothing passes.
        let limit_raw = match share { 0 => limit, 1 => most - most / 50, _ => most };
        prop_assert_eq!(guarded_energy(&raw, limit_raw), plainly(&raw, limit_raw));
        prop_assert_eq!(wrapping_energy(&raw), plainly(&raw, u32::MAX).0);
    }

    #[test]
    fn join_is_its_definition(
        steps in prop::collection::vec((1..1_000u64, 0..1_000_000u64), 1..400),
        mut begins in prop::collection::vec(0..200_000u64, 0..60),
        lengths in prop::collection::vec(0..60_000u64, 60),
    ) {
        let (mut times, mut energy, mut at) = (vec![], vec![], (0, 0));
        for (ns, uj) in steps {
            at = (at.0 + ns, at.1 + uj);
            times.push(at.0);
            energy.push(at.1);
        }
        begins.sort_unstable();
        let mut ends: Vec<u64> = begins.iter().zip(&lengths).map(|(begin, length)| begin + length).collect();
        ends.sort_unstable();
        let mut out = vec![0; begins.len()];
        join(&times, &energy, &begins, &ends, &mut out);
        for ((begin, end), out) in begins.iter().zip(&ends).zip(&out) {
            prop_assert_eq!(*out, energy_at(&times, &energy, *end) - energy_at(&times, &energy, *begin));
        }
    }
}

//! Curves of merged devices: their bounds, and how many points they have.

use eco2_core::CurveRecord;
use eco2_core::schema::Report;
use eco2_report::merge;

use super::{GPU_W, S, Seen, rank, report};

fn gpu(merged: &Report) -> &CurveRecord {
    merged.curves.iter().find(|curve| curve.device == "GPU-1").unwrap()
}

/// A process that has the GPU and did not read it.
fn without_gpu(seen: &Seen) -> Report {
    let mut report = report(seen);
    let gpu = report.devices.iter_mut().find(|device| device.id == "GPU-1").unwrap();
    (gpu.energy_uj, gpu.low_uj, gpu.high_uj, gpu.free_low_uj, gpu.free_high_uj) = (None, None, None, None, None);
    report.counters.retain(|counter| counter.device != "GPU-1");
    report
}

#[test]
fn k01_merged_curve_has_no_upper_bound_from_the_first_unread_instant() {
    // 100 W, read for 10 s in the middle of 100 s.
    let merged = merge(&[without_gpu(&rank(0, 2, 100, 200)), report(&rank(1, 2, 150, 160))]).unwrap();
    let curve = gpu(&merged);
    assert_eq!(curve.energy_uj.last(), Some(&(GPU_W * 10_000_000)));
    assert!(curve.high_uj.iter().all(Option::is_none), "{curve:?}");
    // The 100 s before were read: bounded until they end.
    let second = |rank| Seen { attempt: 1, ..rank };
    let parts = [
        report(&rank(0, 2, 100, 200)),
        without_gpu(&second(rank(0, 2, 300, 400))),
        report(&second(rank(1, 2, 350, 360))),
    ];
    let merged = merge(&parts).unwrap();
    let curve = gpu(&merged);
    let bounds: Vec<_> = curve.t_ns.iter().copied().zip(curve.high_uj.iter().copied()).collect();
    assert_eq!(bounds.iter().find(|(at_ns, _)| *at_ns == 100 * S), Some(&(100 * S, Some(GPU_W * 100_000_000))));
    assert!(bounds.iter().all(|(at_ns, high_uj)| high_uj.is_some() == (*at_ns <= 100 * S)), "{bounds:?}");
}

#[test]
fn a_merged_curve_of_any_number_of_runs_is_short_and_true() {
    let of = |attempt: u32| Seen { attempt, ..rank(0, 1, u64::from(attempt) * 2, u64::from(attempt) * 2 + 1) };
    let merged = merge(&(0..300).map(|attempt| report(&of(attempt))).collect::<Vec<_>>()).unwrap();
    let curve = gpu(&merged);
    // 512 instants and the end.
    assert!((250..=513).contains(&curve.t_ns.len()), "{} points", curve.t_ns.len());
    for (at_ns, uj) in curve.t_ns.iter().zip(&curve.energy_uj) {
        assert_eq!(*uj, GPU_W * at_ns / 1_000, "the runs follow each other without a break: 100 W all the time");
    }
    assert_eq!(curve.energy_uj.last(), Some(&(GPU_W * 300_000_000)));
}

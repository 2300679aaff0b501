//! The recording threads' clock: conversion against scripted drift, and the real counter where there is one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use eco2_samplers::clock::{Clock, monotonic_ns};
use eco2_samplers::tsc::{HotClock, kernel_trusts_tsc};
use eco2_samplers::{Anchor, Anchors, Roots};
use proptest::prelude::*;

/// A counter whose rate changes at given instants: `(from_ns, counts per millisecond)`.
struct Drifting(Vec<(u64, u64)>);

impl Drifting {
    fn counts_at(&self, at_ns: u64) -> u64 {
        let ends = self.0.iter().skip(1).map(|p| p.0).chain([u64::MAX]);
        let counts = self.0.iter().zip(ends).map(|(&(from_ns, rate), end_ns)| {
            u128::from(at_ns.min(end_ns).saturating_sub(from_ns)) * u128::from(rate) / 1_000_000
        });
        1_000_000 + u64::try_from(counts.sum::<u128>()).unwrap()
    }

    fn anchor(&self, at_ns: u64, off_ns: u64) -> Anchor {
        // The middle of the bracket is off by `off_ns` of its half width of 30 ns.
        Anchor { tsc: self.counts_at(at_ns + off_ns - 30), mono_ns: at_ns, half_width_ns: 30 }
    }
}

#[test]
fn conversion_is_exact_between_exact_anchors() {
    let mut anchors = Anchors::default();
    assert_eq!(anchors.convert(5), None);
    for (tsc, mono_ns) in [(1_000, 500), (3_000, 1_500), (5_000, 2_600)] {
        assert!(anchors.push(Anchor { tsc, mono_ns, half_width_ns: 0 }));
    }
    // 2000 counts in 1000 ns, then in 1100 ns; the third anchor lies 100 ns from where the first two point.
    assert_eq!(anchors.convert(2_000), Some((1_000, 1)));
    assert_eq!(anchors.convert(4_000), Some((2_050, 101)));
    assert_eq!(anchors.convert(7_000).map(|c| c.0), Some(3_700), "beyond the newest: the last line goes on");
    assert_eq!(anchors.error_ns(), Some(101));
}

#[test]
fn a_jump_ends_the_use_of_the_counter_and_widens_its_error() {
    let mut anchors = Anchors::default();
    for i in 0..10u64 {
        assert!(anchors.push(Anchor { tsc: 1_000_000 + i * 20_000_000, mono_ns: i * 10_000_000, half_width_ns: 20 }));
    }
    // The virtual machine was stopped for a second that the counter went through.
    assert!(!anchors.push(Anchor { tsc: 3_000_000_000, mono_ns: 100_000_000, half_width_ns: 20 }));
    assert!(!anchors.push(Anchor { tsc: 3_020_000_000, mono_ns: 110_000_000, half_width_ns: 20 }), "for good");
    let (ns, error) = anchors.convert(2_500_000_000).unwrap();
    assert!(ns - error <= 90_000_000 && ns + error >= 100_000_000, "anywhere in between: {ns} ± {error}");
    assert_eq!(anchors.convert(11_000_000).map(|c| c.0), Some(5_000_000), "what was before stays known");
    // A counter that was reset (sleep) is a jump, too.
    let mut reset = Anchors::default();
    assert!(reset.push(Anchor { tsc: 1_000, mono_ns: 1, half_width_ns: 0 }));
    assert!(!reset.push(Anchor { tsc: 5, mono_ns: 2, half_width_ns: 0 }));
}

proptest! {
    /// The rate changes by up to 500 ppm (the most that adjtimex slews) once in the middle of the run.
    #[test]
    fn converted_times_are_within_their_error_and_in_order(
        rate in 500u64..5_000,
        ppm in -500i64..500,
        change_ns in 200_000_000u64..400_000_000,
        tick_ns in 1_000_000u64..50_000_000,
        offs in prop::collection::vec(0u64..=60, 600),
        events in prop::collection::vec(60_000_000u64..590_000_000, 1..50),
    ) {
        let (rate, second) = (rate * 1_000, (rate * 1_000).saturating_add_signed(rate as i64 * ppm / 1_000));
        let counter = Drifting(vec![(0, rate), (change_ns, second)]);
        let mut anchors = Anchors::default();
        for (i, off) in offs.iter().enumerate() {
            let at_ns = 1_000 + tick_ns * i as u64;
            if at_ns > 650_000_000 { break }
            prop_assert!(anchors.push(counter.anchor(at_ns, *off)));
        }
        let mut events = events;
        events.sort_unstable();
        let mut last = 0;
        for at_ns in events {
            let (ns, error_ns) = anchors.convert(counter.counts_at(at_ns)).unwrap();
            // Counts of 2 ns at least are rounded away twice.
            let count_ns = 2_000_000 / rate + 1;
            prop_assert!(ns.abs_diff(at_ns) <= error_ns + count_ns, "{at_ns}: {ns} ± {error_ns}");
            prop_assert!(error_ns <= 300 + tick_ns / 1_000, "the error is no excuse: {error_ns}");
            prop_assert!(ns + error_ns + count_ns >= last);
            last = ns;
        }
    }

    /// Anchors of an hour, one a second, are thinned to a few hundred, and every instant of them is still converted
    /// within its error.
    #[test]
    fn thinned_history_stays_within_its_error(
        changes in prop::collection::vec((100u64..3_000, 2_000_440u64..2_000_460), 1..6),
        event in 1u64..3_900,
    ) {
        let second = 1_000_000_000;
        let mut parts = vec![(0, 2_000_450)];
        for (after, rate) in changes {
            let from = parts.last().unwrap().0 + after * second;
            parts.push((from, rate));
        }
        let counter = Drifting(parts);
        let mut anchors = Anchors::default();
        for i in 0..4_000 {
            prop_assert!(anchors.push(counter.anchor(i * second + 1_000, 30)));
        }
        let at_ns = event * second + 500_000_000;
        let (ns, error_ns) = anchors.convert(counter.counts_at(at_ns)).unwrap();
        prop_assert!(ns.abs_diff(at_ns) <= error_ns + 1, "{at_ns}: {ns} ± {error_ns}");
        // At most 10 ppm over at most the whole hour, a quarter of which is the deepest bend, in twelve steps.
        prop_assert!(error_ns < 12 * 10_000_000, "{error_ns}");
    }
}

fn tree(cpuinfo: &str, source: &str) -> (tempfile::TempDir, Roots) {
    let dir = tempfile::tempdir().unwrap();
    let sysfs = dir.path().join("sys/devices/system/clocksource/clocksource0");
    fs::create_dir_all(&sysfs).unwrap();
    fs::write(sysfs.join("current_clocksource"), source).unwrap();
    fs::create_dir_all(dir.path().join("proc")).unwrap();
    fs::write(dir.path().join("proc/cpuinfo"), cpuinfo).unwrap();
    let roots = Roots { sysfs: dir.path().join("sys"), procfs: dir.path().join("proc"), ..Roots::default() };
    (dir, roots)
}

#[test]
fn the_counter_is_trusted_only_where_the_kernel_keeps_time_by_an_invariant_one() {
    let good = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\n";
    let cases = [
        (good, "tsc\n", cfg!(target_arch = "x86_64")),
        (good, "hpet\n", false),
        (good, "tsc-early\n", false),
        ("flags\t\t: fpu tsc constant_tsc\n", "tsc\n", false),
        ("flags\t\t: fpu tsc nonstop_tsc\n", "tsc\n", false),
        ("", "tsc\n", false),
    ];
    for (cpuinfo, source, trusted) in cases {
        let (_dir, roots) = tree(cpuinfo, source);
        assert_eq!(kernel_trusts_tsc(&roots), trusted, "{cpuinfo:?} {source:?}");
    }
    // A machine without such a counter takes the kernel's clock.
    for (cpuinfo, source) in [("", ""), ("flags\t\t: fpu\n", "hpet\n")] {
        let (_dir, roots) = tree(cpuinfo, source);
        let hot = HotClock::new(Clock::Monotonic, &roots);
        hot.anchor();
        assert!(!hot.counting() && !hot.ticks().tsc && hot.error_ns() == 0);
        let (before, now, after) = (monotonic_ns(), hot.convert(hot.ticks()), monotonic_ns());
        assert!((before..=after).contains(&now.0) && now.1 == 0, "{before} {now:?} {after}");
    }
}

/// Anchors every millisecond until the counter serves; `None` on a machine without one.
fn calibrated() -> Option<HotClock> {
    let hot = HotClock::new(Clock::Monotonic, &Roots::default());
    let end = Instant::now() + Duration::from_millis(200);
    while !hot.counting() && Instant::now() < end {
        hot.anchor();
        std::thread::sleep(Duration::from_millis(1));
    }
    hot.counting().then_some(hot)
}

#[test]
fn the_real_counter_agrees_with_the_monotonic_clock() {
    let before = monotonic_ns();
    let Some(hot) = calibrated() else { return };
    assert!(monotonic_ns() - before >= 50_000_000, "calibrated over at least 50 ms");
    for _ in 0..20 {
        hot.anchor();
        let (before, ticks, now, after) = (monotonic_ns(), hot.ticks(), hot.now_ns(), monotonic_ns());
        let (ns, error_ns) = hot.convert(ticks);
        assert!(ticks.tsc);
        assert!(error_ns < 1_000_000, "{error_ns}");
        assert!((before - error_ns..=after + error_ns).contains(&ns), "{before} {ns} ± {error_ns} {after}");
        // Extrapolated by the slope of the whole calibration for a few microseconds.
        let slack = hot.error_ns() + 1_000;
        assert!((before - slack..=after + slack).contains(&now), "{before} {now} ± {slack} {after}");
    }
    hot.jumped(monotonic_ns());
    assert!(!hot.counting() && !hot.ticks().tsc, "after sleep the monotonic clock serves");
}

/// Readers on two threads never see a time far from the truth while anchors are replaced as fast as can be.
#[test]
fn no_torn_reading_while_anchors_are_replaced() {
    let Some(hot) = calibrated() else { return };
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut worst = 0;
            for _ in 0..100_000 {
                let (before, now, after) = (monotonic_ns(), hot.now_ns(), monotonic_ns());
                worst = worst.max(before.saturating_sub(now)).max(now.saturating_sub(after));
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            worst
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            hot.anchor();
        }
        let worst = reader.join().unwrap();
        // A torn pair would be off by seconds; a preempted anchor is off by its half width.
        assert!(worst < 50_000_000, "{worst} ns");
    });
}

/// Prints nanoseconds a call; run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_taking_the_time() {
    let Some(hot) = calibrated() else { return };
    let cost = |what: &str, call: &dyn Fn() -> u64| {
        let mut rounds: Vec<f64> = (0..21)
            .map(|_| {
                let (start, mut sum) = (Instant::now(), 0u64);
                (0..100_000).for_each(|_| sum = sum.wrapping_add(call()));
                std::hint::black_box(sum);
                start.elapsed().as_nanos() as f64 / 100_000.0
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        println!("{what}: {:.1} ns (10 % {:.1}, 90 % {:.1})", rounds[10], rounds[2], rounds[18]);
    };
    cost("clock_gettime", &monotonic_ns);
    cost("ticks", &|| hot.ticks().value);
    cost("now_ns", &|| hot.now_ns());
    let ticks = hot.ticks();
    cost("convert", &|| hot.convert(ticks).0);
    cost("anchor", &|| {
        hot.anchor();
        0
    });
}

//! The advisor for live use.

use eco2_grid::plan::{Advisor, JobPace, PlanSignal, Scaling, WorkerLevel};
use proptest::prelude::*;

const SECOND_NS: u64 = 1_000_000_000;

/// 32 workers of falling worth.
fn wide() -> Scaling {
    let level = |workers: u32| {
        let throughput = (1..=workers).map(|worker| 1.0 / f64::from(worker)).sum();
        WorkerLevel { workers, throughput, power_w: f64::from(workers) * 100.0 }
    };
    Scaling::new((1..=32).map(level).collect()).unwrap()
}

/// A signal at which a worker number `n` is just worth its power: its slope is 100 n watts a unit.
fn worth(n: f64) -> PlanSignal {
    PlanSignal { g_per_kwh: 200.0, work_grams: 200.0 * 100.0 * n / 1000.0 }
}

#[test]
fn it_leaves_one_worker_and_comes_back() {
    let mut advisor = Advisor::new(&wide(), JobPace::default()).unwrap();
    assert_eq!(advisor.workers(), 1);
    // One step more is enough to leave: no share of 1 that rounds down to it.
    assert_eq!(advisor.advise(0, worth(2.5)).workers, 2);
    assert_eq!(advisor.advise(30 * SECOND_NS, worth(1000.0)).workers, 32);
    let back = advisor.advise(60 * SECOND_NS, worth(0.1));
    assert_eq!((back.workers, back.changed), (1, true));
}

#[test]
fn the_cooldown_is_never_shorter_than_a_checkpoint() {
    let pace = JobPace { checkpoint_ns: 90 * SECOND_NS, ..JobPace::default() };
    let mut advisor = Advisor::new(&wide(), pace).unwrap();
    assert!(advisor.advise(SECOND_NS, worth(10.0)).changed);
    assert!(!advisor.advise(31 * SECOND_NS, worth(1.0)).changed, "30 s are not enough");
    assert!(!advisor.advise(91 * SECOND_NS - 1, worth(1.0)).changed);
    assert!(advisor.advise(91 * SECOND_NS, worth(1.0)).changed);
    let mut quick = Advisor::new(&wide(), JobPace::default()).unwrap();
    assert!(quick.advise(0, worth(10.0)).changed && !quick.advise(30 * SECOND_NS - 1, worth(1.0)).changed);
    assert!(quick.advise(30 * SECOND_NS, worth(1.0)).changed);
}

#[test]
fn what_is_not_known_changes_nothing() {
    let mut advisor = Advisor::new(&wide(), JobPace::default()).unwrap();
    assert_eq!(advisor.advise(0, worth(8.9)).workers, 8);
    for signal in [PlanSignal { g_per_kwh: f64::NAN, ..worth(1.0) }, PlanSignal { work_grams: f64::NAN, ..worth(1.0) }]
    {
        assert!(!advisor.advise(u64::MAX, signal).changed);
    }
    assert!(Advisor::new(&wide(), JobPace { most: 33, ..JobPace::default() }).is_err());
    assert!(Advisor::new(&wide(), JobPace { most: 0, ..JobPace::default() }).is_err());
    assert!(Advisor::new(&wide(), JobPace { hysteresis: 1.0, ..JobPace::default() }).is_err());
}

#[test]
fn a_signal_that_trembles_within_the_band_changes_nothing() {
    let mut advisor = Advisor::new(&wide(), JobPace::default()).unwrap();
    let first = advisor.advise(0, worth(9.0)).workers;
    let changes = (1..1000u64).filter(|at| {
        let trembling = if at % 2 == 0 { 8.6 } else { 9.4 };
        advisor.advise(at * 60 * SECOND_NS, worth(trembling)).changed
    });
    assert_eq!((changes.count(), first), (0, 8));
}

proptest! {
    #[test]
    fn bounds_and_cooldown_hold_whatever_comes(
        signals in proptest::collection::vec((0..120u64, 0.0..900.0f64, 0.0..600.0f64), 1..200),
        most in 1..=32u32,
        cooldown_s in 0..60u64,
        checkpoint_s in 0..60u64,
    ) {
        let pace = JobPace {
            most, cooldown_ns: cooldown_s * SECOND_NS, checkpoint_ns: checkpoint_s * SECOND_NS, hysteresis: 0.1,
        };
        let mut advisor = Advisor::new(&wide(), pace).unwrap();
        let (mut now_ns, mut changed_ns) = (0, None);
        for (passed_s, g_per_kwh, work_grams) in signals {
            now_ns += passed_s * SECOND_NS;
            let advice = advisor.advise(now_ns, PlanSignal { g_per_kwh, work_grams });
            prop_assert!((1..=most).contains(&advice.workers));
            if advice.changed {
                let pause_ns = cooldown_s.max(checkpoint_s) * SECOND_NS;
                prop_assert!(changed_ns.is_none_or(|changed: u64| now_ns - changed >= pause_ns));
                changed_ns = Some(now_ns);
            }
        }
    }

    #[test]
    fn it_never_flaps_on_constant_input(g_per_kwh in 0.0..900.0f64, work_grams in 0.0..600.0f64, begin in 0.0..900.0f64) {
        let mut advisor = Advisor::new(&wide(), JobPace::default()).unwrap();
        advisor.advise(0, PlanSignal { g_per_kwh: begin, work_grams });
        let signal = PlanSignal { g_per_kwh, work_grams };
        let advice = (1..50u64).map(|at| advisor.advise(at * 31 * SECOND_NS, signal));
        prop_assert!(advice.filter(|advice| advice.changed).count() <= 1);
    }
}

//! Emissions of the node and of its jobs, with an intensity that changes. The answers are calculated by hand.

use std::sync::Arc;

use eco2_core::{Domain, Ranged as _, Reading};
use eco2_grid::provider::{Coverage, IntensityOrigin, IntensityPart};
use eco2_samplers::usage::JobTimes;

use super::tests::{S, at, job, node, package};
use super::*;
use crate::journal::Journal;
use crate::latest::Views;
use crate::prices::rates;
use crate::snapshot::EndReason;

/// Energy of a second at 3.6 kW, microjoules: a thousandth of a kilowatt-hour.
const SECOND_UJ: u64 = 3_600_000_000;

/// Returns an answer: 100 g/kWh, and 300 g/kWh from `change_ns` on, by the clock of the tests.
pub(super) fn answer(change_ns: u64) -> Coverage {
    let about = Arc::new(IntensityOrigin::default());
    let part = |from_ns, to_ns, g_per_kwh, estimated| IntensityPart {
        from_ns,
        to_ns,
        g_per_kwh,
        estimated,
        provider: "service".to_owned(),
        answer: None,
        fallback: false,
        about: Arc::clone(&about),
    };
    let (first, change) = (at(0).wall_ns, at(change_ns).wall_ns);
    let parts = vec![part(first, change, 100.0, false), part(change, at(3_600 * S).wall_ns, 300.0, true)];
    Coverage { parts, ..Coverage::default() }
}

pub(super) fn begin(boot: &str, began_ns: u64, kept: Option<Journal>) -> Node {
    let mut node = node(boot, began_ns).priced(Some(rates(400.0))).priced_over_time();
    assert!(kept.is_none_or(|kept| node.resume(kept)));
    let limits = Domain { range: Some(1 << 50), max_uw: Some(5_000_000_000), ..package() };
    node.take(Input::Domains { source: 0, domains: vec![limits] });
    node
}

/// Reads the counter, and ends an interval in which these jobs used the CPUs in equal parts.
pub(super) fn second(node: &mut Node, second: u64, jobs: &[JobKey]) -> Views {
    let reading = Reading { before_ns: second * S, after_ns: second * S, value: Ok(second * SECOND_UJ) };
    node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
    let part = S / jobs.len().max(1) as u64;
    let cpu = JobTimes { busy_ns: S, idle_ns: 0, jobs: jobs.iter().map(|key| (*key, part)).collect() };
    node.account(at(second * S), || cpu.into())
}

fn near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|grams| (grams - expected).abs() < 1e-9)
}

#[test]
fn grams_of_a_job_are_those_of_its_own_times_and_of_the_intensities_then() {
    let mut node = begin("a", 0, None);
    let [whole, early] = [0, 1].map(|_| node.begin_job(job("j"), at(0), None));
    second(&mut node, 0, &[]);
    let before = second(&mut node, 1, &[whole, early]).full;
    assert_eq!((before.emissions.as_ref().unwrap().grams, before.consumers[0].grams), (None, None), "no answer yet");
    node.take_intensities(answer(5 * S / 2), at(S).wall_ns);
    let views = second(&mut node, 2, &[whole, early]);
    // 2 Wh at 100 g/kWh with half as much overhead: 0.3 g, of which each has half.
    assert!(near(views.full.emissions.as_ref().unwrap().grams, 0.3), "the energy before the answer is in it");
    assert!(views.full.consumers.iter().all(|job| near(job.grams, 0.15) && !job.grams_are_estimated));
    assert!(node.end_job(early, at(2 * S), None, EndReason::Request));
    second(&mut node, 3, &[whole]);
    let late = node.begin_job(job("late"), at(3 * S), None);
    let Views { full, public } = second(&mut node, 4, &[whole, late]);
    for view in [&full, &public] {
        // 2.5 Wh at 100 and 1.5 Wh at 300: 0.375 + 0.675 g.
        let emissions = view.emissions.as_ref().unwrap();
        assert!((emissions.grams.unwrap() - 1.05).abs() < 1e-4, "{emissions:?}");
        assert!(emissions.is_estimated && emissions.g_per_kwh == Some(300.0) && emissions.provider == "service");
        // 1 Wh until 2 s; then half a watt-hour at 100, half at 300, and half at 300.
        let expected = [0.15 + 0.075 + 0.225 + 0.225, 0.15, 0.225];
        for (job, expected) in view.consumers.iter().zip(expected) {
            assert!((job.grams.unwrap() - expected).abs() < 1e-4, "{} {job:?}", expected);
            assert!(job.emitted().is_consistent() && job.grams == job.total_grams, "{job:?}");
        }
        assert_eq!([0, 1, 2].map(|at| view.consumers[at].grams_are_estimated), [true, false, true]);
    }
    let early = &full.consumers[1];
    assert_eq!(
        (early.total_grams, early.total_grams_high.is_some()),
        (early.grams, true),
        "it ended before the change"
    );
}

#[test]
fn emissions_go_on_after_a_restart_and_the_range_of_a_change_is_that_of_its_second() {
    let mut node = begin("a", 0, None);
    node.take_intensities(answer(5 * S / 2), at(0).wall_ns);
    let earlier: Vec<Views> = (0..=4).map(|at| second(&mut node, at, &[])).collect();
    let text = serde_json::to_string(&node.journal(4 * S)).unwrap();
    let mut next = begin("a", 5 * S, serde_json::from_str(&text).unwrap());
    let started = second(&mut next, 5, &[]).full;
    let emissions = started.emissions.as_ref().unwrap();
    // The last intensity stays until the first answer.
    assert!(near(emissions.grams, 1.05 + 0.45) && emissions.is_estimated, "{emissions:?}");
    // 0.15 g/Wh before the change and 0.45 after it. Until the change at least the energy at 2 s was used, and at most that at 3 s.
    let watt_hours = |uj: u64| uj as f64 / 3.6e9;
    let least = watt_hours(earlier[2].full.total_low_uj);
    let most = watt_hours(earlier[3].full.total_high_uj.unwrap());
    let [low, high] = [started.total_low_uj, started.total_high_uj.unwrap()].map(watt_hours);
    let expected = [(0.45 * low - 0.30 * most).max(0.15 * low), 0.45 * high - 0.30 * least];
    let range = emissions.bounded();
    assert!((range.low - expected[0]).abs() < 1e-9, "{range:?} {expected:?}");
    assert!((range.high.unwrap() - expected[1]).abs() < 1e-9, "{range:?} {expected:?}");
}

//! Series in which some slots are not known: plans run around them.

use eco2_grid::plan::{
    ChangeCosts, HOUR_NS, IntensityCurve, Job, Plan, PlanError, QueuedJob, Scaling, ZoneCandidate, elastic, plan, rank,
    share_machines, whole_slots,
};
use eco2_grid::{FilePlace, Series, SeriesMeta, SeriesPoint};
use proptest::prelude::*;

use crate::stage::{assert_sound, close, running_ns};

fn hourly(values: &[Option<f64>]) -> IntensityCurve {
    let point = |(at, value): (i64, &Option<f64>)| SeriesPoint {
        from_ns: at * HOUR_NS,
        value: *value,
        place: FilePlace::Whole,
    };
    let points: Vec<SeriesPoint> = (0..).zip(values).map(point).collect();
    IntensityCurve::new(&Series::of(SeriesMeta::default(), &points).unwrap())
}

fn job(hours: i64, interruptible: bool) -> Job {
    Job { duration_ns: hours * HOUR_NS, power_w: 1000.0, interruptible }
}

fn hours(plan: &Plan) -> Vec<(i64, i64)> {
    plan.slots.iter().map(|slot| (slot.from_ns / HOUR_NS, slot.to_ns / HOUR_NS)).collect()
}

#[test]
fn k09_one_unknown_slot_does_not_refuse_the_plans_of_its_window() {
    let curve = hourly(&[Some(100.0), None, Some(50.0), Some(60.0)]);
    let window = curve.window(0, 4 * HOUR_NS).unwrap();
    let one = plan(&window, &job(1, false)).unwrap();
    assert_eq!((hours(&one), one.grams, one.now_grams), (vec![(2, 3)], 50.0, Some(100.0)));
    assert_eq!(one.saving_percent(), Some(50.0));
    // Begun at once it would run where nothing is known: what that emits is not known either.
    let two = plan(&window, &job(2, false)).unwrap();
    assert_eq!((hours(&two), two.grams, two.now_grams, two.saving_percent()), (vec![(2, 4)], 110.0, None, None));
    let parts = plan(&window, &job(3, true)).unwrap();
    assert_eq!((hours(&parts), parts.grams, parts.now_grams), (vec![(0, 1), (2, 4)], 210.0, None));
    // What does not fit into the known time is refused, and the message names the unknown hour.
    for (hours, interruptible) in [(3, false), (4, true)] {
        let refused = plan(&window, &job(hours, interruptible)).unwrap_err();
        assert!(matches!(&refused, PlanError::Gap { from, .. } if from == "1970-01-01T01:00:00Z"), "{refused}");
    }
    assert!(matches!(curve.window(HOUR_NS, 2 * HOUR_NS), Err(PlanError::Gap { .. })), "nothing at all is known");
}

#[test]
fn k09_wider_plans_and_plans_that_pay_for_starts_go_around_unknown_slots() {
    let scaling = Scaling::one_worker(1000.0).unwrap();
    let curve = hourly(&[Some(10.0), None, Some(20.0), Some(90.0)]);
    let window = curve.window(0, 4 * HOUR_NS).unwrap();
    let shared = elastic(&window, &scaling, 2 * HOUR_NS).unwrap();
    assert_eq!((hours(&shared), shared.grams, shared.now_grams), (vec![(0, 1), (2, 3)], 30.0, None));
    // A start takes 1 kWh. 10 + 10, a pause, 20 + 20 are 60 g; the last two hours 20 + 20 + 90 = 130 g.
    let costs = ChangeCosts { start_uj: 3_600_000_000_000, switch_uj: 0 };
    let whole = whole_slots(&window, &scaling, costs, 2 * HOUR_NS).unwrap();
    assert_eq!((hours(&whole), whole.grams, whole.bound_grams), (vec![(0, 1), (2, 3)], 60.0, 60.0));
    assert!(matches!(elastic(&window, &scaling, 4 * HOUR_NS), Err(PlanError::Gap { .. })));
    assert!(matches!(whole_slots(&window, &scaling, costs, 4 * HOUR_NS), Err(PlanError::Gap { .. })));
}

#[test]
fn k09_a_queue_and_a_ranking_go_around_unknown_slots() {
    let curve = hourly(&[Some(10.0), None, Some(30.0), Some(50.0)]);
    for interruptible in [true, false] {
        let queued = |id: &str| QueuedJob {
            id: id.to_owned(),
            arrival_ns: 0,
            deadline_ns: 4 * HOUR_NS,
            job: job(1, interruptible),
            place: FilePlace::Whole,
        };
        let shared = share_machines(&curve, &[queued("a"), queued("b")], 1).unwrap();
        assert_eq!((shared.grams, shared.now_grams), (40.0, Some(20.0)), "interruptible: {interruptible}");
    }
    let unknown = hourly(&[Some(1.0), None, None, None]);
    let candidate = |name, curve| ZoneCandidate { name, curve, transfer_grams: 0.0 };
    let ranked =
        rank(&[candidate("gap", &unknown), candidate("home", &curve)], 0, 4 * HOUR_NS, &job(2, false)).unwrap();
    assert_eq!(ranked.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>(), ["home"]);
    assert!(rank(&[candidate("gap", &unknown)], 0, 4 * HOUR_NS, &job(2, false)).is_err());
}

proptest! {
    #[test]
    fn k09_plans_around_unknown_slots_are_the_best_there_are(
        values in prop::collection::vec(prop::option::weighted(0.7, (0..9u32).prop_map(f64::from)), 2..9), hours in 1..5usize,
    ) {
        let window_ns = values.len() as i64 * HOUR_NS;
        let (fixed, open) = (best_stretch(&values, hours), best_choice(&values, hours));
        let curve = hourly(&values);
        let plans = |interruptible| {
            curve.window(0, window_ns).and_then(|window| plan(&window, &job(hours as i64, interruptible)))
        };
        for (found, best) in [(plans(false), fixed), (plans(true), open)] {
            prop_assert_eq!(found.is_ok(), best.is_some());
            let (Ok(found), Some(best)) = (found, best) else { continue };
            assert_sound(&found, 0, window_ns);
            prop_assert!(close(found.grams, best), "{} {}", found.grams, best);
            prop_assert_eq!(running_ns(&found), hours as i64 * HOUR_NS);
            let is_known = |hour: i64| values[hour as usize].is_some();
            let touched = found.slots.iter().flat_map(|slot| slot.from_ns / HOUR_NS..=(slot.to_ns - 1) / HOUR_NS);
            prop_assert!(touched.into_iter().all(is_known), "{:?}", found);
        }
    }
}

fn best_stretch(values: &[Option<f64>], hours: usize) -> Option<f64> {
    let sums = values.windows(hours).filter_map(|hours| hours.iter().copied().sum::<Option<f64>>());
    sums.reduce(f64::min)
}

fn best_choice(values: &[Option<f64>], hours: usize) -> Option<f64> {
    let mut known: Vec<f64> = values.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    (known.len() >= hours).then(|| known[..hours].iter().sum())
}

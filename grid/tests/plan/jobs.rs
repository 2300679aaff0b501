//! Queues, machines and zones.

use eco2_grid::plan::{
    HOUR_NS, IntensityCurve, Job, PlanError, QueuedJob, Scaling, ZoneCandidate, elastic, parse_jobs, plan, rank,
    share_machines,
};
use eco2_grid::{FileFault, FilePlace, Series};
use proptest::prelude::*;

use crate::oracle::assert_machines;
use crate::stage::{close, hourly, uneven};

const HEAD: &str = "id,arrival,duration_h,deadline,interruptible\n";

fn queued(from: i64, hours: f64, to: i64, interruptible: bool) -> QueuedJob {
    let job = Job { duration_ns: (hours * HOUR_NS as f64) as i64, power_w: 1000.0, interruptible };
    QueuedJob {
        id: "a".to_owned(),
        arrival_ns: from * HOUR_NS,
        deadline_ns: to * HOUR_NS,
        job,
        place: FilePlace::Whole,
    }
}

#[test]
fn a_queue_is_read_line_by_line() {
    let text = format!("{HEAD}a,1970-01-01T01:00Z,1.5,1970-01-01T04:00Z,true\nb,1970-01-01,0.25,1970-01-02 00:00,\n");
    let jobs = parse_jobs(text.as_bytes(), "jobs.csv", 300.0).unwrap();
    assert_eq!(
        jobs[0],
        QueuedJob {
            place: FilePlace::Line(2),
            job: Job { power_w: 300.0, ..queued(1, 1.5, 4, true).job },
            ..queued(1, 1.5, 4, true)
        }
    );
    assert_eq!((jobs[1].job.interruptible, jobs[1].job.duration_ns, jobs.len()), (false, HOUR_NS / 4, 2));
}

#[test]
fn faults_of_a_queue_name_file_line_and_remedy() {
    for (row, part) in [
        ("a,1970-01-01,3,1970-01-01T02:00Z,true", "job a: it takes 3 h, from arrival to deadline there are 2 h"),
        ("a,1970-01-02,1,1970-01-01,true", "set a later deadline"),
        ("a,today,1,1970-01-02,true", "ISO 8601"),
        ("a,1970-01-01,-1,1970-01-02,true", "hours above 0"),
        ("a,1970-01-01,0,1970-01-02,true", "hours above 0"),
        ("a,1970-01-01,NaN,1970-01-02,true", "a number"),
        ("a,1970-01-01,1e300,1970-01-02,true", "hours above 0"),
        ("a,1970-01-01,1,1970-01-02,maybe", "true, false"),
        ("a,1970-01-01,1,1970-01-02", "4 fields"),
    ] {
        let text = format!("{HEAD}b,1970-01-01,1,1970-01-02,false\n{row}\n");
        let message = parse_jobs(text.as_bytes(), "jobs.csv", 1.0).unwrap_err().to_string();
        assert!(message.starts_with("jobs.csv:3: ") && message.contains(part), "{message}");
    }
    assert_eq!(parse_jobs(HEAD.as_bytes(), "jobs.csv", 1.0).unwrap_err().fault, FileFault::Empty);
    assert!(parse_jobs(b"id,when\n", "jobs.csv", 1.0).unwrap_err().to_string().contains("there are: id, when"));
}

#[test]
fn a_deadline_is_never_exceeded_and_must_allow_the_job() {
    let curve = hourly(&[9.0, 1.0, 9.0, 0.0]);
    // The cheapest hour begins after the deadline.
    let found = queued(0, 1.0, 3, false).plan(&curve).unwrap();
    assert_eq!((found.from_ns(), found.to_ns()), (HOUR_NS, 2 * HOUR_NS));
    // Part of a slot before the deadline counts, the rest of it does not.
    let late = QueuedJob { deadline_ns: 3 * HOUR_NS + HOUR_NS / 2, ..queued(0, 1.0, 3, true) }.plan(&curve).unwrap();
    assert!((late.to_ns(), late.grams) == (3 * HOUR_NS + HOUR_NS / 2, 0.5));
    assert!(matches!(queued(0, 3.5, 3, true).plan(&curve), Err(PlanError::DeadlineBeforeDuration { .. })));
    assert!(matches!(queued(4, 1.0, 9, true).plan(&curve), Err(PlanError::OutsideSeries { .. })));
    assert!(queued(0, 4.0, 99, true).plan(&curve).is_ok(), "a deadline after the series counts as its end");
    assert!(queued(1, 4.0, 99, true).plan(&curve).is_err());
}

#[test]
fn d16_savings_are_computed_so_a_flat_grid_saves_nothing() {
    let curve = hourly(&[250.0; 24]);
    for interruptible in [false, true] {
        let found = queued(3, 6.0, 24, interruptible).plan(&curve).unwrap();
        assert_eq!((found.saving_percent(), found.from_ns()), (Some(0.0), 3 * HOUR_NS), "nothing to gain, so at once");
    }
    let dark = queued(0, 1.0, 3, false).plan(&hourly(&[0.0; 3])).unwrap();
    assert_eq!((dark.grams, dark.saving_percent()), (0.0, Some(0.0)), "no division by nothing");
}

#[test]
fn d17_the_clean_hour_is_the_series_own() {
    // A grid of sunshine is cleanest at noon, one of wind in the night.
    let sun: Vec<f64> = (0..24).map(|hour| if (10..15).contains(&hour) { 50.0 } else { 400.0 }).collect();
    let wind: Vec<f64> = (0..24).map(|hour| if hour < 5 { 60.0 } else { 300.0 }).collect();
    let start = |values: &[f64]| queued(0, 4.0, 24, false).plan(&hourly(values)).unwrap().from_ns() / HOUR_NS;
    assert_eq!((start(&sun), start(&wind)), (10, 0));
}

#[test]
fn profile_that_decreases_is_refused_with_its_line() {
    let parse = |rows: &str| Scaling::parse(format!("nodes,throughput,power\n{rows}").as_bytes(), "p.csv", 100.0);
    let good = parse("0,0,0\n1,10,50\n2,18,105\n").unwrap();
    assert_eq!((good.levels().len(), good.has_power, good.work(HOUR_NS)), (2, true, 10.0));
    for (rows, line, part) in [
        ("1,10,50\n2,9,105\n", 3, "throughput is 9, after 10"),
        ("1,10,50\n2,18,40\n", 3, "power is 40, after 50"),
        ("2,10,50\n1,18,105\n", 3, "number of workers is 1, after 2"),
        ("1,10,50\n1,18,105\n", 3, "number of workers"),
        ("0,0,5\n1,10,50\n", 2, "leave the row out"),
        ("1,0,50\n", 2, "above 0"),
        ("1,10,-50\n", 2, "above 0"),
        ("1.5,10,50\n", 2, "whole number"),
        ("1,NaN,50\n", 2, "a number"),
    ] {
        let message = parse(rows).unwrap_err().to_string();
        assert!(message.starts_with(&format!("p.csv:{line}: ")) && message.contains(part), "{message}");
    }
    assert!(parse("0,0,0\n").unwrap_err().to_string().contains("no rows"));
    let without = Scaling::parse(b"workers,throughput\n1,10\n2,15\n", "p.csv", 100.0).unwrap();
    assert_eq!((without.has_power, without.levels()[1].power_w), (false, 200.0));
}

#[test]
fn elastic_by_hand() {
    // Work of 2 h at one worker; the second worker adds half for the same power again. 100 g, then 10 g, then 100 g.
    let scaling = Scaling::parse(b"workers,throughput,power\n1,10,1000\n2,15,2000\n", "p.csv", 1.0).unwrap();
    let curve = hourly(&[100.0, 10.0, 100.0]);
    let window = curve.window(0, 3 * HOUR_NS).unwrap();
    let found = elastic(&window, &scaling, 2 * HOUR_NS).unwrap();
    // All of the cheap hour: 15 units for 20 g. Five more for half of the first hour: 50 g. Now: 100 + 10.
    assert!(close(found.grams, 70.0) && close(found.now_grams.unwrap(), 110.0), "{found:?}");
    let shape: Vec<(i64, i64, u32)> = found.slots.iter().map(|s| (s.from_ns, s.to_ns, s.workers)).collect();
    assert_eq!(shape, [(0, HOUR_NS / 2, 1), (HOUR_NS, 2 * HOUR_NS, 2)]);
    assert!(close(found.work_grams.unwrap(), 10.0), "100 g/kWh × 1 kW / 10 units: {found:?}");
    // A window in which one worker is too slow: now is with two.
    let tight = elastic(&curve.window(0, HOUR_NS * 3 / 2).unwrap(), &scaling, 2 * HOUR_NS).unwrap();
    assert!(close(tight.now_grams.unwrap(), 2.0 * 100.0 + 20.0 / 3.0), "{tight:?}");
    assert!(elastic(&curve.window(0, HOUR_NS).unwrap(), &scaling, 2 * HOUR_NS).is_err());
}

#[test]
fn zones_are_ranked_with_their_transfer_and_never_across_kinds() {
    let zone = |kind: &str, value: f64| {
        let text = format!("{kind}time,z\n1970-01-01T00:00Z,{value}\n1970-01-01T01:00Z,{value}\n");
        IntensityCurve::new(&Series::parse_csv(text.as_bytes(), "z.csv", None).unwrap())
    };
    let (home, near, far) = (zone("", 300.0), zone("", 200.0), zone("", 100.0));
    let candidate = |name, curve, transfer_grams| ZoneCandidate { name, curve, transfer_grams };
    let all = [candidate("home", &home, 0.0), candidate("near", &near, 0.0), candidate("far", &far, 150.0)];
    let job = Job { duration_ns: HOUR_NS, power_w: 1000.0, interruptible: false };
    let ranked = rank(&all, 0, 2 * HOUR_NS, &job).unwrap();
    let order: Vec<(&str, f64)> = ranked.iter().map(|zone| (zone.name.as_str(), zone.total_grams)).collect();
    assert_eq!(order, [("near", 200.0), ("far", 250.0), ("home", 300.0)]);
    let marginal = zone("# kind=marginal-operating\n", 1.0);
    let mixed = [all[0], candidate("m", &marginal, 0.0)];
    assert!(matches!(rank(&mixed, 0, 2 * HOUR_NS, &job), Err(PlanError::KindsDiffer { .. })));
    assert!(rank(&[candidate("x", &home, f64::NAN)], 0, HOUR_NS, &job).is_err());
}

#[test]
fn two_jobs_on_one_machine_take_turns() {
    let curve = hourly(&[1.0, 5.0, 9.0]);
    let both = [queued(0, 1.0, 3, true), queued(0, 1.0, 3, true)];
    let shared = share_machines(&curve, &both, 1).unwrap();
    assert_eq!((shared.grams, shared.now_grams, shared.bound_grams), (6.0, Some(2.0), 6.0));
    let two = share_machines(&curve, &both, 2).unwrap();
    assert_eq!(two.grams, 2.0);
    let fixed = [queued(0, 1.0, 3, false), queued(0, 1.0, 3, false)];
    let shared = share_machines(&curve, &fixed, 1).unwrap();
    assert_eq!((shared.grams, shared.bound_grams), (6.0, 2.0));
    let three = [queued(0, 1.5, 3, true), queued(0, 1.0, 3, true), queued(0, 1.0, 3, true)];
    assert!(matches!(share_machines(&curve, &three, 1), Err(PlanError::NoMachine { machines: 1, .. })));
    assert!(share_machines(&curve, &three, 0).is_err());
}

proptest! {
    #[test]
    fn machines_that_do_not_bind_change_nothing(
        values in uneven(5..=10),
        jobs in proptest::collection::vec((0..4i64, 1..8i64, any::<bool>()), 1..=5),
    ) {
        let curve = hourly(&values);
        let jobs: Vec<QueuedJob> =
            jobs.iter().map(|&(from, quarters, open)| queued(from, quarters as f64 / 8.0, from + 1, open)).collect();
        let shared = share_machines(&curve, &jobs, 5).unwrap();
        assert_machines(&shared.plans, &jobs, 5);
        for (plan_, job) in shared.plans.iter().zip(&jobs) {
            let window = curve.window(job.arrival_ns, job.deadline_ns).unwrap();
            prop_assert!(close(plan_.grams, plan(&window, &job.job).unwrap().grams));
        }
    }

    #[test]
    fn jobs_that_may_not_pause_run_in_one_piece_on_a_free_machine(
        values in uneven(8..=10),
        jobs in proptest::collection::vec((0..4i64, 1..12i64, any::<bool>()), 1..=6),
        machines in 1..=3u32,
    ) {
        let curve = hourly(&values);
        let jobs: Vec<QueuedJob> =
            jobs.iter().map(|&(from, quarters, open)| queued(from, quarters as f64 / 4.0, 8, open)).collect();
        if let Ok(shared) = share_machines(&curve, &jobs, machines) {
            assert_machines(&shared.plans, &jobs, machines);
            prop_assert!(shared.bound_grams <= shared.grams);
            let whole = |(plan, job): (&eco2_grid::plan::Plan, &QueuedJob)| job.job.interruptible || plan.slots.len() == 1;
            prop_assert!(shared.plans.iter().zip(&jobs).all(whole));
        }
    }
}

//! The greedy optima against a solver of linear programmes.

use eco2_grid::FilePlace;
use eco2_grid::plan::{HOUR_NS, Job, QueuedJob, Scaling, elastic, plan, share_machines};
use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, Variable};
use proptest::prelude::*;

use crate::stage::{assert_sound, close, hourly, profiles, tied, uneven};

/// The least grams of an elastic job: how long each level runs in each hour, together at most the hour.
fn elastic_oracle(values: &[f64], profile: &Scaling, work: f64) -> Option<f64> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut done = LinearExpr::empty();
    for value in values {
        let mut hour = LinearExpr::empty();
        for level in profile.levels() {
            let share = problem.add_var(value * level.power_w / 1000.0, (0.0, 1.0));
            hour.add(share, 1.0);
            done.add(share, level.throughput);
        }
        problem.add_constraint(hour, ComparisonOp::Le, 1.0);
    }
    problem.add_constraint(done, ComparisonOp::Ge, work);
    objective(&problem)
}

fn objective(problem: &Problem) -> Option<f64> {
    problem.solve().ok()?.into_solution().ok().map(|solution| solution.objective())
}

/// The least grams of jobs that may be interrupted on machines that they share.
fn shared_oracle(values: &[f64], jobs: &[QueuedJob], machines: f64) -> Option<f64> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut hours: Vec<Vec<Variable>> = vec![Vec::new(); values.len()];
    for job in jobs {
        let mut time = LinearExpr::empty();
        for hour in job.arrival_ns / HOUR_NS..job.deadline_ns / HOUR_NS {
            let share = problem.add_var(values[hour as usize] * job.job.power_w / 1000.0, (0.0, 1.0));
            time.add(share, 1.0);
            hours[hour as usize].push(share);
        }
        problem.add_constraint(time, ComparisonOp::Eq, job.job.duration_ns as f64 / HOUR_NS as f64);
    }
    for shares in hours {
        let terms: Vec<(Variable, f64)> = shares.into_iter().map(|share| (share, 1.0)).collect();
        problem.add_constraint(terms, ComparisonOp::Le, machines);
    }
    objective(&problem)
}

prop_compose! {
    /// A job of half-hours between whole hours.
    fn queued(hours: i64)(from in 0..hours)(
        from in Just(from), to in from + 1..=hours, share in 1..=100i64, watts in 1..4u32, equal in any::<bool>(),
    ) -> QueuedJob {
        let duration_ns = ((to - from) * share * 2 / 100).max(1) * HOUR_NS / 2;
        let power_w = if equal { 100.0 } else { f64::from(watts) * 100.0 };
        let job = Job { duration_ns, power_w, interruptible: true };
        QueuedJob { id: String::new(), arrival_ns: from * HOUR_NS, deadline_ns: to * HOUR_NS, job, place: FilePlace::Whole }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn elastic_is_the_optimum_of_the_linear_programme(
        values in prop_oneof![tied(1..=10), uneven(1..=10)],
        profile in profiles(6),
        duration in 1..=48i64,
    ) {
        let duration_ns = duration * HOUR_NS / 4;
        let curve = hourly(&values);
        let window = curve.window(0, values.len() as i64 * HOUR_NS).unwrap();
        match (elastic(&window, &profile, duration_ns), elastic_oracle(&values, &profile, profile.work(duration_ns))) {
            (Ok(plan), Some(least)) => {
                assert_sound(&plan, 0, window.to_ns());
                prop_assert!(close(plan.grams, least), "{} {least}", plan.grams);
                prop_assert!(plan.grams <= plan.now_grams.unwrap() * (1.0 + 1e-9));
                let of = |workers| profile.levels().iter().find(|level| level.workers == workers).unwrap();
                let done = |slot: &eco2_grid::plan::PlanSlot| {
                    of(slot.workers).throughput * (slot.to_ns - slot.from_ns) as f64 / HOUR_NS as f64
                };
                let work: f64 = plan.slots.iter().map(done).sum();
                prop_assert!(close(work, profile.work(duration_ns)), "{work}");
                let series = crate::stage::series(&values, HOUR_NS);
                let emitted = crate::stage::emissions(&series, &plan.slots, |workers| of(workers).power_w);
                prop_assert!(close(emitted, plan.grams), "{emitted} {}", plan.grams);
            }
            (Err(_), None) => {}
            (mine, theirs) => prop_assert!(false, "{mine:?} {theirs:?}"),
        }
    }

    #[test]
    fn machines_are_shared_by_the_optimum_of_the_transportation_problem(
        values in prop_oneof![tied(4..=8), uneven(4..=8)],
        jobs in (4..=4i64).prop_flat_map(|hours| proptest::collection::vec(queued(hours), 1..=6)),
        machines in 1..=3u32,
    ) {
        let curve = hourly(&values);
        match (share_machines(&curve, &jobs, machines), shared_oracle(&values, &jobs, f64::from(machines))) {
            (Ok(shared), Some(least)) => {
                prop_assert!(close(shared.grams, least), "{} {least}", shared.grams);
                assert_machines(&shared.plans, &jobs, machines);
            }
            (Err(_), None) => {}
            (mine, theirs) => prop_assert!(false, "{mine:?} {theirs:?}"),
        }
    }

    #[test]
    fn one_worker_is_the_interruptible_job(values in uneven(1..=10), duration in 1..=40i64) {
        let curve = hourly(&values);
        let window = curve.window(0, values.len() as i64 * HOUR_NS).unwrap();
        let duration_ns = (duration * HOUR_NS / 4).min(window.to_ns());
        let wide = elastic(&window, &Scaling::one_worker(500.0).unwrap(), duration_ns).unwrap();
        let fixed = plan(&window, &Job { duration_ns, power_w: 500.0, interruptible: true }).unwrap();
        prop_assert!(close(wide.grams, fixed.grams));
        prop_assert!(close(wide.now_grams.unwrap(), fixed.now_grams.unwrap()));
    }
}

/// That no job runs outside its window or too long, and never more jobs at once than there are machines.
pub(crate) fn assert_machines(plans: &[eco2_grid::plan::Plan], jobs: &[QueuedJob], machines: u32) {
    for (plan, job) in plans.iter().zip(jobs) {
        assert_sound(plan, job.arrival_ns, job.deadline_ns);
        assert_eq!(crate::stage::running_ns(plan), job.job.duration_ns);
    }
    let slots: Vec<_> = plans.iter().flat_map(|plan| &plan.slots).collect();
    for slot in &slots {
        let running = slots.iter().filter(|other| (other.from_ns..other.to_ns).contains(&slot.from_ns)).count();
        assert!(running <= machines as usize, "{running} at once");
    }
}

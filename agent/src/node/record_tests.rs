//! Records of jobs: what is known of one where the machine lost its power.

use eco2_core::{Domain, Ranged as _, Reading};
use eco2_samplers::usage::JobTimes;

use super::tests::{S, at, job, node, package};
use super::*;
use crate::job_log::JobRecord;

#[test]
fn record_of_a_job_that_goes_on_has_its_own_energy_and_the_width_of_the_devices() {
    let mut node = node("a", 0);
    let estimate =
        Domain { quality: Quality::Estimated, ..Domain::power("board", package().component, "package", "x") };
    node.take(Input::Domains { source: 0, domains: vec![estimate] });
    let [outer, inner] = ["48213", "train"].map(|id| node.begin_job(job(id), at(0), None));
    node.nest_jobs(&[(inner, outer)].into());
    for second in 0..=3 {
        let at_ns = second * S;
        let reading = Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(50_000_000) };
        node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
        node.take(Input::Tick { now_ns: at_ns });
        let cpu = JobTimes { busy_ns: S, idle_ns: S, jobs: [(outer, S / 4), (inner, S / 2)].into() };
        node.account(at(at_ns), || cpu.into());
    }
    let total = node.total(&node.public);
    assert!(total.value > Some(0) && total.high != total.value, "the estimate has a range: {total:?}");
    let sums = &node.public.shares;
    let ranges = [(outer, sums.jobs[&outer]), (inner, sums.jobs[&inner])].map(|(key, sum)| (key, sum.within(&total)));
    for (key, own) in ranges {
        let record = node.job_record(key, at(9 * S).wall_ns).unwrap();
        let past = past_job(&record);
        assert_eq!(past.bounded(), own, "the joules of {key} without those within it");
    }
    // An agent that goes on in the same boot has the width of its own devices.
    let mut next = super::tests::node("a", 4 * S);
    let record = JobRecord { number: 1, ..node.job_record(outer, 0).unwrap() };
    next.replay(&[record], 0);
    assert_eq!(next.public.shares.totals[&outer], sums.totals[&outer]);
}

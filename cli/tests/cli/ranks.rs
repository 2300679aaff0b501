//! Several processes that measure one run: ranks, restarts, preemption, resumption; and `eco2 merge` over all of it.

use std::fs;
use std::process::{Child, Command};

use eco2_core::schema::Report;

use crate::rig::{Ran, Rig, assert_valid, await_that, ran, started};

/// `eco2 run` as a launcher starts a rank.
fn rank(rig: &Rig, rank: u32, world: u32, attempt: u32, script: &str) -> Command {
    let mut command = rig.measuring("-q", script);
    command.env("RANK", rank.to_string()).env("WORLD_SIZE", world.to_string()).env("LOCAL_RANK", rank.to_string());
    command.env("TORCHELASTIC_RUN_ID", "job/7").env("TORCHELASTIC_RESTART_COUNT", attempt.to_string());
    command
}

/// Runs ranks side by side to their ends.
fn ranks(rig: &Rig, world: u32, attempt: u32, script: &str) {
    let children: Vec<Child> = (0..world).map(|at| started(&mut rank(rig, at, world, attempt, script))).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
}

fn counter_uj(rig: &Rig) -> u64 {
    let text = || fs::read_to_string(rig.path("sys/class/powercap/intel-rapl:0/energy_uj")).unwrap();
    await_that("the counter can be read", || text().trim().parse().ok())
}

fn merged(rig: &Rig, runs: &str) -> Report {
    let ran = rig.eco2(&format!("merge {runs} --json"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert_valid(&ran.report());
    ran.report()
}

/// A machine with a boot id: without one nothing is known to be one machine.
fn machine() -> Rig {
    let rig = Rig::measured();
    rig.put("proc/sys/kernel/random/boot_id", "0f0e0d0c-0b0a-4908-8706-050403020100\n");
    rig.put("proc/sys/kernel/hostname", "trainer\n");
    rig
}

#[test]
fn f39_ranks_on_one_machine_and_the_command_around_them_make_one_total() {
    let rig = machine();
    let before_uj = counter_uj(&rig);
    ranks(&rig, 4, 0, "sleep 0.5");
    let drawn_uj = counter_uj(&rig) - before_uj;
    let records = fs::read_dir(rig.path("state/eco2/runs/job-7")).unwrap().count();
    assert_eq!(records, 4, "one log a rank, in one folder");
    let all = merged(&rig, "last");
    let total_uj = all.energy.total_uj.unwrap();
    assert!(total_uj <= drawn_uj, "{total_uj} of {drawn_uj}: never more than the counter counted");
    assert!(total_uj * 2 > drawn_uj, "{total_uj} of {drawn_uj}: nor a part of it");
    let merge = all.merge.as_ref().unwrap();
    assert_eq!((merge.ranks, merge.world_size, merge.parts.len(), merge.machines), (Some(4), Some(4), 4, 1));
    let longest = merge.parts.iter().filter_map(|part| part.energy.total_uj).max().unwrap();
    // Where two records meet, both are interpolated. On demand, nothing is read between the ends of so short a run: 2.5 % were
    // seen, and readings every 10 ms cost less than a hundredth.
    assert!(total_uj * 100 >= longest * 95 && total_uj < 2 * longest, "{total_uj} for four, {longest} for one");
    assert_eq!(all.run.id, "job-7");
    assert!(all.energy.low_uj <= total_uj && all.energy.high_uj.is_none_or(|high| high >= total_uj));
    // Merged again, in parts, and whole.
    assert_eq!(rig.eco2("merge job-7 --json -o all.json").code, Some(0));
    let again = merged(&rig, "all.json job-7 all.json");
    assert_eq!(again, merged(&rig, "job-7"));
}

#[test]
fn f38_a_restarted_run_is_summed_and_the_pause_is_separate() {
    let rig = machine();
    ranks(&rig, 2, 0, "sleep 0.3");
    ranks(&rig, 1, 1, "sleep 0.2");
    let all = merged(&rig, "job-7");
    let sizes: Vec<_> = all.run.attempts.iter().map(|attempt| (attempt.number, attempt.world_size)).collect();
    assert_eq!(sizes, [(0, Some(2)), (1, Some(1))]);
    assert_eq!(
        all.run.attempts.iter().filter_map(|attempt| attempt.energy_uj).sum::<u64>(),
        all.energy.total_uj.unwrap()
    );
    assert!(all.run.attempts.iter().all(|attempt| attempt.energy_uj > Some(0)));
    let text = rig.eco2("report last").out;
    assert!(text.contains("Attempt 1") && text.contains("1 of 1 ranks"), "{text}");
}

#[test]
fn f35_a_preempted_run_goes_on_under_its_id() {
    let rig = machine();
    let script = "trap 'exit 143' TERM; echo begun > begun; while :; do sleep 0.02; done";
    let first = started(&mut rig.measuring("-q --run-id bert", script));
    rig.awaited("begun");
    std::thread::sleep(std::time::Duration::from_millis(200));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(first.id().try_into().unwrap()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let first: Ran = first.wait_with_output().unwrap().into();
    assert_eq!(first.code, Some(143), "{first:?}");
    assert_eq!(rig.run("-q --run-id bert", "sleep 0.2").code, Some(0));
    let all = merged(&rig, "bert");
    assert_eq!(all.run.attempts.len(), 2, "{:?}", all.run.attempts);
    let parts: u64 = all.merge.as_ref().unwrap().parts.iter().filter_map(|part| part.energy.total_uj).sum();
    assert_eq!(
        all.energy.total_uj,
        Some(parts),
        "the two do not overlap, so that nothing is left out or counted twice"
    );
}

#[test]
fn f37_a_rank_that_was_killed_leaves_what_it_had_and_one_without_a_log_is_named() {
    let rig = machine();
    let mut victim = started(&mut rank(&rig, 0, 3, 0, "echo up > up0; sleep 30"));
    rig.awaited("up0");
    std::thread::sleep(std::time::Duration::from_millis(400));
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(ran(&mut rank(&rig, 1, 3, 0, "sleep 0.3")).code, Some(0));
    fs::write(rig.path("state/eco2/runs/job-7/20990101-000000-0-0-r2.eco2log"), "torn").unwrap();
    let ran = rig.eco2("merge job-7 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("left out") && ran.err.contains("-r2.eco2log"), "{}", ran.err);
    let all = ran.report();
    let merge = all.merge.as_ref().unwrap();
    assert_eq!((merge.ranks, merge.missing_ranks.as_slice()), (Some(2), &[2][..]));
    assert!(merge.parts.iter().all(|part| part.energy.total_uj > Some(0)), "the killed one's last checkpoint counts");
    assert_eq!(rig.eco2("merge nothing-here").code, Some(1));
    assert!(rig.eco2("merge job-7").out.contains("2 of 3 ranks"));
}

#[test]
fn what_measures_below_a_command_is_of_its_run() {
    let rig = machine();
    let inner = format!("{} run -q --sysfs sys --procfs proc -- sleep 0.2", env!("CARGO_BIN_EXE_eco2"));
    assert_eq!(rig.run("-q --json outer.json", &inner).code, Some(0));
    let outer = rig.report("outer.json");
    let all = merged(&rig, "last");
    assert_eq!((all.run.id.as_str(), all.merge.as_ref().unwrap().parts.len()), (outer.run.id.as_str(), 2));
    assert_eq!(all.energy.total_uj, outer.energy.total_uj, "the inner one saw a part of the same");
    assert_eq!(all.run.attempts.len(), 1);
}

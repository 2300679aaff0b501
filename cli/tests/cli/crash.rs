//! A killed `eco2 run`: its log stays readable, and the next run is not disturbed.

use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use eco2_core::schema::{Report, State};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, assert_valid, await_that, started};

/// Starts a run of a command that would last, and waits until it runs.
fn running(rig: &Rig) -> (Child, Pid) {
    let eco2 = started(&mut rig.measuring("--zone DE", "echo $$ >pid; exec sleep 60"));
    let child: i32 = rig.awaited("pid").trim().parse().unwrap();
    (eco2, Pid::from_raw(child).unwrap())
}

/// Kills a run; its command is ended too, so that the test leaves nothing.
fn kill((mut eco2, child): (Child, Pid)) {
    eco2.kill().unwrap();
    eco2.wait().unwrap();
    assert!(rustix::process::test_kill_process(child).is_ok(), "the command outlives us");
    kill_process(child, Signal::KILL).unwrap();
}

fn read(rig: &Rig, log: &Path) -> Report {
    let ran = rig.eco2(&format!("report {} --json", log.display()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.report();
    assert_valid(&report);
    assert_eq!(report.run.state, State::Provisional);
    report
}

#[test]
fn f30_killed_at_any_moment_the_run_is_readable() {
    // Moments from the first reading on; no two rounds share one.
    for round in 0..6 {
        let rig = Rig::measured();
        let run = running(&rig);
        let log = await_that("the log has begun", || {
            rig.logs().into_iter().find(|log| log.metadata().is_ok_and(|meta| meta.len() > 0))
        });
        thread::sleep(Duration::from_millis(round * 37 % 101 + round * 11));
        kill(run);
        let report = read(&rig, &log);
        assert_eq!((report.run.name.as_str(), report.run.exit_code), ("sh", None));
        assert!(report.run.started_at.starts_with("20"), "{}", report.run.started_at);
    }
}

#[test]
fn f30_killed_after_a_while_the_energy_so_far_is_there() {
    let rig = Rig::measured();
    let run = running(&rig);
    // Readings and checkpoints are written every five seconds, in the first ones after twice the time.
    thread::sleep(Duration::from_millis(6_500));
    kill(run);
    let report = read(&rig, Path::new("last"));
    // At most five of the 6.5 s at 20 W are lost, and there is no more than what the counter grew by.
    assert!(
        (20_000_000..160_000_000).contains(&report.energy.total_uj.unwrap()),
        "{}",
        report.energy.total_uj.unwrap()
    );
    let text = rig.eco2("report last").out;
    assert!(text.contains("Provisional"), "{text}");
}

#[test]
fn f41_a_killed_run_leaves_no_lock_behind() {
    let rig = Rig::measured();
    kill(running(&rig));
    let next = rig.run("--json report.json", "exit 3");
    assert_eq!(next.code, Some(3));
    assert_eq!(rig.report("report.json").run.exit_code, Some(3));
    let logs = rig.logs();
    assert!(logs.iter().all(|log| log.extension().is_some_and(|end| end == "eco2log")), "{logs:?}");
}

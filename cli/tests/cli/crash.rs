//! A killed `eco2 run`: its log stays readable, and the next run is not disturbed.

use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use eco2_core::schema::{Report, State};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

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

/// How often a process is killed at an instant by chance: 20 times, or `ECO2_KILLS`.
fn kills() -> u64 {
    std::env::var("ECO2_KILLS").map_or(20, |text| text.parse().unwrap())
}

/// Kills a process and its command after a time by chance, up to `most_us`.
fn kill_at_any_instant(mut process: Child, random: &mut u64, most_us: u64) {
    // The constants are those of Knuth's MMIX.
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    thread::sleep(Duration::from_micros((*random >> 33) % most_us));
    // It may have ended already.
    kill_process_group(Pid::from_child(&process), Signal::KILL).ok();
    process.wait().unwrap();
}

/// Ids of the runs that are listed. Nothing may be wrong with the list.
fn listed(rig: &Rig) -> Vec<String> {
    let ran = rig.eco2("runs --format csv");
    assert!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    ran.out.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn f30_log_and_index_are_whole_whenever_their_writer_is_killed() {
    let (kills, mut random) = (kills(), 30);
    let (mut whole_frames, mut empty, mut cut) = (0, 0, 0);
    for part in 0..kills.div_ceil(100) {
        let rig = Rig::measured();
        for _ in 0..(kills - part * 100).min(100) {
            let before = rig.logs();
            let process = started(&mut rig.measuring("--interval 10ms", "exec sleep 60"));
            let new_log = || rig.logs().into_iter().find(|log| !before.contains(log));
            let log = await_that("the log is created", new_log);
            kill_at_any_instant(process, &mut random, 150_000);
            let verified = rig.eco2(&format!("verify --json {}", log.display()));
            let found: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
            let record = &found["records"][0];
            assert_eq!((verified.code, &record["closed"]), (Some(0), &false.into()), "{verified:?}");
            let text = rig.eco2(&format!("verify {}", log.display())).out;
            assert!(text.contains("not closed") && !text.contains("broken"), "{text}");
            let id = log.file_stem().unwrap().to_str().unwrap();
            assert!(listed(&rig).iter().any(|listed| listed == id), "{id} is not listed");
            whole_frames += record["frames"].as_u64().unwrap();
            (empty, cut) = (empty + u64::from(record["frames"] == 0), cut + u64::from(record["cut_bytes"] != 0));
        }
        let (all, index) = (listed(&rig), rig.path("state/eco2/runs/.history.sqlite"));
        for round in 0..(kills - part * 100).min(100) {
            // One that is new, and one that is read again in full.
            if round % 2 == 0 {
                std::fs::remove_file(&index).ok();
            }
            let words = if round % 2 == 0 { "runs" } else { "runs reindex" };
            kill_at_any_instant(started(&mut rig.command(words)), &mut random, 100_000);
            assert_eq!(listed(&rig), all);
        }
    }
    println!(
        "{kills} logs with {whole_frames} whole frames: {empty} with none, {cut} with one that was cut off; {kills} kills of the index"
    );
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

//! `eco2 job`: begins, ends and lists the jobs of an agent on a fake machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::rig::{Ran, Rig, await_that, ran, started};

/// An agent that does not outlive a test that fails.
pub(crate) struct Agent(pub(crate) Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serving(rig: &Rig) -> Command {
    let mut command = rig.bin();
    command.arg("serve").args(rig.hardware()).args(["--listen", "127.0.0.1:0"]).arg("--dir").arg(rig.path("agent"));
    command.env("ECO2_NVML", rig.path("no-such-library.so"));
    command
}

/// Starts an agent and waits until it answers.
fn serve(rig: &Rig) -> Agent {
    let socket = rig.path("agent/eco2.sock");
    let _ = fs::remove_file(&socket);
    let agent = Agent(started(&mut serving(rig)));
    await_that("the agent answers", || (job(rig, "list").code == Some(0)).then_some(()));
    agent
}

fn job_command(rig: &Rig, words: &str) -> Command {
    let mut command = rig.bin();
    command.arg("job").args(words.split(' ')).env("ECO2_AGENT", rig.path("agent"));
    command
}

fn job(rig: &Rig, words: &str) -> Ran {
    ran(&mut job_command(rig, words))
}

fn listed(rig: &Rig) -> Vec<Value> {
    serde_json::from_str(&job(rig, "list --json").out).unwrap()
}

fn process(rig: &Rig, pid: u32, ticks: u64) {
    let line = format!("{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n");
    rig.put(&format!("proc/{pid}/stat"), &line);
    rig.put(&format!("proc/{pid}/cgroup"), "0::/\n");
}

fn rig() -> Rig {
    let rig = Rig::measured();
    rig.put("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    process(&rig, 1, 0);
    process(&rig, 4242, 0);
    rig
}

#[test]
fn job_is_begun_listed_and_ended_with_one_line() {
    let rig = rig();
    let _agent = serve(&rig);
    let begun = job(&rig, "begin train --pid 4242 --name bert --label account=nlp");
    assert_eq!((begun.code, begun.out.as_str(), begun.err.as_str()), (Some(0), "", ""));
    let again = job(&rig, "begin train --pid 4242");
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("goes on already") && again.err.contains("eco2 job end train"), "{}", again.err);
    await_that("the job is listed", || listed(&rig).iter().any(|job| job["id"] == "train").then_some(()));
    let text = job(&rig, "list").out;
    assert!(
        text.starts_with("ID     NAME  USER") && text.contains("train  bert  0") && text.contains("running"),
        "{text}"
    );
    let own = &listed(&rig)[0];
    assert_eq!((&own["labels"]["account"], &own["kind"]), (&"nlp".into(), &"job".into()));
    let ended = job(&rig, "end train --steps 40 --wait");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.starts_with("eco2: ") && ended.out.contains(" J") && ended.out.contains(", 40 steps"),
        "{}",
        ended.out
    );
    assert_eq!(ended.out.lines().count(), 1);
    let late = job(&rig, "end train");
    assert!(late.code == Some(1) && late.err.contains("not ended"), "{}", late.err);
    let wrong = job(&rig, "begin nothing --pid 999999");
    assert!(wrong.code == Some(1) && wrong.err.contains("no process of yours has the id 999999"), "{}", wrong.err);
    assert_eq!(job(&rig, "begin a/b --pid 4242").code, Some(2));
}

#[test]
fn grams_of_a_job_have_a_range_and_the_intensity_of_their_time() {
    let rig = rig();
    let hour = |at: i64| Timestamp::now() + SignedDuration::from_hours(at);
    let rows = (-3..4).map(|at| format!("{},{}\n", hour(at).strftime("%Y-%m-%dT%H:00Z"), 100));
    rig.put("series.csv", &format!("time,gco2e_per_kwh\n{}", rows.collect::<String>()));
    let _agent = Agent(started(serving(&rig).arg("--intensity-series").arg(rig.path("series.csv"))));
    await_that("the agent answers", || (job(&rig, "list").code == Some(0)).then_some(()));
    assert_eq!(job(&rig, "begin train --pid 4242").code, Some(0));
    let grams = await_that("grams", || listed(&rig).into_iter().find(|job| job["total_grams"].is_number()));
    let [value, low, high] = ["", "_low", "_high"].map(|end| grams[format!("total_grams{end}")].as_f64());
    assert!(low <= value && high.is_none_or(|high| Some(high) >= value), "{grams}");
    assert_eq!(grams["grams_are_estimated"], false);
    let node = ran(rig.bin().args(["top", "--json"]).env("ECO2_AGENT", rig.path("agent"))).out;
    let emissions = &serde_json::from_str::<Value>(&node).unwrap()["emissions"];
    assert_eq!((&emissions["g_per_kwh"], &emissions["provider"]), (&100.0.into(), &"series".into()), "{emissions}");
}

#[test]
fn job_whose_processes_have_ended_ends_by_itself_and_takes_its_steps_later() {
    let rig = rig();
    let _agent = serve(&rig);
    assert_eq!(job(&rig, "begin short --pid 4242").code, Some(0));
    fs::remove_dir_all(rig.path("proc/4242")).unwrap();
    await_that("it ends", || listed(&rig).iter().any(|job| job["end_reason"] == "gone").then_some(()));
    let ended = job(&rig, "end short --steps 3");
    assert!(ended.code == Some(0) && ended.out.contains("3 steps"), "{ended:?}");
}

#[test]
fn job_that_ends_at_once_or_has_the_id_of_an_earlier_one_is_ended_and_not_confused() {
    let rig = rig();
    let _agent = serve(&rig);
    // Ended before the agent has listed it.
    assert_eq!(job(&rig, "begin a --pid 4242").code, Some(0));
    let at_once = job(&rig, "end a");
    assert_eq!(at_once.code, Some(0), "{}", at_once.err);
    assert!(at_once.out.contains("not known yet") || at_once.out.contains("last second"), "{}", at_once.out);
    assert_eq!(job(&rig, "begin a --pid 4242").code, Some(0));
    let second = job(&rig, "end a --steps 7 --wait");
    assert!(second.code == Some(0) && second.out.contains("7 steps") && !second.out.contains("last"), "{}", second.out);
    let keys: Vec<u64> = listed(&rig).iter().filter_map(|job| job["key"].as_u64()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}

#[test]
fn month_of_an_account_is_one_command_also_after_a_start_of_the_machine() {
    let rig = rig();
    rig.open_for_others();
    let agent = serve(&rig);
    for id in ["a", "b"] {
        let begun = job(&rig, &format!("begin {id} --pid 4242 --label account=nlp --label partition=gpu"));
        assert_eq!(begun.code, Some(0), "{}", begun.err);
        let ended = job(&rig, &format!("end {id} --wait"));
        let line = ended.out.trim_end();
        assert!(
            line.len() <= 200 && line.is_ascii() && line.contains(" g CO2e") && line.contains(", measured, "),
            "{line}"
        );
    }
    assert_eq!(job(&rig, "begin other --pid 4242").code, Some(0));
    let document: Value = serde_json::from_str(&job(&rig, "end other --json --wait --steps 3").out).unwrap();
    assert_eq!((&document["id"], &document["steps"]), (&"other".into(), &3.into()), "{document}");
    assert_eq!(document["qualities"], serde_json::json!(["measured"]));
    let rows = |words: &str| job(&rig, words).out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let sums = |rows: &[String]| {
        let found = rows.iter().find(|row| row.contains(",nlp,2,")).cloned()?;
        Some(found).filter(|row| row.split(',').all(|cell| !cell.is_empty() || row.ends_with(',')) && rows.len() == 2)
    };
    let sum = await_that("the history has them", || sums(&rows("list --since 1d --group-by account")));
    let own = rows("list --format csv --account nlp --user root");
    assert!(own.len() == 2 && own.iter().all(|row| row.contains(",0,nlp,gpu,")), "{own:?}");
    assert!(rows("list --format csv --user 12345").is_empty());
    assert_eq!(job(&rig, "list --since never").code, Some(2));
    drop(agent);

    // After a start of the machine the folder of the pages is empty.
    let folder = rig.path("agent");
    let names = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name != "ended-jobs.log").for_each(|name| fs::remove_file(folder.join(name)).unwrap());
    rig.put("proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n");
    let _agent = serve(&rig);
    assert_eq!(sums(&rows("list --since 1d --group-by account")), Some(sum));
    assert!(listed(&rig).is_empty(), "without --since they are listed no longer");
    if rustix::process::geteuid().is_root() {
        let other = ran(job_command(&rig, "list --since 1d --format csv").uid(65_534).gid(65_534));
        assert_eq!((other.code, other.out.lines().count()), (Some(0), 1), "the head only: {other:?}");
    }
}

#[test]
fn f46_agent_that_is_not_there_has_ended_or_is_no_socket_is_named_with_the_remedy() {
    let rig = Rig::bare();
    let absent = job(&rig, "list");
    assert_eq!(absent.code, Some(1));
    assert!(absent.err.contains("agent/eco2.sock") && absent.err.contains("eco2 serve"), "{}", absent.err);
    fs::create_dir(rig.path("agent")).unwrap();
    drop(UnixListener::bind(rig.path("agent/eco2.sock")).unwrap());
    let stale = job(&rig, "list");
    assert!(stale.code == Some(1) && stale.err.contains("its agent has ended"), "{}", stale.err);
    fs::remove_file(rig.path("agent/eco2.sock")).unwrap();
    symlink("/dev/null", rig.path("agent/eco2.sock")).unwrap();
    let other = job(&rig, "list");
    assert!(other.code == Some(1) && other.err.contains("is not a socket"), "{}", other.err);
}

#[test]
fn f46_another_users_jobs_are_neither_seen_nor_ended_and_a_closed_socket_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rig = rig();
    rig.open_for_others();
    let _agent = serve(&rig);
    assert_eq!(job(&rig, "begin train --pid 4242").code, Some(0));
    let other = |words: &str| ran(job_command(&rig, words).uid(65_534).gid(65_534));
    await_that("the job is listed", || (!listed(&rig).is_empty()).then_some(()));
    assert_eq!(other("list --json").out.trim(), "[]");
    let ended = other("end train");
    assert!(ended.code == Some(1) && ended.err.contains("not yours"), "{}", ended.err);
    let begun = other("begin mine --pid 4242");
    assert!(begun.code == Some(1) && begun.err.contains("no process of yours"), "{}", begun.err);
    let group = other("begin mine --cgroup /slurm");
    assert!(group.code == Some(1) && group.err.contains("only root and the group eco2"), "{}", group.err);
    fs::set_permissions(rig.path("agent/eco2.sock"), fs::Permissions::from_mode(0o600)).unwrap();
    let closed = other("list");
    assert!(closed.code == Some(1) && closed.err.contains("mode 600 and needs 666"), "{}", closed.err);
}

#[test]
fn f30_job_that_was_answered_survives_an_agent_that_is_killed() {
    let rig = rig();
    for round in 0..5 {
        let agent = serve(&rig);
        let begun = job(&rig, &format!("begin job-{round} --pid 4242"));
        assert_eq!(begun.code, Some(0), "{}", begun.err);
        // `Child::kill` is SIGKILL.
        drop(agent);
    }
    let agent = serve(&rig);
    let ids: Vec<String> = listed(&rig).iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    assert_eq!(job(&rig, "end job-0").code, Some(0));
    drop(agent);
    // The journal of the second before has it as one that goes on.
    let agent = serve(&rig);
    assert!(job(&rig, "end job-0").err.contains("not ended"));
    drop(agent);

    // After a start of the machine the folder of the pages is empty.
    let folder = rig.path("agent");
    let keep = |name: &str| !name.starts_with("jobs.log");
    let names = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| keep(name)).for_each(|name| fs::remove_file(folder.join(name)).unwrap());
    rig.put("proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n");
    let _agent = serve(&rig);
    let reasons: Vec<String> = listed(&rig).iter().map(|job| job["end_reason"].to_string()).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "\"reboot\"").count(), 4, "{reasons:?}");
    assert!(!Path::new(&folder).join("jobs.log.1").exists());
}

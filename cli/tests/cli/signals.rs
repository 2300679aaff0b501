//! Signals on their way through `eco2 run`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use eco2_core::schema::Report;
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Ran, Rig, await_that, started};

/// Logs every signal that it gets, and ends with code 5 when there is a file `stop`.
const LOGGER: &str = "for s in INT TERM HUP QUIT USR1 USR2 CONT WINCH; do trap \"echo $s >>got\" $s; done
    echo $$ >pid; while [ ! -e stop ]; do sleep 0.02; done; exit 5";

fn send(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

fn finished(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

fn got(rig: &Rig) -> Vec<String> {
    fs::read_to_string(rig.path("got")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn send_and_await(rig: &Rig, eco2: &Child, signal: Signal, name: &str) {
    let before = got(rig).len();
    send(eco2.id(), signal);
    let after = await_that(name, || Some(got(rig)).filter(|got| got.len() > before));
    assert_eq!(after[before..], [name]);
}

/// State letter and parent of a process: proc_pid_stat(5).
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn f36_interrupts_hangups_and_others_reach_the_command_once_each() {
    let rig = Rig::measured();
    let eco2 = started(&mut rig.measuring("--json report.json", LOGGER));
    rig.awaited("pid");
    send_and_await(&rig, &eco2, Signal::INT, "INT");
    send_and_await(&rig, &eco2, Signal::INT, "INT");
    send_and_await(&rig, &eco2, Signal::HUP, "HUP");
    send_and_await(&rig, &eco2, Signal::QUIT, "QUIT");
    send_and_await(&rig, &eco2, Signal::USR1, "USR1");
    send_and_await(&rig, &eco2, Signal::USR2, "USR2");
    send_and_await(&rig, &eco2, Signal::WINCH, "WINCH");
    rig.put("stop", "");
    assert_eq!(finished(eco2).code, Some(5));
    assert_eq!(got(&rig).len(), 7, "{:?}", got(&rig));
    assert_eq!(rig.report("report.json").run.exit_code, Some(5));
}

#[test]
fn f36_stop_and_continue_take_both_along() {
    let rig = Rig::measured();
    let eco2 = started(&mut rig.measuring("--quiet", LOGGER));
    let child: u32 = rig.awaited("pid").trim().parse().unwrap();
    send(eco2.id(), Signal::TSTP);
    await_that("the command stops", || (state(child) == Some('T')).then_some(()));
    await_that("eco2 stops", || (state(eco2.id()) == Some('T')).then_some(()));
    send(eco2.id(), Signal::CONT);
    await_that("eco2 goes on", || (state(eco2.id()) != Some('T')).then_some(()));
    await_that("the command goes on", || (got(&rig) == ["CONT"]).then_some(()));
    rig.put("stop", "");
    assert_eq!(finished(eco2).code, Some(5));
}

#[test]
fn f36_who_does_not_stop_keeps_us_running() {
    let rig = Rig::bare();
    let script = "trap '' TSTP; echo $$ >pid; while [ ! -e stop ]; do sleep 0.02; done; exit 6";
    let eco2 = started(&mut rig.measuring("--quiet", script));
    rig.awaited("pid");
    send(eco2.id(), Signal::TSTP);
    rig.put("stop", "");
    assert_eq!(finished(eco2).code, Some(6), "SIGCONT was not sent");
}

#[test]
fn f35_after_sigterm_the_report_is_written_within_100_ms_and_the_code_kept() {
    // When the command ended is what it wrote down last; the quickest of five shows what the machine's load hides.
    let script = "trap 'date +%s%N >ended; exit 9' TERM; echo $$ >pid; while :; do sleep 0.01; done";
    let delay_ms = |_| {
        let rig = Rig::measured();
        let eco2 = started(&mut rig.measuring("--json report.json", script));
        rig.awaited("pid");
        std::thread::sleep(std::time::Duration::from_millis(100));
        send(eco2.id(), Signal::TERM);
        assert_eq!(finished(eco2).code, Some(9));
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let report: Report = rig.report("report.json");
        assert_eq!(report.run.exit_code, Some(9));
        let ended_ns: u128 = rig.awaited("ended").trim().parse().unwrap();
        now_ns.saturating_sub(ended_ns) / 1_000_000
    };
    let delays: Vec<u128> = (0..5).map(delay_ms).collect();
    assert!(delays.iter().any(|ms| *ms < 100), "{delays:?} ms");
}

#[test]
fn nohup_is_kept_what_was_ignored_stays_ignored() {
    let rig = Rig::bare();
    let mut command = Command::new("sh");
    rig.dress(&mut command);
    let [a, b, c, d] = rig.hardware();
    let script = "trap '' HUP; exec \"$@\"";
    let inner = "grep SigIgn /proc/self/status >ignored; echo $$ >pid; while [ ! -e stop ]; do sleep 0.02; done";
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_eco2"), "run", &a, &b, &c, &d, "--quiet", "--"]);
    command.args(["sh", "-c", inner]).env("ECO2_NVML", rig.path("none")).stdin(Stdio::null());
    let eco2 = started(&mut command);
    rig.awaited("pid");
    send(eco2.id(), Signal::HUP);
    rig.put("stop", "");
    assert_eq!(finished(eco2).code, Some(0));
    let mask = rig.awaited("ignored");
    let mask = u64::from_str_radix(mask.trim().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(mask & 1, 1, "SIGHUP is signal 1");
}

#[test]
fn an_attached_run_ends_with_a_report_when_it_is_interrupted() {
    let rig = Rig::measured();
    let mut other = Command::new("sleep").arg("30").spawn().unwrap();
    let words = format!("run --json report.json --pid {}", other.id());
    let eco2 = started(rig.command(&words).env("ECO2_NVML", rig.path("none")));
    await_that("the run's log is there", || (!rig.logs().is_empty()).then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    send(eco2.id(), Signal::INT);
    assert_eq!(finished(eco2).code, Some(0));
    assert!(other.try_wait().unwrap().is_none(), "the process that was watched goes on");
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(rig.report("report.json").energy.total_uj > Some(0));
}

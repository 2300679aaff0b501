//! The program while one call fails that changes a file: the first, the second and so on, until a run in which none fails. A call
//! fails once (an I/O error), or it and all later ones do (a full disk).
//!
//! [`library.c`](failing_calls/library.c) makes the calls fail. It is compiled by `cc`, and loaded by `LD_PRELOAD`. Where there are
//! many calls, every fifth is tried, and all with `ECO2_CALLS=all`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eco2_core::schema::Report;
#[cfg(feature = "serve")]
use rustix::process::{Pid, Signal, kill_process};

use crate::push;
use crate::rig::{Ran, Rig, assert_valid, ran};
#[cfg(feature = "serve")]
use crate::rig::{await_that, started};

/// EIO and ENOSPC on Linux.
const ERRORS: [i32; 2] = [5, 28];

/// Why a test is skipped.
const NO_COMPILER: &str = "there is no C compiler";

/// The library, and the file in which it notes the calls that failed.
struct Failing {
    library: PathBuf,
    mark: PathBuf,
}

impl Failing {
    /// Compiles the library; `None`: there is no compiler.
    fn build(rig: &Rig) -> Option<Self> {
        let source = rig.put("failing.c", include_str!("failing_calls/library.c"));
        let library = rig.path("failing.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
        match compiler.output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => return None,
        }
        Some(Self { library, mark: rig.path("failed-calls") })
    }

    /// Loads the library into a command: call `nth` of those on paths that start with `below` fails.
    fn load(&self, command: &mut Command, below: &Path, (nth, error): (usize, i32)) {
        let _ = fs::remove_file(&self.mark);
        command.env("LD_PRELOAD", &self.library).env("FAIL_BELOW", below).env("FAIL_MARK", &self.mark);
        command.env("FAIL_NTH", nth.to_string()).env("FAIL_ERRNO", error.to_string());
    }

    /// Returns the calls that failed, one per line.
    fn failed(&self) -> String {
        fs::read_to_string(&self.mark).unwrap_or_default()
    }

    /// Runs a command in which a call fails. Returns also which calls failed.
    fn run(&self, command: &mut Command, below: &Path, (nth, error): (usize, i32)) -> (Ran, String) {
        self.load(command, below, (nth, error));
        let ran = ran(command);
        assert!(!ran.err.contains("panicked"), "call {nth}, error {error}: {ran:?}");
        (ran, self.failed())
    }
}

/// The distance of the calls that are tried, where there are many.
fn distance() -> usize {
    if std::env::var("ECO2_CALLS").is_ok_and(|calls| calls == "all") { 1 } else { 5 }
}

fn energy_uj(ran: &Ran) -> Option<u64> {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: Report = ran.report();
    assert_valid(&report);
    report.energy.total_uj
}

#[test]
fn f29_run_goes_on_and_its_log_is_whole_or_a_warning_names_it_whichever_call_fails() {
    let rig = Rig::measured();
    let Some(failing) = Failing::build(&rig) else { return println!("skipped: {NO_COMPILER}") };
    let state = rig.path("state/eco2");
    for error in ERRORS {
        for nth in 1.. {
            let _ = fs::remove_dir_all(rig.path("state"));
            let mut command = rig.measuring("--zone DE --json report.json", "sleep 0.03; exit 7");
            let (ran, failed) = failing.run(&mut command, &state, (nth, error));
            let case = format!("call {nth}, error {error}: {failed}{ran:?}");
            assert_eq!(ran.code, Some(7), "{case}");
            let report = rig.report("report.json");
            assert_valid(&report);
            assert!(report.energy.total_uj.is_some(), "{case}");
            let logs = rig.logs();
            for log in &logs {
                let verified = rig.eco2(&format!("verify {}", log.display()));
                assert_eq!(verified.code, Some(0), "{case}: {verified:?}");
            }
            // Warnings are wrapped.
            let shown: String = ran.err.split_whitespace().collect();
            let is_warned = ["nolog:cannot", "therunlog"].iter().any(|text| shown.contains(text));
            let names_it = shown.contains(&format!("{}/runs", state.display()));
            assert_eq!(is_warned, names_it, "a warning names the file or folder: {case}");
            if !is_warned {
                let stored = rig.eco2(&format!("report {} --json", logs[0].display()));
                assert_eq!(energy_uj(&stored), report.energy.total_uj, "{case}");
                assert_eq!(rig.eco2("verify --require-closed last").code, Some(0), "{case}");
            }
            // What comes after the log is the index, which has a test of its own.
            if failed.lines().next().is_none_or(|first| first.contains(".history.sqlite")) {
                assert!(nth > 12, "the log has more calls: {case}");
                break;
            }
        }
    }
}

#[test]
fn f29_runs_are_listed_whichever_call_on_their_index_fails() {
    let rig = Rig::measured();
    let Some(failing) = Failing::build(&rig) else { return println!("skipped: {NO_COMPILER}") };
    for name in ["one", "two"] {
        assert_eq!(rig.run(&format!("--quiet --name {name}"), "true").code, Some(0));
    }
    let runs = rig.path("state/eco2/runs");
    let listed = |ran: &Ran, case: &str| {
        assert_eq!(ran.code, Some(0), "{case}: {ran:?}");
        let has = |name: &str| ran.out.contains(&format!(",{name},"));
        assert!(has("one") && has("two") && ran.out.lines().count() == 3, "{case}: {ran:?}");
    };
    for error in ERRORS {
        for nth in (1..).step_by(distance()) {
            for file in [".history.sqlite", ".history.sqlite-journal"] {
                let _ = fs::remove_file(runs.join(file));
            }
            let (ran, failed) = failing.run(&mut rig.command("runs --format csv"), &runs, (nth, error));
            let case = format!("call {nth}, error {error}: {failed}");
            listed(&ran, &case);
            listed(&rig.eco2("runs --format csv"), &case);
            if failed.is_empty() {
                assert!(nth > 20, "the index has more calls");
                break;
            }
        }
        for nth in (1..).step_by(distance()) {
            let (ran, failed) = failing.run(&mut rig.command("runs reindex"), &runs, (nth, error));
            let case = format!("call {nth}, error {error}: {failed}{ran:?}");
            let names_it = ran.err.contains(&runs.display().to_string());
            assert!(ran.code == Some(0) || (ran.code == Some(1) && names_it), "{case}");
            listed(&rig.eco2("runs --format csv"), &case);
            if failed.is_empty() {
                assert_eq!(ran.code, Some(0), "{case}");
                break;
            }
        }
    }
}

#[test]
fn f29_push_arrives_once_whichever_call_on_its_folder_fails() {
    let rig = Rig::measured();
    let Some(failing) = Failing::build(&rig) else { return println!("skipped: {NO_COMPILER}") };
    let folder = rig.path("state/eco2/push");
    for error in ERRORS {
        for nth in 1.. {
            let _ = fs::remove_dir_all(rig.path("state"));
            let (address, requests) = push::server(&[200]);
            let flags = format!("--no-log --json report.json --push remote-write={address}/write");
            let (ran, failed) = failing.run(&mut rig.measuring(&flags, "exit 7"), &folder, (nth, error));
            let case = format!("call {nth}, error {error}: {failed}{ran:?}");
            assert_eq!(ran.code, Some(7), "{case}");
            let pushed = requests.try_iter().filter(|request| request.head.starts_with("POST /write ")).count();
            assert_eq!(pushed, 1, "{case}");
            let shown: String = ran.err.split_whitespace().collect();
            assert!(!shown.contains("push") || shown.contains(&folder.display().to_string()), "{case}");
            assert!(rig.report("report.json").energy.total_uj.is_some(), "{case}");
            if failed.is_empty() {
                assert!(nth > 4, "the folder has more calls: {case}");
                break;
            }
        }
    }
}

/// An agent on the rig's machine whose folder is `agent`.
#[cfg(feature = "serve")]
fn serving(rig: &Rig) -> Command {
    let mut command = rig.bin();
    command.arg("serve").args(rig.hardware()).args(["--listen", "127.0.0.1:0"]).arg("--dir").arg(rig.path("agent"));
    command.env("ECO2_NVML", rig.path("no-such-library.so"));
    command
}

/// Starts an agent, waits until it answers or has ended, does `work` in between, and ends it. Returns `None` in place of the work's
/// result if it had ended by itself.
#[cfg(feature = "serve")]
fn with_agent<T>(mut command: Command, answers: impl Fn() -> bool, work: impl FnOnce() -> T) -> (Ran, Option<T>) {
    let mut agent = started(&mut command);
    let is_up = await_that("the agent answers or ends", || match agent.try_wait().unwrap() {
        Some(_) => Some(false),
        None => answers().then_some(true),
    });
    let result = is_up.then(work);
    kill_process(Pid::from_child(&agent), Signal::TERM).ok();
    (agent.wait_with_output().unwrap().into(), result)
}

#[cfg(feature = "serve")]
#[test]
fn f29_job_that_an_agent_has_taken_is_there_after_a_restart_whichever_call_failed() {
    let rig = Rig::measured();
    let Some(failing) = Failing::build(&rig) else { return println!("skipped: {NO_COMPILER}") };
    rig.put("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    for pid in [1, 4242] {
        let line = format!("{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
        rig.put(&format!("proc/{pid}/stat"), &line);
        rig.put(&format!("proc/{pid}/cgroup"), "0::/\n");
    }
    let job = |words: &str| ran(rig.bin().arg("job").args(words.split(' ')).env("ECO2_AGENT", rig.path("agent")));
    let answers = || job("list").code == Some(0);
    let folder = rig.path("agent");
    for error in ERRORS {
        for nth in (1..).step_by(distance()) {
            let _ = fs::remove_dir_all(&folder);
            let mut command = serving(&rig);
            failing.load(&mut command, &folder, (nth, error));
            let (ran, begun) = with_agent(command, answers, || job("begin train --pid 4242"));
            let (failed, names_it) = (failing.failed(), ran.err.contains(&folder.display().to_string()));
            let case = format!("call {nth}, error {error}: {failed}{ran:?} {begun:?}");
            assert!(!ran.err.contains("panicked"), "{case}");
            let Some(begun) = begun else {
                assert!(ran.code == Some(1) && names_it, "{case}");
                continue;
            };
            assert_eq!((ran.code, begun.code), (Some(0), Some(0)), "{case}");
            let (_, listed) = with_agent(serving(&rig), answers, || job("list").out);
            let is_listed = listed.is_some_and(|listed| listed.contains("train"));
            // A disk that stays full until the end takes nothing, and the agent has warned.
            assert!(is_listed || (error == 28 && names_it), "{case}");
            if failed.is_empty() {
                assert!(is_listed && nth > 10, "the agent has more calls: {case}");
                break;
            }
        }
    }
}

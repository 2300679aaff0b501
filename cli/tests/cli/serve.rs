//! `eco2 serve`: one agent samples, and a run that may not read a sensor reads the agent.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

use eco2_core::Quality;
use eco2_core::schema::{Report, Status};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Ran, Rig, assert_valid, await_that, ran, started};

fn serving(rig: &Rig) -> Command {
    let mut command = rig.bin();
    command.arg("serve").args(rig.hardware()).args(["--listen", "127.0.0.1:0"]).arg("--dir").arg(rig.path("agent"));
    command.env("ECO2_NVML", rig.path("no-such-library.so"));
    command
}

/// An agent that does not outlive a test that fails.
pub(crate) struct Agent(pub(crate) Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an agent and waits until it publishes.
pub(crate) fn serve(rig: &Rig) -> Agent {
    let page = rig.path("agent/page");
    // That of an agent before it is no sign of this one.
    let _ = fs::remove_file(&page);
    let agent = Agent(started(&mut serving(rig)));
    await_that("the page is there", || page.exists().then_some(()));
    agent
}

/// Ends an agent as systemd does, and returns its exit code.
fn end(mut agent: Agent) -> Option<i32> {
    kill_process(Pid::from_child(&agent.0), Signal::TERM).unwrap();
    agent.0.wait().unwrap().code()
}

/// A run of a program for which there is no sensor, next to the agent.
fn blind_run(rig: &Rig, seconds: u32) -> (Ran, Report) {
    rig.put("blind/sys/class/.keep", "");
    rig.put("blind/proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU\n");
    rig.put("blind/proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\n");
    let path = |name: &str| rig.path(name).display().to_string();
    let mut command = rig.bin();
    command.args([
        "run",
        "--sysfs",
        &path("blind/sys"),
        "--procfs",
        &path("blind/proc"),
        "--no-log",
        "--json",
        "r.json",
    ]);
    command.args(["--", "sleep", &seconds.to_string()]);
    command.env("ECO2_AGENT", rig.path("agent")).env("ECO2_NVML", rig.path("no-such-library.so"));
    let ran = ran(&mut command);
    (ran, rig.report("r.json"))
}

#[test]
fn a_run_without_rights_is_measured_through_the_agent() {
    let rig = Rig::measured();
    let agent = serve(&rig);
    let counter = || rig.awaited("sys/class/powercap/intel-rapl:0/energy_uj").trim().parse::<u64>().unwrap();
    let before_uj = counter();
    let (ran, report) = blind_run(&rig, 4);
    let grown_uj = counter() - before_uj;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_valid(&report);
    let package = report.devices.iter().find(|device| device.id == "package-0").unwrap();
    assert_eq!((package.source.as_str(), package.method.as_deref()), ("agent", Some("agent")));
    assert_eq!(package.quality, Quality::Measured);
    // What the counter grew by meanwhile, 20 W on a machine that is not busy; a step of the page is 0.1 J.
    let energy_uj = package.energy_uj.unwrap();
    assert!((grown_uj / 2..=grown_uj + 100_000).contains(&energy_uj), "{energy_uj} of {grown_uj}");
    let (low_uj, high_uj) = (package.low_uj.unwrap(), package.high_uj.unwrap_or(u64::MAX));
    assert!(low_uj <= energy_uj && low_uj <= grown_uj && high_uj >= energy_uj, "{low_uj} to {high_uj}");
    assert_eq!(report.energy.total_uj, package.energy_uj, "and no estimate in addition");
    let source = report.sources.iter().find(|source| source.name == "agent").unwrap();
    assert_eq!(source.status, Status::Ok);
    assert_eq!(end(agent), Some(0));
    let (ran, report) = blind_run(&rig, 1);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(report.devices.iter().all(|device| device.source != "agent"), "the estimate takes its place");
}

#[test]
fn f46_a_second_agent_and_an_unsafe_folder_are_errors_with_a_remedy() {
    let rig = Rig::measured();
    let agent = serve(&rig);
    let second = ran(&mut serving(&rig));
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("another agent runs in") && second.err.contains("--dir"), "{}", second.err);
    assert_eq!(end(agent), Some(0));
    fs::remove_dir_all(rig.path("agent")).unwrap();
    std::os::unix::fs::symlink(rig.path("."), rig.path("agent")).unwrap();
    let linked = ran(&mut serving(&rig));
    assert!(linked.code == Some(1) && linked.err.contains("is a symbolic link"), "{}", linked.err);
}

#[test]
fn f32_an_agent_that_is_killed_again_and_again_continues() {
    let rig = Rig::measured();
    let mut before = 0;
    for round in 0..4 {
        let agent = serve(&rig);
        let first = await_that("the agent answers", || total_uj(&rig));
        assert!(first >= before, "round {round}: {first} after {before}");
        before = await_that("the account has grown", || total_uj(&rig).filter(|uj| *uj > first + 1_000_000));
        // `Child::kill` is SIGKILL: with what was answered within the last second.
        drop(agent);
    }
    let whole = fs::read_to_string(rig.path("agent/journal.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let changes = fs::read_to_string(rig.path("agent/journal.changes")).unwrap();
    let generation = format!(",{},1,{{", whole["generation"]);
    assert!(changes.contains(&generation), "{changes:.100} is not of {generation}");
}

/// Returns the energy of the node that an agent answers with.
fn total_uj(rig: &Rig) -> Option<u64> {
    use std::io::{Read as _, Write as _};
    let mut stream = UnixStream::connect(rig.path("agent/eco2.sock")).ok()?;
    stream.write_all(b"GET /api/v1/node HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let node: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    node["total_uj"].as_u64()
}

// The seed's variables, paths and words: `eco2 serve` in place of its REST server.
#[test]
fn d39_stored_runs_are_shown_to_the_bearer_of_the_token_alone() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    const TOKEN: &str = "not-a-secret-0123456789";
    let rig = Rig::measured();
    let stored =
        ran(&mut rig.command("run --source synthetic --name bert --label project=vision --summary off -- true"));
    assert_eq!(stored.code, Some(0), "{}", stored.err);
    let mut agent = Agent(started(serving(&rig).env("API_AUTH_TOKEN", TOKEN)));
    let mut line = String::new();
    BufReader::new(agent.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/')).unwrap().0.to_owned();
    let get = |path: &str, token: bool| {
        let own = if token { format!("authorization: Bearer {TOKEN}\r\n") } else { String::new() };
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{own}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for path in ["/reports", "/projects", "/api/v1/analytics", "/reports/last"] {
        let (shown, hidden) = (get(path, true), get(path, false));
        assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("vision"), "{path}: {shown}");
        assert!(hidden.starts_with("HTTP/1.1 403") && !hidden.contains("vision"), "{path}: {hidden}");
    }
    assert!(get("/api/v1/projects/vision/advice", true).contains("\"silences\""));
    let short = ran(serving(&rig).env("API_AUTH_TOKEN", "short"));
    assert!(short.code == Some(2) && short.err.contains("API_AUTH_TOKEN"), "{short:?}");
}

#[test]
fn address_beyond_this_machine_needs_token_and_tls() {
    let rig = Rig::measured();
    let token = rig.put("token", "not-a-secret-0123456789\n");
    let refused = |flags: &[&str]| {
        let mut command = rig.bin();
        command.args(["serve", "--listen", "0.0.0.0:0", "--source", "synthetic", "--dir"]).arg(rig.path("agent"));
        let ran = ran(command.args(flags));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        ran.err
    };
    let open = refused(&[]);
    assert!(open.contains("--token-file") && open.contains("--tls-cert") && open.contains("--insecure"), "{open}");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let readable = refused(&["--token-file", &token.display().to_string()]);
    assert!(readable.contains("chmod 600"), "{readable}");
}

#[test]
fn file_of_settings_has_the_flags_as_keys_and_flags_win() {
    let rig = Rig::measured();
    let token = rig.put("token", "not-a-secret-0123456789\n");
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let with_file = |text: &str| {
        rig.put("serve.toml", text);
        let mut command = rig.bin();
        command.args(["serve", "--config"]).arg(rig.path("serve.toml")).args(["--listen", "0.0.0.0:0"]);
        ran(command.arg("--dir").arg(rig.path("agent")))
    };
    let refused =
        with_file(&format!("source = \"synthetic\"\ntoken_file = \"{}\"\nlisten = \"127.0.0.1:0\"\n", token.display()));
    assert!(refused.code == Some(1) && !refused.err.contains("--token-file"), "the token is known: {refused:?}");
    assert!(refused.err.contains("--tls-cert") && refused.err.contains("0.0.0.0"), "and the flag wins: {refused:?}");
    let unknown = with_file("\n# a comment\ntokenfile = \"x\"\n");
    let expected = "serve.toml:3: tokenfile is no option of eco2 serve; did you mean token_file?";
    assert!(unknown.code == Some(2) && unknown.err.contains(expected), "{unknown:?}");
    let alone = with_file("tls_cert = \"c.pem\"\n");
    assert!(alone.code == Some(2) && alone.err.contains("both --tls-cert and --tls-key"), "{alone:?}");
    fs::set_permissions(rig.path("serve.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut command = rig.bin();
    let open = ran(command.args(["serve", "--config"]).arg(rig.path("serve.toml")));
    assert!(open.code == Some(2) && open.err.contains("chmod go-w"), "{open:?}");
}

/// Returns the next message of the agent to its service manager; `None` if there is none in time.
fn notice(manager: &UnixDatagram, patience: Duration) -> Option<String> {
    let mut buffer = [0; 256];
    manager.set_read_timeout(Some(patience)).unwrap();
    let length = manager.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

#[test]
fn watchdog_is_fed_until_the_sampling_loop_hangs() {
    let rig = Rig::bare();
    rig.put("sys/class/powercap/intel-rapl:0/name", "package-0\n");
    rig.put("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n");
    let counter = rig.put("sys/class/powercap/intel-rapl:0/energy_uj", "100000000000\n");
    let manager = UnixDatagram::bind(rig.path("notify")).unwrap();
    let mut command = serving(&rig);
    command.env("NOTIFY_SOCKET", rig.path("notify")).env("WATCHDOG_USEC", "1000000");
    let agent = Agent(started(&mut command));
    let long = Duration::from_secs(10);
    assert_eq!(notice(&manager, long).as_deref(), Some("READY=1"));
    assert!(notice(&manager, long).unwrap().starts_with("WATCHDOG=1\nSTATUS="));
    // A pipe without a writer in place of the counter: opening it waits, and no time limit protects a file of the kernel.
    let pipe = rig.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(&pipe, &counter).unwrap();
    let quiet = Duration::from_millis(1_500);
    let last = std::iter::from_fn(|| notice(&manager, quiet)).take(60).count();
    assert!(last < 60, "the watchdog was fed {last} times by an agent that hangs");
    assert!(kill_process(Pid::from_child(&agent.0), Signal::CONT).is_ok(), "the agent lives, and would be restarted");
}

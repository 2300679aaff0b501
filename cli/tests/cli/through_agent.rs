//! Programs that read the real agent: without rights, while it is killed, next to programs that read the sensors, and on a machine
//! without sensors; and what another user can learn from it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eco2::options::opt;
use eco2_core::Quality;
use eco2_core::schema::{Report, SourceStatus, Status};

use crate::rig::{Ran, Rig, assert_valid, await_that, ran, started};

/// A user who is neither root nor in the group `eco2`.
pub(crate) const USER: u32 = 65_534;
pub(crate) const BOOT: &str = "11111111-2222-3333-4444-555555555555\n";
/// Path of the package's counter below the rig.
pub(crate) const COUNTER: &str = "sys/class/powercap/intel-rapl:0/energy_uj";

/// An agent that does not outlive a test that fails. It is killed, not asked to end.
pub(crate) struct Agent(pub(crate) Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn serving(rig: &Rig) -> Command {
    rig.put("proc/sys/kernel/random/boot_id", BOOT);
    let mut command = rig.bin();
    command.arg("serve").args(rig.hardware()).args(["--listen", "127.0.0.1:0"]).arg("--dir").arg(rig.path("agent"));
    command.env("ECO2_NVML", rig.path("no-such-library.so"));
    command
}

/// Starts an agent and waits until it publishes.
fn serve(rig: &Rig) -> Agent {
    let page = rig.path("agent/page");
    // That of an agent before it is no sign of this one.
    let _ = fs::remove_file(&page);
    let agent = Agent(started(&mut serving(rig)));
    await_that("the page is there", || page.exists().then_some(()));
    agent
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A machine whose counter only root may read, and whose command other users may run.
fn guarded(rig: &Rig) {
    fs::set_permissions(rig.path(COUNTER), fs::Permissions::from_mode(0o400)).unwrap();
    rig.open_for_others();
}

/// `eco2 run` of another user on the rig's own files.
fn run_of_user(rig: &Rig, script: &str) -> Command {
    let mut command = rig.measuring("--json - --no-log", script);
    command.env("ECO2_AGENT", rig.path("agent")).uid(USER).gid(USER);
    command
}

/// `eco2 run` of this user for which there is no sensor. `flags` begin with the report's place.
fn blind_run(rig: &Rig, flags: &str, script: &str) -> Command {
    rig.put("blind/sys/class/.keep", "");
    rig.put("blind/proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU\n");
    rig.put("blind/proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\n");
    rig.put("blind/proc/sys/kernel/random/boot_id", BOOT);
    let mut command = rig.bin();
    command.args(["run", "--no-log", "--json"]).args(flags.split(' ')).arg("--sysfs").arg(rig.path("blind/sys"));
    command.arg("--procfs").arg(rig.path("blind/proc")).args(["--", "sh", "-c", script]);
    command.env("ECO2_AGENT", rig.path("agent")).env("ECO2_NVML", rig.path("no-such-library.so"));
    command
}

fn source<'a>(report: &'a Report, name: &str) -> &'a SourceStatus {
    report.sources.iter().find(|source| source.name == name).unwrap()
}

fn counter_uj(rig: &Rig) -> u64 {
    fs::read_to_string(rig.path(COUNTER)).unwrap().trim().parse().unwrap()
}

#[test]
fn a_user_who_may_not_read_the_counter_is_measured_through_the_agent() {
    if !is_root() {
        return println!("skipped: only root can run a command as another user");
    }
    let rig = Rig::measured();
    guarded(&rig);
    let agent = serve(&rig);
    let before_uj = counter_uj(&rig);
    let report = ran(&mut run_of_user(&rig, "sleep 4")).report();
    let most_uj = counter_uj(&rig) - before_uj;
    assert_valid(&report);
    assert_eq!(report.devices.len(), 1, "{:?}", report.devices);
    let package = &report.devices[0];
    let read = (package.id.as_str(), package.source.as_str(), package.method.as_deref(), package.quality);
    assert_eq!(read, ("package-0", "agent", Some("agent"), Quality::Measured));
    assert_eq!(report.energy.total_uj, package.energy_uj);
    let energy_uj = package.energy_uj.unwrap();
    assert!((20_000_000..=most_uj + 100_000).contains(&energy_uj), "{energy_uj} of at most {most_uj}");
    // Each step of the ladder is in the report, with what helps.
    let (direct, through) = (source(&report, "rapl-sysfs"), source(&report, "agent"));
    assert!(direct.status == Status::Denied && !direct.remedy.is_empty(), "{direct:?}");
    assert!(through.status == Status::Ok && through.reason.contains("1 s and 0.1 J"), "{through:?}");
    assert!(through.remedy.contains("group eco2"), "{through:?}");
    drop(agent);

    // Without the agent the last step is left: two seconds after it was killed its page is out of date.
    thread::sleep(Duration::from_millis(2_100));
    let report = ran(&mut run_of_user(&rig, "sleep 0.2")).report();
    assert_eq!(report.devices[0].quality, Quality::Estimated);
    let gone = source(&report, "agent");
    assert!(gone.status == Status::Lost && gone.remedy.contains("eco2 serve"), "{gone:?}");
}

fn await_begun(run: &Child) {
    await_that("the run has begun", || {
        fs::read_to_string(format!("/proc/{}/task/{0}/children", run.id())).ok().filter(|text| !text.is_empty())
    });
}

fn event<'a>(report: &'a Report, kind: &str, device: &str) -> Option<&'a str> {
    let mut events = report.events.iter().filter(|event| event.kind == kind && event.device == device);
    events.next().map(|event| event.text.as_str())
}

#[test]
fn an_agent_that_is_killed_during_a_run_without_estimates_is_a_gap_with_a_remedy() {
    let rig = Rig::measured();
    let agent = serve(&rig);
    let run = started(&mut blind_run(&rig, "- --no-estimate", "sleep 5"));
    await_begun(&run);
    thread::sleep(Duration::from_millis(1_500));
    drop(agent);
    let ran: Ran = run.wait_with_output().unwrap().into();
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_valid(&report);
    let lost = source(&report, "agent");
    assert!(lost.status == Status::Lost && lost.remedy.contains("eco2 serve"), "{lost:?}");
    assert!(event(&report, "source-hung", "agent").is_some(), "{:?}", report.events);
    let package = report.devices.iter().find(|device| device.id == "package-0").unwrap();
    let seen_uj = package.energy_uj.unwrap();
    assert!((10_000_000..90_000_000).contains(&seen_uj), "what was published, and no more: {seen_uj}");
    assert!(package.high_uj.is_none_or(|high| high >= 90_000_000), "the rest is not known: {:?}", package.high_uj);
}

/// The last step of the ladder: an estimate, from the last reading of the agent on.
#[test]
fn an_estimate_takes_over_from_an_agent_that_does_not_come_back() {
    let rig = Rig::measured();
    let agent = serve(&rig);
    let run = started(blind_run(&rig, "-", "sleep 8").env(opt::CPU_WATTS.variable, "200"));
    await_begun(&run);
    thread::sleep(Duration::from_millis(2_500));
    drop(agent);
    let ran: Ran = run.wait_with_output().unwrap().into();
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_valid(&report);
    assert_eq!(source(&report, "agent").status, Status::Lost);
    let text = event(&report, "sensor-replaced", "package-0").unwrap_or_else(|| panic!("{:?}", report.events));
    assert!(text.contains("estimate"), "{text}");
    let package = report.devices.iter().find(|device| device.id == "package-0").unwrap();
    assert_eq!(report.energy.total_uj, package.energy_uj, "nothing is counted twice: {:?}", report.devices);
    assert!(report.energy.estimated_uj > 0, "{:?}", report.energy);
    // The agent counted 20 W for at most four seconds; the estimate of an idle processor of 200 W is more.
    let uj = package.energy_uj.unwrap();
    assert!(
        uj > 90_000_000 && package.low_uj < Some(uj) && package.high_uj.is_none_or(|high| high > uj),
        "{package:?}"
    );
}

#[test]
fn an_agent_that_comes_back_is_used_again_and_its_count_replaces_the_estimate() {
    let rig = Rig::measured();
    let agent = serve(&rig);
    let run =
        started(blind_run(&rig, "-", "while [ ! -e stop ]; do sleep 0.05; done").env(opt::CPU_WATTS.variable, "200"));
    await_begun(&run);
    thread::sleep(Duration::from_millis(2_500));
    drop(agent);
    thread::sleep(Duration::from_millis(4_500));
    let _agent = serve(&rig);
    // Longer than the pause before the run looks for an agent again.
    thread::sleep(Duration::from_millis(4_500));
    rig.put("stop", "");
    let ran: Ran = run.wait_with_output().unwrap().into();
    let report = ran.report();
    assert_valid(&report);
    assert_eq!(source(&report, "agent").status, Status::Ok, "{:?}", report.sources);
    for (kind, device) in [("source-hung", "agent"), ("sensor-replaced", "package-0"), ("source-back", "agent")] {
        assert!(event(&report, kind, device).is_some(), "{kind}: {:?}", report.events);
    }
    let package = report.devices.iter().find(|device| device.id == "package-0").unwrap();
    assert_eq!((package.source.as_str(), report.energy.total_uj), ("agent", package.energy_uj));
    let watts = package.energy_uj.unwrap() as f64 / 1e3 / (report.run.duration_ns as f64 / 1e6);
    assert!((15.0..21.0).contains(&watts), "{watts} W: {:?}", report.events);
}

/// Each second one is killed before it has published.
#[test]
fn f32_run_survives_an_agent_that_is_killed_fifty_times() {
    let rig = Rig::measured();
    let mut agent = Some(serve(&rig));
    let run = started(&mut blind_run(&rig, "-", "while [ ! -e stop ]; do sleep 0.05; done"));
    await_begun(&run);
    for round in 0..50_u64 {
        drop(agent.take());
        if round % 2 == 0 {
            let starting = Agent(started(&mut serving(&rig)));
            thread::sleep(Duration::from_millis(round * 3));
            drop(starting);
        }
        agent = Some(serve(&rig));
    }
    // Longer than the pause before the run looks for an agent again.
    thread::sleep(Duration::from_millis(3_000));
    rig.put("stop", "");
    let ran: Ran = run.wait_with_output().unwrap().into();
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_valid(&report);
    let package = report.devices.iter().find(|device| device.id == "package-0").unwrap();
    assert_eq!(package.source, "agent");
    // 20 W all the time: what was counted while no agent ran is part of what the next one published.
    let seconds = report.run.duration_ns as f64 / 1e9;
    let watts = package.energy_uj.unwrap() as f64 / 1e6 / seconds;
    assert!((15.0..21.0).contains(&watts), "{watts} W over {seconds} s");
}

/// What one channel showed: the energies of the uneven counter, microjoules, and for how long it was looked at.
#[derive(Default)]
struct Shown {
    energies: BTreeSet<u64>,
    looks: u32,
}

/// PLATYPUS: for another user, every channel changes once a second and by whole tenths of a joule.
#[test]
fn another_user_sees_steps_of_a_second_and_of_a_tenth_of_a_joule_on_every_channel() {
    if !is_root() {
        return println!("skipped: only root can run a command as another user");
    }
    let rig = Rig::measured();
    guarded(&rig);
    let zone = "sys/class/powercap/intel-rapl:0:0";
    rig.put(&format!("{zone}/name"), "dram\n");
    rig.put(&format!("{zone}/max_energy_range_uj"), "262143328850\n");
    let uneven = Uneven::start(rig.put(&format!("{zone}/energy_uj"), "100000000000\n"));
    let mut agent = serve(&rig);
    let address = address(&mut agent);
    let socket = rig.path("agent/eco2.sock");
    let curl = |extra: &[&str], path: &str| {
        let mut command = Command::new("curl");
        command.args(["-s", "-m", "10"]).args(extra).uid(USER).gid(USER);
        ran(command.arg(format!("http://{address}{path}"))).out
    };
    let by_socket = ["--unix-socket", socket.to_str().unwrap()];
    let refused = curl(&[by_socket[0], by_socket[1], "-X", "POST"], "/api/v1/lease");
    assert!(refused.contains("only root and the group eco2"), "{refused}");
    let stream = {
        let mut command = Command::new("curl");
        command.args(["-s", "-N", "-m", "5", &format!("http://{address}/events")]).uid(USER).gid(USER);
        thread::spawn(move || ran(&mut command).out)
    };
    let channels = [
        (&[][..], "/metrics"),
        (&[][..], "/api/v1/node"),
        (&[][..], "/api/v1/devices"),
        (&by_socket[..], "/metrics"),
        (&by_socket[..], "/api/v1/node"),
    ];
    let mut shown: Vec<Shown> = channels.iter().map(|_| Shown::default()).collect();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        for ((extra, path), shown) in channels.iter().zip(&mut shown) {
            shown.energies.extend(dram_uj(&curl(extra, path)));
            shown.looks += 1;
        }
    }
    let most = began.elapsed().as_secs() as usize + 2;
    for ((_, path), Shown { energies, looks }) in channels.iter().zip(&shown) {
        assert!(energies.iter().all(|uj| uj % 100_000 == 0), "{path}: {energies:?}");
        assert!((2..=most).contains(&energies.len()), "{path}: {} energies in {looks} looks", energies.len());
    }
    let stream = stream.join().unwrap();
    let messages = stream.lines().filter(|line| line.starts_with("data:")).count();
    assert!((2..=8).contains(&messages), "{messages} messages in five seconds: {stream}");
    drop(uneven);
}

/// Returns the energy of the memory in an answer, microjoules.
fn dram_uj(answer: &str) -> Option<u64> {
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(answer) {
        let devices = value.get("devices").unwrap_or(&value).as_array()?;
        return devices.iter().find(|device| device["id"] == "dram-0")?["energy_uj"].as_u64();
    }
    let line = answer.lines().find(|line| line.starts_with("eco2_energy_joules_total{") && line.contains("dram-0"))?;
    let joules: f64 = line.rsplit(' ').next()?.parse().ok()?;
    Some((joules * 1e6).round() as u64)
}

/// Returns the address that an agent states.
fn address(agent: &mut Agent) -> String {
    use std::io::BufRead as _;
    let mut line = String::new();
    std::io::BufReader::new(agent.0.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// A counter that grows by an uneven amount 200 times per second.
struct Uneven(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Uneven {
    fn start(counter: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let grow = move || {
            let file = fs::OpenOptions::new().write(true).open(counter).unwrap();
            let mut uj = 100_000_000_000_u64;
            while !stopped.load(Ordering::Relaxed) {
                uj += 123_457;
                file.write_all_at(format!("{uj}\n").as_bytes(), 0).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        };
        Self(stop, Some(thread::spawn(grow)))
    }
}

impl Drop for Uneven {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().map(thread::JoinHandle::join);
    }
}

/// F39: eight ranks, of which every second one reads the agent. Their union is one counter.
#[test]
fn f39_eight_ranks_the_agent_and_direct_runs_have_one_total() {
    let rig = Rig::measured();
    let _agent = serve(&rig);
    let before_uj = counter_uj(&rig);
    let ranks: Vec<Child> = (0..8)
        .map(|rank| {
            let name = format!("r{rank}.json");
            let mut command = if rank % 2 == 0 {
                blind_run(&rig, &name, "sleep 3")
            } else {
                rig.measuring(&format!("--no-log --json {name}"), "sleep 3")
            };
            started(&mut command)
        })
        .collect();
    for rank in ranks {
        let ran: Ran = rank.wait_with_output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    let most_uj = counter_uj(&rig) - before_uj;
    let merged = rig.eco2("merge r0.json r1.json r2.json r3.json r4.json r5.json r6.json r7.json --json").report();
    // A rank that found no agent in time on a busy machine has an estimate, which yields to what the others read.
    let read = merged.devices.iter().filter(|device| device.energy_uj.is_some()).count();
    assert_eq!(read, 1, "{:?}", merged.devices);
    assert_eq!(rig.report("r0.json").devices[0].source, "agent");
    let total_uj = merged.energy.total_uj.unwrap();
    let longest_uj = (0..8).filter_map(|rank| rig.report(&format!("r{rank}.json")).energy.total_uj).max().unwrap();
    assert!(total_uj <= most_uj + 100_000, "{total_uj} of the {most_uj} that were counted");
    assert!(total_uj + 1_000_000 >= longest_uj, "{total_uj} of all, {longest_uj} of one");
}

/// Two jobs on a machine without sensors read one estimate, that of the agent.
#[test]
fn a_machine_without_sensors_is_estimated_once() {
    let rig = Rig::bare();
    let _agent = serve(&rig);
    let jobs = [("a.json", "sleep 2.5"), ("b.json", "sleep 2.5")]
        .map(|(json, script)| started(&mut blind_run(&rig, json, script)));
    for job in jobs {
        let ran: Ran = job.wait_with_output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    for json in ["a.json", "b.json"] {
        let report = rig.report(json);
        assert_valid(&report);
        let cpu = report.devices.iter().find(|device| device.id == "cpu-estimate").unwrap();
        assert_eq!((cpu.source.as_str(), cpu.quality), ("agent", Quality::Estimated), "{json}");
        assert!(cpu.method.as_deref().is_some_and(|method| method.starts_with("agent: estimated from")), "{cpu:?}");
        assert!(report.devices.iter().all(|device| device.source == "agent"), "{json}: {:?}", report.devices);
    }
    let merged = rig.eco2("merge a.json b.json --json").report();
    let of = |json: &str| rig.report(json).energy.total_uj.unwrap_or(0);
    assert!(merged.energy.total_uj.unwrap() < of("a.json") + of("b.json"), "one estimate, not two");
}

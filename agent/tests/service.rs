//! The whole service on a tree of files: pages, jobs, restart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod until;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use eco2_agent::{
    ConsumerKind, HttpOptions, HttpServer, Job, JobError, JobProcesses, Peer, RunFolder, Service, Settings, Snapshot,
};
use eco2_core::Quality;
use eco2_samplers::discover::{Selection, discover};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::page::{FINE, PUBLIC};
use eco2_samplers::schedule::Pace;
use eco2_samplers::{Roots, agent};
use until::until;

const BOOT: &str = "11111111-2222-3333-4444-555555555555";

const ROOT: Peer = Peer { uid: 0, is_operator: true };

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine with one package, whose counter has the value that [`count`] writes.
fn machine(dir: &Path) -> Roots {
    write(&dir.join("proc/sys/kernel/random/boot_id"), &format!("{BOOT}\n"));
    write(&dir.join("proc/stat"), "cpu  1000 0 0 1000 0 0 0 0 0 0\nprocesses 5\n");
    let zone = dir.join("sys/class/powercap/intel-rapl:0");
    write(&zone.join("name"), "package-0\n");
    write(&zone.join("max_energy_range_uj"), "262143328850\n");
    count(dir, 1_000_000);
    let nvml = Some(dir.join("no-libnvidia-ml.so"));
    Roots { sysfs: dir.join("sys"), procfs: dir.join("proc"), nvml, ..Roots::default() }
}

fn count(dir: &Path, uj: u64) {
    write(&dir.join("sys/class/powercap/intel-rapl:0/energy_uj"), &format!("{uj}\n"));
}

fn serve(dir: &Path, roots: &Roots) -> Service {
    let estimate = ModelOptions { enabled: false, ..ModelOptions::default() };
    let found = discover(roots, &Selection::All, &estimate);
    let folder = RunFolder::open(&dir.join("run")).unwrap();
    Service::start(
        found,
        Settings {
            folder,
            roots: roots.clone(),
            pace: Pace::default(),
            group: None,
            state: None,
            by: vec![ConsumerKind::Pod, ConsumerKind::Container, ConsumerKind::User],
            rates: None,
            version: "test".into(),
        },
    )
    .unwrap()
}

fn energy(snapshot: &Snapshot) -> u64 {
    snapshot.total_uj.unwrap_or(0)
}

#[test]
fn a_program_without_rights_reads_the_agent_and_a_restart_continues() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let service = serve(dir.path(), &roots);
    until(&service, |snapshot| snapshot.total_uj == Some(0));
    count(dir.path(), 3_500_000);
    let snapshot = until(&service, |snapshot| energy(snapshot) == 2_500_000);
    assert_eq!((snapshot.node.boot_id.as_str(), snapshot.devices[0].quality), (BOOT, Quality::Measured));
    let mode = |name| fs::metadata(dir.path().join("run").join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(PUBLIC), mode(FINE), mode("journal.json")), (0o644, 0o600, 0o600));

    // Another program, which sees no sensor.
    let blind = dir.path().join("blind");
    write(&blind.join("proc/sys/kernel/random/boot_id"), &format!("{BOOT}\n"));
    let seen = Roots {
        sysfs: blind.join("sys"),
        procfs: blind.join("proc"),
        agent: vec![dir.path().join("run")],
        ..roots.clone()
    };
    let found = discover(&seen, &Selection::All, &ModelOptions::default());
    let source = found.sources.iter().find(|source| source.name() == agent::NAME).unwrap();
    assert_eq!(source.domains()[0].id, "package-0");

    service.stop();
    // While no agent runs, 4 J are counted.
    count(dir.path(), 7_500_000);
    let service = serve(dir.path(), &roots);
    assert_eq!(energy(&service.latest().views().full), 2_500_000, "what was published before the first reading");
    let snapshot = until(&service, |snapshot| energy(snapshot) == 6_500_000);
    assert!(snapshot.not_attributed_uj >= 4_000_000, "{snapshot:?}");
}

/// In a time namespace, or where a process is restored, the same boot has another monotonic clock.
#[test]
fn journal_of_another_monotonic_clock_is_an_event_and_what_was_published_stays() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let service = serve(dir.path(), &roots);
    until(&service, |snapshot| snapshot.total_uj == Some(0));
    count(dir.path(), 3_500_000);
    until(&service, |snapshot| energy(snapshot) == 2_500_000);
    service.stop();
    let path = dir.path().join("run/journal.json");
    let mut journal: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(journal["events"]["source-note"], serde_json::Value::Null);
    journal["at_ns"] = u64::from(u32::MAX).pow(2).into();
    fs::write(&path, journal.to_string()).unwrap();
    count(dir.path(), 7_500_000);
    let service = serve(dir.path(), &roots);
    let snapshot = until(&service, |snapshot| snapshot.readings > 0);
    assert_eq!(snapshot.events.get("source-note"), Some(&1), "{:?}", snapshot.events);
    assert_eq!(energy(&snapshot), 2_500_000, "what was used meanwhile is not known");
}

/// Returns how many readings of the one counter are taken in about two seconds.
fn readings_in_two_seconds(service: &Service) -> u64 {
    let first = until(service, |_| true);
    let last = until(service, |snapshot| snapshot.at_ns >= first.at_ns + 2_000_000_000);
    last.readings - first.readings
}

#[test]
fn sensors_are_read_once_a_second_and_often_while_a_lease_holds() {
    let dir = tempfile::tempdir().unwrap();
    let service = serve(dir.path(), &machine(dir.path()));
    // The opening, in which periods are learned, is over.
    until(&service, |snapshot| snapshot.at_ns >= snapshot.began_ns + 1_000_000_000);
    let quiet = readings_in_two_seconds(&service);
    assert!(quiet <= 4, "{quiet} readings without a lease");
    service.jobs().lease();
    let leased = readings_in_two_seconds(&service);
    assert!(leased > 10 * quiet.max(2), "{leased} readings with a lease, {quiet} without");
}

#[test]
fn jobs_are_checked_kept_and_ended_by_their_owner() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    write(&dir.path().join("sys/fs/cgroup/slurm/job_7/cpu.stat"), "usage_usec 0\n");
    let service = serve(dir.path(), &roots);
    let jobs = service.jobs();
    let job = |id: &str, group: &str| Job {
        id: id.into(),
        name: "bert".into(),
        uid: 1_000,
        processes: JobProcesses::Group(group.into()),
        kind: ConsumerKind::Job,
        by_operator: true,
        labels: BTreeMap::new(),
    };
    assert!(jobs.begin_job(job("7", "slurm/job_7"), ROOT).is_ok());
    assert_eq!(jobs.begin_job(job("7", "slurm/job_7"), ROOT), Err(JobError::GoesOn("7".into())));
    for id in ["", "a b", "../x", &"x".repeat(129)] {
        assert_eq!(jobs.begin_job(job(id, "slurm"), ROOT), Err(JobError::BadId), "{id:?}");
    }
    for group in ["", "/slurm", "slurm/../..", ".."] {
        assert_eq!(jobs.begin_job(job("8", group), ROOT), Err(JobError::BadGroup), "{group:?}");
    }
    let no_process = Job { processes: JobProcesses::Tree(999_999_999), ..job("9", "x") };
    assert_eq!(jobs.begin_job(no_process, ROOT), Err(JobError::NoProcess(999_999_999)));
    let user = Peer { uid: 1_000, is_operator: false };
    assert_eq!(jobs.begin_job(job("9", "slurm"), user), Err(JobError::GroupOfOthers));
    // Another user neither sees nor ends it.
    let other = Peer { uid: 2_000, is_operator: false };
    assert_eq!(jobs.end_job("7", other, None), Err(JobError::NotFound("7".into())));
    until(&service, |snapshot| snapshot.consumers.len() == 1);
    assert_eq!(jobs.seen_by(other).consumers.len(), 0);
    assert_eq!(jobs.seen_by(Peer { uid: 1_000, is_operator: false }).consumers.len(), 1);

    // The agent dies without an end: nothing is lost that was answered.
    let journal = fs::read(dir.path().join("run/journal.json")).unwrap();
    service.stop();
    fs::write(dir.path().join("run/journal.json"), journal).unwrap();
    let service = serve(dir.path(), &roots);
    assert_eq!(service.latest().views().full.consumers[0].id, "7");
    assert!(service.jobs().end_job("7", ROOT, Some(3)).is_ok());
    let snapshot = until(&service, |snapshot| snapshot.consumers[0].ended_wall_ns.is_some());
    assert_eq!(snapshot.consumers[0].steps, Some(3));
}

#[test]
fn d39_two_sessions_never_count_the_host_twice() {
    use std::io::{Read as _, Write as _};
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let used = |job: &str, usec: u64| {
        write(&dir.path().join(format!("sys/fs/cgroup/slurm/{job}/cpu.stat")), &format!("usage_usec {usec}\n"));
    };
    used("a", 0);
    used("b", 0);
    let service = serve(dir.path(), &roots);
    until(&service, |snapshot| snapshot.total_uj == Some(0));
    let socket = dir.path().join("run/http.sock");
    let options = HttpOptions { socket: Some(socket.clone()), ..HttpOptions::default() };
    let _server =
        HttpServer::start_with(&options, service.latest(), Some(std::sync::Arc::new(service.jobs()))).unwrap();
    let ask = |method: &str, path: &str, body: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for (id, group) in [("a", "/slurm/a"), ("b", "/slurm/b")] {
        let begun = ask("POST", "/sessions", &format!("{{\"id\": \"{id}\", \"cgroup\": \"{group}\"}}"));
        assert!(begun.starts_with("HTTP/1.1 201"), "{begun}");
    }
    // Each used all the time of the machine, as far as it counts.
    for round in 1..=4 {
        used("a", round * 4_000_000);
        used("b", round * 4_000_000);
        count(dir.path(), 1_000_000 + round * 10_000_000);
        until(&service, |snapshot| energy(snapshot) == round * 10_000_000);
    }
    let sessions = ask("GET", "/sessions", "");
    let sessions: Vec<serde_json::Value> = serde_json::from_str(sessions.split_once("\r\n\r\n").unwrap().1).unwrap();
    let of_jobs: u64 = sessions.iter().map(|job| job["energy_uj"].as_u64().unwrap()).sum();
    assert!(sessions.len() == 2 && of_jobs <= 40_000_000, "{sessions:?}");
    let snapshot = service.latest().views().full;
    let sum = snapshot.consumers.iter().map(|job| job.energy_uj).sum::<u64>();
    assert_eq!(Some(sum + snapshot.idle_uj + snapshot.not_attributed_uj), snapshot.total_uj);
}

#[test]
fn no_user_takes_the_id_of_a_schedulers_job_or_the_places_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    write(&dir.path().join("proc/1/stat"), "1 (x) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
    // Only root may give it to another user; else it is one's own.
    let _ = std::os::unix::fs::chown(dir.path().join("proc/1"), Some(1_000), None);
    let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata(dir.path().join("proc/1")).unwrap());
    let service = serve(dir.path(), &roots);
    let jobs = service.jobs();
    let user = Peer { uid, is_operator: false };
    let job = |id: &str, by: Peer| Job {
        id: id.into(),
        name: "n".into(),
        uid: user.uid,
        processes: if by.is_operator { JobProcesses::Group("slurm/job_7".into()) } else { JobProcesses::Tree(1) },
        kind: ConsumerKind::Job,
        by_operator: by.is_operator,
        labels: BTreeMap::new(),
    };
    let squatted = jobs.begin_job(job("7", user), user).unwrap();
    let real = jobs.begin_job(job("7", ROOT), ROOT).unwrap();
    assert_ne!(squatted, real);
    assert_eq!(jobs.end_job("7", ROOT, None), Ok(real));
    for round in 0..60 {
        let id = format!("x{round}");
        jobs.begin_job(job(&id, user), user).unwrap();
        jobs.end_job(&id, user, None).unwrap();
    }
    let big = Job { labels: (0..16).map(|n| (n.to_string(), "x".repeat(256))).collect(), ..job("big", user) };
    assert_eq!(jobs.begin_job(big, user), Err(JobError::BadLabel));
    // Those of an operator stay, of the user's the newest.
    let is_pruned = |snapshot: &Snapshot| {
        let ended = snapshot.consumers.iter().filter(|one| one.ended_wall_ns.is_some());
        ended.clone().any(|one| one.key == real)
            && ended.count() == 51
            && snapshot.consumers.iter().any(|one| one.id == "x59")
    };
    until(&service, is_pruned);
}

#[test]
fn pods_and_containers_are_found_and_hold_what_runs_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let (uid, id) = ("6f5902ac-237d-4b43-9f32-8a6c5b3fd1c2", "0123456789abcdef".repeat(4));
    let (pod, container) = (format!("kubepods/pod{uid}"), format!("kubepods/pod{uid}/{id}"));
    let used = |path: &str, usec: u64| {
        write(&dir.path().join("sys/fs/cgroup").join(path).join("cpu.stat"), &format!("usage_usec {usec}\n"));
    };
    used(&pod, 0);
    used(&container, 0);
    let service = serve(dir.path(), &roots);
    until(&service, |snapshot| snapshot.consumers.len() == 2);
    let job = Job {
        id: "train".into(),
        name: "train".into(),
        uid: 0,
        processes: JobProcesses::Group(container.clone().into()),
        kind: ConsumerKind::Job,
        by_operator: true,
        labels: BTreeMap::new(),
    };
    assert!(service.jobs().begin_job(job, ROOT).is_ok());
    let find = |snapshot: &Snapshot, id: &str| snapshot.consumers.iter().find(|one| one.id == id).cloned();
    let pod_id = format!("pod:{uid}");
    let inner_id = "container:0123456789ab";
    let parent = |snapshot: &Snapshot, id: &str| find(snapshot, id).and_then(|one| one.parent).unwrap_or_default();
    until(&service, |now| parent(now, "train") == inner_id && parent(now, inner_id) == pod_id);
    // Of each 10 s of CPU time 4 s are the job's, and 1 s more the pod's own. Several times, as the account may end an interval
    // between the writes.
    let rounds = Cell::new(0);
    let snapshot = until(&service, |snapshot| {
        let round = rounds.replace(rounds.get() + 1) + 1;
        used(&container, 4_000_000 * round);
        used(&pod, 5_000_000 * round);
        write(
            &dir.path().join("proc/stat"),
            &format!("cpu  {} 0 0 1000 0 0 0 0 0 0\nprocesses 5\n", 1000 * (1 + round)),
        );
        count(dir.path(), 1_000_000 + 10_000_000 * round);
        find(snapshot, &pod_id).is_some_and(|pod| pod.total_uj > 0)
    });
    let [pod, inner, job] = [pod_id.as_str(), inner_id, "train"].map(|id| find(&snapshot, id).unwrap());
    assert_eq!((pod.kind, inner.kind, job.kind), ("pod", "container", "job"));
    assert_eq!(pod.total_uj, pod.energy_uj + inner.energy_uj + job.energy_uj);
    assert_eq!((inner.total_uj, inner.energy_uj), (job.total_uj, 0));
    let uses: u64 = snapshot.consumers.iter().map(|one| one.energy_uj).sum();
    assert_eq!(uses + snapshot.idle_uj + snapshot.not_attributed_uj, energy(&snapshot), "{snapshot:?}");
    fs::remove_dir_all(dir.path().join("sys/fs/cgroup/kubepods")).unwrap();
    until(&service, |snapshot| find(snapshot, &pod_id).is_none_or(|pod| pod.ended_wall_ns.is_some()));
}

#[test]
fn users_are_found_by_their_processes_and_their_jobs_are_within_them() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let proc = |file: &str, text: &str| write(&dir.path().join("proc").join(file), text);
    // Process 1 is root's; 10 and the job's process 11 are user 1000's, 20 is user 1001's.
    let used = |pid: u32, parent: u32, uid: u32, ticks: u64| {
        let text = format!("{pid} (x) S {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n");
        proc(&format!("{pid}/stat"), &text);
        proc(&format!("{pid}/status"), &format!("Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"));
    };
    let all_used = |round: u64| {
        for (pid, parent, uid, ticks) in [(1, 0, 0, 400), (10, 1, 1000, 300), (11, 10, 1000, 200), (20, 1, 1001, 100)] {
            used(pid, parent, uid, ticks * round);
        }
        proc("stat", &format!("cpu  {} 0 0 {} 0 0 0 0 0 0\nprocesses 5\n", 1000 * (1 + round), 1000 * (1 + round)));
        count(dir.path(), 1_000_000 + 10_000_000 * round);
    };
    all_used(0);
    let service = serve(dir.path(), &roots);
    let ids = |now: &Snapshot| now.consumers.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    until(&service, |now| ids(now) == ["user:1000", "user:1001"]);
    let job = Job {
        id: "train".into(),
        name: "train".into(),
        uid: 1000,
        processes: JobProcesses::Tree(11),
        kind: ConsumerKind::Job,
        by_operator: false,
        labels: BTreeMap::new(),
    };
    assert!(service.jobs().begin_job(job, ROOT).is_ok());
    let rounds = Cell::new(0);
    let find = |now: &Snapshot, id: &str| now.consumers.iter().find(|one| one.id == id).cloned().unwrap();
    let snapshot = until(&service, |now| {
        rounds.set(rounds.get() + 1);
        all_used(rounds.get());
        now.consumers.iter().all(|one| one.energy_uj > 1_000_000)
    });
    let [user, other, job] = ["user:1000", "user:1001", "train"].map(|id| find(&snapshot, id));
    assert_eq!((user.kind, user.uid, other.uid), ("user", 1000, 1001));
    assert_eq!((job.parent.as_deref(), other.parent.as_deref()), (Some("user:1000"), None));
    assert_eq!(user.total_uj, user.energy_uj + job.energy_uj);
    assert!(user.energy_uj > 2 * other.energy_uj, "three times the time: {user:?} {other:?}");
    let uses: u64 = snapshot.consumers.iter().map(|one| one.energy_uj).sum();
    assert_eq!(uses + snapshot.idle_uj + snapshot.not_attributed_uj, energy(&snapshot), "{snapshot:?}");
    fs::remove_dir_all(dir.path().join("proc/20")).unwrap();
    proc("stat", "cpu  900000 0 0 900000 0 0 0 0 0 0\nprocesses 6\n");
    until(&service, |now| find(now, "user:1001").ended_wall_ns.is_some());
}

#[test]
fn a_damaged_journal_is_set_aside_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let run = dir.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("journal.json"), "{\"version\": 1, ").unwrap();
    let service = serve(dir.path(), &roots);
    until(&service, |snapshot| snapshot.events.contains_key("source-note"));
    assert_eq!(fs::read_to_string(run.join("journal.damaged")).unwrap(), "{\"version\": 1, ");
}

//! The service with the files by which DCGM's exporter knows the jobs of each GPU.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod until;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Mutex;

use eco2_agent::{Consumer, EndReason, Job, JobProcesses, Peer, RunFolder, Service, Settings, SiteSettings, Snapshot};
use eco2_samplers::Roots;
use eco2_samplers::discover::{Selection, discover};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::schedule::Pace;
use until::until;

const ROOT: Peer = Peer { uid: 0, is_operator: true };

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

fn serve(dir: &Path, boot: &str) -> Service {
    put(&dir.join("proc/sys/kernel/random/boot_id"), &format!("{boot}\n"));
    put(&dir.join("proc/stat"), "cpu  1000 0 0 1000 0 0 0 0 0 0\nprocesses 5\n");
    put(&dir.join("sys/fs/cgroup/cpu.stat"), "usage_usec 0\n");
    let roots = Roots {
        sysfs: dir.join("sys"),
        procfs: dir.join("proc"),
        nvml: Some(dir.join("no-libnvidia-ml.so")),
        ..Roots::default()
    };
    let found = discover(&roots, &Selection::All, &ModelOptions { enabled: false, ..ModelOptions::default() });
    let settings = Settings {
        folder: RunFolder::open(&dir.join("run")).unwrap(),
        roots,
        pace: Pace::default(),
        group: None,
        state: None,
        by: Vec::new(),
        rates: None,
        version: "test".into(),
    };
    let on_warning: fn(&str) = |text| WARNINGS.lock().unwrap().push(text.to_owned());
    let site =
        SiteSettings { job_files: Some(dir.join("map")), on_warning: Some(on_warning), ..SiteSettings::default() };
    Service::start_at(found, settings, site).unwrap()
}

fn of<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a Consumer> {
    snapshot.consumers.iter().find(|consumer| consumer.id == id)
}

#[test]
fn jobs_of_a_sites_prolog_are_counted_and_those_begun_here_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let map = dir.path().join("map");
    fs::create_dir(&map).unwrap();
    fs::set_permissions(&map, fs::Permissions::from_mode(0o755)).unwrap();
    put(&dir.path().join("sys/fs/cgroup/system.slice/slurmstepd.scope/job_48213/cpu.stat"), "usage_usec 0\n");
    put(&map.join("0"), "48213\n");
    symlink("/etc/passwd", map.join("1")).unwrap();
    let service = serve(dir.path(), "11111111-2222-3333-4444-555555555555");
    let snapshot = until(&service, |snapshot| of(snapshot, "48213").is_some());
    assert_eq!(of(&snapshot, "48213").map(|job| (job.kind, job.ended_wall_ns)), Some(("job", None)));

    // A job that is begun here: its lines come and go, those of the site stay.
    let pid = std::process::id();
    let uid = rustix_uid();
    put(
        &dir.path().join(format!("proc/{pid}/stat")),
        &format!("{pid} (t) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0\n"),
    );
    let job = job_of(uid, pid);
    // The prolog of the agent comes after that of the site: one job, with the names of the request.
    let prolog = Job { id: "48213".into(), name: "train".into(), ..job.clone() };
    let key = service.jobs().begin_job(prolog, ROOT).unwrap();
    let snapshot = until(&service, |snapshot| of(snapshot, "48213").is_some_and(|job| job.name == "train"));
    assert_eq!(snapshot.consumers.iter().filter(|job| job.id == "48213").map(|job| job.key).collect::<Vec<_>>(), [key]);
    service.jobs().end_job("48213", ROOT, None).unwrap();
    assert_eq!(fs::read_to_string(map.join("0")).ok(), None, "it is the agent's job now");
    put(&map.join("0"), "48214\n");

    let terms = eco2_agent::JobTerms {
        gpus: [0, 2].map(eco2_agent::GpuName::Number).into(),
        ..eco2_agent::JobTerms::default()
    };
    let other = Peer { uid: 1_000, is_operator: false };
    assert!(service.jobs().begin_job_with(job.clone(), terms.clone(), other).is_err(), "only operators name GPUs");
    until(&service, |snapshot| of(snapshot, "48214").is_some());
    service.jobs().begin_job_with(job, terms, ROOT).unwrap();
    let text = |name: &str| fs::read_to_string(map.join(name)).ok();
    assert_eq!((text("0").as_deref(), text("2").as_deref()), (Some("48214\nhere\n"), Some("here\n")));
    service.jobs().end_job("here", ROOT, None).unwrap();
    assert_eq!((text("0").as_deref(), text("2")), (Some("48214\n"), None));

    // The epilog of the site.
    fs::remove_file(map.join("0")).unwrap();
    let ended = until(&service, |snapshot| of(snapshot, "48214").is_some_and(|job| job.ended_wall_ns.is_some()));
    assert_eq!(of(&ended, "48214").unwrap().end_reason, Some(EndReason::Gone));
    let count = ended.consumers.iter().filter(|job| job.id == "here").count();
    assert_eq!(count, 1, "its own lines begin no second job");
    // A start of the machine while a job goes on: its lines are removed, and begin no job.
    let job = Job { id: "open".into(), ..job_of(uid, pid) };
    let terms =
        eco2_agent::JobTerms { gpus: [3].map(eco2_agent::GpuName::Number).into(), ..eco2_agent::JobTerms::default() };
    service.jobs().begin_job_with(job, terms, ROOT).unwrap();
    assert_eq!(fs::read_to_string(map.join("3")).unwrap(), "open\n");
    service.stop();
    let service = serve(dir.path(), "22222222-2222-3333-4444-555555555555");
    assert!(!map.join("3").exists());
    let sequence = service.latest().views().full.sequence;
    let snapshot = until(&service, |snapshot| snapshot.sequence > sequence + 1);
    assert_eq!(of(&snapshot, "open"), None, "it is one of the past");
    service.stop();
    let warnings = WARNINGS.lock().unwrap();
    assert!(warnings.iter().any(|text| text.contains("map/1: it is a symbolic link")), "{warnings:?}");
}

fn job_of(uid: u32, pid: u32) -> Job {
    Job {
        id: "here".into(),
        name: "here".into(),
        uid,
        processes: JobProcesses::Tree(pid),
        kind: eco2_agent::ConsumerKind::Job,
        by_operator: true,
        labels: BTreeMap::new(),
    }
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid()
}

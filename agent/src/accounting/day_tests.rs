//! Ten thousand jobs in a day of a scripted clock: memory, journal and log stay bounded, and the energy stays whole.

use eco2_core::{Component, Domain, Reading};
use eco2_samplers::usage::JobTimes;

use super::*;
use crate::feed::Feed;
use crate::folder::RunFolder;
use crate::pages::Place;
use crate::snapshot::NodeIdentity;

/// Jobs of a day, and the time of each, nanoseconds.
const JOBS: u64 = 10_000;
const EACH_NS: u64 = 86_400 * SECOND_NS / JOBS;
/// Energy of one job, microjoules.
const EACH_UJ: u64 = 7_000_000;

fn job(number: u64) -> Job {
    Job {
        id: format!("job-{number}"),
        name: "bert".into(),
        uid: u32::try_from(number % 7).unwrap_or(0),
        processes: JobProcesses::Group(format!("slurm/job_{number}").into()),
        kind: ConsumerKind::Job,
        by_operator: true,
        labels: BTreeMap::new(),
    }
}

#[test]
fn ten_thousand_jobs_of_a_day_take_bounded_memory_and_their_energy_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    RunFolder::open(place).unwrap();
    let mut node = Node::new(NodeIdentity { boot_id: "a".into(), ..NodeIdentity::default() }, 0, Vec::new());
    let package = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
    node.take(Input::Domains { source: 0, domains: vec![package] });
    let roots = Roots { sysfs: place.join("sys"), procfs: place.join("proc"), ..Roots::default() };
    let views = node.account(Instant { ns: 0, wall_ns: 0 }, IntervalUse::default);
    let (_feed, received) = Feed::new();
    let pages = Pages::new(Place { folder: place.to_owned(), group: None, boot_id: "a".into(), began_ns: 0 });
    let (log, ..) = JobLog::open(place);
    let latest = Latest::new(views);
    let mut accounting = Accounting::new(node, &roots, pages, Store::new(place, "a".into()), log, received, latest);
    let (mut most_listed, mut most_bytes) = (0, 0);
    for number in 0..=JOBS {
        let at = |ns: u64| Instant { ns, wall_ns: i64::try_from(ns).unwrap() };
        let now = at(SECOND_NS + number * EACH_NS);
        let reading = Reading { before_ns: now.ns, after_ns: now.ns + 1, value: Ok(number * EACH_UJ) };
        accounting.node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
        accounting.node.take(Input::Tick { now_ns: now.ns + 1 });
        let keys: Vec<JobKey> =
            accounting.node.jobs().filter(|(_, job)| job.ended.is_none()).map(|(key, _)| key).collect();
        let jobs = keys.iter().map(|key| (*key, SECOND_NS)).collect();
        let times = JobTimes { busy_ns: SECOND_NS, idle_ns: 0, jobs };
        let views = accounting.node.account(at(now.ns + 2), || times.into());
        let full = &views.full;
        let parts: u64 = full.consumers.iter().map(|one| one.energy_uj).sum();
        let sum = parts + full.idle_uj + full.not_attributed_uj + full.forgotten_uj;
        assert_eq!(sum, full.total_uj.unwrap_or(0), "after {number} jobs");
        keys.into_iter().for_each(|key| accounting.end_as(key, at(now.ns + 3), Some(1), EndReason::Request));
        accounting.forget(at(now.ns + 3));
        let key = accounting.node.begin_job(job(number), at(now.ns + 4), None);
        accounting.record(key);
        accounting.record_open(now.ns + 4);
        most_listed = most_listed.max(accounting.node.jobs().count());
        if number % 500 == 0 {
            accounting.keep();
            let bytes = std::fs::read_dir(place).unwrap().filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
            most_bytes = most_bytes.max(bytes.sum::<u64>());
        }
    }
    assert!(most_listed <= MAX_ENDED + 1, "{most_listed} jobs are listed");
    assert!(most_bytes < 48 << 20, "{most_bytes} bytes of files");
    assert_eq!(accounting.latest.views().full.node.boot_id, "a");
}

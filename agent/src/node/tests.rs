//! The account of the node, stepped by scripted readings.

use std::path::PathBuf;

use eco2_core::{Component, Domain, Ranged as _, Reading};
use eco2_samplers::DeviceUse;

use super::*;
use crate::jobs::JobProcesses;
use crate::journal::Journal;
use crate::snapshot::Snapshot;

const S: u64 = 1_000_000_000;

fn identity(boot: &str) -> NodeIdentity {
    NodeIdentity { boot_id: boot.to_owned(), ..NodeIdentity::default() }
}

fn package() -> Domain {
    // At its limit it wraps after 43 s.
    Domain {
        range: Some(1 << 32),
        max_uw: Some(100_000_000),
        ..Domain::counter("package-0", Component::Cpu, "package", "rapl-perf")
    }
}

fn at(ns: u64) -> Instant {
    Instant { ns, wall_ns: 1_800_000_000 * S as i64 + ns as i64 }
}

fn read(node: &mut Node, source: usize, at_ns: u64, value: u64) {
    let reading = Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) };
    node.take(Input::Readings { source, readings: vec![(0, reading)] });
    node.take(Input::Tick { now_ns: at_ns });
}

fn job(id: &str) -> Job {
    Job { id: id.into(), name: id.into(), uid: 1_000, processes: JobProcesses::Group(PathBuf::from("x")) }
}

/// Whether the parts of a snapshot are its devices and its total.
fn assert_whole(snapshot: &Snapshot) {
    let jobs: u64 = snapshot.consumers.iter().map(|consumer| consumer.energy_uj).sum();
    let parts = jobs + snapshot.forgotten_uj + snapshot.idle_uj + snapshot.not_attributed_uj;
    let devices: u64 =
        snapshot.devices.iter().filter(|device| device.is_summed).filter_map(|device| device.energy_uj).sum();
    assert_eq!((parts, devices), (snapshot.total_uj.unwrap_or(0), snapshot.total_uj.unwrap_or(0)));
    for consumer in &snapshot.consumers {
        let energy = consumer.bounded();
        assert!(energy.low <= consumer.energy_uj && energy.high.is_none_or(|high| high >= consumer.energy_uj));
    }
}

fn node(boot: &str, began_ns: u64) -> Node {
    Node::new(identity(boot), began_ns, Vec::new())
}

/// Two seconds at 50 W, of which a job used a quarter of the CPU time.
fn two_seconds() -> (Node, JobKey, Views) {
    let mut node = node("a", 0);
    node.take(Input::Domains { source: 0, domains: vec![package()] });
    read(&mut node, 0, 0, 4_294_900_000);
    let key = node.begin_job(job("train"), at(0), None);
    node.account(at(0), None);
    let mut views = None;
    for second in 1..=2 {
        // The counter wraps in the first second.
        read(&mut node, 0, second * S, (4_294_900_000 + second * 50_000_000) % (1 << 32));
        let cpu = CpuTimes { busy_ns: S, idle_ns: S, by_job: vec![(key, S / 2)], ..CpuTimes::default() };
        views = Some(node.account(at(second * S), Some(cpu)));
    }
    (node, key, views.unwrap())
}

#[test]
fn a_job_gets_its_share_of_the_cpu_time_and_what_others_used_is_not_attributed() {
    let (_, _, Views { full, public }) = two_seconds();
    assert_whole(&full);
    assert_whole(&public);
    assert_eq!(full.total_uj, Some(100_000_000), "over a wrap");
    assert_eq!((full.idle_uj, full.not_attributed_uj), (50_000_000, 25_000_000));
    let job = &full.consumers[0];
    assert_eq!((job.id.as_str(), job.energy_uj, job.duration_ns), ("train", 25_000_000, 2 * S));
    assert_eq!(full.devices[0].power_w, Some(50.0));
}

#[test]
fn the_public_view_has_steps_of_a_tenth_of_a_joule_and_is_whole() {
    let mut node = node("a", 0);
    node.take(Input::Domains { source: 0, domains: vec![package()] });
    let mut uj = 0;
    for second in 0..100 {
        uj += second * 7_654_321 % 90_000_000;
        read(&mut node, 0, second * S, uj % (1 << 32));
        let cpu = CpuTimes { busy_ns: second * 3, idle_ns: 100, ..CpuTimes::default() };
        let Views { full, public } = node.account(at(second * S), Some(cpu));
        assert_whole(&full);
        assert_whole(&public);
        let device = &public.devices[0];
        if second == 0 {
            continue;
        }
        assert_eq!(
            [device.energy_uj.unwrap() % 100_000, device.low_uj % 100_000, device.high_uj.unwrap() % 100_000],
            [0; 3]
        );
        assert!(
            device.low_uj <= full.devices[0].energy_uj.unwrap()
                && device.high_uj.unwrap() >= full.devices[0].energy_uj.unwrap()
        );
        // Two microjoules of a difference are what the power is rounded by.
        let steps = device.power_w.map_or(0.0, |watts| watts * 10.0);
        assert!((steps - steps.round()).abs() < 1e-4, "{steps} steps of 0.1 W");
    }
}

#[test]
fn energy_while_the_agent_was_down_is_measured_and_not_attributed() {
    let (node, _, before) = two_seconds();
    let text = serde_json::to_string(&node.journal(2 * S)).unwrap();
    let mut next = super::tests::node("a", 12 * S);
    assert!(next.resume(serde_json::from_str(&text).unwrap()));
    let started = next.account(at(12 * S), None);
    assert_eq!(started.full.consumers[0].energy_uj, 25_000_000, "a crash loses no job");
    assert_eq!(started.full.total_uj, Some(100_000_000), "what was published does not fall");
    assert_whole(&started.full);
    next.take(Input::Domains { source: 0, domains: vec![package()] });
    read(&mut next, 0, 12 * S + 1, 600_000_000 - 67_296);
    let key = next.jobs().next().unwrap().0;
    let cpu = CpuTimes { busy_ns: S, idle_ns: 0, by_job: vec![(key, S)], ..CpuTimes::default() };
    let Views { full, public } = next.account(at(12 * S + 1), Some(cpu.clone()));
    assert_whole(&full);
    assert_whole(&public);
    assert_eq!(full.total_uj, Some(600_000_000));
    assert_eq!(full.not_attributed_uj - before.full.not_attributed_uj, 500_000_000);
    assert_eq!(full.consumers[0].energy_uj, 25_000_000);
    assert!(full.devices[0].high_uj.is_some(), "no wrap was missed");
    read(&mut next, 0, 13 * S, 650_000_000 - 67_296);
    let full = next.account(at(13 * S), Some(cpu)).full;
    assert_eq!(full.consumers[0].energy_uj, 75_000_000, "it goes on");
    assert_whole(&full);
}

#[test]
fn after_a_reset_or_another_boot_what_was_published_does_not_fall() {
    for (boot, first) in [("a", 5), ("b", 800_000_000)] {
        let (node, _, _) = two_seconds();
        let mut next = super::tests::node(boot, 3 * S);
        assert!(next.resume(node.journal(2 * S)));
        next.take(Input::Domains { source: 0, domains: vec![Domain { range: None, ..package() }] });
        read(&mut next, 0, 3 * S, first);
        let full = next.account(at(3 * S), None).full;
        assert_whole(&full);
        assert_eq!(full.total_uj, Some(100_000_000), "boot {boot}");
        read(&mut next, 0, 4 * S, first + 1_000_000);
        let full = next.account(at(4 * S), None).full;
        assert_eq!(full.total_uj, Some(101_000_000), "boot {boot}");
        assert_whole(&full);
    }
}

#[test]
fn a_device_that_comes_late_or_a_job_that_is_listed_no_longer_leaves_the_sum_whole() {
    let (mut node, key, _) = two_seconds();
    let board = Domain::counter("gpu-0", Component::Gpu, "board", "nvml");
    node.take(Input::Domains { source: 1, domains: vec![board] });
    read(&mut node, 1, 2 * S, 1_000);
    let used = DeviceUse { domain: 0, reachable: true, processes: vec![(77, 0.5)], unknown: 0.0 };
    node.take(Input::Users { source: 1, uses: vec![used] });
    let pids = vec![(key, 77)];
    let cpu = CpuTimes { busy_ns: 0, idle_ns: S, pids, ..CpuTimes::default() };
    node.account(at(2 * S + 1), Some(cpu.clone()));
    read(&mut node, 1, 3 * S, 10_001_000);
    let full = node.account(at(3 * S), Some(cpu)).full;
    assert_whole(&full);
    assert_eq!(full.consumers[0].energy_uj, 30_000_000, "half of the board's 10 J");
    assert!(node.end_job(key, at(3 * S), Some(9)));
    assert!(!node.end_job(key, at(3 * S), None), "it has ended");
    let full = node.account(at(4 * S), None).full;
    assert_eq!((full.consumers[0].steps, full.consumers[0].duration_ns), (Some(9), 3 * S));
    node.forget_job(key);
    let full = node.account(at(5 * S), None).full;
    assert_eq!((full.consumers.len(), full.forgotten_uj), (0, 30_000_000));
    assert_whole(&full);
}

#[test]
fn a_journal_of_another_version_is_not_used() {
    let (node, _, _) = two_seconds();
    let journal = Journal { version: 2, ..node.journal(2 * S) };
    assert!(!super::tests::node("a", 3 * S).resume(journal));
}

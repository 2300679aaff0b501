//! The account of the node, stepped by scripted readings.

use std::path::PathBuf;

use eco2_core::{Component, Domain, Ranged as _, Reading};
use eco2_samplers::DeviceUse;

use super::*;
use crate::jobs::{Job, JobProcesses};
use crate::journal::{Journal, VERSION};
use crate::snapshot::Snapshot;
use crate::snapshot::{ConsumerKind, EndReason};

pub(super) const S: u64 = 1_000_000_000;

fn identity(boot: &str) -> NodeIdentity {
    NodeIdentity { boot_id: boot.to_owned(), ..NodeIdentity::default() }
}

pub(super) fn package() -> Domain {
    // At its limit it wraps after 43 s.
    Domain {
        range: Some(1 << 32),
        max_uw: Some(100_000_000),
        ..Domain::counter("package-0", Component::Cpu, "package", "rapl-perf")
    }
}

pub(super) fn at(ns: u64) -> Instant {
    Instant { ns, wall_ns: 1_800_000_000 * S as i64 + ns as i64 }
}

fn read(node: &mut Node, source: usize, at_ns: u64, value: u64) {
    let reading = Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) };
    node.take(Input::Readings { source, readings: vec![(0, reading)] });
    node.take(Input::Tick { now_ns: at_ns });
}

pub(super) fn job(id: &str) -> Job {
    Job {
        id: id.into(),
        name: id.into(),
        uid: 1_000,
        processes: JobProcesses::Group(PathBuf::from("x")),
        kind: ConsumerKind::Job,
        by_operator: true,
        labels: BTreeMap::new(),
    }
}

/// Whether the parts of a snapshot are its devices and its total.
pub(super) fn assert_whole(snapshot: &Snapshot) {
    let jobs: u64 = snapshot.consumers.iter().map(|consumer| consumer.energy_uj).sum();
    let parts = jobs + snapshot.forgotten_uj + snapshot.idle_uj + snapshot.not_attributed_uj;
    let devices: u64 = snapshot.devices.iter().filter_map(|device| device.counted_uj).sum();
    assert_eq!((parts, devices), (snapshot.total_uj.unwrap_or(0), snapshot.total_uj.unwrap_or(0)));
    for consumer in &snapshot.consumers {
        let energy = consumer.bounded();
        assert!(energy.low <= consumer.energy_uj && energy.high.is_none_or(|high| high >= consumer.energy_uj));
    }
}

/// Ends an interval in which the CPUs were used so.
fn account(node: &mut Node, ns: u64, cpu: Option<JobTimes>) -> Views {
    node.account(at(ns), || IntervalUse { cpu, ..IntervalUse::default() })
}

pub(super) fn node(boot: &str, began_ns: u64) -> Node {
    Node::new(identity(boot), began_ns, Vec::new())
}

/// Two seconds at 50 W, of which a job used a quarter of the CPU time.
fn two_seconds() -> (Node, JobKey, Views) {
    let mut node = node("a", 0);
    node.take(Input::Domains { source: 0, domains: vec![package()] });
    read(&mut node, 0, 0, 4_294_900_000);
    let key = node.begin_job(job("train"), at(0), None);
    account(&mut node, 0, None);
    let mut views = None;
    for second in 1..=2 {
        // The counter wraps in the first second.
        read(&mut node, 0, second * S, (4_294_900_000 + second * 50_000_000) % (1 << 32));
        let cpu = JobTimes { busy_ns: S, idle_ns: S, jobs: [(key, S / 2)].into() };
        views = Some(account(&mut node, second * S, Some(cpu)));
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
        let cpu = JobTimes { busy_ns: second * 3, idle_ns: 100, ..JobTimes::default() };
        let Views { full, public } = account(&mut node, second * S, Some(cpu));
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
    let started = account(&mut next, 12 * S, None);
    assert_eq!(started.full.consumers[0].energy_uj, 25_000_000, "a crash loses no job");
    assert_eq!(started.full.total_uj, Some(100_000_000), "what was published does not fall");
    assert_whole(&started.full);
    next.take(Input::Domains { source: 0, domains: vec![package()] });
    read(&mut next, 0, 13 * S, 600_000_000 - 67_296);
    let key = next.jobs().next().unwrap().0;
    let cpu = JobTimes { busy_ns: S, idle_ns: 0, jobs: [(key, S)].into() };
    let Views { full, public } = account(&mut next, 13 * S, Some(cpu.clone()));
    assert_whole(&full);
    assert_whole(&public);
    assert_eq!(full.total_uj, Some(600_000_000));
    assert_eq!(full.not_attributed_uj - before.full.not_attributed_uj, 500_000_000);
    assert_eq!(full.consumers[0].energy_uj, 25_000_000);
    assert!(full.devices[0].high_uj.is_some(), "no wrap was missed");
    read(&mut next, 0, 14 * S, 650_000_000 - 67_296);
    let full = account(&mut next, 14 * S, Some(cpu)).full;
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
        let full = account(&mut next, 3 * S, None).full;
        assert_whole(&full);
        assert_eq!(full.total_uj, Some(100_000_000), "boot {boot}");
        read(&mut next, 0, 4 * S, first + 1_000_000);
        let full = account(&mut next, 4 * S, None).full;
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
    let used = DeviceUse { domain: 0, reachable: true, processes: vec![(77, 0.5)], ..DeviceUse::default() };
    node.take(Input::Users { source: 1, uses: vec![used] });
    let used = || {
        let cpu = JobTimes { busy_ns: 0, idle_ns: S, ..JobTimes::default() };
        IntervalUse { cpu: Some(cpu), owners: [(77, key)].into(), are_foreign: false }
    };
    node.account(at(3 * S), used);
    read(&mut node, 1, 4 * S, 10_001_000);
    let full = node.account(at(4 * S), used).full;
    assert_whole(&full);
    assert_eq!(full.consumers[0].energy_uj, 30_000_000, "half of the board's 10 J");
    assert!(node.end_job(key, at(4 * S), Some(9), EndReason::Request));
    assert!(!node.end_job(key, at(4 * S), None, EndReason::Request), "it has ended");
    let full = account(&mut node, 5 * S, None).full;
    assert_eq!((full.consumers[0].steps, full.consumers[0].duration_ns), (Some(9), 4 * S));
    node.forget_job(key);
    let full = account(&mut node, 6 * S, None).full;
    assert_eq!((full.consumers.len(), full.forgotten_uj), (0, 30_000_000));
    assert_whole(&full);
}

#[test]
fn a_journal_of_another_version_is_not_used() {
    let (node, _, _) = two_seconds();
    let journal = Journal { version: VERSION + 1, ..node.journal(2 * S) };
    assert!(!super::tests::node("a", 3 * S).resume(journal));
}

/// Reads one domain of a source that has several.
fn read_of(node: &mut Node, domain: usize, at_ns: u64, uj: u64) {
    let reading = Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(uj) };
    node.take(Input::Readings { source: 0, readings: vec![(domain, reading)] });
    node.take(Input::Tick { now_ns: at_ns });
}

fn estimate() -> Domain {
    Domain {
        quality: Quality::Estimated,
        parent: Some("package-0".into()),
        range: None,
        ..Domain::counter("package-0/estimate", Component::Cpu, "package", "model")
    }
}

/// Whether nothing that counters show is less than before.
pub(super) fn assert_not_fallen(before: &Snapshot, now: &Snapshot) {
    let is_at_least = |now: Option<u64>, before: Option<u64>| now.or(before) >= before;
    assert!(
        is_at_least(now.total_uj, before.total_uj) && now.total_low_uj >= before.total_low_uj,
        "{before:?}\n{now:?}"
    );
    assert!(now.idle_uj >= before.idle_uj && now.not_attributed_uj >= before.not_attributed_uj);
    for device in &before.devices {
        let same = now.devices.iter().find(|same| same.id == device.id).unwrap();
        for (earlier, later) in [
            (device.energy_uj, same.energy_uj),
            (device.counted_uj, same.counted_uj),
            (Some(device.low_uj), Some(same.low_uj)),
            (Some(device.counted_low_uj), Some(same.counted_low_uj)),
        ] {
            assert!(later >= earlier, "{device:?}\n{same:?}");
        }
        for (earlier, later) in [(device.high_uj, same.high_uj), (device.counted_high_uj, same.counted_high_uj)] {
            assert!(is_at_least(later, earlier), "{device:?}\n{same:?}");
        }
    }
    for job in &before.consumers {
        let same = now.consumers.iter().find(|same| same.id == job.id);
        assert!(same.is_none_or(|same| same.energy_uj >= job.energy_uj));
    }
}

#[test]
fn upper_bound_does_not_fall_between_two_readings() {
    let mut node = node("a", 0);
    node.take(Input::Domains { source: 0, domains: vec![package()] });
    let mut before: Option<Views> = None;
    read(&mut node, 0, 0, 0);
    let mut uj = 0;
    // Every second reading takes long, so that its bounds are wide.
    for second in 1..50 {
        let before_ns = second * S;
        let after_ns = before_ns + second % 2 * 900_000_000;
        uj += second % 3 * 30_000_000;
        let reading = Reading { before_ns, after_ns, value: Ok(uj) };
        node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
        let views = account(&mut node, before_ns + 900_000_000, None);
        if let Some(before) = &before {
            assert_not_fallen(&before.full, &views.full);
            assert_not_fallen(&before.public, &views.public);
        }
        before = Some(views);
    }
}

#[test]
fn device_that_joins_or_leaves_the_sum_keeps_its_energy_and_the_sum_is_whole() {
    let mut node = node("a", 0);
    // The counter does not move at first, so that the estimate is summed; then it moves.
    node.take(Input::Domains { source: 0, domains: vec![Domain { range: None, ..package() }, estimate()] });
    let mut before: Option<Views> = None;
    let mut was_summed = [false; 2];
    for second in 0..30_u64 {
        read_of(&mut node, 1, second * S, second * 40_000_000);
        read_of(&mut node, 0, second * S, 5 + second.saturating_sub(10) * 50_000_000);
        let views = account(&mut node, second * S, None);
        assert_whole(&views.full);
        assert_whole(&views.public);
        for (was, device) in was_summed.iter_mut().zip(&views.full.devices) {
            *was |= device.is_summed;
        }
        assert_eq!(views.full.devices.iter().filter(|device| device.is_summed).count(), 1, "second {second}");
        if let Some(before) = &before {
            assert_not_fallen(&before.full, &views.full);
            assert_not_fallen(&before.public, &views.public);
        }
        before = Some(views);
    }
    let full = before.unwrap().full;
    assert_eq!(was_summed, [true; 2]);
    let [package, estimate] = [&full.devices[0], &full.devices[1]];
    assert_eq!((package.energy_uj, estimate.energy_uj), (Some(950_000_000), Some(29 * 40_000_000)));
    assert!(estimate.counted_uj < estimate.energy_uj, "it is summed only while the counter does not move");
    assert_eq!(full.total_uj, package.counted_uj.zip(estimate.counted_uj).map(|(a, b)| a + b));
    let known = estimate.counted().unwrap();
    assert!(known.low <= known.value.unwrap() && known.high.is_none_or(|high| high >= known.value.unwrap()));
}

#[test]
fn corrected_energy_is_held_with_an_event() {
    let (node, _, before) = two_seconds();
    // The journal of a later instant than that of the counter: what is read again is less than what was published.
    let mut journal = node.journal(2 * S);
    let kept = journal.devices.get_mut("package-0").unwrap();
    (kept.state.base.uj, kept.state.base.low_uj, kept.state.last) = (40_000_000, 39_000_000, None);
    let mut next = super::tests::node("a", 3 * S);
    assert!(next.resume(journal));
    next.take(Input::Domains { source: 0, domains: vec![Domain { range: None, ..package() }] });
    let mut last = before.full;
    for (second, total) in [(3, 100_000_000), (4, 100_000_000), (5, 120_000_000)] {
        read(&mut next, 0, second * S, second * 40_000_000);
        let full = account(&mut next, second * S, None).full;
        assert_not_fallen(&last, &full);
        assert_whole(&full);
        assert_eq!(full.total_uj, Some(total), "second {second}");
        assert_eq!(full.events.get("energy-held"), Some(&1), "once");
        last = full;
    }
}

#[test]
fn sensors_beyond_the_capacity_make_the_total_at_least_and_leave_an_event() {
    let mut node = node("a", 0);
    let board = |index: usize| Domain {
        max_uw: Some(700_000_000),
        ..Domain::counter(&format!("gpu-{index}"), Component::Gpu, "board", "nvml")
    };
    node.take(Input::Domains { source: 0, domains: (0..MAX_DOMAINS).map(board).collect() });
    let all = |node: &mut Node, count: usize, at_ns: u64| {
        (0..count).for_each(|index| read_of(node, index, at_ns, at_ns / 1_000));
        account(node, at_ns, None).full
    };
    all(&mut node, MAX_DOMAINS, 0);
    let full = all(&mut node, MAX_DOMAINS, S);
    assert!(full.total_high_uj.is_some() && full.left_out == 0);
    node.take(Input::Domains { source: 0, domains: (0..MAX_DOMAINS + 2).map(board).collect() });
    for second in 2..4 {
        let full = all(&mut node, MAX_DOMAINS + 2, second * S);
        assert_eq!((full.total_high_uj, full.left_out, full.devices.len()), (None, 2, MAX_DOMAINS));
        assert_eq!(full.total_uj, Some(MAX_DOMAINS as u64 * second * 1_000_000));
        assert_eq!(full.events.get("domains-left-out"), Some(&1));
        assert_eq!(crate::Health::of(&full, second * S).status, crate::Level::Critical, "no source is listed");
        assert!(crate::Health::of(&full, second * S).reasons[0].contains("2 sensors"));
    }
}

#[test]
fn views_change_at_most_once_a_second_however_often_they_are_made() {
    let (mut node, _, before) = two_seconds();
    for ns in [2 * S + 1, 2 * S + S / 2, 3 * S - 1] {
        read(&mut node, 0, ns, 4_294_900_000);
        let views = node.account(at(ns), || panic!("the interval goes on"));
        assert!(Arc::ptr_eq(&views.full, &before.full) && Arc::ptr_eq(&views.public, &before.public));
    }
    assert_eq!(account(&mut node, 3 * S, None).public.sequence, before.public.sequence + 1);
}

#[test]
fn power_is_that_between_two_changes_and_not_known_where_the_next_is_overdue() {
    let mut node = node("a", 0);
    node.take(Input::Domains { source: 0, domains: vec![package()] });
    let mut powers = Vec::new();
    for second in 0..30 {
        // Read every four seconds at 50 W, until it hangs.
        if second % 4 == 0 && second < 16 {
            read(&mut node, 0, second * S, second * 50_000_000);
        }
        powers.push(account(&mut node, second * S, None).full.devices[0].power_w);
    }
    assert_eq!(powers[..4], [None; 4], "one reading");
    assert_eq!(powers[4..22], [Some(50.0); 18], "neither zero nor a multiple");
    assert_eq!(powers[23..], [None; 7], "not zero: it is not read");
}

#[test]
fn energy_of_a_gap_is_not_of_the_job_that_comes_after_it() {
    let mut node = node("a", 0);
    node.take(Input::Domains { source: 0, domains: vec![Domain { range: None, ..package() }] });
    let used = |key: JobKey| Some(JobTimes { busy_ns: S, idle_ns: 0, jobs: [(key, S)].into() });
    for second in 0..3 {
        read(&mut node, 0, second * S, second * 50_000_000);
        account(&mut node, second * S, None);
    }
    (3..300).for_each(|second| drop(account(&mut node, second * S, None)));
    let key = node.begin_job(job("later"), at(300 * S), None);
    for second in 300..303 {
        read(&mut node, 0, second * S, second * 50_000_000);
        let full = account(&mut node, second * S, used(key)).full;
        assert_whole(&full);
        let own = full.consumers[0].energy_uj;
        assert_eq!(own, (second - 300) * 50_000_000, "the energy of the gap is not attributed");
    }
}

#[test]
fn reading_that_was_refused_is_no_value_to_go_on_from() {
    let (mut node, _, before) = two_seconds();
    read(&mut node, 0, 3 * S, 4_000_000_000);
    account(&mut node, 3 * S, None);
    let mut next = super::tests::node("a", 4 * S);
    assert!(next.resume(node.journal(3 * S)));
    next.take(Input::Domains { source: 0, domains: vec![package()] });
    read(&mut next, 0, 4 * S, (4_294_900_000 + 4 * 50_000_000) % (1 << 32));
    let full = account(&mut next, 4 * S, None).full;
    assert_eq!(full.total_uj, before.full.total_uj.map(|uj| uj + 100_000_000));
}

#[test]
fn devices_that_are_gone_for_a_boot_are_one_and_the_total_does_not_fall() {
    let (node, _, before) = two_seconds();
    let mut journal = node.journal(2 * S);
    for boot in 0..5_u64 {
        let mut next = super::tests::node(&format!("boot-{boot}"), 0);
        assert!(next.resume(journal));
        let board = Domain::counter(&format!("MIG-{boot}"), Component::Gpu, "board", "nvml");
        next.take(Input::Domains { source: 0, domains: vec![board] });
        (0..3).for_each(|second| read(&mut next, 0, second * S, second * 10_000_000));
        let full = account(&mut next, 3 * S, None).full;
        assert_whole(&full);
        assert_eq!(full.total_uj, before.full.total_uj.map(|uj| uj + (boot + 1) * 20_000_000), "boot {boot}");
        assert!(full.devices.len() <= 4, "{:?}", full.devices);
        journal = next.journal(3 * S);
    }
}

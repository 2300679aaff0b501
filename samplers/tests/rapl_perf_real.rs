//! CPU energy from real perf events: the software and msr PMUs replace RAPL behind a fake sysfs.
//!
//! Where the environment refuses `perf_event_open`, a test prints that and passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and prints what it skips"
)]

mod tree;

use eco2_core::schema::Status;
use eco2_samplers::rapl_perf::discover;
use eco2_samplers::{Batch, Source};
use tree::{Tree, as_unprivileged_user, read};

const UNIT: &str = "2.3283064365386962890625e-10";

/// The source over a real PMU; prints a note and returns `None` where the environment refuses `perf_event_open`.
fn real(tree: &Tree) -> Option<Box<dyn Source>> {
    let found = discover(&tree.roots());
    if found.source.is_none() {
        println!("skipped: {}", found.statuses[0].reason);
    }
    found.source
}

/// Reads twice with work between and returns how much each domain grew.
fn growth(source: &mut Box<dyn Source>) -> Vec<u64> {
    let mut batch = Batch::default();
    let values = |source: &mut Box<dyn Source>, batch: &mut Batch| -> Vec<u64> {
        read(source, batch).into_iter().map(|(_, value)| value.unwrap()).collect()
    };
    let first = values(source, &mut batch);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let second = values(source, &mut batch);
    second.iter().zip(first).map(|(second, first)| second - first).collect()
}

#[test]
fn real_software_events_count_behind_a_fake_sysfs() {
    let tree = Tree::new();
    // Type 1 is the software PMU, config 0 its cpu-clock: nanoseconds, here declared as nanojoules, which is 1 W.
    tree.pmu(1, "0", &[("energy-pkg", "event=0x00", "1e-9"), ("energy-ram", "event=0x00", "1e-9")]);
    let Some(mut source) = real(&tree) else { return };
    let growth = growth(&mut source);
    assert_eq!(growth.len(), 2);
    assert!(growth.iter().all(|ns| (19_000_000..5_000_000_000).contains(ns)), "{growth:?}");
    let (all, inherited) = perf_descriptors();
    assert!(all.len() >= 2, "leader and member");
    // Tests run at once: another may be between opening and marking, but not for long.
    std::thread::sleep(std::time::Duration::from_millis(20 * u64::from(!inherited.is_empty())));
    let still: Vec<_> = perf_descriptors().1.into_iter().filter(|fd| inherited.contains(fd)).collect();
    assert!(still.is_empty(), "children would inherit {still:?}");
}

/// Descriptors of perf events in this process, and those of them that a child would inherit.
fn perf_descriptors() -> (Vec<String>, Vec<String>) {
    let names = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let perf = std::fs::read_link(&path).ok()?.to_str()?.contains("perf_event");
        perf.then(|| path.file_name()?.to_str().map(str::to_owned)).flatten()
    });
    let all: Vec<String> = names.collect();
    let inherited = |fd: &&String| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim).map(str::to_owned);
        let flags = flags.and_then(|flags| i32::from_str_radix(&flags, 8).ok());
        flags.is_some_and(|flags| flags & libc::O_CLOEXEC == 0)
    };
    let inherited = all.iter().filter(inherited).cloned().collect();
    (all, inherited)
}

#[test]
fn real_msr_events_refuse_exclusion_as_rapl_does_and_still_count() {
    let Ok(kind) = std::fs::read_to_string("/sys/bus/event_source/devices/msr/type") else {
        println!("skipped: no msr PMU");
        return;
    };
    let tree = Tree::new();
    tree.pmu(kind.trim().parse().unwrap(), "0", &[("energy-pkg", "event=0x00", UNIT)]);
    let Some(mut source) = real(&tree) else { return };
    assert!(growth(&mut source)[0] > 1_000_000, "the time stamp counter runs");
}

#[test]
fn f11_a_user_without_rights_gets_a_remedy() {
    let tree = Tree::new();
    tree.pmu(1, "0", &[("energy-pkg", "event=0x00", "1e-9")]);
    match as_unprivileged_user(|| discover(&tree.roots())) {
        found if found.source.is_some() => println!("skipped: perf is open to everyone here"),
        found => {
            assert_eq!(found.statuses[0].status, Status::Denied, "{:?}", found.statuses);
            assert!(found.statuses[0].remedy.contains("PERFMON") || found.statuses[0].remedy.contains("perfmon"));
        }
    }
}

//! Users that are followed, on a tree of files.

use std::fs;
use std::path::Path;

use eco2_core::{Component, Domain, Reading};

use super::*;
use crate::feed::Feed;
use crate::folder::RunFolder;
use crate::pages::Place;
use crate::snapshot::NodeIdentity;

/// More users than are followed.
const USERS: u32 = 300;
const FOLLOWED: usize = 256;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Writes one process of each user and the CPU time that each has used, clock ticks; the CPUs are never idle.
fn used(procfs: &Path, ticks: u64) {
    let busy = 1_000 + u64::from(USERS) * ticks;
    write(&procfs.join("stat"), &format!("cpu  {busy} 0 0 1000 0 0 0 0 0 0\nprocesses 5\n"));
    for user in 1..=USERS {
        let stat = format!("{user} (x) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n");
        write(&procfs.join(format!("{user}/stat")), &stat);
        write(&procfs.join(format!("{user}/status")), &format!("Uid:\t{user}\t{user}\t{user}\t{user}\n"));
        write(&procfs.join(format!("{user}/cgroup")), "0::/\n");
    }
}

fn accounting(place: &Path) -> Accounting {
    RunFolder::open(place).unwrap();
    let mut node = Node::new(NodeIdentity { boot_id: "a".into(), ..NodeIdentity::default() }, 0, Vec::new());
    let package = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
    node.take(Input::Domains { source: 0, domains: vec![package] });
    let roots = Roots { sysfs: place.join("sys"), procfs: place.join("proc"), ..Roots::default() };
    let views = node.account(at(0), IntervalUse::default);
    let (_feed, received) = Feed::new();
    let pages = Pages::new(Place { folder: place.to_owned(), group: None, boot_id: "a".into(), began_ns: 0 });
    let (log, ..) = JobLog::open(place);
    let mut accounting =
        Accounting::new(node, &roots, pages, Store::new(place, "a".into()), log, received, Latest::new(views));
    accounting.by = vec![ConsumerKind::User];
    accounting
}

fn at(second: u64) -> Instant {
    Instant { ns: second * SECOND_NS, wall_ns: 0 }
}

/// Ends a second in which the package used 30 J.
fn second(accounting: &mut Accounting, second: u64) -> crate::latest::Views {
    let reading = Reading { before_ns: at(second).ns, after_ns: at(second).ns, value: Ok(second * 30_000_000) };
    accounting.node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
    let usage = &mut accounting.usage;
    let views = accounting.node.account(at(second), || IntervalUse { cpu: usage.look(), ..IntervalUse::default() });
    accounting.look_for_groups(at(second));
    views
}

#[test]
fn of_more_than_256_users_the_rest_is_not_attributed_and_none_is_displaced() {
    let folder = tempfile::tempdir().unwrap();
    used(&folder.path().join("proc"), 100);
    let mut accounting = accounting(folder.path());
    second(&mut accounting, 1);
    let first: Vec<JobKey> = accounting.node.jobs().map(|(key, _)| key).collect();
    assert_eq!((first.len(), accounting.warned.len()), (FOLLOWED, 1), "{:?}", accounting.warned);
    // The second in which they begin, and one of which each has a 300th.
    for number in 2..=3 {
        used(&folder.path().join("proc"), 100 * number);
        second(&mut accounting, number);
    }
    used(&folder.path().join("proc"), 400);
    let earlier = accounting.node.account(at(3), IntervalUse::default).full;
    let full = second(&mut accounting, 4).full;
    let rest = full.not_attributed_uj - earlier.not_attributed_uj;
    assert_eq!(rest, 44 * 100_000, "44 of 300 users, 0.1 J each");
    // A second look begins none and ends none.
    for number in 5..=10 {
        second(&mut accounting, number);
    }
    assert_eq!(accounting.node.jobs().map(|(key, _)| key).collect::<Vec<_>>(), first);
    assert_eq!(accounting.warned.len(), 1, "{:?}", accounting.warned);
    // Those that go make room for others.
    for user in 1..=50 {
        fs::remove_dir_all(folder.path().join(format!("proc/{user}"))).unwrap();
    }
    write(&folder.path().join("proc/stat"), "cpu  500000 0 0 1000 0 0 0 0 0 0\nprocesses 6\n");
    for number in 11..=18 {
        second(&mut accounting, number);
    }
    let open = accounting.node.jobs().filter(|(_, state)| state.ended.is_none()).count();
    assert_eq!(open, USERS as usize - 50);
}

#[test]
fn users_whose_processes_cannot_be_listed_are_not_zero_and_a_warning_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let procfs = folder.path().join("proc");
    used(&procfs, 100);
    let mut accounting = accounting(folder.path());
    for number in 1..=3 {
        used(&procfs, 100 * number);
        second(&mut accounting, number);
    }
    // The list cannot be read from here on; what is known of the machine is.
    accounting.usage.lose_list(&folder.path().join("nowhere"));
    for number in 4..=12 {
        second(&mut accounting, number);
    }
    let open = accounting.node.jobs().filter(|(_, state)| state.ended.is_none()).count();
    assert_eq!(open, FOLLOWED, "none has ended");
    assert!(accounting.warned.iter().any(|text| text.contains("list of processes")), "{:?}", accounting.warned);
    let full = accounting.node.account(at(12), IntervalUse::default).full;
    let user = &full.consumers[0];
    // 9 s at 30 W may all be this user's.
    assert!(user.high_uj.is_none_or(|high| high >= user.energy_uj + 9 * 30_000_000), "{user:?}");
}

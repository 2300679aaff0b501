//! Tests of the CPU time of jobs, on trees of files.

use std::fs;

use super::super::followed::GONE_LOOKS;
use super::*;

/// Writes files below a folder, and the folders in which they lie.
fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn process(root: &Path, pid: u32, parent: u32, ticks: u64) {
    let line = format!("{pid} (x) S {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n");
    write(root, &format!("proc/{pid}/stat"), &line);
}

fn host(root: &Path, busy: u64, idle: u64) {
    write(root, "proc/stat", &format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\nprocesses 5\n"));
}

fn roots(root: &Path) -> Roots {
    Roots { sysfs: root.join("sys"), procfs: root.join("proc"), ..Roots::default() }
}

#[test]
fn a_tree_within_a_tree_is_not_counted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (pid, parent) in [(1, 0), (10, 1), (20, 10), (30, 1)] {
        process(root, pid, parent, 100);
    }
    host(root, 1_000, 1_000);
    let mut usage = JobUsage::new(&roots(root));
    usage.follow(1, JobProcesses::Tree(10));
    usage.follow(2, JobProcesses::Tree(20));
    assert_eq!(usage.look(), None, "the first look begins the first interval");
    process(root, 10, 1, 130);
    process(root, 20, 10, 150);
    process(root, 30, 1, 115);
    host(root, 1_100, 1_050);
    let times = usage.look().unwrap();
    let tick_ns = usage.tick_ns;
    assert_eq!((times.busy_ns, times.idle_ns), (100 * tick_ns, 50 * tick_ns));
    assert_eq!(times.jobs, BTreeMap::from([(1, 30 * tick_ns), (2, 50 * tick_ns)]));
    assert_eq!([10, 20, 30].map(|pid| usage.owner(pid)), [Some(1), Some(2), None]);
    assert_eq!(usage.pids(), [10, 20, 20], "of each tree");
}

#[test]
fn jobs_nest_in_whatever_order_they_begin_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (pid, parent) in [(1, 0), (10, 1), (20, 10), (30, 20)] {
        process(root, pid, parent, 0);
    }
    for order in [[10, 20, 30], [10, 30, 20], [20, 10, 30], [20, 30, 10], [30, 10, 20], [30, 20, 10], [10, 10, 20]] {
        host(root, 1_000, 1_000);
        [10, 20, 30].into_iter().zip([1, 10, 20]).for_each(|(pid, parent)| process(root, pid, parent, 0));
        let mut usage = JobUsage::new(&roots(root));
        for (job, pid) in (1..).zip(order) {
            usage.follow(job, JobProcesses::Tree(pid));
        }
        usage.look();
        [10, 20, 30].into_iter().zip([1, 10, 20]).for_each(|(pid, parent)| process(root, pid, parent, 100));
        host(root, 1_300, 1_000);
        let times = usage.look().unwrap();
        let sum: u64 = times.jobs.values().sum();
        assert_eq!(sum, 300 * usage.tick_ns, "{order:?}: {:?}", times.jobs);
        let begun = |pid| order.iter().position(|of| *of == pid).map(|at| at as u64 + 1);
        assert_eq!(usage.owner(30), begun(30).or(begun(20)), "{order:?}: whichever began last");
        // The one in the middle is followed no longer: what it used is the outer one's.
        usage.forget(2);
        [10, 20, 30].into_iter().zip([1, 10, 20]).for_each(|(pid, parent)| process(root, pid, parent, 200));
        let sum: u64 = usage.look().unwrap().jobs.values().sum();
        assert!(sum <= 300 * usage.tick_ns, "{order:?}");
    }
}

#[test]
fn a_group_may_be_made_after_its_job_began() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    host(root, 1_000, 1_000);
    let mut usage = JobUsage::new(&roots(root));
    usage.follow(7, JobProcesses::Group("slurm/job_3".into()));
    usage.look();
    host(root, 1_005, 1_000);
    assert!(usage.look().unwrap().jobs.is_empty(), "it is not known what it used");
    write(root, "sys/fs/cgroup/slurm/job_3/cpu.stat", "usage_usec 500\n");
    write(root, "proc/40/cgroup", "0::/slurm/job_3/step_0\n");
    host(root, 1_010, 1_000);
    assert_eq!(usage.look().unwrap().jobs[&7], 500_000);
    assert_eq!(usage.owner(40), Some(7));
    fs::remove_dir_all(root.join("sys")).unwrap();
    host(root, 1_020, 1_000);
    assert_eq!(usage.look().unwrap().jobs[&7], 0, "a group that is gone uses nothing more");
}

#[test]
fn a_group_that_is_made_again_counts_from_its_start_and_one_that_stays_away_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let used = |usec: u64| write(root, "sys/fs/cgroup/slurm/job_3/cpu.stat", &format!("usage_usec {usec}\n"));
    used(9_000);
    let mut usage = JobUsage::new(&roots(root));
    usage.follow(7, JobProcesses::Group("slurm/job_3".into()));
    let mut busy = 1_000;
    let mut look = |usage: &mut JobUsage| {
        busy += 10;
        host(root, busy, 1_000);
        usage.look().map(|times| times.jobs[&7])
    };
    look(&mut usage);
    used(9_500);
    assert_eq!(look(&mut usage), Some(500_000));
    used(200);
    assert_eq!(look(&mut usage), Some(200_000), "a new group at the same path");
    fs::remove_dir_all(root.join("sys")).unwrap();
    for _ in 1..GONE_LOOKS {
        assert_eq!(look(&mut usage), Some(0));
        assert!(!usage.is_gone(7));
    }
    look(&mut usage);
    assert!(usage.is_gone(7));
    usage.follow(8, JobProcesses::Group("slurm/job_4".into()));
    usage.follow_again(9, JobProcesses::Group("slurm/job_5".into()));
    for _ in 0..=GONE_LOOKS {
        host(root, 5_000, 1_000);
        usage.look();
    }
    assert!(!usage.is_gone(8), "it may be made yet");
    assert!(usage.is_gone(9), "it was there before the agent");
}

#[test]
fn time_of_a_tree_in_a_group_that_is_followed_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let group = |usec: u64| write(root, "sys/fs/cgroup/machine.slice/box/cpu.stat", &format!("usage_usec {usec}\n"));
    // A shell (10) starts a process (20) in a container's group, and another one (30) outside it.
    for (pid, parent) in [(1, 0), (10, 1), (20, 10), (30, 10)] {
        process(root, pid, parent, 0);
        write(root, &format!("proc/{pid}/cgroup"), if pid == 20 { "0::/machine.slice/box\n" } else { "0::/x\n" });
    }
    group(0);
    host(root, 1_000, 1_000);
    let mut usage = JobUsage::new(&roots(root));
    usage.follow(1, JobProcesses::Tree(10));
    usage.follow(2, JobProcesses::Group("machine.slice/box".into()));
    usage.look();
    let tick_ns = usage.tick_ns;
    process(root, 20, 10, 40);
    process(root, 30, 10, 10);
    group(40 * tick_ns / 1_000);
    host(root, 1_100, 1_000);
    let times = usage.look().unwrap();
    assert_eq!(times.jobs, BTreeMap::from([(1, 10 * tick_ns), (2, 40 * tick_ns)]));
    // The shell itself is moved there: it is within the container then.
    for pid in [10, 30] {
        write(root, &format!("proc/{pid}/cgroup"), "0::/machine.slice/box/inner\n");
    }
    process(root, 20, 10, 50);
    process(root, 30, 10, 30);
    group(70 * tick_ns / 1_000);
    host(root, 1_200, 1_000);
    let times = usage.look().unwrap();
    assert_eq!(times.jobs.values().sum::<u64>(), 30 * tick_ns, "{:?}", times.jobs);
    assert_eq!(usage.parents(), BTreeMap::from([(1, 2)]));
}

#[test]
fn user_has_the_time_of_processes_that_are_of_no_job() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // Root's 1; 10 and its child 20 of user 1000, 30 of user 1001, 40 of user 1000 in a container.
    let uids = [(1, 0, 0), (10, 1, 1000), (20, 10, 1000), (30, 1, 1001), (40, 1, 1000)];
    let used = |ticks: u64| {
        for (pid, parent, _) in uids {
            process(root, pid, parent, ticks);
        }
    };
    for (pid, _, uid) in uids {
        write(root, &format!("proc/{pid}/status"), &format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n"));
        write(root, &format!("proc/{pid}/cgroup"), if pid == 40 { "0::/machine.slice/box\n" } else { "0::/x\n" });
    }
    let group = |usec: u64| write(root, "sys/fs/cgroup/machine.slice/box/cpu.stat", &format!("usage_usec {usec}\n"));
    used(100);
    group(0);
    host(root, 1_000, 1_000);
    let mut usage = JobUsage::new(&roots(root));
    assert!(usage.users().is_empty(), "before users are watched");
    usage.follow(1, JobProcesses::User(1000));
    assert_eq!(usage.users(), BTreeSet::from([1000, 1001]));
    usage.follow(2, JobProcesses::User(1001));
    usage.look();
    let tick_ns = usage.tick_ns;
    used(110);
    host(root, 1_060, 1_000);
    assert_eq!(usage.look().unwrap().jobs, BTreeMap::from([(1, 30 * tick_ns), (2, 10 * tick_ns)]));
    // A job of process 20 and a container: their time is not the user's own.
    usage.follow(3, JobProcesses::Tree(20));
    usage.follow(4, JobProcesses::Group("machine.slice/box".into()));
    used(130);
    group(20 * tick_ns / 1_000);
    host(root, 1_160, 1_000);
    let ticks = |ticks: u64| ticks * tick_ns;
    let expected = BTreeMap::from([(1, ticks(20)), (2, ticks(20)), (3, ticks(20)), (4, ticks(20))]);
    assert_eq!(usage.look().unwrap().jobs, expected);
    assert_eq!([1, 10, 20, 30, 40].map(|pid| usage.owner(pid)), [None, Some(1), Some(3), Some(2), Some(4)]);
    // Clocks that do not fit: users never have more than what the machine was busy for, less the jobs.
    used(170);
    group(60 * tick_ns / 1_000);
    host(root, 1_260, 1_000);
    let expected = BTreeMap::from([(1, ticks(10)), (2, ticks(10)), (3, ticks(40)), (4, ticks(40))]);
    assert_eq!(usage.look().unwrap().jobs, expected, "40 each of 100");
    fs::remove_dir_all(root.join("proc/30")).unwrap();
    for look in 0..=GONE_LOOKS {
        assert_eq!(usage.is_gone(2), look >= GONE_LOOKS);
        write(root, "proc/stat", &format!("cpu  {} 0 0 1000 0 0 0 0 0 0\nprocesses {}\n", 2_000 + look, 6 + look));
        usage.look();
    }
    assert!(!usage.is_gone(1));
}

#[test]
fn users_are_not_known_while_the_processes_cannot_be_listed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "proc/10/status", "Uid:\t1000\t1000\t1000\t1000\n");
    let used = |ticks: u64| {
        process(root, 10, 1, ticks);
        host(root, 1_000 + ticks, 1_000);
    };
    used(0);
    let mut usage = JobUsage::new(&roots(root));
    usage.follow(1, JobProcesses::User(1000));
    let look = |usage: &mut JobUsage, ticks: u64| {
        used(ticks);
        let tick_ns = usage.tick_ns;
        usage.look().map(|times| times.jobs.get(&1).map(|ns| ns / tick_ns))
    };
    look(&mut usage, 5);
    assert_eq!((look(&mut usage, 8), usage.is_listed()), (Some(Some(3)), true));
    usage.table = ProcessTable::new(&root.join("nowhere"));
    for ticks in 0..20 {
        assert_eq!((look(&mut usage, 9 + ticks), usage.is_listed()), (Some(None), false), "not known, and not zero");
    }
    assert!(!usage.is_gone(1) && usage.users() == BTreeSet::from([1000]));
    usage.table = ProcessTable::new(&root.join("proc"));
    assert_eq!(look(&mut usage, 50), Some(None), "of the interval in which it comes back, a part");
    assert_eq!(look(&mut usage, 57), Some(Some(7)));
}

//! ConsumerSpec used the CPUs, on made-up `/proc` and cgroup trees. One clock tick is 10 ms (100 Hz, as on every common Linux).

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its machine fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
use eco2_samplers::Roots;
use eco2_samplers::usage::{CpuShares, HostUsage, wait_child};
use proptest::prelude::*;
use tempfile::TempDir;

const TICK_NS: u64 = 10_000_000;

/// A machine in a temporary folder.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.host(0, 0, 1_000);
        machine
    }

    fn roots(&self) -> Roots {
        Roots { procfs: self.0.path().join("proc"), sysfs: self.0.path().join("sys"), ..Roots::default() }
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.0.path().join(path), text);
    }

    fn host(&self, busy: u64, stolen: u64, idle: u64) {
        self.write("proc/stat", &format!("cpu  {busy} 0 0 {idle} 0 0 0 {stolen} 0 0\n"));
    }

    fn process(&self, pid: u32, parent: u32, started: u64, own: u64, children: u64) {
        let line =
            format!("{pid} (py (1) x) S {parent} 1 1 0 -1 0 0 0 0 0 {own} 0 {children} 0 20 0 1 0 {started} 0 0\n");
        self.write(&format!("proc/{pid}/stat"), &line);
    }

    fn end(&self, pid: u32) {
        fs::remove_dir_all(self.0.path().join(format!("proc/{pid}"))).unwrap();
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn shares(command: u64, others: u64, idle: u64) -> CpuShares {
    CpuShares { command_ns: command * TICK_NS, others_ns: others * TICK_NS, idle_ns: idle * TICK_NS }
}

#[test]
fn f47_a_process_tree_others_and_idle_are_the_machine() {
    let machine = Machine::new();
    machine.process(1, 0, 1, 500, 500);
    machine.process(10, 1, 100, 7, 0);
    let mut usage = HostUsage::new(&machine.roots(), 10);
    assert_eq!(usage.method(), "process tree");

    machine.process(10, 1, 100, 27, 0);
    machine.process(11, 10, 150, 30, 0);
    machine.host(90, 10, 1_100);
    // 20 of the root, 30 of its new child; 90 - 50 others and 10 stolen; 100 idle.
    assert_eq!(usage.shares(), Some(shares(50, 50, 100)));
    assert_eq!(usage.pids().collect::<Vec<_>>(), [10, 11]);

    // A storm of children that no look ever sees: only the parent's waited-for time shows them.
    machine.end(11);
    machine.process(10, 1, 100, 27, 75);
    machine.host(150, 10, 1_140);
    assert_eq!(usage.shares(), Some(shares(45, 15, 40)));
    assert_eq!(usage.since_start(), Some(shares(95, 65, 140)));
}

#[test]
fn f47_a_reused_pid_is_never_the_commands() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    machine.process(11, 10, 110, 5, 0);
    let mut usage = HostUsage::new(&machine.roots(), 10);
    machine.process(10, 1, 100, 0, 5);
    machine.process(11, 1, 900, 80, 0);
    machine.host(80, 0, 1_000);
    assert_eq!(usage.shares(), Some(shares(0, 80, 0)));
    assert_eq!(usage.pids().collect::<Vec<_>>(), [10]);
}

#[test]
fn f47_what_hidepid_hides_is_others() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    // Hidden: the folder is listed or not, its stat cannot be read. Torn: cut off in the middle.
    fs::create_dir_all(machine.0.path().join("proc/77")).unwrap();
    machine.write("proc/78/stat", "78 (tor");
    machine.write("proc/self/other", "");
    let mut usage = HostUsage::new(&machine.roots(), 10);
    machine.process(10, 1, 100, 30, 0);
    machine.host(100, 0, 1_100);
    assert_eq!(usage.shares(), Some(shares(30, 70, 100)));
    // Even the command itself hidden: all others', nothing invented.
    let mut blind = HostUsage::new(&machine.roots(), 4_242);
    machine.host(200, 0, 1_200);
    assert_eq!(blind.shares(), Some(shares(0, 100, 100)));
}

#[test]
fn f47_cgroup_v2_counts_what_the_process_table_misses() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    machine.write("proc/10/cgroup", "0::/job.slice/job-1.scope\n");
    machine.write("proc/self/cgroup", "0::/user.slice\n");
    let counter = "sys/fs/cgroup/job.slice/job-1.scope/cpu.stat";
    machine.write(counter, "usage_usec 1000000\nuser_usec 900000\nsystem_usec 100000\n");
    let mut usage = HostUsage::new(&machine.roots(), 10);
    assert_eq!(usage.method(), "cgroup v2");
    machine.write(counter, "usage_usec 1500000\nuser_usec 1400000\nsystem_usec 100000\n");
    machine.host(60, 0, 1_140);
    assert_eq!(usage.shares(), Some(shares(50, 10, 140)));
    // The group is removed when the job is over: it used no more.
    fs::remove_file(machine.0.path().join(counter)).unwrap();
    machine.host(70, 0, 1_150);
    assert_eq!(usage.shares(), Some(shares(0, 10, 10)));
}

#[test]
fn f47_cgroup_v1_and_hybrid_use_cpuacct() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    machine.write("proc/10/cgroup", "4:cpu,cpuacct:/slurm/uid_1/job_7\n1:name=systemd:/a\n0::/init.scope\n");
    machine.write("proc/self/cgroup", "4:cpu,cpuacct:/\n0::/init.scope\n");
    machine.write("sys/fs/cgroup/unified/init.scope/cpu.stat", "usage_usec 1\n");
    let counter = "sys/fs/cgroup/cpu,cpuacct/slurm/uid_1/job_7/cpuacct.usage";
    machine.write(counter, "1000\n");
    let mut usage = HostUsage::new(&machine.roots(), 10);
    assert_eq!(usage.method(), "cgroup v1");
    machine.write(counter, "200001000\n");
    machine.host(30, 0, 1_000);
    assert_eq!(usage.shares(), Some(shares(20, 10, 0)));
}

#[test]
fn f47_hybrid_without_cpuacct_uses_the_unified_tree() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    machine.write("proc/10/cgroup", "1:name=systemd:/job\n0::/job\n");
    machine.write("sys/fs/cgroup/unified/job/cpu.stat", "usage_usec 0\n");
    assert_eq!(HostUsage::new(&machine.roots(), 10).method(), "cgroup v2");
}

#[test]
fn f47_a_group_shared_with_us_or_out_of_sight_is_not_the_commands() {
    for (theirs, ours) in [("/", "/"), ("/a", "/a"), ("/a", "/a/b"), ("/../other", "/"), ("/gone", "/")] {
        let machine = Machine::new();
        machine.process(10, 1, 100, 0, 0);
        machine.write("proc/10/cgroup", &format!("0::{theirs}\n"));
        machine.write("proc/self/cgroup", &format!("0::{ours}\n"));
        for group in ["cpu.stat", "a/cpu.stat", "a/b/cpu.stat"] {
            machine.write(&format!("sys/fs/cgroup/{group}"), "usage_usec 1\n");
        }
        assert_eq!(HostUsage::new(&machine.roots(), 10).method(), "process tree", "{theirs} {ours}");
    }
}

#[test]
fn f47_a_command_never_used_more_than_the_machine_was_busy() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    let mut usage = HostUsage::new(&machine.roots(), 10);
    machine.process(10, 1, 100, 12, 0);
    machine.host(10, 0, 1_010);
    assert_eq!(usage.shares(), Some(shares(10, 0, 10)));
}

#[test]
fn f47_orphans_that_no_look_saw_come_to_a_subreaper() {
    let machine = Machine::new();
    machine.process(10, std::process::id(), 100, 0, 0);
    let mut usage = HostUsage::new(&machine.roots(), 10);
    usage.follow_orphans();
    // A daemon: its parent, a child of the command, ended at once.
    machine.process(12, std::process::id(), 120, 25, 0);
    machine.host(40, 0, 1_000);
    assert_eq!(usage.shares(), Some(shares(25, 15, 0)));
}

#[test]
fn f47_a_machine_that_hides_its_cpu_time_has_no_shares() {
    let machine = Machine::new();
    machine.write("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
    assert_eq!(HostUsage::new(&machine.roots(), 10).shares(), None);
}

#[test]
#[expect(clippy::zombie_processes, reason = "wait_child waits for it")]
fn f47_wait4_returns_what_a_child_and_its_children_used() {
    // The grandchild burns CPU until its own limit (1 s of CPU time) kills it; nothing here depends on the wall clock.
    let script = "ulimit -t 1; sh -c 'while :; do :; done'; exit 7";
    let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
    let exited = wait_child(child.id()).unwrap();
    assert_eq!(exited.status.code(), Some(7));
    // The limit is kept by clock ticks, the account is exact: it may be some of them short.
    assert!((500_000_000..3_000_000_000).contains(&exited.cpu_ns), "{}", exited.cpu_ns);
    assert!(exited.max_rss_bytes > 100_000);
    assert!(wait_child(child.id()).is_err(), "a child is waited for once");
    assert!(wait_child(0).is_err() && wait_child(u32::MAX).is_err());
}

#[test]
#[expect(clippy::zombie_processes, reason = "wait_child waits for it")]
fn f47_the_exact_time_of_an_ended_root_is_taken_over() {
    let machine = Machine::new();
    machine.process(10, 1, 100, 0, 0);
    let mut usage = HostUsage::new(&machine.roots(), 10);
    let child = Command::new("true").spawn().unwrap();
    let exited = wait_child(child.id()).unwrap();
    usage.root_exited(&eco2_samplers::usage::Exited { cpu_ns: 40 * TICK_NS, ..exited });
    machine.end(10);
    machine.host(50, 0, 1_000);
    assert_eq!(usage.shares(), Some(shares(40, 10, 0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// M43 at the source: whatever processes do, the parts are the machine's time, and the energy split by them is whole.
    #[test]
    fn m43_parts_are_the_machines_time_and_split_its_energy_whole(
        steps in proptest::collection::vec(
            (0..200u64, 0..20u64, 0..200u64, proptest::collection::vec((2..9u32, 1..9u32, 0..3u64, 0..400u64, 0..400u64), 0..8)),
            1..6
        ),
        energy_uj in 0..1u64 << 50
    ) {
        let machine = Machine::new();
        let mut usage = HostUsage::new(&machine.roots(), 2);
        let (mut busy, mut stolen, mut idle) = (0, 0, 1_000);
        for (more_busy, more_stolen, more_idle, processes) in steps {
            (busy, stolen, idle) = (busy + more_busy, stolen + more_stolen, idle + more_idle);
            machine.host(busy, stolen, idle);
            for pid in 2..9 {
                let _ = fs::remove_dir_all(machine.0.path().join(format!("proc/{pid}")));
            }
            for (pid, parent, started, own, children) in processes {
                machine.process(pid, parent, started, own, children);
            }
            let shares = usage.shares().unwrap();
            prop_assert_eq!(shares.capacity_ns(), (more_busy + more_stolen + more_idle) * TICK_NS);
            prop_assert_eq!(shares.idle_ns, more_idle * TICK_NS);
            prop_assert!(shares.command_ns <= more_busy * TICK_NS);
        }
        let CpuShares { command_ns, others_ns, idle_ns } = usage.since_start().unwrap();
        let device = DeviceEnergy { energy_uj, low_uj: energy_uj, high_uj: Some(energy_uj) };
        let split = split(&[ConsumerSpec::command("c", "")], &[(Some(device), Some(Use::of(command_ns, others_ns, idle_ns)))]);
        prop_assert_eq!(split.command_uj + split.others_uj + split.idle_uj, energy_uj);
    }
}

/// Processes as the kernel has them. Ids are given again soon, so that a look often finds another process under a known one.
#[derive(Clone, Default)]
struct World {
    /// By id: parent, start, own time, time of waited-for children.
    processes: BTreeMap<u32, (u32, u64, u64, u64)>,
    started: u64,
}

impl World {
    fn start(&mut self, parent: u32) {
        let free = (2..9).cycle().skip(self.started as usize % 7).take(7).find(|pid| !self.processes.contains_key(pid));
        if let Some(pid) = free.filter(|_| self.processes.contains_key(&parent)) {
            self.started += 1;
            self.processes.insert(pid, (parent, self.started, 0, 0));
        }
    }

    /// The root of the tests, process 1 and the first stranger do not end.
    fn end(&mut self, pid: u32, waited: bool) {
        let Some((parent, _, own, children)) = self.processes.get(&pid).copied().filter(|_| pid > 3) else { return };
        self.processes.remove(&pid);
        if let Some(parent) = self.processes.get_mut(&parent).filter(|_| waited) {
            parent.3 += own + children;
        }
        self.processes.values_mut().filter(|process| process.0 == pid).for_each(|process| process.0 = 1);
    }

    /// Writes the table; folders of processes that `before` did not have are new.
    fn write(&self, machine: &Machine, before: &World, looks: usize) {
        for pid in 1..9 {
            let started = |world: &World| world.processes.get(&pid).map(|process| process.1);
            let folder = machine.0.path().join(format!("proc/{pid}"));
            if folder.exists() && started(before) != started(self) {
                // Its inode stays in use, so that no new folder gets the same number.
                fs::create_dir_all(machine.0.path().join("ended")).unwrap();
                fs::rename(folder, machine.0.path().join(format!("ended/{looks}-{pid}"))).unwrap();
            }
        }
        for (pid, (parent, started, own, children)) in &self.processes {
            machine.process(*pid, *parent, *started, *own, *children);
        }
        let busy = 10_000 * (looks + 1);
        machine.write("proc/stat", &format!("cpu  {busy} 0 0 0 0 0 0 0 0 0\nprocesses {}\n", self.started));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Reading only new strangers finds the same as reading every process.
    #[test]
    fn known_strangers_need_no_reading(
        looks in proptest::collection::vec(proptest::collection::vec((0..6u8, 1..9u32, 0..50u64), 0..16), 1..10)
    ) {
        let mut world = World::default();
        world.processes.insert(1, (0, 0, 0, 0));
        (0..2).for_each(|_| world.start(1));
        let machine = Machine::new();
        world.write(&machine, &world, 0);
        let mut few = HostUsage::new(&machine.roots(), 2);
        let mut all = HostUsage::new(&machine.roots(), 2);
        for (look, changes) in looks.into_iter().enumerate() {
            let before = world.clone();
            for (kind, pid, ticks) in changes {
                match kind {
                    0 => world.start(pid),
                    1 | 2 => world.end(pid, kind == 1),
                    3 | 4 => world.start(if kind == 3 { 2 } else { 1 }),
                    _ => if let Some(process) = world.processes.get_mut(&pid) { process.2 += ticks },
                }
            }
            world.write(&machine, &before, look + 1);
            few.shares();
            // Makes it read every process; no process of this world is a child of the test.
            all.follow_orphans();
            all.shares();
            prop_assert_eq!(few.pids().collect::<Vec<_>>(), all.pids().collect::<Vec<_>>());
            prop_assert_eq!(few.since_start(), all.since_start());
        }
    }
}

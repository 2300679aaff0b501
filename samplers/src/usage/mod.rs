//! [`HostUsage`] measures how much of the CPUs a command used, how much others used, and how much was idle.
//!
//! It reads `/proc` and control groups (the kernel's sets of processes with counters of their own). The three parts of
//! [`CpuShares`] add up to the machine's capacity exactly. Whatever cannot be read (other users' processes under
//! `hidepid`) is in the machine's busy time all the same, and so counts as others'. A look is one reading of the
//! process table; the root is the command's first process.

mod cgroup;
mod environ;
mod followed;
mod groups;
mod jobs;
mod slurm;
mod stat;
mod subordinate;
mod table;
mod tree;
mod user_times;
mod users;
mod wait;

use std::io;
use std::path::PathBuf;

use cgroup::GroupClock;
pub use environ::visible_to;
pub use groups::{FoundGroups, GroupKind, KnownGroup, find_groups, group_name, pod_name};
pub use jobs::{JobProcesses, JobTimes, JobUsage, ProcessFacts};
pub use slurm::{first_process_of, slurm_job_group};
pub(crate) use stat::HostTicks;
use stat::ProcessKey;
use table::ProcessTable;
use tree::ProcessTree;
pub use users::Fractions;
pub use wait::{Exited, any_exited, wait_child};

use crate::visible::Visible;
use crate::{DeviceUse, Roots, sysfs};
use environ::Environments;
use users::Users;

/// CPU time of an interval, in nanoseconds of one CPU. The parts add up to the capacity of all CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuShares {
    /// Used by the command and its descendants.
    pub command_ns: u64,
    /// Used by everyone else, or taken by a hypervisor.
    pub others_ns: u64,
    /// Not used.
    pub idle_ns: u64,
}

impl CpuShares {
    /// Returns all CPUs' time in the interval, nanoseconds.
    ///
    /// ```
    /// use eco2_samplers::usage::CpuShares;
    ///
    /// let shares = CpuShares { command_ns: 10, others_ns: 20, idle_ns: 70 };
    /// assert_eq!(shares.capacity_ns(), 100);
    /// ```
    #[must_use]
    pub fn capacity_ns(self) -> u64 {
        self.command_ns.saturating_add(self.others_ns).saturating_add(self.idle_ns)
    }
}

/// Follows one command's use of the machine's CPUs.
///
/// ```
/// use eco2_samplers::{Roots, usage::HostUsage};
///
/// let mut usage = HostUsage::new(&Roots::default(), std::process::id());
/// if let Some(shares) = usage.shares() {
///     println!("command {} ns of {} ns ({})", shares.command_ns, shares.capacity_ns(), usage.method());
/// }
/// ```
#[derive(Debug)]
pub struct HostUsage {
    procfs: PathBuf,
    /// Length of the kernel's clock tick, in which it counts CPU time.
    tick_ns: u64,
    table: ProcessTable,
    tree: ProcessTree,
    users: Users,
    environments: Environments,
    /// Process id of the command's first process.
    root: u32,
    /// Counter of the command's own control group; `None` if it has none.
    group: Option<GroupClock>,
    /// Highest value read from it.
    group_ns: u64,
    /// CPU time of the root and its waited-for descendants, once it has ended.
    root_ns: u64,
    first: Option<Look>,
    last: Option<Look>,
}

/// One look at the machine.
#[derive(Debug, Clone, Copy)]
struct Look {
    host: HostTicks,
    command_ns: u64,
}

impl HostUsage {
    /// Follows the process `root` with its descendants, or its control group if it has one of its own.
    ///
    /// Takes a first look: the interval of the first [`shares`](Self::shares) starts here.
    #[must_use]
    pub fn new(roots: &Roots, root: u32) -> Self {
        let mut usage = Self {
            procfs: roots.procfs.clone(),
            tick_ns: 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1),
            table: ProcessTable::new(&roots.procfs),
            tree: ProcessTree::new(root),
            users: Users::new(&roots.procfs),
            environments: Environments::default(),
            root,
            group: GroupClock::find(roots, root),
            group_ns: 0,
            root_ns: 0,
            first: None,
            last: None,
        };
        usage.first = usage.look();
        usage.last = usage.first;
        usage
    }

    /// Counts the command's orphans, which come to this process since [`adopt_orphans`].
    pub fn follow_orphans(&mut self) {
        self.tree.reaper(std::process::id());
        // Some of its children may have been strangers until now.
        self.table.forget();
    }

    /// Takes note that an orphan of the command ended and was waited for, so that its time is exact.
    pub fn orphan_exited(&mut self, pid: u32, exited: &Exited) {
        self.tree.reaped(pid, exited.cpu_ns.div_ceil(self.tick_ns.max(1)));
    }

    /// Returns how the command is separated from others: `cgroup v1`, `cgroup v2` or `process tree`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self.group {
            Some(GroupClock::V1(_)) => "cgroup v1",
            Some(GroupClock::V2(_)) => "cgroup v2",
            None => "process tree",
        }
    }

    /// Returns the shares since the previous call; `None` when the machine's CPU time cannot be read.
    ///
    /// Clock ticks are coarse (10 ms): ask about once a second, and use [`since_start`](Self::since_start) for totals.
    pub fn shares(&mut self) -> Option<CpuShares> {
        let now = self.look()?;
        let earlier = self.last.replace(now);
        self.first = self.first.or(Some(now));
        earlier.map(|earlier| self.between(earlier, now))
    }

    /// Returns the shares since the start, as of the last call of [`shares`](Self::shares).
    #[must_use]
    pub fn since_start(&self) -> Option<CpuShares> {
        Some(self.between(self.first?, self.last?))
    }

    /// Returns the processes of the command at the last look, for sources that account by process id.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.tree.pids()
    }

    /// Splits the use of a device, which a driver reports by process id, into command and others.
    #[must_use]
    pub fn split(&self, used: &DeviceUse) -> Fractions {
        self.users.split(&used.processes, used.unknown)
    }

    /// Returns what the environments of the command's processes let them see of the GPUs; empty where that is not
    /// known.
    pub fn visible(&mut self) -> Vec<Visible> {
        let keys: Vec<ProcessKey> = self.tree.keys().collect();
        self.environments.visible(&self.procfs, &keys, self.root)
    }

    /// Takes over the CPU time of the root from `wait4`: exact where the process table is coarse or came too late.
    pub fn root_exited(&mut self, exited: &Exited) {
        self.root_ns = exited.cpu_ns;
    }

    /// Reads the machine's CPU time and the process table.
    fn look(&mut self) -> Option<Look> {
        let text = sysfs::read_long_text(&self.procfs.join("stat")).ok()?;
        let host = HostTicks::parse(&text)?;
        let processes = self.table.read(stat::started_since_boot(&text));
        self.tree.observe(&processes);
        self.table.remember(&processes, |key| self.tree.belongs(key));
        self.users.observe(&processes, self.tree.pids());
        let command_ns = match &self.group {
            Some(group) => {
                // A group that is gone used no more than it had when last read.
                self.group_ns = self.group_ns.max(group.nanoseconds().unwrap_or(0));
                self.group_ns
            }
            None => self.tree.total().saturating_mul(self.tick_ns).max(self.root_ns),
        };
        Some(Look { host, command_ns })
    }

    /// Returns the shares between two looks.
    fn between(&self, earlier: Look, now: Look) -> CpuShares {
        let host = now.host.since(earlier.host);
        let busy_ns = host.busy.saturating_mul(self.tick_ns);
        // The two clocks tick independently: by a tick or so the command may seem to have used more than the machine.
        let command_ns = now.command_ns.saturating_sub(earlier.command_ns).min(busy_ns);
        CpuShares {
            command_ns,
            others_ns: (busy_ns - command_ns).saturating_add(host.stolen.saturating_mul(self.tick_ns)),
            idle_ns: host.idle.saturating_mul(self.tick_ns),
        }
    }
}

/// Makes the kernel hand orphans of this process's descendants to it (`PR_SET_CHILD_SUBREAPER`). To be called before
/// the command starts, by a process that waits for every child in the end ([`any_exited`]).
///
/// For a process whose only children are the command's, such as `eco2 run`. Never inside a training process: it changes
/// which process inherits that process's orphans.
///
/// # Errors
/// When the kernel refuses; then orphans that no look saw before count as others'.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

//! [`JobUsage`] measures how much of the CPUs each of several jobs used: a process with its descendants, a control group, or what else
//! a user runs.
//!
//! A control group is a set of processes for which the kernel keeps counters. A look is one reading of the machine's CPU time,
//! and of the process table where a job is a tree of processes or a user. Jobs may be within others, such as a training within a batch
//! job: time of the inner one is not that of the outer one.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cgroup::{self, GroupClock};
use super::followed::{Followed, JobClock, is_below};
use super::stat::{self, HostTicks, ProcessKey, ProcessStat};
use super::table::ProcessTable;
use super::tree::ProcessTree;
use super::user_times::UserTimes;
use super::users;
use crate::{Roots, sysfs};

/// The processes of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobProcesses {
    /// A process and all that it starts.
    Tree(u32),
    /// The processes of a control group and of the groups within it, by its path below the mount point, without a first
    /// slash.
    Group(PathBuf),
    /// The processes that run as a user and are of no other job.
    User(u32),
}

/// What is known of a process without its help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessFacts {
    /// The user that it runs as.
    pub uid: u32,
    /// When it was started, clock ticks since boot. A process id alone is used again.
    pub started: u64,
}

impl ProcessFacts {
    /// Reads them; `None` where there is no such process.
    ///
    /// ```
    /// use eco2_samplers::Roots;
    /// use eco2_samplers::usage::ProcessFacts;
    ///
    /// assert!(ProcessFacts::read(&Roots::default(), std::process::id()).is_some());
    /// ```
    #[must_use]
    pub fn read(roots: &Roots, pid: u32) -> Option<Self> {
        let folder = roots.procfs.join(pid.to_string());
        let uid = std::fs::metadata(&folder).ok()?.uid();
        let text = sysfs::read_long_text(&folder.join("stat")).ok()?;
        Some(Self { uid, started: ProcessStat::parse(&text)?.key.started })
    }
}

/// The use of the CPUs since the look before, nanoseconds of one CPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobTimes {
    /// Used by any process, or taken by a hypervisor.
    pub busy_ns: u64,
    /// Not used.
    pub idle_ns: u64,
    /// Used by each job, without the jobs within it. A job whose control group does not exist yet is not in it.
    pub jobs: BTreeMap<u64, u64>,
}

/// Follows jobs, each by a number that the caller gives.
#[derive(Debug)]
pub struct JobUsage {
    roots: Roots,
    /// Length of the kernel's clock tick, in which it counts CPU time.
    tick_ns: u64,
    table: ProcessTable,
    jobs: BTreeMap<u64, Followed>,
    host: Option<HostTicks>,
    /// CPU time by user; `None`: no user is followed.
    users: Option<UserTimes>,
    /// Whether it is known up to the last look.
    are_users_known: bool,
    /// Whether process ids are the machine's own, as drivers list them.
    first_namespace: bool,
}

impl JobUsage {
    /// Follows no job yet.
    #[must_use]
    pub fn new(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
            tick_ns: 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1),
            table: ProcessTable::new(&roots.procfs),
            jobs: BTreeMap::new(),
            host: None,
            users: None,
            are_users_known: true,
            first_namespace: users::is_first_namespace(&roots.procfs),
        }
    }

    /// Follows a job from now on.
    ///
    /// ```
    /// use eco2_samplers::Roots;
    /// use eco2_samplers::usage::{JobProcesses, JobUsage};
    ///
    /// let mut usage = JobUsage::new(&Roots::default());
    /// usage.follow(1, JobProcesses::Tree(std::process::id()));
    /// usage.look();
    /// assert_eq!(usage.owner(std::process::id()), Some(1));
    /// ```
    pub fn follow(&mut self, job: u64, members: JobProcesses) {
        let started = self.started();
        let (clock, groups) = match members {
            JobProcesses::Tree(pid) => {
                // Some of its members may have been strangers until now: their times are read again.
                let mut tree = ProcessTree::new(pid);
                tree.observe(&self.table.read(started));
                self.table.recall(tree.pids());
                (JobClock::Tree(ProcessTree::new(pid)), cgroup::paths(&self.roots, pid))
            }
            JobProcesses::Group(path) => {
                let clock = GroupClock::at(&self.roots, &path);
                let missed = clock.as_ref().map(|_| 0);
                (JobClock::Group { path, clock, missed }, Vec::new())
            }
            JobProcesses::User(uid) => {
                self.watch_users();
                (JobClock::User { uid, missed: 0 }, Vec::new())
            }
        };
        self.jobs.insert(job, Followed { clock, groups, last_ns: 0, outers: Vec::new() });
        let processes = self.processes(started);
        for followed in self.jobs.values_mut() {
            followed.observe(&processes, &self.roots);
        }
        self.remember(&processes);
        self.nest(job);
        if let Some(followed) = self.jobs.get_mut(&job) {
            // What it used before is not used now.
            followed.last_ns = followed.total_ns(self.tick_ns);
        }
    }

    /// Follows a job that was followed before the caller was started: a group that is not there is not one that will be made.
    pub fn follow_again(&mut self, job: u64, members: JobProcesses) {
        self.follow(job, members);
        if let Some(JobClock::Group { missed, .. }) = self.jobs.get_mut(&job).map(|followed| &mut followed.clock) {
            missed.get_or_insert(0);
        }
    }

    /// Counts the CPU time of users from now on, if it is not counted yet.
    pub fn watch_users(&mut self) {
        if self.users.is_none() {
            // The times of strangers are old ones.
            self.table.forget();
            let processes = self.table.read(None);
            self.users = Some(UserTimes::new(&self.roots, &processes));
            self.are_users_known = self.table.is_listed();
        }
    }

    /// Returns the users that had processes at the last look, without root; none before [`Self::watch_users`].
    #[must_use]
    pub fn users(&self) -> BTreeSet<u32> {
        self.users.as_ref().map(UserTimes::users).unwrap_or_default()
    }

    /// Whether the list of processes could be read at the last look. Where it could not, users are missing from [`JobTimes::jobs`].
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.table.is_listed()
    }

    /// Reads the list of processes in another folder, for tests.
    #[doc(hidden)]
    pub fn lose_list(&mut self, procfs: &Path) {
        self.table = ProcessTable::new(procfs);
    }

    /// Follows a job no longer.
    pub fn forget(&mut self, job: u64) {
        if self.jobs.remove(&job).is_some() {
            self.jobs.values_mut().for_each(|followed| followed.outers.retain(|outer| *outer != job));
        }
    }

    /// Returns the innermost job that contains each job that is within another.
    #[must_use]
    pub fn parents(&self) -> BTreeMap<u64, u64> {
        self.jobs.keys().filter_map(|job| Some((*job, self.parent(*job)?))).collect()
    }

    /// Returns the innermost job that contains a job: the one that is within the most.
    fn parent(&self, job: u64) -> Option<u64> {
        self.innermost(self.jobs.get(&job)?.outers.iter().copied())
    }

    fn innermost(&self, jobs: impl Iterator<Item = u64>) -> Option<u64> {
        jobs.max_by_key(|job| (self.jobs.get(job).map_or(0, |followed| followed.outers.len()), *job))
    }

    /// Finds which jobs contain a new one and which are within it, in whatever order they began. Of two with the same members,
    /// the later one is the inner one.
    fn nest(&mut self, new: u64) {
        let mut outers = Vec::new();
        for other in self.jobs.keys().copied().filter(|other| *other != new).collect::<Vec<_>>() {
            let (is_within, contains) = (self.contains(other, new), self.contains(new, other));
            if is_within {
                outers.push(other);
            } else if contains {
                let inner = self.jobs.get_mut(&other).filter(|inner| !inner.outers.contains(&new));
                inner.into_iter().for_each(|inner| inner.outers.push(new));
            }
        }
        self.jobs.get_mut(&new).into_iter().for_each(|followed| followed.outers = std::mem::take(&mut outers));
    }

    /// Returns the use of the CPUs since the last look; `None` at the first look, and where it cannot be read.
    pub fn look(&mut self) -> Option<JobTimes> {
        let text = sysfs::read_long_text(&self.roots.procfs.join("stat")).ok()?;
        let host = HostTicks::parse(&text)?;
        let processes = self.processes(stat::started_since_boot(&text));
        let mut whole: BTreeMap<u64, u64> = BTreeMap::new();
        for (job, followed) in &mut self.jobs {
            followed.observe(&processes, &self.roots);
            let total_ns = followed.total_ns(self.tick_ns);
            let before_ns = std::mem::replace(&mut followed.last_ns, total_ns);
            // A clock that counts from the start again is that of a new group at the same path.
            whole.insert(*job, total_ns.checked_sub(before_ns).unwrap_or(total_ns));
        }
        self.remember(&processes);
        let of_users = self.of_users(&processes);
        self.nest_moved();
        for (job, elsewhere_ns) in self.elsewhere() {
            whole.entry(job).and_modify(|ns| *ns = ns.saturating_sub(elsewhere_ns));
        }
        let is_seen = |job: &u64| self.jobs.get(job).is_some_and(Followed::is_seen);
        let mut jobs: BTreeMap<u64, u64> =
            whole.iter().filter(|(job, _)| is_seen(job)).map(|(job, ns)| (*job, *ns)).collect();
        for (job, followed) in &self.jobs {
            let outer = self.innermost(followed.outers.iter().copied());
            let outer_ns = outer.and_then(|outer| jobs.get_mut(&outer));
            if let (Some(outer_ns), Some(inner_ns)) = (outer_ns, whole.get(job)) {
                *outer_ns = outer_ns.saturating_sub(*inner_ns);
            }
        }
        let since = self.host.replace(host).map(|before| host.since(before))?;
        let ns = |ticks: u64| ticks.saturating_mul(self.tick_ns);
        let busy_ns = ns(since.busy.saturating_add(since.stolen));
        let of_jobs = jobs.values().fold(0, |sum: u64, ns| sum.saturating_add(*ns));
        match of_users {
            Some(of_users) => jobs.extend(at_most(of_users, busy_ns.saturating_sub(of_jobs))),
            None => jobs.retain(|job, _| !self.jobs.get(job).is_some_and(Followed::is_user)),
        }
        Some(JobTimes { busy_ns, idle_ns: ns(since.idle), jobs })
    }

    /// Returns the CPU time of each followed user since the last look; `None`: the processes could not be listed, now or then.
    fn of_users(&mut self, processes: &[ProcessStat]) -> Option<BTreeMap<u64, u64>> {
        let is_known = self.table.is_listed();
        let was_known = std::mem::replace(&mut self.are_users_known, is_known);
        let Some(mut users) = self.users.take_if(|_| is_known) else {
            return is_known.then(BTreeMap::new);
        };
        let ticks = users.observe(processes, |pid| self.owner_by_jobs(pid).is_some());
        let present = users.users();
        self.users = Some(users);
        let mut of_users = BTreeMap::new();
        for (job, followed) in &mut self.jobs {
            if let JobClock::User { uid, missed } = &mut followed.clock {
                *missed = if present.contains(uid) { 0 } else { missed.saturating_add(1) };
                of_users.insert(*job, ticks.get(uid).copied().unwrap_or(0).saturating_mul(self.tick_ns));
            }
        }
        was_known.then_some(of_users)
    }

    /// Nests the trees again whose first process was moved to another control group.
    fn nest_moved(&mut self) {
        let mut moved = Vec::new();
        for (job, followed) in &mut self.jobs {
            let JobClock::Tree(tree) = &followed.clock else { continue };
            let groups = cgroup::paths(&self.roots, tree.root());
            // Of a process that has ended nothing is known any more.
            if !groups.is_empty() && groups != followed.groups {
                followed.groups = groups;
                moved.push(*job);
            }
        }
        moved.into_iter().for_each(|job| self.nest(job));
    }

    /// Returns what members of trees used in a followed group that does not contain the tree, such as a container that a job's shell
    /// started: it is the group's. Only processes that used time are looked up.
    fn elsewhere(&self) -> BTreeMap<u64, u64> {
        let groups: Vec<(u64, &Path)> = self
            .jobs
            .iter()
            .filter_map(|(job, followed)| match &followed.clock {
                JobClock::Group { path, clock: Some(_), .. } => Some((*job, path.as_path())),
                _ => None,
            })
            .collect();
        if groups.is_empty() {
            return BTreeMap::new();
        }
        let mut of_trees = BTreeMap::new();
        for (job, followed) in &self.jobs {
            let JobClock::Tree(tree) = &followed.clock else { continue };
            let others: Vec<&Path> =
                groups.iter().filter(|(group, _)| !followed.outers.contains(group)).map(|(_, path)| *path).collect();
            let is_elsewhere = |pid: u32| {
                let own = cgroup::paths(&self.roots, pid);
                others.iter().any(|path| is_below(&own, path))
            };
            let ticks = tree.grown().iter().filter(|(pid, _)| !others.is_empty() && is_elsewhere(*pid));
            let sum = ticks.fold(0_u64, |sum, (_, ticks)| sum.saturating_add(*ticks));
            of_trees.insert(*job, sum.saturating_mul(self.tick_ns));
        }
        of_trees
    }

    /// Whether any job is followed.
    #[must_use]
    pub fn is_following(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Returns the processes of all trees, for drivers that account by process id; of groups, none are listed.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let trees = self.jobs.values().filter_map(|followed| match &followed.clock {
            JobClock::Tree(tree) => Some(tree.pids()),
            JobClock::Group { .. } | JobClock::User { .. } => None,
        });
        trees.flatten().collect()
    }

    /// Returns the innermost job to which a process belonged at the last look; of one that is of no other job, that of its user.
    #[must_use]
    pub fn owner(&self, pid: u32) -> Option<u64> {
        let of_user = || {
            let user = self.users.as_ref()?.user_of(pid)?;
            let is_of = |followed: &Followed| matches!(followed.clock, JobClock::User { uid, .. } if uid == user);
            self.jobs.iter().find(|(_, followed)| is_of(followed)).map(|(job, _)| *job)
        };
        self.owner_by_jobs(pid).or_else(of_user)
    }

    /// Returns the innermost tree or group to which a process belonged at the last look.
    fn owner_by_jobs(&self, pid: u32) -> Option<u64> {
        let has_groups = self.jobs.values().any(|followed| matches!(followed.clock, JobClock::Group { .. }));
        let groups = if has_groups { cgroup::paths(&self.roots, pid) } else { Vec::new() };
        let owns = |followed: &Followed| match &followed.clock {
            JobClock::Tree(tree) => tree.has(pid),
            JobClock::Group { path, .. } => is_below(&groups, path),
            JobClock::User { .. } => false,
        };
        self.innermost(self.jobs.iter().filter(|(_, followed)| owns(followed)).map(|(job, _)| *job))
    }

    /// Whether process ids that a driver lists are those of other processes here: in a container, one id that does not exist
    /// shows that none is known.
    #[must_use]
    pub fn are_foreign(&self, pids: &[u32]) -> bool {
        !self.first_namespace && pids.iter().any(|pid| !self.roots.procfs.join(pid.to_string()).exists())
    }

    /// Whether a job was a tree of processes all of which have ended, or a group or user that has not been there for some looks.
    #[must_use]
    pub fn is_gone(&self, job: u64) -> bool {
        self.jobs.get(&job).is_some_and(Followed::is_gone)
    }

    /// Whether the job `outer` contains the processes of `inner`.
    fn contains(&self, outer: u64, inner: u64) -> bool {
        let (Some(outer), Some(inner)) = (self.jobs.get(&outer), self.jobs.get(&inner)) else { return false };
        match (&outer.clock, &inner.clock) {
            (JobClock::Tree(tree), JobClock::Tree(of)) => tree.has(of.root()),
            (JobClock::Group { path, .. }, JobClock::Tree(_)) => is_below(&inner.groups, path),
            (JobClock::Group { path, .. }, JobClock::Group { path: of, .. }) => of.starts_with(path),
            (JobClock::Tree(_), JobClock::Group { .. }) => false,
            // A user's time is without that of jobs already; whose user a job is, its caller knows.
            (JobClock::User { .. }, _) | (_, JobClock::User { .. }) => false,
        }
    }

    /// Returns the number of processes started since boot; `None`: not known.
    fn started(&self) -> Option<u64> {
        let text = sysfs::read_long_text(&self.roots.procfs.join("stat")).ok()?;
        stat::started_since_boot(&text)
    }

    /// Reads the process table, if any job is a tree or a user.
    fn processes(&mut self, started: Option<u64>) -> Vec<ProcessStat> {
        let has_trees = self.jobs.values().any(|followed| matches!(followed.clock, JobClock::Tree(_)));
        if has_trees || self.users.is_some() { self.table.read(started) } else { Vec::new() }
    }

    /// Takes note which processes belong to no tree, so that they are not read again. Every process is of a user.
    fn remember(&mut self, processes: &[ProcessStat]) {
        if self.users.is_some() {
            return;
        }
        let jobs = &self.jobs;
        let belongs = |key: &ProcessKey| {
            jobs.values().any(|followed| matches!(&followed.clock, JobClock::Tree(tree) if tree.belongs(key)))
        };
        self.table.remember(processes, belongs);
    }
}

/// Returns these times with a sum of at most `most_ns`: users have used no more than the machine was busy for them.
fn at_most(times: BTreeMap<u64, u64>, most_ns: u64) -> impl Iterator<Item = (u64, u64)> {
    let sum: u128 = times.values().map(|ns| u128::from(*ns)).sum();
    let part = move |ns: u64| match sum > u128::from(most_ns) {
        true => u64::try_from(u128::from(ns) * u128::from(most_ns) / sum).unwrap_or(most_ns),
        false => ns,
    };
    times.into_iter().map(move |(job, ns)| (job, part(ns)))
}

#[cfg(test)]
#[path = "jobs_tests.rs"]
mod tests;

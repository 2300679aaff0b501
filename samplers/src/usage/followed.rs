//! One job whose CPU time is followed ([`Followed`]), and what counts it.

use std::path::{Path, PathBuf};

use super::cgroup::GroupClock;
use super::stat::ProcessStat;
use super::tree::ProcessTree;
use crate::Roots;

/// Looks at which a group cannot be read, after which it is gone: some seconds, in which a scheduler may make it again.
pub(super) const GONE_LOOKS: u32 = 5;

#[derive(Debug)]
pub(super) struct Followed {
    pub(super) clock: JobClock,
    /// The control groups of its first process, where it is a tree.
    pub(super) groups: Vec<String>,
    /// CPU time at the last look.
    pub(super) last_ns: u64,
    /// The jobs that contain it.
    pub(super) outers: Vec<u64>,
}

#[derive(Debug)]
pub(super) enum JobClock {
    Tree(ProcessTree),
    /// The clock is found when the group is made.
    Group {
        path: PathBuf,
        clock: Option<GroupClock>,
        /// Looks since it could be read last; `None`: it is not there yet.
        missed: Option<u32>,
    },
    /// Looks since the user had a process last.
    User {
        uid: u32,
        missed: u32,
    },
}

impl Followed {
    pub(super) fn observe(&mut self, processes: &[ProcessStat], roots: &Roots) {
        match &mut self.clock {
            JobClock::Tree(tree) => tree.observe(processes),
            JobClock::Group { path, clock, missed } => {
                if clock.as_ref().is_none_or(|clock| clock.nanoseconds().is_none()) {
                    // It may be made again, also in another hierarchy.
                    let found = GroupClock::at(roots, path);
                    *missed = if found.is_some() { Some(0) } else { missed.map(|looks| looks.saturating_add(1)) };
                    *clock = found.or(clock.take());
                } else {
                    *missed = Some(0);
                }
            }
            JobClock::User { .. } => {}
        }
    }

    /// Whether its processes have been found.
    pub(super) fn is_seen(&self) -> bool {
        !matches!(&self.clock, JobClock::Group { clock: None, .. })
    }

    /// Whether it is what else a user runs.
    pub(super) fn is_user(&self) -> bool {
        matches!(&self.clock, JobClock::User { .. })
    }

    /// Whether it was a tree of processes all of which have ended, or a group or user that has not been there for some looks.
    pub(super) fn is_gone(&self) -> bool {
        match &self.clock {
            JobClock::Tree(tree) => tree.is_gone(),
            JobClock::Group { missed, .. } => missed.is_some_and(|looks| looks >= GONE_LOOKS),
            JobClock::User { missed, .. } => *missed >= GONE_LOOKS,
        }
    }

    /// Returns the CPU time so far. A group that is gone used no more than it had when last read.
    pub(super) fn total_ns(&self, tick_ns: u64) -> u64 {
        match &self.clock {
            JobClock::Tree(tree) => tree.total().saturating_mul(tick_ns),
            JobClock::Group { clock, .. } => clock.as_ref().and_then(GroupClock::nanoseconds).unwrap_or(self.last_ns),
            JobClock::User { .. } => 0,
        }
    }
}

/// Whether one of these groups is the group `path` or below it.
pub(super) fn is_below(groups: &[String], path: &Path) -> bool {
    groups.iter().any(|group| Path::new(group).starts_with(path))
}

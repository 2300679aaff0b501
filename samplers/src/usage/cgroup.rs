//! [`GroupClock`] reads the CPU time of a command that has a control group of its own, in cgroup v1, v2 and hybrid
//! trees.
//!
//! A control group is a set of processes for which the kernel keeps counters. Such a counter misses nothing: processes
//! that come and go, daemons, children without a waiting parent. It is used only when the group is the command's own; a
//! group that eco2 itself is in also holds others.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{Roots, sysfs};

/// A control group's CPU time counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupClock {
    /// `cpu.stat` of the unified hierarchy, microseconds in its `usage_usec` line.
    V2(PathBuf),
    /// `cpuacct.usage`, nanoseconds.
    V1(PathBuf),
}

impl GroupClock {
    /// Returns the counter of `pid`'s group if that is not also the group of this process, and not the root group.
    #[must_use]
    pub(super) fn find(roots: &Roots, pid: u32) -> Option<Self> {
        let theirs = sysfs::read_long_text(&roots.procfs.join(pid.to_string()).join("cgroup")).ok()?;
        let ours = sysfs::read_long_text(&roots.procfs.join("self/cgroup")).unwrap_or_default();
        let mount = roots.sysfs.join("fs/cgroup");
        // In a hybrid tree the v2 line is there as well, but the CPU controller is bound to v1.
        v1(&theirs, &ours, &mount).or_else(|| v2(&theirs, &ours, &mount))
    }

    /// Returns the counter of the group at this path below the mount point; `None` while there is none.
    #[must_use]
    pub(super) fn at(roots: &Roots, path: &Path) -> Option<Self> {
        let mount = roots.sysfs.join("fs/cgroup");
        // Nothing above the mount point, and nothing that is no file of the kernel.
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_below || path.as_os_str().is_empty() {
            return None;
        }
        let v1 = ["cpuacct", "cpu,cpuacct", "cpuacct,cpu"]
            .map(|hierarchy| mount.join(hierarchy).join(path).join("cpuacct.usage"));
        let v2 = [mount.join(path), mount.join("unified").join(path)].map(|folder| folder.join("cpu.stat"));
        let clocks = v1.map(Self::V1).into_iter().chain(v2.map(Self::V2));
        clocks.into_iter().find(|clock| clock.nanoseconds().is_some())
    }

    /// Reads the CPU time of the group and its subgroups in nanoseconds; `None` once it cannot be read.
    #[must_use]
    pub(super) fn nanoseconds(&self) -> Option<u64> {
        match self {
            Self::V1(path) => fs::read_to_string(path).ok()?.trim().parse().ok(),
            Self::V2(path) => {
                let text = fs::read_to_string(path).ok()?;
                let usec: u64 = text.lines().find_map(|l| l.strip_prefix("usage_usec "))?.trim().parse().ok()?;
                usec.checked_mul(1_000)
            }
        }
    }
}

/// Returns the paths of the groups to which a process belongs, one per hierarchy, without their first slash.
#[must_use]
pub(super) fn paths(roots: &Roots, pid: u32) -> Vec<String> {
    let text = sysfs::read_long_text(&roots.procfs.join(pid.to_string()).join("cgroup")).unwrap_or_default();
    entries(&text).map(|(_, _, path)| path.trim_start_matches('/').to_owned()).collect()
}

fn v1(theirs: &str, ours: &str, mount: &Path) -> Option<GroupClock> {
    let of = |text| entries(text).find(|(_, controllers, _)| controllers.split(',').any(|c| c == "cpuacct"));
    let (_, controllers, path) = of(theirs)?;
    let group = own(path, of(ours).map(|(_, _, path)| path))?;
    [controllers, "cpuacct", "cpu,cpuacct", "cpuacct,cpu"]
        .iter()
        .map(|hierarchy| GroupClock::V1(mount.join(hierarchy).join(group).join("cpuacct.usage")))
        .find(|clock| clock.nanoseconds().is_some())
}

fn v2(theirs: &str, ours: &str, mount: &Path) -> Option<GroupClock> {
    let of = |text| entries(text).find(|(number, controllers, _)| *number == "0" && controllers.is_empty());
    let (_, _, path) = of(theirs)?;
    let group = own(path, of(ours).map(|(_, _, path)| path))?;
    [mount.to_path_buf(), mount.join("unified")]
        .iter()
        .map(|hierarchy| GroupClock::V2(hierarchy.join(group).join("cpu.stat")))
        .find(|clock| clock.nanoseconds().is_some())
}

/// Splits the lines `number:controllers:path` of cgroups(7).
fn entries(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        Some((parts.next()?, parts.next()?, parts.next()?))
    })
}

/// Returns the path below the mount point, if it names a group that is the command's alone.
fn own<'a>(theirs: &'a str, ours: Option<&str>) -> Option<&'a str> {
    // Our own group may lie inside theirs: then what we use would count as the command's.
    let inside = ours.is_some_and(|ours| Path::new(ours).starts_with(theirs));
    let path = theirs.trim_start_matches('/');
    // Above the namespace's root (`/..`) there is nothing that the mount shows.
    (!inside && !path.is_empty() && !path.split('/').any(|part| part == "..")).then_some(path)
}

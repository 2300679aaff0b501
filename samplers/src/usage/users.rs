//! [`Users`] decides whose a process is that a driver names as a user of a device: the command's, another's, or not
//! known.
//!
//! Drivers name processes by the ids of the machine. In a container with process ids of its own such an id means
//! another process or none, so that it does not identify the command. A look is one reading of the process table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::stat::ProcessStat;

/// Link of the machine's own process namespace, as opposed to a container's (`PROC_PID_INIT_INO` of the kernel's
/// `include/linux/proc_ns.h`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
/// Number of looks for which an ended process is remembered: drivers report late.
const REMEMBERED: u32 = 10;

/// Fractions of a device's time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fractions {
    /// Used by the command and its descendants.
    pub command: f64,
    /// Used by other processes of this machine.
    pub others: f64,
    /// Used by processes that are not known.
    pub unknown: f64,
}

/// The process ids of the last looks.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Whether ids are the machine's own.
    first_namespace: bool,
    /// Process ids of the command, and how many looks ago each was seen last.
    command: BTreeMap<u32, u32>,
    /// The same for all processes.
    all: BTreeMap<u32, u32>,
}

impl Users {
    pub(super) fn new(procfs: &Path) -> Self {
        Self { first_namespace: is_first_namespace(procfs), ..Self::default() }
    }

    /// Takes note of a look at the process table.
    pub(super) fn observe(&mut self, processes: &[ProcessStat], command: impl Iterator<Item = u32>) {
        let command: BTreeSet<u32> = command.collect();
        remember(&mut self.all, processes.iter().map(|process| process.key.pid));
        remember(&mut self.command, command.iter().copied());
        // A number that the command has given back may be another's by now.
        let taken = |pid: &u32| self.all.get(pid) == Some(&0) && !command.contains(pid);
        self.command.retain(|pid, _| !taken(pid));
    }

    /// Sums up by owner the fractions of `processes` (process id, fraction). One id that is not of this namespace shows
    /// that none is.
    pub(super) fn split(&self, processes: &[(u32, f64)], unknown: f64) -> Fractions {
        let foreign = !self.first_namespace && processes.iter().any(|(pid, _)| !self.all.contains_key(pid));
        let mut sum = Fractions { unknown, ..Fractions::default() };
        for (pid, fraction) in processes {
            if foreign {
                sum.unknown += fraction;
            } else if self.command.contains_key(pid) {
                sum.command += fraction;
            } else if self.all.contains_key(pid) {
                sum.others += fraction;
            } else {
                sum.unknown += fraction;
            }
        }
        sum
    }
}

/// Whether this process sees the machine's own process ids.
pub(super) fn is_first_namespace(procfs: &Path) -> bool {
    fs::read_link(procfs.join("self/ns/pid")).is_ok_and(|link| link.as_os_str() == FIRST_NAMESPACE)
}

/// Adds the processes seen now, and forgets those not seen for [`REMEMBERED`] looks.
fn remember(known: &mut BTreeMap<u32, u32>, now: impl Iterator<Item = u32>) {
    known.retain(|_, looks| {
        *looks += 1;
        *looks <= REMEMBERED
    });
    known.extend(now.map(|pid| (pid, 0)));
}

#[cfg(test)]
mod tests {
    use super::super::stat::ProcessKey;
    use super::*;

    fn seen(users: &mut Users, all: &[u32], command: &[u32]) {
        let stat =
            |pid: &u32| ProcessStat { key: ProcessKey { pid: *pid, started: 1 }, parent: 1, own: 0, children: 0 };
        users.observe(&all.iter().map(stat).collect::<Vec<_>>(), command.iter().copied());
    }

    fn of(users: &Users, processes: &[(u32, f64)]) -> (f64, f64, f64) {
        let Fractions { command, others, unknown } = users.split(processes, 0.0);
        (command, others, unknown)
    }

    #[test]
    fn k08_an_id_that_is_not_here_is_neither_the_commands_nor_anothers() {
        let mut users = Users { first_namespace: true, ..Users::default() };
        seen(&mut users, &[1, 10, 11, 20], &[10, 11]);
        assert_eq!(of(&users, &[(11, 0.5), (20, 0.2), (999_999, 0.1)]), (0.5, 0.2, 0.1));
    }

    #[test]
    fn k08_in_a_container_one_foreign_id_makes_all_of_them_unknown() {
        let mut users = Users::default();
        seen(&mut users, &[1, 10, 20], &[10]);
        assert_eq!(of(&users, &[(10, 0.5), (20, 0.25)]), (0.5, 0.25, 0.0), "they may all be ours");
        // Process 10 of the machine is hardly this 10.
        assert_eq!(of(&users, &[(10, 0.5), (999_999, 0.25)]), (0.0, 0.0, 0.75));
    }

    #[test]
    fn k08_a_process_that_has_just_ended_is_still_the_commands() {
        let mut users = Users { first_namespace: true, ..Users::default() };
        seen(&mut users, &[10, 11], &[10, 11]);
        seen(&mut users, &[10], &[10]);
        assert_eq!(of(&users, &[(11, 1.0)]), (1.0, 0.0, 0.0));
        seen(&mut users, &[10, 11], &[10]);
        assert_eq!(of(&users, &[(11, 1.0)]), (0.0, 1.0, 0.0), "its number is another's now");
        (0..20).for_each(|_| seen(&mut users, &[10], &[10]));
        assert_eq!(of(&users, &[(11, 1.0)]), (0.0, 0.0, 1.0), "forgotten");
    }
}

//! [`UserTimes`] sums the CPU time of each user's processes, from repeated looks at the process table.
//!
//! A process is its user's by the real user of `/proc/PID/status`, as proc_pid_status(5) has it. A subordinate user, as whom a rootless
//! container runs, is the user to whom it is assigned. Root is no user: its processes are the machine's. Time of a process that came and went between two looks is found in the waited-for children of its nearest ancestor
//! that lives, and is the time of that ancestor's user. What cannot be there (a parent that does not wait) counts for no user.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::stat::{ProcessKey, ProcessStat};
use super::subordinate::SubordinateUids;
use crate::{Roots, sysfs};

/// The processes of all users as of the last look.
#[derive(Debug)]
pub(super) struct UserTimes {
    procfs: PathBuf,
    subordinate: SubordinateUids,
    known: BTreeMap<ProcessKey, Known>,
    /// The latest start of a process that was seen, clock ticks since boot.
    newest: u64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    stat: ProcessStat,
    /// `None`: it could not be read.
    uid: Option<u32>,
}

impl UserTimes {
    /// Begins with the processes that there are: what they used before is not counted.
    pub(super) fn new(roots: &Roots, processes: &[ProcessStat]) -> Self {
        let procfs = roots.procfs.clone();
        let mut times = Self { procfs, subordinate: SubordinateUids::read(roots), known: BTreeMap::new(), newest: 0 };
        times.observe(processes, |_| true);
        times
    }

    /// Returns the time of each user's processes since the last look, clock ticks, without the processes that are of another consumer.
    pub(super) fn observe(&mut self, processes: &[ProcessStat], is_owned: impl Fn(u32) -> bool) -> BTreeMap<u32, u64> {
        let before = std::mem::take(&mut self.known);
        let mut owed = owed(&before, processes);
        let mut used: BTreeMap<u32, u64> = BTreeMap::new();
        let newest = self.newest;
        for stat in processes {
            self.newest = self.newest.max(stat.key.started);
            let last = before.get(&stat.key);
            // One that had started before the last look could not be read then: its time until now may be of any time.
            let is_late = last.is_none() && stat.key.started <= newest;
            let base = if is_late {
                *stat
            } else {
                last.map_or(ProcessStat { own: 0, children: 0, ..*stat }, |last| last.stat)
            };
            let waited = stat.children.saturating_sub(base.children);
            let unseen = waited.saturating_sub(owed.remove(&stat.key).unwrap_or(0));
            let ticks = stat.own.saturating_sub(base.own).saturating_add(unseen);
            // A process changes its user between its start and its work, such as one that logs a user in.
            let uid = match last {
                Some(last) if ticks == 0 => last.uid,
                _ => real_user(&self.procfs, stat.key.pid).and_then(|uid| self.subordinate.owner(uid)),
            };
            if let Some(uid) = uid.filter(|uid| *uid != 0 && ticks > 0 && !is_owned(stat.key.pid)) {
                let sum = used.entry(uid).or_default();
                *sum = sum.saturating_add(ticks);
            }
            self.known.insert(stat.key, Known { stat: *stat, uid });
        }
        used
    }

    /// Returns the users that had processes at the last look.
    pub(super) fn users(&self) -> BTreeSet<u32> {
        self.known.values().filter_map(|known| known.uid).filter(|uid| *uid != 0).collect()
    }

    /// Returns the user of a process at the last look.
    pub(super) fn user_of(&self, pid: u32) -> Option<u32> {
        let key = |started| ProcessKey { pid, started };
        self.known.range(key(0)..=key(u64::MAX)).next_back()?.1.uid
    }
}

/// Returns for each living process what was counted already of the descendants that it has waited for since the last look, clock ticks: each
/// goes to the nearest ancestor whose count of waited-for children grew by as much.
fn owed(before: &BTreeMap<ProcessKey, Known>, processes: &[ProcessStat]) -> BTreeMap<ProcessKey, u64> {
    let living: BTreeMap<ProcessKey, u64> = processes.iter().map(|stat| (stat.key, stat.children)).collect();
    let keys: BTreeMap<u32, ProcessKey> = before.keys().map(|key| (key.pid, *key)).collect();
    let mut owed: BTreeMap<ProcessKey, u64> = BTreeMap::new();
    for ended in before.values().filter(|known| !living.contains_key(&known.stat.key)) {
        let (used, mut parent, mut nearest) = (ended.stat.used(), ended.stat.parent, None);
        // A chain is no longer than the table.
        for _ in 0..before.len() {
            let Some((key, known)) = keys.get(&parent).and_then(|key| before.get_key_value(key)) else { break };
            if let Some(children) = living.get(key) {
                let grown = children.saturating_sub(known.stat.children);
                nearest = nearest.or(Some(*key));
                if grown.saturating_sub(owed.get(key).copied().unwrap_or(0)) >= used {
                    nearest = Some(*key);
                    break;
                }
            }
            parent = known.stat.parent;
        }
        if let Some(key) = nearest {
            let sum = owed.entry(key).or_default();
            *sum = sum.saturating_add(used);
        }
    }
    owed
}

/// Reads the real user of a process; `None` where it has ended, or is hidden.
fn real_user(procfs: &Path, pid: u32) -> Option<u32> {
    let text = sysfs::read_long_text(&procfs.join(pid.to_string()).join("status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn process(pid: u32, parent: u32, own: u64, children: u64) -> ProcessStat {
        ProcessStat { key: ProcessKey { pid, started: u64::from(pid) }, parent, own, children }
    }

    fn roots(procfs: &tempfile::TempDir) -> Roots {
        Roots { sysfs: procfs.path().join("sys"), procfs: procfs.path().to_owned(), ..Roots::default() }
    }

    fn runs_as(procfs: &Path, pid: u32, uid: u32) {
        fs::create_dir_all(procfs.join(pid.to_string())).unwrap();
        // Another effective user, as of a program with the set-user-ID bit.
        let text = format!("Name:\tx\nUmask:\t0022\nUid:\t{uid}\t0\t0\t0\nGid:\t1\t1\t1\t1\n");
        fs::write(procfs.join(format!("{pid}/status")), text).unwrap();
    }

    fn times(pairs: &[(u32, u64)]) -> BTreeMap<u32, u64> {
        pairs.iter().copied().collect()
    }

    #[test]
    fn time_is_that_of_the_real_user_and_root_is_none() {
        let procfs = tempfile::tempdir().unwrap();
        for (pid, uid) in [(1, 0), (10, 1000), (11, 1000), (20, 1001)] {
            runs_as(procfs.path(), pid, uid);
        }
        let table = |own: u64| [(1, 0), (10, 1), (11, 10), (20, 1), (30, 1)].map(|(pid, of)| process(pid, of, own, 0));
        let mut users = UserTimes::new(&roots(&procfs), &table(500));
        assert_eq!(users.users(), BTreeSet::from([1000, 1001]), "30 cannot be read");
        assert_eq!(users.observe(&table(507), |_| false), times(&[(1000, 14), (1001, 7)]));
        assert_eq!(users.observe(&table(507), |_| false), times(&[]));
        assert_eq!(users.observe(&table(510), |pid| pid == 11), times(&[(1000, 3), (1001, 3)]), "11 is of a job");
        assert_eq!([users.user_of(11), users.user_of(20), users.user_of(30)], [Some(1000), Some(1001), None]);
        assert_eq!(users.observe(&table(510)[..2], |_| false), times(&[]));
        assert_eq!(users.users(), BTreeSet::from([1000]), "1001 has no process any more");
    }

    #[test]
    fn processes_between_two_looks_are_those_of_their_ancestors_user_and_counted_once() {
        let procfs = tempfile::tempdir().unwrap();
        for (pid, uid) in [(10, 1000), (11, 1000), (12, 1001)] {
            runs_as(procfs.path(), pid, uid);
        }
        let mut users = UserTimes::new(&roots(&procfs), &[process(10, 1, 5, 100)]);
        let used = users.observe(&[process(10, 1, 6, 100), process(11, 10, 40, 0), process(12, 11, 20, 0)], |_| false);
        assert_eq!(used, times(&[(1000, 41), (1001, 20)]), "what is new has used all of its time since the last look");
        // 12 used 3 more, 11 used 2 more; 9 are of a process that was never seen: 40 + 20 + 3 + 2 + 9 = 74.
        let used = users.observe(&[process(10, 1, 6, 174)], |_| false);
        assert_eq!(used, times(&[(1000, 14)]));
        assert_eq!(users.observe(&[process(10, 1, 6, 174)], |_| false), times(&[]));
    }

    #[test]
    fn process_that_changes_its_user_is_that_users_from_then_on() {
        let procfs = tempfile::tempdir().unwrap();
        runs_as(procfs.path(), 10, 0);
        let mut users = UserTimes::new(&roots(&procfs), &[process(10, 1, 5, 0)]);
        assert_eq!(users.observe(&[process(10, 1, 9, 0)], |_| false), times(&[]));
        runs_as(procfs.path(), 10, 1000);
        assert_eq!(users.observe(&[process(10, 1, 12, 0)], |_| false), times(&[(1000, 3)]));
    }

    #[test]
    fn process_that_could_not_be_read_for_a_look_is_counted_from_then_on() {
        let procfs = tempfile::tempdir().unwrap();
        [10, 20].into_iter().for_each(|pid| runs_as(procfs.path(), pid, 1000));
        let hours = 3_600_000;
        let mut users = UserTimes::new(&roots(&procfs), &[process(10, 1, hours, hours), process(20, 1, 0, 0)]);
        assert_eq!(users.observe(&[process(20, 1, 1, 0)], |_| false), times(&[(1000, 1)]));
        let back = [process(10, 1, hours + 9, hours), process(20, 1, 1, 0)];
        assert_eq!(users.observe(&back, |_| false), times(&[]));
        let later = [process(10, 1, hours + 12, hours), process(20, 1, 1, 0)];
        assert_eq!(users.observe(&later, |_| false), times(&[(1000, 3)]));
    }

    #[test]
    fn debt_is_that_of_the_ancestor_which_waited() {
        let procfs = tempfile::tempdir().unwrap();
        (10..=13).for_each(|pid| runs_as(procfs.path(), pid, 1000));
        // 10 takes orphans; 11 goes on; 12 and its child 13, which worked for hours, end together, and 10 waits for 13.
        let hours = 3_600_000;
        let before = [process(10, 1, 0, 0), process(11, 10, 0, 0), process(12, 11, 0, 0), process(13, 12, hours, 0)];
        let mut users = UserTimes::new(&roots(&procfs), &before);
        let used = users.observe(&[process(10, 1, 0, hours + 2), process(11, 10, 1, 0)], |_| false);
        assert_eq!(used, times(&[(1000, 3)]), "the last moments of 13, and 11");
    }
}

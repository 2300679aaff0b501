//! [`UserTimes`] sums the CPU time of each user's processes, from repeated looks at the process table.
//!
//! A process is its user's by the real user of `/proc/PID/status`, as proc_pid_status(5) has it. Root is no user: its processes are the
//! machine's. Time of a process that came and went between two looks is found in the waited-for children of its nearest ancestor
//! that lives, and is the time of that ancestor's user. What cannot be there (a parent that does not wait) counts for no user.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::stat::{ProcessKey, ProcessStat};
use crate::sysfs;

/// The processes of all users as of the last look.
#[derive(Debug)]
pub(super) struct UserTimes {
    procfs: PathBuf,
    known: BTreeMap<ProcessKey, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    stat: ProcessStat,
    /// `None`: it could not be read.
    uid: Option<u32>,
}

impl UserTimes {
    /// Begins with the processes that there are: what they used before is not counted.
    pub(super) fn new(procfs: &Path, processes: &[ProcessStat]) -> Self {
        let mut times = Self { procfs: procfs.to_owned(), known: BTreeMap::new() };
        times.observe(processes, |_| true);
        times
    }

    /// Returns the time of each user's processes since the last look, clock ticks, without the processes that are of another consumer.
    pub(super) fn observe(&mut self, processes: &[ProcessStat], is_owned: impl Fn(u32) -> bool) -> BTreeMap<u32, u64> {
        let before = std::mem::take(&mut self.known);
        let mut owed = owed(&before, processes);
        let mut used: BTreeMap<u32, u64> = BTreeMap::new();
        for stat in processes {
            let last = before.get(&stat.key);
            let since =
                |now: u64, of: fn(&ProcessStat) -> u64| now.saturating_sub(last.map_or(0, |last| of(&last.stat)));
            let unseen = since(stat.children, |last| last.children).saturating_sub(owed.remove(&stat.key).unwrap_or(0));
            let ticks = since(stat.own, |last| last.own).saturating_add(unseen);
            // A process changes its user between its start and its work, such as one that logs a user in.
            let uid = match last {
                Some(last) if ticks == 0 => last.uid,
                _ => real_user(&self.procfs, stat.key.pid),
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

/// Returns for each living process what was counted already of the descendants that it has waited for since the last look, clock ticks.
fn owed(before: &BTreeMap<ProcessKey, Known>, processes: &[ProcessStat]) -> BTreeMap<ProcessKey, u64> {
    let living: BTreeSet<ProcessKey> = processes.iter().map(|stat| stat.key).collect();
    let keys: BTreeMap<u32, ProcessKey> = before.keys().map(|key| (key.pid, *key)).collect();
    let mut owed: BTreeMap<ProcessKey, u64> = BTreeMap::new();
    for ended in before.values().filter(|known| !living.contains(&known.stat.key)) {
        let mut parent = ended.stat.parent;
        // A chain is no longer than the table.
        for _ in 0..before.len() {
            let Some(key) = keys.get(&parent) else { break };
            if living.contains(key) {
                let sum = owed.entry(*key).or_default();
                *sum = sum.saturating_add(ended.stat.used());
                break;
            }
            parent = before.get(key).map_or(0, |known| known.stat.parent);
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
        ProcessStat { key: ProcessKey { pid, started: 1 }, parent, own, children }
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
        let mut users = UserTimes::new(procfs.path(), &table(500));
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
        let mut users = UserTimes::new(procfs.path(), &[process(10, 1, 5, 100)]);
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
        let mut users = UserTimes::new(procfs.path(), &[process(10, 1, 5, 0)]);
        assert_eq!(users.observe(&[process(10, 1, 9, 0)], |_| false), times(&[]));
        runs_as(procfs.path(), 10, 1000);
        assert_eq!(users.observe(&[process(10, 1, 12, 0)], |_| false), times(&[(1000, 3)]));
    }
}

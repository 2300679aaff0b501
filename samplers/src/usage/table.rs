//! [`ProcessTable`] reads the process table again and again at a small cost: of strangers, processes that do not belong to
//! the command, only new ones are read.
//!
//! A stranger stays one while it lives: it gets another parent only when its own ends, and then the first process of the
//! machine or one of its own ancestors, which are strangers too. So its parent and its identity are enough, and both are
//! known from its first reading. A process id that was given to another process shows in the inode number of its folder,
//! which the list of the folder has anyway: `procfs` gives a folder of a new process a new number (Linux,
//! `proc_pid_make_inode` of `fs/proc/base.c`). Where no process was started since the last look (`processes` of
//! `/proc/stat`), the list is the same.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use super::stat::{ProcessKey, ProcessStat};
use crate::sysfs;

/// The process table as of the last look.
#[derive(Debug)]
pub(super) struct ProcessTable {
    procfs: PathBuf,
    /// Number of processes and threads started since boot; `None`: not known.
    started: Option<u64>,
    known: BTreeMap<u32, Known>,
    is_listed: bool,
}

/// One process id.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Number of its folder.
    inode: u64,
    /// What was read of it, if it is a stranger.
    stranger: Option<ProcessStat>,
}

impl ProcessTable {
    pub(super) fn new(procfs: &Path) -> Self {
        Self { procfs: procfs.to_owned(), started: None, known: BTreeMap::new(), is_listed: true }
    }

    /// Whether the list could be read when it was read last.
    pub(super) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Reads all processes again at the next look.
    pub(super) fn forget(&mut self) {
        self.started = None;
        self.known.clear();
    }

    /// Reads these processes again at the next look.
    pub(super) fn recall(&mut self, pids: impl Iterator<Item = u32>) {
        for pid in pids {
            if let Some(known) = self.known.get_mut(&pid) {
                known.stranger = None;
            }
        }
    }

    /// Returns every process that can be read; one that ends in between, or that `hidepid` hides, is left out. CPU times
    /// of strangers are those of their first reading. `started` is the number of processes started since boot.
    pub(super) fn read(&mut self, started: Option<u64>) -> Vec<ProcessStat> {
        let unchanged = started.is_some() && started == self.started;
        if !unchanged {
            self.is_listed = self.list();
            self.started = started.filter(|_| self.is_listed);
        }
        let kept: BTreeMap<u32, ProcessStat> =
            self.known.iter().filter_map(|(pid, known)| Some((*pid, known.stranger?))).collect();
        // One whose parent ended, or could not be read, may be the command's.
        let is_whole = |stranger: &ProcessStat| stranger.parent == 0 || kept.contains_key(&stranger.parent);
        let mut bytes = Vec::new();
        let mut read = |pid: &u32| {
            sysfs::read_whole(&self.procfs.join(pid.to_string()).join("stat"), &mut bytes).ok()?;
            // A name need not be UTF-8.
            ProcessStat::parse(&String::from_utf8_lossy(&bytes))
        };
        self.known
            .keys()
            .filter_map(|pid| kept.get(pid).filter(|s| is_whole(s)).copied().or_else(|| read(pid)))
            .collect()
    }

    /// Takes note which of the processes that were read are strangers: those that do not belong to the command.
    pub(super) fn remember(&mut self, processes: &[ProcessStat], is_member: impl Fn(&ProcessKey) -> bool) {
        self.known.values_mut().for_each(|known| known.stranger = None);
        for process in processes.iter().filter(|process| !is_member(&process.key)) {
            if let Some(known) = self.known.get_mut(&process.key.pid) {
                known.stranger = Some(*process);
            }
        }
    }

    /// Lists the process ids; `false` where that failed, and those of before are kept.
    fn list(&mut self) -> bool {
        // A list that breaks off is none: what is missing from it has not ended.
        let Ok(entries) = fs::read_dir(&self.procfs).and_then(Iterator::collect::<io::Result<Vec<_>>>) else {
            return false;
        };
        let before = std::mem::take(&mut self.known);
        let ids = entries.into_iter().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let inode = entry.ino();
            let same = before.get(&pid).filter(|known| known.inode == inode);
            Some((pid, same.copied().unwrap_or(Known { inode, stranger: None })))
        });
        self.known = ids.collect();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_read_once_and_again_when_they_or_their_parents_are_others() {
        let procfs = tempfile::tempdir().unwrap();
        let write = |pid: u32, parent: u32, own: u64| {
            let folder = procfs.path().join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let line = format!("{pid} (x) S {parent} 1 1 0 -1 0 0 0 0 0 {own} 0 0 0 20 0 1 0 5 0 0\n");
            fs::write(folder.join("stat"), line).unwrap();
        };
        let aside = |pid: u32| fs::rename(procfs.path().join(pid.to_string()), procfs.path().join("ended")).unwrap();
        let mut table = ProcessTable::new(procfs.path());
        let mut look = |started: u64| -> Vec<(u32, u64)> {
            let processes = table.read(Some(started));
            table.remember(&processes, |key| key.pid == 10);
            processes.iter().map(|process| (process.key.pid, process.own)).collect()
        };
        [(1, 0, 1), (10, 1, 1), (20, 1, 1), (21, 20, 1)]
            .into_iter()
            .for_each(|(pid, parent, own)| write(pid, parent, own));
        assert_eq!(look(4), [(1, 1), (10, 1), (20, 1), (21, 1)]);
        [(1, 0, 2), (10, 1, 2), (20, 1, 2), (21, 20, 2)]
            .into_iter()
            .for_each(|(pid, parent, own)| write(pid, parent, own));
        assert_eq!(look(4), [(1, 1), (10, 2), (20, 1), (21, 1)], "only the command's");
        write(30, 10, 7);
        assert_eq!(look(4), [(1, 1), (10, 2), (20, 1), (21, 1)], "nothing was started: not listed");
        assert_eq!(look(5), [(1, 1), (10, 2), (20, 1), (21, 1), (30, 7)]);
        aside(20);
        write(20, 10, 3);
        assert_eq!(
            look(6),
            [(1, 1), (10, 2), (20, 3), (21, 2), (30, 7)],
            "20 is another process, 21 may have a new parent"
        );
    }
}

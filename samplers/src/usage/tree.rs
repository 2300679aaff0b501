//! [`ProcessTree`] sums the CPU time of a command and of everything it started, from repeated looks at the process
//! table.
//!
//! Between two looks processes come and go. Three rules keep the sum whole:
//! - a process is its pid *and* its start time, so that a reused pid never counts;
//! - a process that was seen as a descendant once stays one, even after its parent died and init took it over;
//! - time of a process that ended is found in its parent's waited-for children; what cannot be there (a parent that
//!   does not wait, a process that init took over) is kept as it was last seen.
//!
//! What is missed: a process that is orphaned (its parent ended) before any look saw it, and the time an orphan used
//! after it was last seen. Such time counts as other processes', never twice. Nothing is missed where orphans come to
//! the caller ([`ProcessTree::reaper`]) and it waits for them ([`ProcessTree::reaped`]).

use std::collections::BTreeMap;

use super::stat::{ProcessKey, ProcessStat};

/// The running account of one tree.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessTree {
    /// Process id of the command's first process.
    root: u32,
    /// The same with its start time, once it was seen.
    root_key: Option<ProcessKey>,
    /// Process that receives the command's orphans, if there is one.
    reaper: Option<u32>,
    /// Orphans that the reaper has waited for since the last look, and what they used, clock ticks.
    reaped: BTreeMap<u32, u64>,
    /// Processes of the tree that were alive at the last look.
    members: BTreeMap<ProcessKey, ProcessStat>,
    /// What each of them used since the look before, with its waited-for children, clock ticks.
    grown: Vec<(u32, u64)>,
    /// Time of processes that ended and that no living member's counts include, clock ticks.
    retired: u64,
    /// Highest sum so far, clock ticks.
    total: u64,
}

impl ProcessTree {
    /// Returns an account of `root` and its descendants that has seen nothing yet.
    #[must_use]
    pub(super) fn new(root: u32) -> Self {
        Self { root, ..Self::default() }
    }

    /// Counts every child of `pid`, which receives the command's orphans, with its descendants from now on. Children
    /// that started before the root are an earlier command's.
    pub(super) fn reaper(&mut self, pid: u32) {
        self.reaper = Some(pid);
    }

    /// Takes note that an orphan was waited for; `ticks` is what it and its waited-for children used, clock ticks.
    pub(super) fn reaped(&mut self, pid: u32, ticks: u64) {
        self.reaped.insert(pid, ticks);
    }

    /// Returns the process id of the first process.
    #[must_use]
    pub(super) fn root(&self) -> u32 {
        self.root
    }

    /// Returns the CPU time of the tree so far, clock ticks; never falls.
    #[must_use]
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Returns the members alive at the last look.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.members.keys().map(|key| key.pid)
    }

    /// Returns the members that used time between the last two looks, and how much, clock ticks.
    pub(super) fn grown(&self) -> &[(u32, u64)] {
        &self.grown
    }

    /// Whether a process was a member alive at the last look.
    pub(super) fn has(&self, pid: u32) -> bool {
        let key = |started| ProcessKey { pid, started };
        self.members.range(key(0)..=key(u64::MAX)).next().is_some()
    }

    /// Whether it was seen, and no member lives.
    pub(super) fn is_gone(&self) -> bool {
        self.root_key.is_some() && self.members.is_empty()
    }

    /// Returns the members alive at the last look, with their start times.
    pub(super) fn keys(&self) -> impl Iterator<Item = ProcessKey> {
        self.members.keys().copied()
    }

    /// Whether a process is the root or a member alive at the last look.
    pub(super) fn belongs(&self, key: &ProcessKey) -> bool {
        self.members.contains_key(key) || key.pid == self.root
    }

    /// Takes a look at all processes that can be read.
    pub(super) fn observe(&mut self, processes: &[ProcessStat]) {
        if self.root_key.is_none() {
            self.root_key = processes.iter().map(|p| p.key).find(|key| key.pid == self.root);
        }
        let living = self.living(processes);
        self.retire(&living);
        let before = |key| self.members.get(key).map_or(0, |process| process.used());
        let grown = living.iter().map(|(key, process)| (key.pid, process.used().saturating_sub(before(key))));
        self.grown = grown.filter(|(_, ticks)| *ticks > 0).collect();
        self.members = living;
        let seen = self.members.values().fold(self.retired, |sum, p| sum.saturating_add(p.used()));
        self.total = self.total.max(seen);
    }

    /// Returns the root, members seen before, and all their descendants, of the processes that are alive.
    fn living(&self, processes: &[ProcessStat]) -> BTreeMap<ProcessKey, ProcessStat> {
        let mut by_parent: BTreeMap<u32, Vec<&ProcessStat>> = BTreeMap::new();
        for process in processes {
            by_parent.entry(process.parent).or_default().push(process);
        }
        let mut found = BTreeMap::new();
        let mut queue: Vec<&ProcessStat> = processes
            .iter()
            .filter(|p| {
                let known = self.members.contains_key(&p.key) || self.root_key == Some(p.key);
                let ours = self.root_key.is_none_or(|root| root.started <= p.key.started);
                known || (ours && self.reaper == Some(p.parent))
            })
            .collect();
        while let Some(process) = queue.pop() {
            if found.insert(process.key, *process).is_none() {
                queue.extend(by_parent.get(&process.key.pid).into_iter().flatten());
            }
        }
        found
    }

    /// Keeps the time of members that ended, unless a living parent has it among its waited-for children.
    fn retire(&mut self, living: &BTreeMap<ProcessKey, ProcessStat>) {
        let pid_to_key: BTreeMap<u32, ProcessKey> = self.members.keys().map(|key| (key.pid, *key)).collect();
        let ended: Vec<ProcessStat> = self.members.values().filter(|p| !living.contains_key(&p.key)).copied().collect();
        let mut owed: BTreeMap<ProcessKey, u64> = BTreeMap::new();
        for process in ended {
            let last_seen = process.used();
            if let Some(exact) = self.reaped.remove(&process.key.pid) {
                self.retired = self.retired.saturating_add(exact.max(last_seen));
                continue;
            }
            match living_ancestor(process, &self.members, &pid_to_key, living) {
                Some(ancestor) => {
                    let owed = owed.entry(ancestor).or_default();
                    *owed = owed.saturating_add(last_seen);
                }
                None => self.retired = self.retired.saturating_add(last_seen),
            }
        }
        // Those that came and went between two looks.
        let unseen = std::mem::take(&mut self.reaped);
        self.retired = unseen.into_values().fold(self.retired, u64::saturating_add);
        for (ancestor, ticks) in owed {
            let before = self.members.get(&ancestor).map_or(0, |p| p.children);
            let after = living.get(&ancestor).map_or(0, |p| p.children);
            let missing = ticks.saturating_sub(after.saturating_sub(before));
            self.retired = self.retired.saturating_add(missing);
        }
    }
}

/// Returns the nearest ancestor in the tree that still lives: where each parent waits for its child, the time ends up
/// among that ancestor's children.
fn living_ancestor(
    of: ProcessStat,
    members: &BTreeMap<ProcessKey, ProcessStat>,
    keys: &BTreeMap<u32, ProcessKey>,
    living: &BTreeMap<ProcessKey, ProcessStat>,
) -> Option<ProcessKey> {
    let mut key = *keys.get(&of.parent)?;
    // A chain is no longer than the tree; the limit also ends a circle in a table that makes no sense.
    for _ in 0..members.len() {
        if living.contains_key(&key) {
            return Some(key);
        }
        key = *keys.get(&members.get(&key)?.parent)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, started: u64, parent: u32, own: u64, children: u64) -> ProcessStat {
        ProcessStat { key: ProcessKey { pid, started }, parent, own, children }
    }

    #[test]
    fn children_count_and_strangers_do_not() {
        let mut tree = ProcessTree::new(10);
        tree.observe(&[
            process(10, 1, 5, 3, 0),
            process(11, 2, 10, 4, 0),
            process(12, 3, 11, 5, 0),
            process(20, 4, 5, 99, 0),
        ]);
        assert_eq!(tree.total(), 12);
        assert_eq!(tree.pids().collect::<Vec<_>>(), [10, 11, 12]);
    }

    #[test]
    fn a_waited_for_child_is_counted_once() {
        let mut tree = ProcessTree::new(10);
        tree.observe(&[process(10, 1, 5, 3, 0), process(11, 2, 10, 4, 0)]);
        // It used 2 more before it ended: 4 + 2 = 6 among the parent's children.
        tree.observe(&[process(10, 1, 5, 3, 6)]);
        assert_eq!(tree.total(), 9);
        // Children never seen at all arrive the same way.
        tree.observe(&[process(10, 1, 5, 3, 16)]);
        assert_eq!(tree.total(), 19);
    }

    #[test]
    fn a_child_without_a_waiting_parent_is_kept_as_last_seen() {
        let mut tree = ProcessTree::new(10);
        tree.observe(&[process(10, 1, 5, 3, 0), process(11, 2, 10, 4, 0)]);
        tree.observe(&[process(10, 1, 5, 5, 0)]);
        assert_eq!(tree.total(), 9);
    }

    #[test]
    fn a_whole_branch_that_ends_is_counted_once() {
        let mut tree = ProcessTree::new(10);
        tree.observe(&[process(10, 1, 5, 1, 0), process(11, 2, 10, 2, 3), process(12, 3, 11, 4, 0)]);
        tree.observe(&[process(10, 1, 5, 1, 9)]);
        assert_eq!(tree.total(), 10);
    }

    #[test]
    fn an_orphan_stays_a_member_until_it_ends() {
        let mut tree = ProcessTree::new(10);
        tree.observe(&[process(10, 1, 5, 1, 0), process(11, 2, 10, 2, 0), process(12, 3, 11, 4, 0)]);
        // 11 ended and was waited for (2); init took 12, which worked on and has a child of its own.
        tree.observe(&[process(10, 1, 5, 1, 2), process(12, 3, 1, 6, 0), process(13, 4, 12, 1, 0)]);
        assert_eq!(tree.total(), 10);
        // 12 and 13 end under init: kept as last seen.
        tree.observe(&[process(10, 1, 5, 1, 2)]);
        assert_eq!(tree.total(), 10);
    }

    #[test]
    fn an_orphan_never_seen_before_counts_if_it_comes_to_the_reaper() {
        let look =
            [process(10, 1, 5, 3, 0), process(12, 3, 5, 6, 0), process(13, 3, 12, 1, 0), process(14, 3, 1, 9, 0)];
        let mut tree = ProcessTree::new(10);
        tree.observe(&look);
        assert_eq!(tree.total(), 3);
        tree.reaper(5);
        tree.observe(&look);
        assert_eq!(tree.total(), 10);
    }

    #[test]
    fn k08_an_orphan_that_is_waited_for_counts_in_full_whether_it_was_seen_or_not() {
        let mut tree = ProcessTree::new(10);
        tree.reaper(5);
        tree.observe(&[process(10, 100, 5, 3, 0), process(12, 101, 5, 6, 0)]);
        assert_eq!(tree.total(), 9);
        // 12 used 4 more before it ended; 13 came and went.
        tree.reaped(12, 10);
        tree.reaped(13, 7);
        tree.observe(&[process(10, 100, 5, 3, 0)]);
        assert_eq!(tree.total(), 20);
        tree.observe(&[process(10, 100, 5, 3, 0)]);
        assert_eq!(tree.total(), 20, "once");
    }

    #[test]
    fn k08_an_orphan_of_an_earlier_command_is_not_this_ones() {
        let mut tree = ProcessTree::new(10);
        tree.reaper(5);
        tree.observe(&[process(10, 100, 5, 3, 0), process(9, 50, 5, 60, 0)]);
        assert_eq!(tree.total(), 3);
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let mut tree = ProcessTree::new(10);
        tree.observe(&[process(10, 1, 5, 1, 0), process(11, 2, 10, 4, 0)]);
        tree.observe(&[process(10, 1, 5, 1, 4), process(11, 900, 5, 1_000, 0)]);
        assert_eq!(tree.total(), 5);
        // So is the root's own pid after the root has ended.
        tree.observe(&[process(10, 950, 5, 1_000, 0)]);
        assert_eq!(tree.total(), 5);
    }
}

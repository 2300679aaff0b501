//! Decides who is at the other end of the Unix socket ([`Trust`]), and limits the connections of each user.
//!
//! The kernel states the user and the process. A process in another PID namespace, such as that of a container, may be any user there:
//! its root can become every user without having rights on this machine. So such a process counts as no user, and sees what everyone sees.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::unix::UCred;

use crate::group::in_file;

/// Name of the group whose members may see everything.
const GROUP: &str = "eco2";
/// The user of processes in other PID namespaces: it has no jobs and no processes.
const NO_USER: u32 = u32::MAX;

/// Connections by the Unix socket at the same time.
const MOST: usize = 64;
/// Of these, kept for users that may see everything.
const KEPT: usize = 16;
/// Largest number of connections of one user.
const MOST_PER_USER: usize = 16;

/// Who may see everything: root, the agent's own user, and members of the group, as the process at the other end has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trust {
    own: u32,
    gid: Option<u32>,
}

/// The other end of a connection by the Unix socket.
#[derive(Debug, Clone)]
pub(crate) struct PeerEnd(Arc<OwnedFd>);

impl PeerEnd {
    /// Returns that of a connection; `None` where this process has no descriptor left.
    pub(crate) fn of(stream: &impl AsFd) -> Option<Self> {
        stream.as_fd().try_clone_to_owned().ok().map(|fd| Self(Arc::new(fd)))
    }

    /// Whether both halves are closed, as of a process that has ended. One that closed its half waits for its answer.
    pub(crate) fn is_gone(&self) -> bool {
        let mut ends = [PollFd::new(&self.0, PollFlags::empty())];
        let looked = poll(&mut ends, Some(&Timespec::default()));
        looked.is_ok() && ends[0].revents().contains(PollFlags::HUP)
    }
}

/// What `/proc/PID/status` states of a process.
#[derive(Debug, Default, PartialEq, Eq)]
struct ProcessStatus {
    /// Its effective user.
    uid: Option<u32>,
    /// Its supplementary groups.
    groups: Vec<u32>,
    /// Whether its PID namespace is that of the agent.
    is_here: bool,
}

impl Trust {
    /// Reads the id of the group on this machine.
    pub(crate) fn of_agent() -> Self {
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        Self { own: rustix::process::geteuid().as_raw(), gid: in_file(&groups, GROUP) }
    }

    /// Returns the user of a connection, and whether it may see everything.
    pub(crate) fn of(self, peer: &UCred) -> (u32, bool) {
        let status = peer.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        self.user(peer.uid(), peer.gid(), &ProcessStatus::parse(&status.unwrap_or_default()))
    }

    fn user(self, uid: u32, gid: u32, status: &ProcessStatus) -> (u32, bool) {
        // Where the process is gone, another one may have its number by now: that of another user is not believed.
        if !status.is_here || status.uid != Some(uid) {
            return (NO_USER, false);
        }
        let is_member = self.gid.is_some_and(|group| group == gid || status.groups.contains(&group));
        (uid, uid == 0 || uid == self.own || is_member)
    }
}

impl ProcessStatus {
    /// Parses the text, see proc_pid_status(5).
    fn parse(text: &str) -> Self {
        let numbers = |name: &str| -> Vec<u32> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_whitespace().filter_map(|number| number.parse().ok()).collect()
        };
        // `NSpid` has the process's number in each namespace from the reader's down to its own.
        Self { uid: numbers("Uid").get(1).copied(), groups: numbers("Groups"), is_here: numbers("NSpid").len() == 1 }
    }
}

/// Counts the connections of each user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<u32, usize>>>);

/// One connection; dropping it frees its place.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Connections,
    uid: u32,
}

impl Connections {
    /// Returns a place for a user's connection, or `None` if the user has too many, or all have. The last places are kept for
    /// trusted users.
    pub(crate) fn enter(&self, uid: u32, trusted: bool) -> Option<Connection> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum: usize = all.values().sum();
        let own = all.get(&uid).copied().unwrap_or(0);
        let has_room = if trusted { sum < MOST } else { sum < MOST - KEPT && own < MOST_PER_USER };
        has_room.then(|| all.insert(uid, own + 1))?;
        Some(Connection { all: self.clone(), uid })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.uid) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(all.remove(&self.uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_with_many_connections_keeps_no_other_out() {
        let connections = Connections::default();
        let open = |uid, trusted| std::iter::from_fn(|| connections.enter(uid, trusted)).collect::<Vec<_>>();
        let greedy = open(1000, false);
        assert_eq!(greedy.len(), MOST_PER_USER);
        let others: Vec<_> = (1001..1100).flat_map(|uid| open(uid, false)).collect();
        assert_eq!(greedy.len() + others.len(), MOST - KEPT);
        assert_eq!(open(0, true).len(), KEPT, "root has places that users cannot take");
        drop(greedy);
        assert!(connections.enter(1000, false).is_some());
    }

    const STATUS: &str = "Name:\tsh\nUid:\t1000\t1000\t1000\t1000\nGroups:\t4 990 1000 \nNSpid:\t4242\n";

    #[test]
    fn members_of_the_group_are_those_whose_process_has_it() {
        let trust = Trust { own: 500, gid: Some(990) };
        let status = ProcessStatus::parse(STATUS);
        assert_eq!(status, ProcessStatus { uid: Some(1000), groups: vec![4, 990, 1000], is_here: true });
        assert_eq!(trust.user(1000, 1000, &status), (1000, true), "by a supplementary group, wherever it is listed");
        let without = ProcessStatus { groups: vec![4], ..ProcessStatus::parse(STATUS) };
        assert_eq!(trust.user(1000, 1000, &without), (1000, false), "was a member once");
        assert_eq!(trust.user(1000, 990, &without), (1000, true), "by the primary group");
        let of = |uid| ProcessStatus { uid: Some(uid), groups: Vec::new(), is_here: true };
        assert_eq!((trust.user(0, 0, &of(0)), trust.user(500, 1, &of(500))), ((0, true), (500, true)));
        let no_group = Trust { own: 500, gid: None };
        assert_eq!(no_group.user(1000, 1000, &status), (1000, false));
    }

    #[test]
    fn process_of_a_container_or_of_another_user_is_no_user() {
        let trust = Trust { own: 0, gid: Some(990) };
        let contained = ProcessStatus::parse(&STATUS.replace("NSpid:\t4242", "NSpid:\t4242\t1"));
        assert_eq!(trust.user(1000, 990, &contained), (NO_USER, false));
        assert_eq!(
            trust.user(0, 0, &ProcessStatus { uid: Some(0), groups: vec![990], is_here: false }),
            (NO_USER, false)
        );
        assert_eq!(
            trust.user(0, 0, &ProcessStatus::parse(STATUS)),
            (NO_USER, false),
            "the number is another process's"
        );
        for text in ["", "NSpid:\n", "Uid:\t0\nNSpid:\t1\n", "NSpid 1\nUid 0 0 0 0", "\0"] {
            assert_eq!(trust.user(0, 0, &ProcessStatus::parse(text)), (NO_USER, false), "{text:?}");
        }
    }
}

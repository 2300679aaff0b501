//! Decides whether the user at the other end of the Unix socket may see everything.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::group::in_file;

/// Name of the group whose members may see everything.
const GROUP: &str = "eco2";

/// Connections by the Unix socket at the same time.
const MOST: usize = 64;
/// Of these, kept for users that may see everything.
const KEPT: usize = 16;
/// Largest number of connections of one user.
const MOST_PER_USER: usize = 16;

/// The group whose members may see everything, as the machine's files list it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Users that are trusted whatever their groups: root and the agent's own.
    own: Option<u32>,
    gid: Option<u32>,
    members: Vec<u32>,
}

impl Group {
    /// Reads the group of this machine.
    pub(crate) fn of_agent() -> Self {
        let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        let group = Self::parse(&read("/etc/group"), &read("/etc/passwd"));
        Self { own: Some(rustix::process::geteuid().as_raw()), ..group }
    }

    /// Returns the group in the text of `/etc/group`, with the ids of its members from that of `/etc/passwd`.
    fn parse(groups: &str, users: &str) -> Self {
        let Some((gid, names)) = in_file(groups, GROUP) else { return Self::default() };
        let user = |line: &str| {
            let mut fields = line.split(':');
            let is_member = fields.next().is_some_and(|name| names.contains(&name));
            fields.nth(1).filter(|_| is_member)?.parse().ok()
        };
        Self { own: None, gid: Some(gid), members: users.lines().filter_map(user).collect() }
    }

    /// Whether a process of this user and primary group may see everything.
    pub(crate) fn trusts(&self, uid: u32, gid: u32) -> bool {
        uid == 0 || self.own == Some(uid) || self.gid == Some(gid) || self.members.contains(&uid)
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

    #[test]
    fn members_of_the_group_are_trusted_by_list_or_primary_group() {
        let users = "root:x:0:0::/:\nanna:x:1000:1000::/:\nben:x:1001:990::/:\ncara:x:1002:1002::/:\nbroken\n";
        let group = Group::parse("eco2x:x:980:cara\neco2:x:990:anna, dora\n", users);
        assert_eq!(group, Group { own: None, gid: Some(990), members: vec![1000] });
        assert!(group.trusts(0, 5) && group.trusts(1000, 1000) && group.trusts(1001, 990));
        assert!(!group.trusts(1002, 1002) && !group.trusts(990, 1002));
        let none = Group::parse("", users);
        assert!(none.trusts(0, 0) && !none.trusts(1000, 0), "without the group only root");
    }
}

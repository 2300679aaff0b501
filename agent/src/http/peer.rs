//! Decides whether the user at the other end of the Unix socket may see everything.

use std::path::Path;

/// Name of the group whose members may see everything.
const GROUP: &str = "eco2";

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
        let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let Some(group) = groups.lines().map(fields).find(|fields| fields.first().is_some_and(|name| name == GROUP))
        else {
            return Self::default();
        };
        let names: Vec<&str> = group.get(3).map_or_else(Vec::new, |names| names.split(',').map(str::trim).collect());
        let members = users
            .lines()
            .map(fields)
            .filter(|fields| fields.first().is_some_and(|name| names.contains(&name.as_str())));
        let members = members.filter_map(|fields| fields.get(2)?.parse().ok()).collect();
        Self { own: None, gid: group.get(2).and_then(|gid| gid.parse().ok()), members }
    }

    /// Whether a process of this user and primary group may see everything.
    pub(crate) fn trusts(&self, uid: u32, gid: u32) -> bool {
        uid == 0 || self.own == Some(uid) || self.gid == Some(gid) || self.members.contains(&uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Finds whose a subordinate user is ([`SubordinateUids`]): users of this machine may run processes as these, such as those of rootless
//! containers.

use std::ops::Range;

use crate::{Roots, sysfs};

/// The user as whom the kernel shows one that has no number in this namespace (`/proc/sys/fs/overflowuid`).
const OVERFLOW: u32 = 65_534;

/// The ranges of `/etc/subuid`, subuid(5), each with its owner; `None`: an owner that is not in `/etc/passwd`.
#[derive(Debug, Default)]
pub(super) struct SubordinateUids(Vec<(Range<u32>, Option<u32>)>);

impl SubordinateUids {
    /// Reads the files; without them there are no ranges.
    pub(super) fn read(roots: &Roots) -> Self {
        let text = |name: &str| sysfs::read_long_text(&roots.etc().join(name)).unwrap_or_default();
        Self::parse(&text("subuid"), &text("passwd"))
    }

    fn parse(subuid: &str, passwd: &str) -> Self {
        let owner = |name: &str| {
            let line = passwd.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let uid = line.and_then(|line| line.split(':').nth(1)?.parse().ok());
            uid.or_else(|| name.parse().ok())
        };
        let range = |line: &str| {
            let mut parts = line.split(':');
            let name = parts.next()?;
            let mut number = || parts.next()?.trim().parse::<u32>().ok();
            let (first, count) = (number()?, number()?);
            Some((first..first.saturating_add(count), owner(name)))
        };
        Self(subuid.lines().filter_map(range).collect())
    }

    /// Returns the user to whom another is assigned, or the same user; `None`: not known.
    pub(super) fn owner(&self, uid: u32) -> Option<u32> {
        if uid == OVERFLOW {
            return None;
        }
        let assigned = self.0.iter().find(|(range, _)| range.contains(&uid));
        assigned.map_or(Some(uid), |(_, owner)| *owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_users_are_those_of_their_owner() {
        let subuid = "anna:100000:65536\n1001:165536:65536\ngone:231072:65536\nbroken:x:1\n\n";
        let uids = SubordinateUids::parse(subuid, "root:x:0:0::/:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n");
        let owners = [100_000, 165_535, 165_536, 231_072, 1_000, 300_000, OVERFLOW].map(|uid| uids.owner(uid));
        assert_eq!(owners, [Some(1000), Some(1000), Some(1001), None, Some(1_000), Some(300_000), None]);
        assert_eq!(SubordinateUids::default().owner(100_032), Some(100_032));
    }
}

//! Looks up the group whose members see every change ([`group_id`]).

use std::fs;

/// Returns the id of a group of `/etc/group` that this process may give a file: as root any, else one of its own. `None`: there is
/// no such group.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    let text = fs::read_to_string("/etc/group").ok()?;
    let id = in_file(&text, name)?;
    let is_own = || rustix::process::getgroups().is_ok_and(|own| own.iter().any(|group| group.as_raw() == id));
    (rustix::process::geteuid().is_root() || is_own()).then_some(id)
}

/// Returns the id of a group from the text of `/etc/group`: lines of `name:password:id:members`, group(5).
pub(crate) fn in_file(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split(':').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\neco22:x:7:\neco2:x:991:anna,ben\nbroken\n";
        assert_eq!(in_file(text, "eco2"), Some(991));
        assert_eq!((in_file(text, "eco"), in_file(text, "broken")), (None, None));
        assert_eq!(group_id("no such group"), None);
    }
}

//! Keeps since when the agent's counters count, in a file next to the journal: the counters start again where the journal is lost.

use std::fs;
use std::path::Path;

use eco2_report::write_file;

/// Name of the file: nanoseconds since 1970.
const NAME: &str = "counting-since";

/// Returns since when the counters count that are kept over a restart, nanoseconds since 1970; `None`: not known. `is_resumed`: whether
/// they go on from a journal in this folder; if not, they count from `now_ns`, which is kept.
pub(crate) fn counting_since_ns(folder: &Path, is_resumed: bool, now_ns: i64) -> Option<u64> {
    let path = folder.join(NAME);
    let now_ns = u64::try_from(now_ns).ok();
    if is_resumed {
        let kept: u64 = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
        return now_ns.map(|now_ns| kept.min(now_ns));
    }
    let is_written = now_ns.is_some_and(|now_ns| write_file(&path, format!("{now_ns}\n").as_bytes()).is_ok());
    if !is_written {
        // Without a file the next start does not know the time; with an old one it would be wrong.
        let _ = fs::remove_file(&path);
    }
    now_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_go_on_have_their_first_start_and_others_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let since = |is_resumed, now_ns| counting_since_ns(folder.path(), is_resumed, now_ns);
        assert_eq!(since(true, 90), None, "a journal of an earlier version");
        assert_eq!([since(false, 100), since(true, 200), since(true, 300)], [Some(100); 3]);
        assert_eq!(since(true, 50), Some(50), "the clock was set back");
        assert_eq!([since(false, 400), since(true, 500)], [Some(400); 2], "the journal was lost");
        fs::write(folder.path().join(NAME), "x").unwrap();
        assert_eq!(since(true, 600), None);
        assert_eq!([since(false, -1), since(true, 700)], [None; 2]);
        assert_eq!(counting_since_ns(&folder.path().join("missing"), false, 100), Some(100));
    }
}

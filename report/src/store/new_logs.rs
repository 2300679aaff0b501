//! The notes of new logs: a file in the folder of runs with the id of each run whose log was created. By it the history index
//! takes in new runs without a search of the whole folder.

#[cfg(any(feature = "history", test))]
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
#[cfg(any(feature = "history", test))]
use std::io::Read as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

use super::runs::stem;

/// Name of the file.
const FILE: &str = ".new-logs";
/// Most that is read, bytes: ids of 100,000 runs. Beyond it, `eco2 runs reindex` finds the runs.
#[cfg(any(feature = "history", test))]
const MAX_BYTES: u64 = 8 << 20;

/// Adds the run of a log to the notes. Waits for a lock on the file, so it is called on a thread that may wait. Failures are
/// ignored: the run is then found by a search of the folder.
pub(super) fn note_log(folder: &Path, log: &Path) {
    if let Some(id) = run_of(folder, log) {
        note(folder, &id);
    }
}

/// Adds a run to the notes.
pub(crate) fn note(folder: &Path, id: &str) {
    let add = || -> io::Result<()> {
        let mut file = open(folder, true)?;
        flock(&file, FlockOperation::LockExclusive)?;
        file.write_all(format!("{id}\n").as_bytes())
    };
    add().ok();
}

/// Returns the runs in the notes, and empties these.
#[cfg(any(feature = "history", test))]
pub(crate) fn take(folder: &Path) -> BTreeSet<String> {
    let taken = || -> io::Result<String> {
        let file = open(folder, false)?;
        // Another process that reads or writes the notes holds the lock for a moment; the notes are read next time.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let mut text = String::new();
        (&file).take(MAX_BYTES).read_to_string(&mut text)?;
        file.set_len(0)?;
        Ok(text)
    };
    let is_id = |line: &&str| !line.is_empty() && !line.contains('/') && *line != "." && *line != "..";
    taken().unwrap_or_default().lines().filter(is_id).map(str::to_owned).collect()
}

fn open(folder: &Path, create: bool) -> io::Result<File> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(create).mode(0o600).custom_flags(no_follow);
    let file = options.open(folder.join(FILE))?;
    let is_file = file.metadata()?.is_file();
    if is_file { Ok(file) } else { Err(io::Error::from(io::ErrorKind::InvalidInput)) }
}

/// Returns the run of a log: the folder in the folder of runs, or the log's own name.
fn run_of(folder: &Path, log: &Path) -> Option<String> {
    let within = log.strip_prefix(folder).ok()?;
    match within.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) if parent.components().count() == 1 => Some(parent.to_str()?.to_owned()),
        Some(_) => None,
        None => Some(stem(log)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn notes_are_read_once_and_hostile_lines_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        assert!(take(folder.path()).is_empty());
        note_log(folder.path(), &folder.path().join("20260101-000000-1-1.eco2log"));
        note_log(folder.path(), &folder.path().join("job-7/20260101-000000-1-1-r0.eco2log"));
        note_log(folder.path(), Path::new("/elsewhere/a.eco2log"));
        ["..", "../a", "", "job-7"].into_iter().for_each(|id| note(folder.path(), id));
        let found: Vec<String> = take(folder.path()).into_iter().collect();
        assert_eq!(found, ["20260101-000000-1-1", "job-7"]);
        assert!(take(folder.path()).is_empty());
        fs::remove_file(folder.path().join(FILE)).unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join(FILE)).unwrap();
        note(folder.path(), "a");
        assert!(take(folder.path()).is_empty());
    }
}

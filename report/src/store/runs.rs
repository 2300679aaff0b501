//! The folder of runs: names of runs and their logs, and the notice when the folder grows large.
//!
//! A *run* is one training with an id. Each of its processes writes one *record*, a run log. A single process's log is in
//! the folder of runs; the logs of several processes are in a folder with the run's id.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Extension of run logs.
pub const LOG_EXTENSION: &str = "eco2log";
/// Size of the folder of runs from which the user is notified, once.
const NOTICE_BYTES: u64 = 1 << 30;
/// File in the folder that records the notice.
const NOTICE_MARKER: &str = ".size-noticed";
/// Most entries that are counted; a folder with more counts as large.
const MAX_ENTRIES: usize = 1_000_000;

/// Creates a folder with mode 0700 in a folder that all users share; `None` if it exists and another user owns it or can
/// write to it.
#[must_use]
pub fn private_folder(folder: &Path) -> Option<PathBuf> {
    // An existing folder is checked all the same.
    DirBuilder::new().mode(0o700).create(folder).ok();
    let user = rustix::process::geteuid().as_raw();
    let is_private = fs::symlink_metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0);
    is_private.then(|| folder.to_owned())
}

/// The id of a new run: its second, then nanosecond and process id, which distinguish runs of one second. Ids sort by time.
#[must_use]
pub fn new_run_id(now: Timestamp, pid: u32) -> String {
    let second = now.strftime("%Y%m%d-%H%M%S");
    let nanosecond = u64::from(now.subsec_nanosecond().unsigned_abs());
    format!("{second}-{nanosecond:08x}-{pid:x}")
}

/// The path of a record's log: in the folder of runs, or in a folder that the processes of its run share.
#[must_use]
pub fn log_path(folder: &Path, run_id: &str, part: &str) -> PathBuf {
    let folder = if run_id == part { folder.to_owned() } else { folder.join(run_id) };
    folder.join(format!("{part}.{LOG_EXTENSION}"))
}

/// Returns the file of a log's seal: the log's name with `.seal` at its end.
#[must_use]
pub fn seal_path(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".seal");
    PathBuf::from(name)
}

/// The records at a path, oldest first: the file itself, or the logs and reports in a folder and in those within it; `None`
/// if there is neither.
#[must_use]
pub fn records_at(path: &Path) -> Option<Vec<PathBuf>> {
    if path.is_file() {
        return Some(vec![path.to_owned()]);
    }
    path.is_dir().then(|| records_in(path))
}

/// The logs in a folder of runs by run id, oldest first (their names begin with the time).
pub(crate) fn runs_in(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut runs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in entries(folder) {
        if path.is_dir() {
            let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            runs.entry(id).or_default().extend(entries(&path).into_iter().filter(|path| is_log(path)));
        } else if is_log(&path) {
            runs.entry(stem(&path)).or_default().push(path);
        }
    }
    runs.retain(|_, logs| !logs.is_empty());
    runs.values_mut().for_each(|logs| logs.sort_by_key(|log| stem(log)));
    runs
}

/// The logs of a run in a folder of runs, oldest first.
#[cfg(feature = "history")]
pub(crate) fn records_of_id(folder: &Path, id: &str) -> Vec<PathBuf> {
    let own = Some(folder.join(format!("{id}.{LOG_EXTENSION}"))).filter(|log| is_log(log));
    let mut logs: Vec<PathBuf> =
        own.into_iter().chain(entries(&folder.join(id)).into_iter().filter(|path| is_log(path))).collect();
    logs.sort_by_key(|log| stem(log));
    logs
}

/// The logs and reports in a folder and in those within it.
fn records_in(folder: &Path) -> Vec<PathBuf> {
    let is_record = |path: &PathBuf| is_log(path) || is_file(path, "json");
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(entries(&path).into_iter().filter(is_record));
        } else if is_record(&path) {
            found.push(path);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

fn is_log(path: &Path) -> bool {
    is_file(path, LOG_EXTENSION)
}

/// Whether a path is a regular file with this extension: a pipe would block its reader.
fn is_file(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension) && path.is_file()
}

pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A notice for the user if the folder of runs has grown large, once.
pub(super) fn size_notice(folder: &Path) -> Option<String> {
    notice_above(folder, NOTICE_BYTES)
}

fn notice_above(folder: &Path, limit_bytes: u64) -> Option<String> {
    let (bytes, marker) = (size(folder), folder.join(NOTICE_MARKER));
    if bytes < limit_bytes {
        // Files were removed: the next time, the user is notified again.
        fs::remove_file(&marker).ok();
        return None;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(&marker).ok()?;
    let gib = bytes as f64 / (1_u64 << 30) as f64;
    let folder = folder.display();
    Some(format!("the runs in {folder} take {gib:.1} GiB; eco2 deletes nothing by itself, remove runs you do not need"))
}

/// Bytes of the files in a folder and in the folders within it; links are not followed.
fn size(folder: &Path) -> u64 {
    let (mut bytes, mut entries) = (0_u64, 0);
    let mut within = vec![(folder.to_owned(), true)];
    while let Some((folder, outer)) = within.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return u64::MAX;
            }
            match entry.metadata() {
                Ok(meta) if meta.is_file() => bytes = bytes.saturating_add(meta.len()),
                Ok(meta) if meta.is_dir() && outer => within.push((entry.path(), false)),
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k17_folder_in_a_shared_place_is_used_only_if_private() {
        use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
        let shared = tempfile::tempdir().unwrap();
        let at = |name: &str| shared.path().join(name);
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(private_folder(&at("new")).unwrap(), at("new"));
        assert_eq!(fs::metadata(at("new")).unwrap().mode() & 0o777, 0o700);
        for (bits, good) in [(0o755, true), (0o775, false), (0o757, false), (0o1777, false)] {
            mode(&at("new"), bits);
            assert_eq!(private_folder(&at("new")).is_some(), good, "{bits:o}");
        }
        mode(&at("new"), 0o700);
        symlink(at("new"), at("link")).unwrap();
        assert_eq!(private_folder(&at("link")), None);
        // Only root can plant the folder of another user.
        if chown(at("new"), Some(4242), None).is_ok() {
            assert!(private_folder(&at("new")).is_none());
        }
    }

    #[test]
    fn f42_record_must_be_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("job/1.eco2log");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(&log, "").unwrap();
        // Like a pipe without a writer, but unable to block this test.
        for name in ["job/2.eco2log", "job/3.json", "4.eco2log"] {
            std::os::unix::fs::symlink("/dev/null", folder.path().join(name)).unwrap();
        }
        let runs: Vec<_> = runs_in(folder.path()).into_values().flatten().collect();
        assert_eq!(runs, std::slice::from_ref(&log));
        for place in [log.parent().unwrap(), folder.path()] {
            assert_eq!(records_at(place).unwrap(), std::slice::from_ref(&log), "{place:?}");
        }
    }

    #[test]
    fn run_ids_sort_by_time() {
        let at = |text: &str| new_run_id(text.parse().unwrap(), 255);
        assert_eq!(at("2026-11-22T20:21:03.000000010Z"), "20261122-202103-0000000a-ff");
        assert!(at("2026-11-22T20:21:03Z") < at("2026-11-22T20:21:04Z"));
        assert!(at("2026-11-22T20:21:03.9Z") > at("2026-11-22T20:21:03.0001Z"));
    }

    #[test]
    fn large_folder_is_reported_once_until_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("job-1");
        fs::create_dir(&run).unwrap();
        fs::write(dir.path().join("a.eco2log"), [0; 600]).unwrap();
        assert_eq!(notice_above(dir.path(), 1_000), None);
        fs::write(run.join("b.eco2log"), [0; 600]).unwrap();
        let text = notice_above(dir.path(), 1_000).unwrap();
        assert!(text.contains("deletes nothing") && text.contains(dir.path().to_str().unwrap()), "{text}");
        assert_eq!(notice_above(dir.path(), 1_000), None, "once");
        fs::remove_file(run.join("b.eco2log")).unwrap();
        assert_eq!(notice_above(dir.path(), 1_000), None);
        fs::write(run.join("c.eco2log"), [0; 900]).unwrap();
        assert!(notice_above(dir.path(), 1_000).is_some(), "again after room was made");
        assert_eq!(size_notice(&dir.path().join("none")), None);
    }
}

//! Where runs are kept, what they are called, and how a run is found again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use jiff::Timestamp;

use crate::Error;
use crate::labels::Launch;
use crate::options::{Log, Options};

/// Extension of run logs.
pub const LOG_EXTENSION: &str = "eco2log";

/// The folder of runs: `<state dir>/runs`, the state dir being `$XDG_STATE_HOME/eco2` unless given.
#[must_use]
pub fn runs_folder(options: &Options) -> PathBuf {
    match &options.log {
        Log::Folder(folder) => folder.clone(),
        _ => state_folder(options).join("runs"),
    }
}

fn state_folder(options: &Options) -> PathBuf {
    if let Some(given) = &options.state_dir {
        return given.clone();
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(env::temp_dir).join("eco2")
}

/// A new run's id: its second, then what tells runs of one second apart (nanosecond, process). Ids sort by time.
#[must_use]
pub fn new_run_id(now: Timestamp, pid: u32) -> String {
    let second = now.strftime("%Y%m%d-%H%M%S");
    let nanosecond = u64::from(now.subsec_nanosecond().unsigned_abs());
    format!("{second}-{nanosecond:08x}-{pid:x}")
}

/// A new record's id: a run's, and the rank and the restarts where there are any, so that a listing tells them.
#[must_use]
pub fn new_part_id(now: Timestamp, pid: u32, launch: &Launch) -> String {
    let mut id = new_run_id(now, pid);
    if let Some(rank) = launch.rank {
        let _ = write!(id, "-r{rank}");
    }
    if launch.attempt > 0 || launch.requeue > 0 {
        let _ = write!(id, "-a{}.{}", launch.requeue, launch.attempt);
    }
    id
}

/// Where a record's log lies: in the folder of runs, or in one that the processes of its run share.
#[must_use]
pub fn log_path(folder: &Path, run_id: &str, part: &str) -> PathBuf {
    let folder = if run_id == part { folder.to_owned() } else { folder.join(run_id) };
    folder.join(format!("{part}.{LOG_EXTENSION}"))
}

/// The file of a run given as a path, an id, the beginning of one, or `last`; of a run of several processes the newest.
///
/// # Errors
/// [`Error::NoRun`] if there is none.
pub fn find_run(run: &str, options: &Options) -> Result<PathBuf, Error> {
    let none = || Error::NoRun { run: run.to_owned(), folder: runs_folder(options) };
    find_records(run, options)?.pop().ok_or_else(none)
}

/// The records of a run, oldest first: the file itself for a path; the logs and reports in a folder; and for an id, the
/// beginning of one, or `last`, the logs of all processes that share the run's id.
///
/// # Errors
/// [`Error::NoRun`] if there is none, or if an id's beginning fits several runs.
pub fn find_records(run: &str, options: &Options) -> Result<Vec<PathBuf>, Error> {
    let path = Path::new(run);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let folder = runs_folder(options);
    let found = if path.is_dir() { records_in(path) } else { chosen(run, &folder) };
    if found.is_empty() {
        return Err(Error::NoRun { run: run.to_owned(), folder: if path.is_dir() { path.to_owned() } else { folder } });
    }
    Ok(found)
}

fn chosen(run: &str, folder: &Path) -> Vec<PathBuf> {
    let mut runs = runs(folder);
    if run == "last" {
        return runs.into_values().max_by_key(|logs| logs.iter().map(|log| stem(log)).max()).unwrap_or_default();
    }
    if let Some(exact) = runs.remove(run) {
        return exact;
    }
    // One process's record of a run of several can be asked for by its own id.
    let one = |log: &&PathBuf| stem(log).starts_with(run);
    let mut single: Vec<PathBuf> = runs.values().flatten().filter(one).cloned().collect();
    let mut named = runs.into_iter().filter(|(id, _)| id.starts_with(run));
    match (named.next(), named.next(), single.len()) {
        (Some((_, logs)), None, _) => logs,
        (None, _, 1) => vec![single.remove(0)],
        _ => Vec::new(),
    }
}

/// The logs in a folder of runs by run id, oldest first: their names begin with their time.
fn runs(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
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

/// The logs and reports in a folder and in those within it.
fn records_in(folder: &Path) -> Vec<PathBuf> {
    let wanted = |path: &PathBuf| is_log(path) || is_file(path, "json");
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            found.extend(entries(&path).into_iter().filter(wanted));
        } else if wanted(&path) {
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

/// A regular file of that name: a pipe that lies there would keep who reads it for ever.
fn is_file(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension) && path.is_file()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &Path) -> Options {
        Options { log: Log::Folder(folder.to_owned()), ..Options::default() }
    }

    #[test]
    fn a_run_is_found_by_path_id_beginning_and_last() {
        let folder = tempfile::tempdir().unwrap();
        let older = folder.path().join("20260101-000000-1-1.eco2log");
        let newer = folder.path().join("20260102-000000-1-1.eco2log");
        fs::write(&older, "").unwrap();
        fs::write(&newer, "").unwrap();
        let options = options(folder.path());
        assert_eq!(find_run("last", &options).unwrap(), newer);
        assert_eq!(find_run("20260101", &options).unwrap(), older);
        assert_eq!(find_run(older.to_str().unwrap(), &options).unwrap(), older);
        assert!(find_run("2026010", &options).unwrap_err().to_string().contains("run id"), "two match: none is chosen");
    }

    #[test]
    fn the_records_of_a_run_of_several_processes_are_found_together() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let command = put("20260102-000000-1-1.eco2log");
        let inside = put("20260102-000000-1-1/20260102-000001-1-2.eco2log");
        let ranks = ["job-7/20260101-000000-1-1-r0.eco2log", "job-7/20260101-000000-1-2-r1.eco2log"].map(put);
        put("job-7/notes.txt");
        let options = options(folder.path());
        let found = |run: &str| find_records(run, &options).unwrap();
        assert_eq!(found("last"), [command.clone(), inside.clone()], "the command and what ran under it");
        assert_eq!((found("job-7"), found("job")), (ranks.to_vec(), ranks.to_vec()));
        assert_eq!(found("20260101-000000-1-2"), [ranks[1].clone()]);
        assert_eq!(found(folder.path().join("job-7").to_str().unwrap()), ranks);
        assert_eq!(find_run("last", &options).unwrap(), inside);
        assert!(find_records("nope", &options).is_err());
        assert!(find_records(folder.path().join("job-8").to_str().unwrap(), &options).is_err());
    }

    #[test]
    fn f42_what_has_a_records_name_and_is_no_regular_file_is_not_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("job/1.eco2log");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(&log, "").unwrap();
        // Like a pipe that nobody writes to, but without a way to hang this test.
        for name in ["job/2.eco2log", "job/3.json", "4.eco2log"] {
            std::os::unix::fs::symlink("/dev/null", folder.path().join(name)).unwrap();
        }
        let options = options(folder.path());
        for run in ["job", "last", log.parent().unwrap().to_str().unwrap(), folder.path().to_str().unwrap()] {
            assert_eq!(find_records(run, &options).unwrap(), std::slice::from_ref(&log), "{run}");
        }
    }

    #[test]
    fn records_tell_rank_and_restarts_and_share_a_folder() {
        let launch = Launch { rank: Some(3), attempt: 1, ..Launch::default() };
        let at = "2026-11-22T20:21:03Z".parse().unwrap();
        let part = new_part_id(at, 255, &launch);
        assert_eq!(part, "20261122-202103-00000000-ff-r3-a0.1");
        assert_eq!(
            log_path(Path::new("/r"), "job", &part),
            Path::new("/r/job/20261122-202103-00000000-ff-r3-a0.1.eco2log")
        );
        assert_eq!(
            log_path(Path::new("/r"), &part, &part),
            Path::new("/r/20261122-202103-00000000-ff-r3-a0.1.eco2log")
        );
        assert_eq!(new_part_id(at, 255, &Launch::default()), new_run_id(at, 255));
    }

    #[test]
    fn run_ids_sort_by_time() {
        let at = |text: &str| new_run_id(text.parse().unwrap(), 255);
        assert_eq!(at("2026-11-22T20:21:03.000000010Z"), "20261122-202103-0000000a-ff");
        assert!(at("2026-11-22T20:21:03Z") < at("2026-11-22T20:21:04Z"));
        assert!(at("2026-11-22T20:21:03.9Z") > at("2026-11-22T20:21:03.0001Z"));
    }
}

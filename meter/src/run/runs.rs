//! Where runs are kept, what they are called, and how a run is found again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use jiff::Timestamp;

use crate::Error;
use crate::error::Candidates;
use crate::live::wall;
use crate::options::{Log, Options};
use crate::run::labels::Launch;

/// Extension of run logs.
pub const LOG_EXTENSION: &str = "eco2log";

/// A run that begins later than this from now was named while the clock was wrong, seconds: a day covers every time zone
/// that a clock may have been set to by mistake.
const AHEAD_S: i64 = 86_400;

/// The folder of runs: `<state dir>/runs`, the state dir being `$XDG_STATE_HOME/eco2` unless given.
///
/// # Errors
/// [`Error::SharedFolder`] where the only place left is the folder for temporary files, and another user can write there.
pub fn runs_folder(options: &Options) -> Result<PathBuf, Error> {
    match &options.log {
        Log::Folder(folder) => Ok(folder.clone()),
        _ => Ok(state_folder(options)?.join("runs")),
    }
}

fn state_folder(options: &Options) -> Result<PathBuf, Error> {
    if let Some(given) = &options.state_dir {
        return Ok(given.clone());
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    match state {
        Some(state) => Ok(state.join("eco2")),
        None => private_folder(&env::temp_dir().join("eco2")),
    }
}

/// A folder in one that all users share: made with mode 0700, and taken only if it is this user's alone.
fn private_folder(folder: &Path) -> Result<PathBuf, Error> {
    // What is there already is looked at all the same.
    DirBuilder::new().mode(0o700).create(folder).ok();
    let user = rustix::process::geteuid().as_raw();
    let is_private = fs::symlink_metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0);
    if is_private { Ok(folder.to_owned()) } else { Err(Error::SharedFolder { folder: folder.to_owned() }) }
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
/// As [`find_records`].
pub fn find_run(run: impl AsRef<OsStr>, options: &Options) -> Result<PathBuf, Error> {
    let run = run.as_ref();
    find_records(run, options)?.pop().ok_or_else(|| no_run(run, Path::new(run)))
}

fn no_run(run: &OsStr, folder: &Path) -> Error {
    Error::NoRun { run: run.to_string_lossy().into_owned(), folder: folder.to_owned() }
}

/// The records of a run, oldest first: the file itself for a path; the logs and reports in a folder; and for an id, the
/// beginning of one, or `last`, the logs of all processes that share the run's id.
///
/// # Errors
/// [`Error::NoRun`] if there is none, [`Error::SeveralRuns`] if an id's beginning fits several.
pub fn find_records(run: impl AsRef<OsStr>, options: &Options) -> Result<Vec<PathBuf>, Error> {
    let run = run.as_ref();
    let path = Path::new(run);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if path.is_dir() {
        return Some(records_in(path)).filter(|found| !found.is_empty()).ok_or_else(|| no_run(run, path));
    }
    let folder = runs_folder(options)?;
    // Ids are ASCII: what is not UTF-8 is none.
    match run.to_str().map(|id| chosen(id, &folder, wall::now())) {
        Some(Ok(found)) if !found.is_empty() => Ok(found),
        Some(Err(candidates)) => Err(Error::SeveralRuns { run: run.to_string_lossy().into_owned(), candidates }),
        _ => Err(no_run(run, &folder)),
    }
}

/// The logs of a run by its id, the beginning of one, or `last`; the candidates where several fit.
fn chosen(run: &str, folder: &Path, now: Timestamp) -> Result<Vec<PathBuf>, Candidates> {
    let mut runs = runs(folder);
    if run == "last" {
        return Ok(last(runs.into_values(), now));
    }
    if let Some(exact) = runs.remove(run) {
        return Ok(exact);
    }
    // One process's record of a run of several can be asked for by its own id.
    let one = |log: &&PathBuf| stem(log).starts_with(run);
    let mut single: Vec<PathBuf> = runs.values().flatten().filter(one).cloned().collect();
    let mut named: Vec<(String, Vec<PathBuf>)> = runs.into_iter().filter(|(id, _)| id.starts_with(run)).collect();
    match (named.len(), single.len()) {
        (1, _) => Ok(named.remove(0).1),
        (0, 0) => Ok(Vec::new()),
        (0, 1) => Ok(vec![single.remove(0)]),
        (0, _) => Err(Candidates(single.iter().map(|log| stem(log)).collect())),
        _ => Err(Candidates(named.into_iter().map(|(id, _)| id).collect())),
    }
}

/// The newest run. Ids hold the time: one that was made while the clock stood far ahead would stay the newest for ever, so
/// runs from the future count only where there are no others.
fn last(runs: impl Iterator<Item = Vec<PathBuf>>, now: Timestamp) -> Vec<PathBuf> {
    let soon = Timestamp::from_second(now.as_second().saturating_add(AHEAD_S)).unwrap_or(Timestamp::MAX);
    let limit = soon.strftime("%Y%m%d-%H%M%S").to_string();
    let newest = |logs: &Vec<PathBuf>| logs.iter().map(|log| stem(log)).max().unwrap_or_default();
    runs.max_by_key(|logs| (newest(logs) <= limit, newest(logs))).unwrap_or_default()
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
        let several = find_run("2026010", &options).unwrap_err().to_string();
        assert!(several.contains("20260101-000000-1-1, 20260102-000000-1-1"), "{several}");
    }

    #[test]
    fn k11_ambiguous_beginning_lists_the_candidates() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(folder.path().join(format!("{name}.eco2log")), "").unwrap();
        (0..20).for_each(|number| put(&format!("20260101-0000{number:02}-1-1")));
        put("20270101-000000-1-1");
        let told = |run: &str| find_records(run, &options(folder.path())).unwrap_err().to_string();
        let several = told("2026");
        assert!(several.contains("20260101-000000-1-1, 20260101-000001-1-1"), "{several}");
        assert!(several.contains("and 12 more") && !several.contains("2027"), "{several}");
        assert!(told("2031").contains("no run"), "{}", told("2031"));
        fs::create_dir(folder.path().join("job")).unwrap();
        ["1-r0", "1-r1"].iter().for_each(|rank| put(&format!("job/20260301-000000-1-{rank}")));
        assert!(told("20260301").contains("-r0, 20260301"), "{}", told("20260301"));
    }

    #[test]
    fn k11_run_made_while_the_clock_was_far_ahead_is_not_the_last_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(format!("{name}.eco2log"));
            fs::write(&path, "").unwrap();
            path
        };
        let ahead = put("36110601-120000-1-1");
        let last = |now: &str| chosen("last", folder.path(), now.parse().unwrap()).unwrap();
        assert_eq!(last("3611-06-01T12:00:01Z"), std::slice::from_ref(&ahead));
        assert_eq!(last("2026-06-01T12:00:00Z"), [ahead], "there is no other");
        let today = put("20260601-110000-1-1");
        assert_eq!(last("2026-06-01T12:00:00Z"), std::slice::from_ref(&today));
        assert_eq!(last("2026-06-01T10:59:00Z"), [today], "a clock that was set back a little");
        let at_the_epoch = put("19700101-000500-1-1");
        assert_eq!(last("1970-01-01T00:06:00Z"), [at_the_epoch], "as long as the clock stays there");
    }

    #[test]
    fn k17_folder_in_a_shared_place_is_taken_only_if_it_is_the_users_alone() {
        use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
        let shared = tempfile::tempdir().unwrap();
        let at = |name: &str| shared.path().join(name);
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(private_folder(&at("new")).unwrap(), at("new"));
        assert_eq!(fs::metadata(at("new")).unwrap().mode() & 0o777, 0o700);
        for (bits, good) in [(0o755, true), (0o775, false), (0o757, false), (0o1777, false)] {
            mode(&at("new"), bits);
            assert_eq!(private_folder(&at("new")).is_ok(), good, "{bits:o}");
        }
        mode(&at("new"), 0o700);
        symlink(at("new"), at("link")).unwrap();
        let error = private_folder(&at("link")).unwrap_err().to_string();
        assert!(error.contains("HOME") && error.contains("link"), "{error}");
        // Only root can plant the folder of another user.
        if chown(at("new"), Some(4242), None).is_ok() {
            assert!(private_folder(&at("new")).is_err());
        }
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
    fn k18_folder_and_file_need_not_be_utf8() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join(OsStr::from_bytes(b"\xff"));
        fs::create_dir(&odd).unwrap();
        let log = odd.join(OsStr::from_bytes(b"\xfe.json"));
        fs::write(&log, "").unwrap();
        let options = options(folder.path());
        assert_eq!(find_records(&odd, &options).unwrap(), std::slice::from_ref(&log));
        assert_eq!(find_run(&log, &options).unwrap(), log);
        assert!(find_records(OsStr::from_bytes(b"\xfd"), &options).is_err());
    }

    #[test]
    fn run_ids_sort_by_time() {
        let at = |text: &str| new_run_id(text.parse().unwrap(), 255);
        assert_eq!(at("2026-11-22T20:21:03.000000010Z"), "20261122-202103-0000000a-ff");
        assert!(at("2026-11-22T20:21:03Z") < at("2026-11-22T20:21:04Z"));
        assert!(at("2026-11-22T20:21:03.9Z") > at("2026-11-22T20:21:03.0001Z"));
    }
}

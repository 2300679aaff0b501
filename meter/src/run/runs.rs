//! Finds stored runs for the commands that read them: the folder of runs, and the records of a run that a user names. A *record* is the
//! log or report file of one process of a run.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub use eco2_report::{LOG_EXTENSION, log_path, new_run_id};
use eco2_report::{private_folder, records_at, records_of};
use jiff::Timestamp;

use crate::Error;
use crate::live::wall;
use crate::options::{Log, Options};
use crate::run::labels::Launch;

/// The folder of runs: `<state folder>/runs`. The state folder is `$XDG_STATE_HOME/eco2` by default.
///
/// # Errors
/// [`Error::SharedFolder`] if only the folder for temporary files is left, and another user can write there.
pub fn runs_folder(options: &Options) -> Result<PathBuf, Error> {
    match &options.log {
        Log::Folder(folder) => Ok(folder.clone()),
        _ => Ok(state_folder(options)?.join("runs")),
    }
}

pub(crate) fn state_folder(options: &Options) -> Result<PathBuf, Error> {
    if let Some(folder) = &options.state_dir {
        return Ok(folder.clone());
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    match state {
        Some(state) => Ok(state.join("eco2")),
        None => {
            let folder = env::temp_dir().join("eco2");
            private_folder(&folder).ok_or(Error::SharedFolder { folder })
        }
    }
}

/// The id of a new record: that of a run, with the rank and the restarts if there are any.
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

/// The file of a run, given as a path, an id, the beginning of one, or `last`; of a run of several processes the newest.
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

/// The records of a run, oldest first. A file is its own record, and a folder contains logs and reports; an id, the beginning
/// of one, or `last` selects the logs of all processes with the run's id.
///
/// # Errors
/// [`Error::NoRun`] if there is none, [`Error::SeveralRuns`] if the beginning of an id matches several.
pub fn find_records(run: impl AsRef<OsStr>, options: &Options) -> Result<Vec<PathBuf>, Error> {
    let run = run.as_ref();
    let path = Path::new(run);
    let at_path = || records_at(path).map(|found| if found.is_empty() { Err(no_run(run, path)) } else { Ok(found) });
    if let Some(found) = (!may_be_a_name(path)).then(at_path).flatten() {
        return found;
    }
    let folder = runs_folder(options)?;
    // Ids and names are text, so what is not UTF-8 is neither.
    match run.to_str().map(|id| records_of(id, &folder, wall::now())) {
        Some(Ok(found)) if !found.is_empty() => Ok(found),
        Some(Err(candidates)) => Err(Error::SeveralRuns { run: run.to_string_lossy().into_owned(), candidates }),
        _ => at_path().unwrap_or_else(|| Err(no_run(run, &folder))),
    }
}

/// Whether the text is rather the name of a run than a path: a run has the name of its script by default, and the script is
/// often in the current folder.
fn may_be_a_name(path: &Path) -> bool {
    let is_record = path.extension().is_some_and(|found| found == LOG_EXTENSION || found == "json");
    path.components().count() == 1 && path.is_file() && !is_record
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn options(folder: &Path) -> Options {
        Options { log: Log::Folder(folder.to_owned()), ..Options::default() }
    }

    #[test]
    fn run_is_found_by_path_id_beginning_and_last() {
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
        let message = |run: &str| find_records(run, &options(folder.path())).unwrap_err().to_string();
        let several = message("2026");
        assert!(several.contains("20260101-000000-1-1, 20260101-000001-1-1"), "{several}");
        assert!(several.contains("and 12 more") && !several.contains("2027"), "{several}");
        assert!(message("2031").contains("no run"), "{}", message("2031"));
        fs::create_dir(folder.path().join("job")).unwrap();
        ["1-r0", "1-r1"].iter().for_each(|rank| put(&format!("job/20260301-000000-1-{rank}")));
        assert!(message("20260301").contains("-r0, 20260301"), "{}", message("20260301"));
    }

    #[test]
    fn records_of_several_processes_are_found_together() {
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
    fn record_ids_contain_rank_and_restarts() {
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
    fn k17_error_of_a_shared_folder_names_folder_and_remedy() {
        let error = Error::SharedFolder { folder: "/tmp/eco2".into() }.to_string();
        assert!(error.contains("HOME") && error.contains("/tmp/eco2"), "{error}");
    }
}

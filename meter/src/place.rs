//! Where runs are kept, what they are called, and how a run is found again.

use std::path::{Path, PathBuf};
use std::{env, fs};

use jiff::Timestamp;

use crate::Error;
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

/// The file of a run given as a path, an id, the beginning of one, or `last`.
///
/// # Errors
/// [`Error::NoRun`] if there is none.
pub fn find_run(run: &str, options: &Options) -> Result<PathBuf, Error> {
    let path = Path::new(run);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let folder = runs_folder(options);
    let mut known = runs(&folder);
    let chosen = match run {
        "last" => known.pop(),
        _ => {
            let stem = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with(run));
            known.retain(stem);
            (known.len() == 1).then(|| known.remove(0))
        }
    };
    chosen.ok_or_else(|| Error::NoRun { run: run.to_owned(), folder })
}

/// The logs in a folder, oldest first: their names begin with their time.
fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == LOG_EXTENSION);
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_log).collect();
    logs.sort();
    logs
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
    fn run_ids_sort_by_time() {
        let at = |text: &str| new_run_id(text.parse().unwrap(), 255);
        assert_eq!(at("2026-11-22T20:21:03.000000010Z"), "20261122-202103-0000000a-ff");
        assert!(at("2026-11-22T20:21:03Z") < at("2026-11-22T20:21:04Z"));
        assert!(at("2026-11-22T20:21:03.9Z") > at("2026-11-22T20:21:03.0001Z"));
    }
}

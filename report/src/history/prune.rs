//! Removes old runs, for `eco2 runs prune`. Nothing else in eco2 deletes a log.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use jiff::{SignedDuration, Timestamp};

use super::{RunEnd, StoredRun};
use crate::Error;
use crate::store::{OPEN_AGE, seal_path};

/// Runs that are older than what is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpiredRuns {
    /// The runs, in the order of the list.
    pub runs: Vec<StoredRun>,
    /// Bytes of their logs.
    pub bytes: u64,
}

/// Selects the runs that ended more than `kept` ago.
///
/// A run that is not ended may go on: it is selected only if its logs did not change for that long, and for a day. A run whose
/// start is not known, such as one that cannot be read, is never selected.
///
/// # Errors
/// A fault of jiff if the age lies before its first year.
pub fn expired_runs(
    folder: &Path,
    runs: Vec<StoredRun>,
    kept: SignedDuration,
    now: Timestamp,
) -> Result<ExpiredRuns, jiff::Error> {
    let before = |kept: SignedDuration| now.checked_sub(kept).map(Timestamp::as_millisecond);
    // The least age of a run to remove that is not ended.
    let open_kept = SignedDuration::try_from(OPEN_AGE).unwrap_or(SignedDuration::MAX);
    let (ended_ms, open_ms) = (before(kept)?, before(kept.max(open_kept))?);
    let mut expired = ExpiredRuns::default();
    for run in runs {
        let files: Vec<fs::Metadata> =
            run.records.iter().filter_map(|log| fs::metadata(folder.join(log)).ok()).collect();
        let changed_ms = files.iter().filter_map(modified_ms).max();
        let is_ended = run.end == RunEnd::Ended;
        let before_ms = if is_ended { ended_ms } else { open_ms };
        let is_idle = is_ended || changed_ms.is_some_and(|changed_ms| changed_ms < before_ms);
        if is_idle && end_ms(&run).is_some_and(|end_ms| end_ms < before_ms) {
            expired.bytes += files.iter().map(fs::Metadata::len).sum::<u64>();
            expired.runs.push(run);
        }
    }
    Ok(expired)
}

/// Removes the logs of runs with their seals, and folders that become empty.
///
/// # Errors
/// [`Error::Io`] for the first log that cannot be removed; others are removed all the same.
pub fn remove_runs(folder: &Path, expired: &ExpiredRuns) -> Result<(), Error> {
    let mut outcome = Ok(());
    for log in expired.runs.iter().flat_map(|run| &run.records) {
        // A path within the folder: its own file, or one in the folder of a run.
        let path: PathBuf = folder.join(log);
        for file in [&path, &seal_path(&path)] {
            match fs::remove_file(file) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    outcome = outcome.and(Err(Error::io("remove", file, cause)));
                }
                _ => {}
            }
        }
        if let Some(parent) = path.parent().filter(|parent| *parent != folder) {
            // Fails while other files are in it.
            fs::remove_dir(parent).ok();
        }
    }
    outcome
}

/// Returns the end of a run, milliseconds since 1970; `None` if its start is not known.
fn end_ms(run: &StoredRun) -> Option<i64> {
    let lasted_ms = i64::try_from(run.summary.duration_ns / 1_000_000).ok()?;
    Some(run.started_ms()).filter(|started_ms| *started_ms > 0)?.checked_add(lasted_ms)
}

fn modified_ms(meta: &fs::Metadata) -> Option<i64> {
    let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

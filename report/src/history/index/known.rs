//! What the history index knows of the files of a run, and whether these changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What the index knows of the files of a run.
#[derive(Default)]
pub(super) struct KnownRun {
    pub(super) is_open: bool,
    /// Size and time of the last change of each record, by its path in the folder.
    pub(super) records: BTreeMap<String, (i64, i64)>,
}

impl KnownRun {
    /// Whether the logs of a run are others than those that were read, or an open one changed.
    pub(super) fn is_changed(&self, folder: &Path, logs: &[PathBuf]) -> bool {
        let is_known = |log: &PathBuf| self.records.contains_key(&path_in(folder, log));
        logs.len() != self.records.len()
            || !logs.iter().all(is_known)
            || (self.is_open && logs.iter().any(|log| self.records.get(&path_in(folder, log)) != Some(&state(log))))
    }
}

/// Returns the path of a log within the folder.
pub(super) fn path_in(folder: &Path, log: &Path) -> String {
    log.strip_prefix(folder).unwrap_or(log).to_string_lossy().into_owned()
}

/// Returns the size of a log, and the time of its last change in nanoseconds.
pub(super) fn state(log: &Path) -> (i64, i64) {
    fs::metadata(log).map_or((0, 0), |meta| {
        let ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        (i64::try_from(meta.len()).unwrap_or(i64::MAX), ns)
    })
}

//! What the history index knows of the files of a run, and whether these changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use eco2_core::schema::RecordEnding;

use crate::history::RunEnd;
use crate::store::unclosed_ending;

/// Which changes of a run's logs concern the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Follow {
    /// None: every log was closed.
    #[default]
    Nothing,
    /// A log that grows, or that has not grown for so long that the run counts as interrupted.
    GrowthAndAge,
    /// A log that grows.
    Growth,
}

impl Follow {
    pub(super) fn of(end: RunEnd) -> Self {
        match end {
            RunEnd::Ended => Self::Nothing,
            RunEnd::Open => Self::GrowthAndAge,
            RunEnd::Interrupted | RunEnd::Unreadable => Self::Growth,
        }
    }

    /// Returns the value of the column `is_open`, which is true for a run that is followed.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::GrowthAndAge => 1,
            Self::Growth => 2,
        }
    }

    pub(super) fn from_code(code: i64) -> Self {
        [Self::GrowthAndAge, Self::Growth].into_iter().find(|one| one.code() == code).unwrap_or_default()
    }
}

/// What the index knows of the files of a run.
#[derive(Default)]
pub(super) struct KnownRun {
    pub(super) follow: Follow,
    /// Size and time of the last change of each record, by its path in the folder.
    pub(super) records: BTreeMap<String, (i64, i64)>,
}

impl KnownRun {
    /// Whether the logs of a run are others than those that were read, or one that is followed changed.
    pub(super) fn is_changed(&self, folder: &Path, logs: &[PathBuf]) -> bool {
        let is_known = |log: &PathBuf| self.records.contains_key(&path_in(folder, log));
        let grew = |log: &PathBuf| self.records.get(&path_in(folder, log)) != Some(&state(log));
        let is_old = |log: &PathBuf| unclosed_ending(log) == RecordEnding::Interrupted;
        logs.len() != self.records.len()
            || !logs.iter().all(is_known)
            || (self.follow != Follow::Nothing && logs.iter().any(grew))
            || (self.follow == Follow::GrowthAndAge && logs.iter().all(is_old))
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

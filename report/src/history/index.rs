//! The history index: an SQLite file in the folder of runs, so that lists and sums of many runs need not read every log.
//!
//! The logs are the data. The index is computed from them by `sync`, can be deleted at any time, and is then built again
//! with the same content. An index that is damaged or was written by another version is built again; one that is locked or
//! cannot be written is not used. Neither is an error of the command.
//!
//! Tables: `runs` has a row per run with what filters need, and the whole [`super::StoredRun`] as JSON; `labels` and `records` belong to
//! it; `day_sums` has the sums of each day and quality, so that a sum over a million runs adds a few thousand rows.

mod connection;
mod known;
mod query;
mod sync;
#[cfg(test)]
mod tests;

use std::path::Path;

use connection::Index;
pub use connection::IndexFault;

use super::{RunFilter, RunList};

/// What [`reindex`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reindexed {
    /// Number of runs in the index.
    pub runs: u64,
    /// Number of runs of which no record can be read.
    pub unreadable: u64,
}

/// Lists runs by the index, after it has taken in the runs that are new.
///
/// # Errors
/// [`IndexFault`] for an index that cannot be used.
pub(super) fn list(folder: &Path, filter: &RunFilter, limit: Option<usize>) -> Result<(RunList, bool), IndexFault> {
    let listed = |index: &mut Index| {
        index.refresh(folder)?;
        index.list(filter, limit)
    };
    let (mut index, mut rebuilt) = Index::open(folder)?;
    let list = match listed(&mut index) {
        Err(IndexFault::Damaged(_)) if !rebuilt => {
            drop(index);
            rebuilt = true;
            listed(&mut Index::create_again(folder)?)?
        }
        other => other?,
    };
    Ok((list, rebuilt))
}

/// Takes the newest records of a folder into its index.
///
/// # Errors
/// [`IndexFault`] for an index that cannot be used: the next list takes the records in.
pub fn update_index(folder: &Path) -> Result<(), IndexFault> {
    Index::open(folder)?.0.refresh(folder)
}

/// Builds the index of a folder again from its logs.
///
/// # Errors
/// [`IndexFault`] for an index that cannot be used.
pub fn reindex(folder: &Path) -> Result<Reindexed, IndexFault> {
    let mut index = Index::create_again(folder)?;
    index.sync_all(folder)?;
    index.counts()
}

/// Returns the ids of the runs with this name, newest first.
pub(super) fn named(folder: &Path, name: &str) -> Result<Vec<String>, IndexFault> {
    let mut index = Index::open(folder)?.0;
    index.refresh(folder)?;
    index.named(name)
}

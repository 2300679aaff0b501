//! Lists the stored runs of a folder: by the history index where it can be used, else from the logs.

use std::path::Path;

use super::{RunFilter, RunList, RunTotals, scan_runs};

/// A list, and what the user should know of how it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRuns {
    /// The list.
    pub list: RunList,
    /// A sentence for the user; `None`: nothing to report.
    pub notice: Option<String>,
}

/// Lists the newest `limit` runs that a filter takes; `None` for all of them.
#[must_use]
pub fn list_runs(folder: &Path, filter: &RunFilter, limit: Option<usize>) -> ListedRuns {
    let from_logs = |notice| ListedRuns { list: list_from_logs(folder, filter, limit), notice };
    #[cfg(feature = "history")]
    if folder.is_dir() {
        let place = folder.display();
        return match super::index::list(folder, filter, limit) {
            Ok((list, false)) => ListedRuns { list, notice: None },
            Ok((list, true)) => {
                let notice = format!("the index of the runs in {place} was damaged or of another version: built again");
                ListedRuns { list, notice: Some(notice) }
            }
            Err(fault) => from_logs(Some(format!(
                "the index of the runs in {place} is not used: {fault}; the logs were read instead"
            ))),
        };
    }
    from_logs(None)
}

/// Lists runs from their logs alone, without the index.
#[must_use]
pub fn list_from_logs(folder: &Path, filter: &RunFilter, limit: Option<usize>) -> RunList {
    let mut runs = scan_runs(folder);
    runs.retain(|run| filter.takes(run));
    let totals = RunTotals::of(&runs);
    runs.truncate(limit.unwrap_or(usize::MAX));
    RunList { runs, totals }
}

//! The history: the stored runs of a folder as a list ([`StoredRun`]), filters and sums over it ([`RunFilter`],
//! [`RunTotals`]), and the search for a run by name or id.
//!
//! The run logs are the data. Everything here is computed from them. With the feature `history`, lists come from an index of the
//! logs (`index`), and without it from the logs.

mod filter;
mod find;
#[cfg(feature = "history")]
mod index;
mod list;
mod prediction;
mod prune;
mod scan;
mod stored_run;
mod totals;
mod when;

pub use filter::RunFilter;
pub use find::{Candidates, records_of};
#[cfg(feature = "history")]
pub use index::{IndexFault, Reindexed, reindex, update_index};
pub use list::{ListedRuns, list_from_logs, list_runs};
pub use prediction::{PredictedAmount, Prediction, predict};
pub use prune::{ExpiredRuns, expired_runs, remove_runs};
pub use scan::scan_runs;
pub use stored_run::{RunEnd, StoredRun, short_id};
pub use totals::{RunList, RunTotals};
pub use when::{kept_age, moment};

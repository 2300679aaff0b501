//! The history: the stored runs of a folder as a list ([`StoredRun`]), filters and sums over it ([`RunFilter`],
//! [`RunTotals`]), and the search for a run by name or id.
//!
//! The run logs are the data. Everything here is computed from them.

mod filter;
mod find;
mod scan;
mod stored_run;
mod totals;
mod when;

pub use filter::RunFilter;
pub use find::{Candidates, records_of};
pub use scan::scan_runs;
pub use stored_run::{RunEnd, StoredRun, short_id};
pub use totals::RunTotals;
pub use when::{age_ago, moment};

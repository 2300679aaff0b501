//! One run from its opening to its report: identity, pricing, budget and alerts around the live half; and runs that are over.

pub(crate) mod alerts;
pub(crate) mod budget;
mod closing;
mod command_line;
mod counter_curves;
pub(crate) mod curves;
pub(crate) mod episodes;
mod feed;
mod identity;
mod intensity;
pub mod labels;
mod late;
mod leave_out;
mod meter;
mod open;
mod pricing;
mod recover;
mod replay;
mod report;
pub(crate) mod run_names;
pub mod runs;
mod shared;

pub use alerts::Alert;
pub use intensity::{intensities, reprice, reprice_of};
pub use late::Late;
pub use meter::{Meter, Now, Span, Step};
pub use recover::{
    Records, Unrelated, merge_read, merge_records, read_records, read_run, read_whole, read_whole_as_one, record_hash,
};
pub use replay::replay;
pub use run_names::{Candidates, RunNames};

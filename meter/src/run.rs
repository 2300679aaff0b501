//! One run from its opening to its report: identity, pricing, budget and alerts around the live half; and runs that are over.

pub(crate) mod alerts;
pub(crate) mod budget;
mod closing;
pub(crate) mod curves;
pub(crate) mod episodes;
mod identity;
mod intensity;
pub mod labels;
mod late;
mod meter;
mod open;
mod pricing;
mod recover;
mod replay;
mod report;
mod reprice;
pub mod runs;
mod shared;

pub use alerts::Alert;
pub use intensity::intensities;
pub use late::Late;
pub use meter::{Meter, Now, Span, Step};
pub use recover::{
    Records, Unrelated, merge_read, merge_records, read_records, read_run, read_whole, read_whole_as_one, record_hash,
};
pub use replay::replay;
pub use reprice::{reprice, reprice_of};

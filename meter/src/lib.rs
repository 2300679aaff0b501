//! One measured run: the energy and carbon of a training, with bounds.
//!
//! ```no_run
//! let meter = eco2::Meter::open(eco2::Options::default())?;
//! let step = meter.name("step");
//! for _ in 0..100 {
//!     let _span = meter.span(step);
//!     // one training step
//! }
//! let report = meter.close();
//! match report.energy.total_uj {
//!     Some(uj) => println!("{uj} uJ, at least {}", report.energy.low_uj),
//!     None => println!("nothing was read"),
//! }
//! # Ok::<(), eco2::Error>(())
//! ```
//!
//! Recording ([`Meter::begin`], [`Meter::end`], [`Meter::step`], [`Meter::now`]) allocates nothing, takes no lock, makes
//! no system call and never waits; everything else may take a lock for a moment and belongs outside the hot loop. No
//! fault of measuring ends, blocks or slows the training: faults become events of the report.

#![forbid(unsafe_code)]

mod error;
mod live;
pub mod options;
mod run;
mod sync;

pub use eco2_core::{CurvePoint, Decision, Finish, NameId, Ranged, Spent, Unit, schema};
pub use eco2_report as render;
pub use eco2_report::Candidates;
pub use eco2_samplers as samplers;
pub use error::{Error, RunNames};
pub use options::Options;
pub use run::{
    Alert, Late, Meter, Now, Records, Span, Step, Unrelated, intensities, labels, merge_read, merge_records,
    read_records, read_run, read_whole, read_whole_as_one, record_hash, replay, reprice, reprice_of, runs,
};

/// The README's Rust snippets, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

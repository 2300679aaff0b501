//! Hardware readers and the one sampling thread that feeds `eco2-core`.
//!
//! A [`Source`] reads counters into a [`Batch`]; the sampling thread hands every reading to a [`Sink`]. Nothing here
//! knows about carbon, prices, option files or output formats.

mod anchors;
mod beat;
pub mod clock;
mod deadline;
pub mod discover;
mod fork;
mod gate;
pub mod found;
pub mod host;
pub mod host_gauges;
pub mod model;
pub mod nvml;
mod outlet;
mod phase;
pub mod replay;
mod rounds;
mod sampler;
pub mod schedule;
mod backoff;
mod cpuinfo;
pub mod hwmon;
pub mod rapl_perf;
pub mod rapl_sysfs;
mod slot;
mod stepped;
mod sysfs;
mod topology;
mod zero;
pub mod synthetic;
pub mod tsc;
pub mod usage;
mod source;

pub use anchors::{Anchor, Anchors};
pub use deadline::{Deadline, quietly};
pub use fork::Birthplace;
pub use rounds::Options;
pub use sampler::{Cost, Ending, Finished, Sampler, StartError};
pub use stepped::Stepped;
pub use source::{Batch, Note, Roots, Sink, Source};

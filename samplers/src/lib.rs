//! Reads the machine's energy sensors: the hardware readers and the one sampling thread that feeds `eco2-core`.
//!
//! A [`Source`] reads one interface, such as RAPL or NVML, into a [`Batch`] of readings; the sampling thread hands
//! every reading to a [`Sink`]. Nothing here knows about carbon, prices, option files or output formats.

mod accelerators;
pub mod agent;
pub mod amdsmi;
mod anchors;
mod around;
mod backoff;
mod ceiling;
pub mod clock;
pub mod counter_check;
mod cpuinfo;
mod deadline;
mod decision;
pub mod discover;
mod fork;
pub mod found;
pub mod hardware;
mod health;
pub mod host;
pub mod host_gauges;
pub mod hwmon;
mod intel_cards;
mod ipmi;
pub mod model;
pub mod nvml;
mod opening;
mod options;
pub mod page;
pub mod rapl_perf;
pub mod rapl_sysfs;
pub mod redfish;
pub mod replay;
mod sampler;
pub mod schedule;
mod sink_slot;
mod slot;
mod slow;
mod source;
mod source_states;
mod standby;
mod stepped;
mod still;
pub mod synthetic;
mod sysfs;
mod tick_loop;
mod topology;
pub mod tsc;
pub mod usage;
pub mod visible;

pub use anchors::{Anchor, Anchors};
pub use deadline::{Deadline, quietly};
pub use decision::{Learned, ReadDecision, ReadMode};
pub use fork::ForkGuard;
pub use opening::LOST_NS;
pub use options::Options;
pub use sampler::{Ending, Finished, Sampler, SamplingCost, StartError, Waker};
pub use source::{Batch, Change, DeviceUse, Roots, Sink, Source, SourceEvent, Watched};
pub use source_states::SourceStates;
pub use stepped::Stepped;

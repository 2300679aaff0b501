//! The node agent: samples the energy of a machine once, and serves it to every program and user of the machine.
//!
//! How data flows:
//!
//! ```text
//!  sensors ─▶ sampling thread ─▶ bounded queue ─▶ accounting thread ─▶ Latest ─▶ HTTP, SSE, dashboard
//!             (eco2-samplers)    (Feed: drops      (Node)           │
//!                                 and counts)                       └─▶ the page, which other programs map
//! ```
//! - The sampling thread never waits: `Feed` passes what it read through a queue of fixed length. Where the queue is full,
//!   the readings are dropped and counted. Counters are cumulative, so that a dropped reading costs no energy.
//! - [`Node`] is the account: a pure function of readings, jobs and CPU times. It has no thread, no clock and no file, so
//!   that tests step it. Once a second it makes the two [`Views`] of the node.
//! - A [`Snapshot`] never changes after it was made. Readers share it by [`Latest::views`], which takes a lock for the time of
//!   copying two pointers.
//!
//! What a reader may see: energy with a high resolution in time shows what other users compute (PLATYPUS, CVE-2020-8694). So
//! there are two views. [`Views::full`] is for root and the group `eco2`. [`Views::public`] is for everyone: it changes once a
//! second, and the energy of its devices is a multiple of 0.1 J. Its consumers and its idle energy are computed from these
//! coarse energies. In each view the sum over consumers, idle and not attributed is the sum over the devices, to the microjoule.

#![forbid(unsafe_code)]

mod accounting;
mod as_report;
mod budget;
mod checked_line;
mod control;
mod counter_start;
mod emissions;
mod feed;
#[cfg(any(test, fuzzing))]
#[cfg_attr(not(test), expect(dead_code, reason = "the fuzz target http needs the snapshot only"))]
mod fixture;
mod folder;
mod from_report;
#[cfg(fuzzing)]
pub mod fuzzed;
mod gpu_name;
mod group;
mod health;
mod held;
mod http;
mod intensity_poll;
mod job_files;
mod job_history;
mod job_log;
mod jobs;
mod journal;
mod latest;
mod metrics;
mod node;
mod pages;
mod prices;
mod push;
mod requests;
mod service;
mod shares;
mod snapshot;
mod source_counts;
mod store;
mod systemd;
mod view;

pub use budget::{BudgetState, JobBudget, JobLimits};
pub use eco2_net::Secret;
pub use eco2_samplers::agent::SOCKET;
pub use eco2_samplers::usage::JobTimes;
pub use emissions::Emissions;
pub use folder::{FolderFault, RunFolder};
pub use from_report::{run_views, run_views_for_all};
pub use gpu_name::{GpuName, NoGpuName};
pub use group::group_id;
pub use health::{Health, Level, SourceHealth};
pub use http::{
    Anonymous, Caller, DEFAULT_LISTEN, HttpFault, HttpOptions, HttpServer, JobControl, JobDone, JobEnd, JobFault,
    JobRequest, TlsFiles, new_token,
};
pub use jobs::{Job, JobError, JobProcesses, JobTerms};
pub use latest::{Latest, Views};
pub use metrics::{legacy_metrics, node_metric_set, node_metrics};
pub use node::{Input, IntervalUse, Node};
pub use prices::{OtherKind, Rates};
pub use push::{PUSH_EVERY, Pusher};
pub use requests::Peer;
pub use service::{Jobs, Service, ServiceError, Settings, SiteSettings};
pub use snapshot::{Consumer, ConsumerKind, Device, EndReason, Instant, NodeIdentity, Resolution, Snapshot};
pub use source_counts::SourceCounts;
pub use systemd::{Notifier, inherited_sockets};

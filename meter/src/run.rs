//! The interface of a run ([`Meter`]), from its opening to its report: identity, pricing, budget and alerts. Also reads, prices and
//! replays runs that have ended. The data of a running run is collected in `live`.

pub(crate) mod alerts;
pub(crate) mod budget;
mod builder;
mod calibration;
mod closing;
mod cpu_load;
pub(crate) mod curves;
pub(crate) mod episodes;
mod evidence;
mod identity;
mod intensity;
pub mod labels;
mod machine;
mod meter;
mod node_sources;
mod open;
#[cfg(feature = "providers")]
mod otel_headers;
mod pricing;
mod push;
mod record;
mod recover;
mod replay;
mod report;
mod reprice;
mod requests;
mod run_name;
pub mod runs;
mod scoped;
mod self_test;
mod shared;
mod watch;

pub use alerts::Alert;
pub use builder::MeterBuilder;
pub use calibration::{CalibrationStep, NotCalibrated, calibrate};
pub use closing::Patience;
pub use evidence::{RecordCheck, check_record};
pub use intensity::intensities;
pub use machine::{StoredCalibration, calibration_of, remember_notices, shown_notices, stored_calibration};
pub use meter::Meter;
pub use node_sources::{NodeRates, NodeSources, node_sources};
pub use push::{PushTargets, Pushed};
pub use record::{LateSpan, Span, Step};
pub use recover::{Records, Unrelated, merge_read, read_for_merge, read_records, read_run, read_whole, record_hash};
pub use replay::replay;
pub use reprice::{reprice, reprice_of};
pub use self_test::{SelfTest, TestLength};
pub use watch::Now;

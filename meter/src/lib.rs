//! eco2 measures the energy use and carbon emissions of machine-learning training.
//!
//! A [`Meter`] is one measured run. In `Cargo.toml`, from a checkout:
//!
//! ```toml
//! eco2 = { path = "eco2/meter" }
//! # with intensities from providers and alerts by webhook or e-mail, over TLS:
//! # eco2 = { path = "eco2/meter", features = ["providers"] }
//! ```
//!
//! ```
//! use eco2::Meter;
//! use eco2::options::Log;
//!
//! let meter = Meter::builder().name("bert").zone("DE").log(Log::Off).open()?;
//! let step = meter.name("step");
//! for _ in 0..3 {
//!     let _span = meter.span(step);
//!     // one training step
//! }
//! let report = meter.close();
//! let energy = &report.energy;
//! match energy.kwh() {
//!     Some(kwh) => println!("{kwh:.6} kWh, at least {} uJ", energy.low_uj),
//!     None => println!("energy not known: {:?}", report.sources),
//! }
//! # Ok::<(), eco2::Error>(())
//! ```
//!
//! The default features need no network code: without `providers` the HTTP client and TLS are not compiled, some 20 packages
//! fewer. What remains reads hardware, tables and files. Programs that only read reports need `eco2-core` alone.
//!
//! - [`Meter::builder`], [`Options::load`]: settings. [`options`]: every option, and where its value may come from.
//! - [`Meter::step`], [`Meter::span`], [`Meter::now`], [`Meter::budget`], [`Meter::on_event`]: the run.
//! - [`schema`]: the report. [`render`]: its renderings. [`merge`](merge()), [`reprice`], [`replay`]: reports from others.
//! - [`source`]: a sensor of your own.
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

pub use eco2_core::{CurvePoint, Decision, Energies, Finish, NameId, Ranged, Spent, Unit, schema};
pub use eco2_report::{Candidates, merge};
pub use eco2_samplers::ForkGuard;
pub use eco2_samplers::clock::monotonic_ns;
pub use error::{Error, RunNames};
pub use options::Options;
pub use run::{
    Alert, CalibrationStep, LateSpan, Meter, MeterBuilder, NodeRates, NodeSources, NotCalibrated, Now, Patience,
    PushTargets, Pushed, RecordCheck, Records, SelfTest, Span, Step, StoredCalibration, TestLength, Unrelated,
    calibrate, calibration_of, check_record, intensities, labels, merge_read, node_sources, read_for_merge,
    read_records, read_run, read_whole, record_hash, remember_notices, replay, reprice, reprice_of, runs,
    shown_notices, stored_calibration,
};

pub mod attribution {
    //! Energy of requests that a server answers at the same time. [`Meter::request_step`](crate::Meter::request_step) divides that
    //! of a meter; [`Requests`] takes energies of another origin. `examples/rust/inference` is a server with continuous batching.
    //!
    //! ```
    //! use eco2::attribution::{Bounded, Requests};
    //!
    //! let mut requests = Requests::default();
    //! requests.step(Bounded::exact(900), &[(1, 200), (2, 100)]); // 900 µJ for 300 tokens
    //! assert_eq!(requests.finish(1).map(|request| request.energy.value), Some(Some(600)));
    //! ```

    pub use eco2_core::Bounded;
    pub use eco2_core::attribution::{RequestEnergy, RequestId, RequestTotals, Requests};
}

pub mod render {
    //! Reports as text and in the formats of other tools, and [`Exporter`] for a format of your own.
    //!
    //! ```
    //! use eco2::render::{self, Error, Exporter};
    //! use eco2::schema::Report;
    //!
    //! /// One line of a log.
    //! struct LogLine;
    //!
    //! impl Exporter for LogLine {
    //!     fn export(&self, report: &Report) -> Result<String, Error> {
    //!         let kwh = report.energy.kwh().ok_or_else(|| Error::export("the energy is not known"))?;
    //!         Ok(format!("run={} kwh={kwh:.6}\n", report.run.id))
    //!     }
    //! }
    //!
    //! # use eco2::options::{Log, opt};
    //! # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    //! # std::thread::sleep(std::time::Duration::from_millis(250));
    //! let report = meter.close();
    //! print!("{}", render::text(&report, &render::TextStyle::default()));
    //! assert!(render::csv(&report)?.starts_with("run_id"));
    //! assert!(LogLine.export(&report)?.starts_with("run="));
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```

    pub use eco2_report::{
        Error, Exporter, MetricNames, Notice, Scope, ShortStyle, ShortText, TextStyle, ai_act_json, boamps_json,
        codecarbon_csv, csv, firefox_profile, hf_json, html, in_scope, json, latex, markdown, methods, model_card,
        openmetrics, sci_json, scope2_csv, short_text, spans_csv, summary_json, text,
    };
}

pub mod source {
    //! A source of readings of your own: a counter or a power sensor that eco2 does not know.
    //!
    //! ```
    //! use eco2::source::{Batch, Component, Domain, Source};
    //! use std::time::Instant;
    //!
    //! /// A meter at the socket: an energy counter in microjoules that runs at 40 W.
    //! struct Socket {
    //!     domains: [Domain; 1],
    //!     began: Instant,
    //! }
    //!
    //! impl Source for Socket {
    //!     fn name(&self) -> &str {
    //!         "socket"
    //!     }
    //!
    //!     fn domains(&self) -> &[Domain] {
    //!         &self.domains
    //!     }
    //!
    //!     fn read(&mut self, batch: &mut Batch) {
    //!         let microseconds = self.began.elapsed().as_micros();
    //!         batch.one(0, || Ok(40 * microseconds as u64)); // a failed read returns Err, and is a gap
    //!     }
    //! }
    //!
    //! let domains = [Domain::counter("socket-0", Component::Cpu, "package", "socket")];
    //! # use eco2::options::{Log, opt};
    //! # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "replay");
    //! let meter = builder.source(Socket { domains, began: Instant::now() }).open()?;
    //! std::thread::sleep(std::time::Duration::from_millis(100));
    //! let report = meter.close();
    //! assert_eq!(report.devices[0].id, "socket-0");
    //! assert!(report.energy.total_uj.unwrap() > 3_000_000, "100 ms at 40 W are 4 J");
    //! # Ok::<(), eco2::Error>(())
    //! ```

    pub use eco2_core::{Component, Domain, Fault, Gauge, Quality};
    pub use eco2_samplers::{Batch, DeviceUse, Source, SourceEvent};
}

pub mod trace {
    //! Recorded readings, for [`replay`](crate::replay): the file of the option [`opt::TRACE`](crate::options::opt::TRACE).

    pub use eco2_report::{Trace, TraceSpan, TraceWriter, read_spans};
}

/// The README's Rust snippets, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The snippets of docs/rust.md, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rust.md")]
struct RustPage;

//! Finds the lowest-emission time, zone and number of workers for a job (`eco2 plan`), over a known or forecast
//! intensity. All functions are pure: they read no file and no clock.
//!
//! An [`IntensityCurve`] is a series prepared for planning. A [`PlanWindow`] of it lasts from the release of a job to
//! its deadline. No plan leaves its window, and none runs where the intensity is unknown.
//!
//! * [`plan`] plans a job of fixed width, [`elastic`](fn@elastic) one whose number of workers may change
//!   ([`Scaling`]), [`whole_slots`] one that pays for starts and changes.
//! * [`rank`] compares zones, [`share_machines`] plans many jobs on few machines.
//! * [`Advisor`] follows a plan live, [`regret`](fn@regret) measures the cost of planning on a forecast.
//!
//! Each plan states a lower bound: no plan of its class has lower emissions. If the bound equals the plan's emissions,
//! the plan is optimal. Intensities are compared as integers of 1e-12 g/kWh and times as nanoseconds, so that equal
//! sums are equal. Of equal plans the earliest is taken.
//!
//! ```
//! use eco2_grid::{Series, plan};
//! let csv = b"time,gco2e_per_kwh\n2026-01-01T00:00Z,300\n2026-01-01T01:00Z,100\n2026-01-01T02:00Z,200\n";
//! let series = Series::parse_csv(csv, "series.csv", None)?;
//! let curve = plan::IntensityCurve::new(&series);
//! let job = plan::Job { duration_ns: 3_600_000_000_000, power_w: 1000.0, interruptible: false };
//! let plan = plan::plan(&curve.window(series.from_ns(), series.to_ns())?, &job)?;
//! assert_eq!((plan.grams, plan.now_grams), (100.0, Some(300.0)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advisor;
mod curve;
mod elastic;
mod error;
mod fixed;
mod flow;
mod job;
mod machines;
mod queue;
mod rank;
mod scaling;
mod whole;

pub use advisor::{Advisor, JobPace, PlanAdvice, PlanSignal};
pub use curve::{IntensityCurve, PlanWindow};
pub use elastic::elastic;
pub use error::PlanError;
pub use fixed::{Regret, plan, regret, worst_regret_percent};
pub(crate) use job::push;
pub use job::{HOUR_NS, Job, Plan, PlanSlot, saving_percent};
pub use machines::{SharedMachines, share_machines};
pub(crate) use queue::read_jobs;
pub use queue::{QueuedJob, duration_ns, parse_jobs};
pub use rank::{RankedZone, ZoneCandidate, rank, transfer_grams};
pub use scaling::{Scaling, WorkerLevel};
pub use whole::{ChangeCosts, whole_slots};

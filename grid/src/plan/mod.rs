//! When, where and how wide to run: plans over a known or forecast intensity. Pure functions; no file, no clock.
//!
//! A [`IntensityCurve`] is a series made ready; a [`PlanWindow`] of it runs from a job's release to its deadline, which no plan
//! exceeds, and no plan runs where the intensity is not known. [`plan`] answers for one job, [`elastic`](fn@elastic) for one with a [`Scaling`] profile, [`whole_slots`]
//! for one that pays for starting and switching, [`rank`] says in which zone, [`share_machines`] for many jobs on few
//! machines. Every plan carries a lower bound that no plan of its class can undercut.
//!
//! Intensities are compared as integers of 1e-12 g/kWh, times as nanoseconds: equal sums are equal, and of equal plans
//! the earliest is taken.
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

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
mod cheapest;
mod contiguous;
mod curve;
mod elastic;
mod error;
mod flow;
mod hull;
mod job;
mod labels;
mod machines;
mod queue;
mod rank;
mod regret;
mod rest;
mod scaling;
mod whole;
mod wrap;

pub use advisor::{Advisor, JobPace, PlanAdvice, PlanSignal};
pub use curve::{IntensityCurve, PlanWindow};
pub use elastic::elastic;
pub use error::PlanError;
pub use hull::WorkerLevel;
pub(crate) use job::push;
pub use job::{HOUR_NS, Job, Plan, PlanSlot, saving_percent};
pub use labels::ChangeCosts;
pub use machines::{SharedMachines, share_machines};
pub use queue::{QueuedJob, duration_ns, parse_jobs, read_jobs};
pub use rank::{RankedZone, ZoneCandidate, rank, transfer_grams};
pub use regret::{Regret, regret, worst_regret_percent};
pub use scaling::Scaling;
pub use whole::whole_slots;

/// The plan of least grams for a job of fixed width: the cheapest parts of the window where it may be interrupted
/// (fractions of slots included), else the cheapest stretch, which may begin anywhere, not only where a slot does.
///
/// # Errors
/// [`PlanError`] where the job does not fit, or a figure makes no sense.
pub fn plan(window: &PlanWindow<'_>, job: &Job) -> Result<Plan, PlanError> {
    error::check_power(job.power_w)?;
    curve::check_fits(window, job.duration_ns)?;
    let (slots, cost) = if job.interruptible {
        if job.duration_ns > window.known_ns() {
            return Err(window.gap());
        }
        cheapest::cheapest(window, job.duration_ns)
    } else {
        let (slot, cost) = contiguous::contiguous(window, job.duration_ns).ok_or_else(|| window.gap())?;
        (vec![slot], cost)
    };
    let (from_ns, to_ns) = (window.from_ns(), window.from_ns() + job.duration_ns);
    let now = window.is_known(from_ns, to_ns).then(|| window.integral(from_ns, to_ns));
    let (grams, now_grams) = (curve::grams(cost, job.power_w), now.map(|now| curve::grams(now, job.power_w)));
    Ok(Plan { slots, grams, now_grams, bound_grams: grams, work_grams: None })
}

//! When, where and how wide to run: plans over a known or forecast intensity. Pure functions; no file, no clock.
//!
//! A [`Curve`] is a series made ready; a [`Window`] of it runs from a job's release to its deadline, which no plan
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
//! let curve = plan::Curve::new(&series);
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
mod labels;
mod machines;
mod queue;
mod rank;
mod regret;
mod rest;
mod scaling;
mod whole;
mod wrap;

pub use advisor::{Advice, Advisor, Pace, Signal};
pub use curve::{Curve, Window};
pub use elastic::elastic;
pub use error::PlanError;
pub use machines::{Shared, share_machines};
pub use queue::{Queued, duration_ns, parse_jobs, read_jobs};
pub use rank::{Candidate, Ranked, rank, transfer_grams};
pub use regret::{Regret, regret, worst_regret_percent};
pub use scaling::{Level, Scaling};
pub use whole::{Costs, whole_slots};

/// Nanoseconds in an hour.
pub const HOUR_NS: i64 = 3_600_000_000_000;

/// A job of fixed width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// How long it runs, nanoseconds; above 0.
    pub duration_ns: i64,
    /// What it draws while it runs, watts; finite, not negative. PUE is the caller's to multiply.
    pub power_w: f64,
    /// Whether it may pause and resume at no cost.
    pub interruptible: bool,
}

/// A stretch of time in which a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Workers that run; at least 1.
    pub workers: u32,
}

/// When a job runs, and what that weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of time; adjacent ones of one width are merged. Never empty.
    pub slots: Vec<PlanSlot>,
    /// Grams CO2e of the plan.
    pub grams: f64,
    /// Grams CO2e of the same job begun at the window's start; `None` where the intensity of that time is not known.
    pub now_grams: Option<f64>,
    /// Grams CO2e that no plan of this class falls below; equal to `grams` where the optimum is found exactly.
    pub bound_grams: f64,
    /// Elastic plans: grams CO2e of the last unit of work (throughput times hours), for an [`Advisor`].
    pub work_grams: Option<f64>,
}

impl Plan {
    /// When the job begins, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn from_ns(&self) -> i64 {
        self.slots.first().map_or(0, |slot| slot.from_ns)
    }

    /// When the job ends, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.slots.last().map_or(0, |slot| slot.to_ns)
    }

    /// How much less than now, percent of now; 0 where now emits nothing, `None` where that is not known.
    #[must_use]
    pub fn saving_percent(&self) -> Option<f64> {
        saving_percent(self.grams, self.now_grams)
    }
}

/// How much less `grams` are than `now_grams`, percent of these; 0 where these are 0, `None` where they are not known.
#[must_use]
pub fn saving_percent(grams: f64, now_grams: Option<f64>) -> Option<f64> {
    now_grams.map(|now_grams| if now_grams > 0.0 { 100.0 * (now_grams - grams) / now_grams } else { 0.0 })
}

/// The plan of least grams for a job of fixed width: the cheapest parts of the window where it may be interrupted
/// (fractions of slots included), else the cheapest stretch, which may begin anywhere, not only where a slot does.
///
/// # Errors
/// [`PlanError`] where the job does not fit, or a figure makes no sense.
pub fn plan(window: &Window<'_>, job: &Job) -> Result<Plan, PlanError> {
    error::check_power(job.power_w)?;
    error::check_fits(window, job.duration_ns)?;
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

/// Appends a stretch; joins it with the last one where they touch and are equally wide.
pub(crate) fn push(slots: &mut Vec<PlanSlot>, slot: PlanSlot) {
    match slots.last_mut() {
        Some(last) if last.to_ns == slot.from_ns && last.workers == slot.workers => last.to_ns = slot.to_ns,
        _ if slot.from_ns < slot.to_ns => slots.push(slot),
        _ => {}
    }
}

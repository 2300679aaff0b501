//! Advises a running job how many workers to use now: more while electricity is clean, fewer while it is not. It
//! follows a plan and avoids changing to and fro.
//!
//! A plan states how much the last unit of its work emits ([`Plan::work_grams`](super::Plan::work_grams)), which is the
//! price of work here. The *hull* of a profile lists the steps from fewer to more workers, each with its power per unit
//! of throughput (see [`Scaling`]). A step is taken while the current intensity times that power is below the price. A
//! band around the price (hysteresis) and a pause after each change (cooldown, never shorter than a change takes) keep
//! the advice steady. The number of workers is from 1 to the maximum; the advisor never pauses the job.

use super::scaling::HullStep;
use super::{PlanError, Scaling, error::check};

/// The largest number of workers that is ever advised, so that a wrong profile cannot ask for an unlimited number.
const WIDEST: u32 = 32;

/// How quickly advice may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JobPace {
    /// Maximum number of workers, 1 to 32.
    pub most: u32,
    /// Minimum time between two changes, nanoseconds; 30 s by default.
    pub cooldown_ns: u64,
    /// Time that a change takes (checkpoint and restore), nanoseconds; the cooldown is never shorter.
    pub checkpoint_ns: u64,
    /// Half the width of the band in which nothing changes, as a share of the price; 0 to below 1, 0.1 by default.
    pub hysteresis: f64,
}

impl Default for JobPace {
    fn default() -> Self {
        Self { most: WIDEST, cooldown_ns: 30_000_000_000, checkpoint_ns: 0, hysteresis: 0.1 }
    }
}

/// The current intensity and the price of the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanSignal {
    /// Current intensity, grams CO2e per kilowatt-hour; NaN if unknown, which changes nothing.
    pub g_per_kwh: f64,
    /// Emissions that a unit of work may cause, grams CO2e, from the plan.
    pub work_grams: f64,
}

/// The advice of an [`Advisor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanAdvice {
    /// Workers to run.
    pub workers: u32,
    /// Whether that differs from the advice before.
    pub changed: bool,
}

/// Advises the number of workers over time.
#[derive(Debug, Clone)]
pub struct Advisor {
    steps: Vec<HullStep>,
    pace: JobPace,
    workers: u32,
    now_ns: u64,
    changed_ns: Option<u64>,
}

impl Advisor {
    /// Returns an advisor that starts at the fewest workers of the profile.
    ///
    /// # Errors
    /// [`PlanError::Range`] for a pace out of range, or a profile whose fewest workers exceed the maximum.
    pub fn new(scaling: &Scaling, pace: JobPace) -> Result<Self, PlanError> {
        check(f64::from(pace.most), "the most workers", |most| (1.0..=f64::from(WIDEST)).contains(&most), "1 to 32")?;
        check(pace.hysteresis, "hysteresis", |share| (0.0..1.0).contains(&share), "0 to below 1")?;
        let steps: Vec<HullStep> = scaling.hull().iter().filter(|step| step.to <= pace.most).copied().collect();
        let workers = steps.first().map_or(0, |step| step.to);
        check(f64::from(workers), "the profile's fewest workers", |workers| workers > 0.0, "at most the most workers")?;
        Ok(Self { steps, pace, workers, now_ns: 0, changed_ns: None })
    }

    /// Returns the current number of workers.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.workers
    }

    /// Returns the advice at `now_ns` of the monotonic clock. A time before that of the last call counts as the last
    /// one.
    pub fn advise(&mut self, now_ns: u64, signal: PlanSignal) -> PlanAdvice {
        self.now_ns = self.now_ns.max(now_ns);
        let wanted = self.wanted(signal);
        if wanted == self.workers || self.is_cooling_down() {
            return PlanAdvice { workers: self.workers, changed: false };
        }
        (self.workers, self.changed_ns) = (wanted, Some(self.now_ns));
        PlanAdvice { workers: wanted, changed: true }
    }

    /// Whether the last change was too short a time ago for another one.
    fn is_cooling_down(&self) -> bool {
        let pause_ns = self.pace.cooldown_ns.max(self.pace.checkpoint_ns);
        self.changed_ns.is_some_and(|changed_ns| self.now_ns - changed_ns < pause_ns)
    }

    /// Returns the wanted number of workers. A step is added if it is clearly below the price, and removed if it is
    /// clearly above; the first step stays.
    fn wanted(&self, signal: PlanSignal) -> u32 {
        let taken = |step: &HullStep| step.to <= self.workers;
        let limit = |step: &HullStep| match taken(step) {
            true => signal.work_grams * (1.0 + self.pace.hysteresis),
            false => signal.work_grams * (1.0 - self.pace.hysteresis),
        };
        let grams = |step: &HullStep| signal.g_per_kwh * step.slope() / 1000.0;
        if !signal.g_per_kwh.is_finite() || !signal.work_grams.is_finite() {
            return self.workers;
        }
        let worth = self.steps.iter().skip(1).take_while(|step| grams(step) <= limit(step));
        worth.last().or(self.steps.first()).map_or(self.workers, |step| step.to)
    }
}

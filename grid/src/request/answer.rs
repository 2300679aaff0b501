//! From a request to its plans.

use std::fmt;
use std::path::Path;

use super::{PlanRequest, RequestError};
use crate::plan::{
    IntensityCurve, Job, Plan, PlanError, PlanWindow, QueuedJob, RankedZone, Scaling, elastic, plan, read_jobs,
    share_machines, whole_slots,
};
use crate::{FileError, FileFault, FilePlace, IntensityKind, Pue, utc};

/// What a job draws where nobody says, watts: then grams are those of each kilowatt.
const PLAIN_W: f64 = 1000.0;

/// What was planned.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAnswer {
    /// The plans.
    pub outcome: PlanOutcome,
    /// What the series says its figures count; `None`: it does not.
    pub kind: Option<IntensityKind>,
    /// What was assumed or left out.
    pub notes: Vec<PlanNote>,
}

/// One plan, a queue's, or one for every zone.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanOutcome {
    /// One job.
    One {
        /// Its plan.
        plan: Plan,
        /// The earliest begin, nanoseconds since 1970 UTC.
        from_ns: i64,
    },
    /// Jobs and their plans, in the order of the file.
    Queue(Vec<(QueuedJob, Plan)>),
    /// Zones, the best first.
    Zones(Vec<RankedZone>),
}

/// What was assumed or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanNote {
    /// Nobody said what the job draws.
    PlainPower,
    /// The profile brought its own power.
    PowerNotUsed,
    /// The series ends before the deadline; its end, nanoseconds since 1970 UTC.
    SeriesEnds(i64),
    /// So many jobs' deadlines lie after the series' end, nanoseconds since 1970 UTC.
    DeadlinesAfter(usize, i64),
    /// The intensity is not known for so many minutes of the window.
    Unknown(u64),
    /// This zone's intensity is not known for long enough.
    ZoneUnknown(String),
}

impl fmt::Display for PlanNote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainPower => out.write_str("no --power: grams are those of a job that draws 1000 W"),
            Self::PowerNotUsed => out.write_str("the profile has a column of power: --power is not used"),
            Self::SeriesEnds(at_ns) => {
                let at = utc(*at_ns);
                write!(out, "the series ends at {at}, before the deadline: nothing after it is considered")
            }
            Self::DeadlinesAfter(count, at_ns) => {
                let at = utc(*at_ns);
                write!(out, "{count} deadlines lie after the end of the series, {at}: planned up to there")
            }
            Self::Unknown(minutes) => {
                write!(out, "the intensity is not known for {minutes} minutes of the window: no plan runs in them")
            }
            Self::ZoneUnknown(zone) => {
                write!(out, "{zone}: its intensity is not known for long enough, so it is not ranked")
            }
        }
    }
}

impl PlanRequest {
    /// Reads the files and plans.
    ///
    /// # Errors
    /// [`RequestError`] for files that cannot be used, naming line and remedy, and for jobs that do not fit.
    pub fn answer(&self) -> Result<PlanAnswer, RequestError> {
        self.check()?;
        let mut notes = Vec::new();
        if self.power_w.is_none() && self.width.profile.is_none() {
            notes.push(PlanNote::PlainPower);
        }
        let (outcome, kind) = match (&self.jobs, self.rank) {
            (Some(jobs), _) => self.queue(jobs, &mut notes)?,
            (None, true) => self.zones(&mut notes)?,
            (None, false) => self.one(&mut notes)?,
        };
        Ok(PlanAnswer { outcome, kind, notes })
    }

    /// What parts of the request cannot mean together.
    fn check(&self) -> Result<(), RequestError> {
        let may_pause = self.interruptible || self.width.profile.is_some();
        if self.in_whole_slots() && !may_pause {
            let what = "--whole-slots, --start-cost and --switch-cost are for jobs that may pause";
            return Err(RequestError::Asked(format!("{what}: add --interruptible or --profile")));
        }
        Ok(())
    }

    fn one(&self, notes: &mut Vec<PlanNote>) -> Result<(PlanOutcome, Option<IntensityKind>), RequestError> {
        let curve = self.series.one(self.zone.as_deref())?;
        let (from_ns, to_ns) = self.times(&curve, notes);
        let planned = curve.window(from_ns, to_ns).and_then(|window| Ok((window, self.power()?)));
        let (window, power_w) = planned.map_err(|error| self.refused(error))?;
        let unknown_ns = (window.to_ns() - window.from_ns() - window.known_ns()).unsigned_abs();
        if unknown_ns > 0 {
            notes.push(PlanNote::Unknown(unknown_ns.div_ceil(60_000_000_000)));
        }
        let scaling = self.scaling(power_w, notes)?;
        let plan = self.best(&window, scaling.as_ref(), power_w).map_err(|error| self.refused(error))?;
        Ok((PlanOutcome::One { plan, from_ns }, curve.kind()))
    }

    fn best(&self, window: &PlanWindow<'_>, scaling: Option<&Scaling>, power_w: f64) -> Result<Plan, PlanError> {
        let job = self.job(power_w);
        match scaling {
            Some(scaling) if self.in_whole_slots() => whole_slots(window, scaling, self.costs(), job.duration_ns),
            Some(scaling) => elastic(window, scaling, job.duration_ns),
            None if self.in_whole_slots() => {
                whole_slots(window, &Scaling::one_worker(power_w)?, self.costs(), job.duration_ns)
            }
            None => plan(window, &job),
        }
    }

    fn queue(
        &self,
        jobs: &Path,
        notes: &mut Vec<PlanNote>,
    ) -> Result<(PlanOutcome, Option<IntensityKind>), RequestError> {
        let curve = self.series.one(self.zone.as_deref())?;
        let power_w = self.power().map_err(|error| self.refused(error))?;
        let queue = read_jobs(jobs, power_w)?;
        let open = queue.iter().filter(|job| job.deadline_ns > curve.to_ns()).count();
        if open > 0 {
            notes.push(PlanNote::DeadlinesAfter(open, curve.to_ns()));
        }
        let alone = |job: &QueuedJob| job.plan(&curve).map_err(|error| of_job(jobs, job, &error));
        let plans: Vec<Plan> = match self.machines {
            None => queue.iter().map(alone).collect::<Result<_, _>>()?,
            Some(machines) => share_machines(&curve, &queue, machines).map(|shared| shared.plans).map_err(|error| {
                let job = if let PlanError::NoMachine { job, .. } = error { queue.get(job) } else { None };
                job.map_or_else(|| self.refused(error.clone()), |job| of_job(jobs, job, &error))
            })?,
        };
        Ok((PlanOutcome::Queue(queue.into_iter().zip(plans).collect()), curve.kind()))
    }

    pub(super) fn job(&self, power_w: f64) -> Job {
        Job { duration_ns: self.duration_ns.unwrap_or_default(), power_w, interruptible: self.interruptible }
    }

    /// From the start to the deadline, or to the end of the series where that comes first and the job still fits.
    pub(super) fn times(&self, curve: &IntensityCurve, notes: &mut Vec<PlanNote>) -> (i64, i64) {
        let from_ns = self.start_ns.unwrap_or(curve.from_ns());
        let to_ns = from_ns.saturating_add(self.within_ns.unwrap_or_default());
        if to_ns <= curve.to_ns() || self.duration_ns > self.within_ns || from_ns >= curve.to_ns() {
            return (from_ns, to_ns);
        }
        notes.push(PlanNote::SeriesEnds(curve.to_ns()));
        (from_ns, curve.to_ns())
    }

    /// Power of the facility, watts: PUE is applied here, once.
    pub(super) fn power(&self) -> Result<f64, PlanError> {
        Ok(self.power_w.unwrap_or(PLAIN_W) * Pue::new(self.pue)?.get())
    }

    /// The profile, its own power multiplied by PUE too.
    fn scaling(&self, power_w: f64, notes: &mut Vec<PlanNote>) -> Result<Option<Scaling>, RequestError> {
        let Some(path) = self.profile() else { return Ok(None) };
        let scaling = Scaling::read(path, power_w)?;
        if !scaling.has_power() {
            return Ok(Some(scaling));
        }
        if self.power_w.is_some() {
            notes.push(PlanNote::PowerNotUsed);
        }
        Ok(Some(scaling.with_power_times(self.pue).map_err(|error| self.refused(error))?))
    }

    pub(super) fn refused(&self, error: PlanError) -> RequestError {
        RequestError::of_plan(&self.series.name(), error)
    }
}

fn of_job(file: &Path, job: &QueuedJob, error: &PlanError) -> RequestError {
    let reason = match error.place() {
        FilePlace::Whole => error.to_string(),
        place => format!("{error} (series{place})"),
    };
    let fault = FileFault::Job { id: job.id.clone(), reason };
    FileError { file: file.display().to_string(), place: job.place, fault }.into()
}

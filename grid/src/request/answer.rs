//! Turns a request for a plan into the plans, and the plans into the JSON that `eco2 plan --json` prints.

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{PlanRequest, RequestError};
use crate::plan::{
    IntensityCurve, Job, Plan, PlanError, PlanSlot, PlanWindow, QueuedJob, RankedZone, Scaling, ZoneCandidate, elastic,
    plan, rank, read_jobs, saving_percent, share_machines, transfer_grams, whole_slots,
};
use crate::{FileError, FileFault, FilePlace, IntensityKind, Pue, utc};

/// Default power of a job, watts; the grams are then those per kilowatt.
const PLAIN_W: f64 = 1000.0;

/// The answer to a request: the plans with notes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAnswer {
    /// The plans.
    pub outcome: PlanOutcome,
    /// The kind that the series states; `None` if it does not.
    pub kind: Option<IntensityKind>,
    /// Assumptions and omissions.
    pub notes: Vec<PlanNote>,
}

/// The plan of one job, the plans of a queue, or a plan for every zone.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanOutcome {
    /// One job.
    One {
        /// Its plan.
        plan: Plan,
        /// Earliest start, nanoseconds since 1970 UTC.
        from_ns: i64,
    },
    /// Jobs and their plans, in the order of the file.
    Queue(Vec<(QueuedJob, Plan)>),
    /// Zones, the one with the lowest emissions first.
    Zones(Vec<RankedZone>),
}

/// An assumption or an omission of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanNote {
    /// The power of the job is not stated, and 1000 W is assumed.
    PlainPower,
    /// The profile has a column of power, so that the stated power is not used.
    PowerNotUsed,
    /// The series ends before the deadline; its end, nanoseconds since 1970 UTC.
    SeriesEnds(i64),
    /// Number of jobs with a deadline after the end of the series, and that end, nanoseconds since 1970 UTC.
    DeadlinesAfter(usize, i64),
    /// Minutes of the window with an unknown intensity.
    Unknown(u64),
    /// The known intensities of this zone do not suffice.
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
    /// [`RequestError`] for a file with a fault, with its line and a remedy, and for a job that does not fit.
    pub fn answer(&self) -> Result<PlanAnswer, RequestError> {
        self.check()?;
        let mut notes = Vec::new();
        if self.power_w.is_none() && self.width.profile.is_none() {
            notes.push(PlanNote::PlainPower);
        }
        let (outcome, kind) = match (&self.jobs, self.rank) {
            (Some(jobs), _) => self.queue(jobs, &mut notes)?,
            (None, true) => self.zones(&mut notes)?,
            (None, false) => self.plan_one(&mut notes)?,
        };
        Ok(PlanAnswer { outcome, kind, notes })
    }

    /// Checks that the parts of the request do not contradict each other.
    fn check(&self) -> Result<(), RequestError> {
        let may_pause = self.interruptible || self.width.profile.is_some();
        if self.in_whole_slots() && !may_pause {
            let what = "--whole-slots, --start-cost and --switch-cost are for jobs that may pause";
            return Err(RequestError::Asked(format!("{what}: add --interruptible or --profile")));
        }
        Ok(())
    }

    /// Plans one job in one zone; returns the plan and the kind of the intensities.
    fn plan_one(&self, notes: &mut Vec<PlanNote>) -> Result<(PlanOutcome, Option<IntensityKind>), RequestError> {
        let curve = self.series.read_column(self.zone.as_deref())?;
        let (from_ns, to_ns) = self.times(&curve, notes);
        let planned = curve.window(from_ns, to_ns).and_then(|window| Ok((window, self.power()?)));
        let (window, power_w) = planned.map_err(|error| self.refused(error))?;
        let unknown_ns = (window.to_ns() - window.from_ns() - window.known_ns()).unsigned_abs();
        if unknown_ns > 0 {
            notes.push(PlanNote::Unknown(unknown_ns.div_ceil(60_000_000_000)));
        }
        let scaling = self.scaling(power_w, notes)?;
        let plan = self.best(&window, scaling.as_ref(), power_w).map_err(|error| self.refused(error))?;
        Ok((PlanOutcome::One { plan, from_ns }, curve.kind))
    }

    /// Returns the best plan of the job in a window, by the planner that the request needs.
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

    /// Plans the jobs of a file; returns their plans and the kind of the intensities.
    fn queue(
        &self,
        jobs: &Path,
        notes: &mut Vec<PlanNote>,
    ) -> Result<(PlanOutcome, Option<IntensityKind>), RequestError> {
        let curve = self.series.read_column(self.zone.as_deref())?;
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
        Ok((PlanOutcome::Queue(queue.into_iter().zip(plans).collect()), curve.kind))
    }

    /// Returns the job of the request.
    pub(super) fn job(&self, power_w: f64) -> Job {
        Job { duration_ns: self.duration_ns.unwrap_or_default(), power_w, interruptible: self.interruptible }
    }

    /// Returns the earliest start and deadline. If the series ends before the deadline and the job still fits, its end
    /// is the deadline.
    pub(super) fn times(&self, curve: &IntensityCurve, notes: &mut Vec<PlanNote>) -> (i64, i64) {
        let from_ns = self.start_ns.unwrap_or(curve.from_ns());
        let to_ns = from_ns.saturating_add(self.within_ns.unwrap_or_default());
        if to_ns <= curve.to_ns() || self.duration_ns > self.within_ns || from_ns >= curve.to_ns() {
            return (from_ns, to_ns);
        }
        notes.push(PlanNote::SeriesEnds(curve.to_ns()));
        (from_ns, curve.to_ns())
    }

    /// Returns the power of the job at the facility, watts. PUE is applied here, once.
    pub(super) fn power(&self) -> Result<f64, PlanError> {
        Ok(self.power_w.unwrap_or(PLAIN_W) * Pue::new(self.pue)?.get())
    }

    /// Returns the profile, with its power multiplied by PUE.
    fn scaling(&self, power_w: f64, notes: &mut Vec<PlanNote>) -> Result<Option<Scaling>, RequestError> {
        let Some(path) = self.profile() else { return Ok(None) };
        let scaling = Scaling::read(path, power_w)?;
        if !scaling.has_power {
            return Ok(Some(scaling));
        }
        if self.power_w.is_some() {
            notes.push(PlanNote::PowerNotUsed);
        }
        Ok(Some(scaling.with_power_times(self.pue).map_err(|error| self.refused(error))?))
    }

    /// Returns an error of planning as an error of the request, with the name of the series.
    pub(super) fn refused(&self, error: PlanError) -> RequestError {
        RequestError::from_plan(&self.series.name(), error)
    }
}

/// Returns an error of planning a job as an error of its line in the file of jobs.
fn of_job(file: &Path, job: &QueuedJob, error: &PlanError) -> RequestError {
    let reason = match error.place() {
        FilePlace::Whole => error.to_string(),
        place => format!("{error} (series{place})"),
    };
    let fault = FileFault::Job { id: job.id.clone(), reason };
    FileError { file: file.display().to_string(), place: job.place, fault }.into()
}

impl PlanRequest {
    /// Plans one job in every zone; returns the zones by emissions, and the kind of the intensities.
    pub(super) fn zones(
        &self,
        notes: &mut Vec<PlanNote>,
    ) -> Result<(PlanOutcome, Option<IntensityKind>), RequestError> {
        let curves = self.series.read_all()?;
        let none = || RequestError::Asked("the series has no column in addition to the time".to_owned());
        let (_, first) = curves.first().ok_or_else(none)?;
        let (from_ns, to_ns) = self.times(first, notes);
        let home = self.zone.as_ref().map(|zone| self.home(zone, &curves)).transpose()?;
        let ranked = self.ranked(home, &curves, from_ns, to_ns).map_err(|error| self.refused(error))?;
        let is_ranked = |name: &String| ranked.iter().any(|zone| zone.name == *name);
        let left_out = curves.iter().filter(|(name, _)| !is_ranked(name));
        notes.extend(left_out.map(|(name, _)| PlanNote::ZoneUnknown(name.clone())));
        Ok((PlanOutcome::Zones(ranked), first.kind))
    }

    /// Returns the zones by emissions, including those of moving the job from `home`.
    fn ranked(
        &self,
        home: Option<&IntensityCurve>,
        curves: &[(String, IntensityCurve)],
        from_ns: i64,
        to_ns: i64,
    ) -> Result<Vec<RankedZone>, PlanError> {
        let energy_kwh = self.transfer_kwh.unwrap_or_default();
        let candidates = curves.iter().map(|(name, curve)| {
            let transfer_grams = home.map_or(Ok(0.0), |home| transfer_grams(home, curve, from_ns, energy_kwh))?;
            Ok(ZoneCandidate { name, curve, transfer_grams })
        });
        let candidates = candidates.collect::<Result<Vec<_>, PlanError>>()?;
        rank(&candidates, from_ns, to_ns, &self.job(self.power()?))
    }

    /// Returns the intensities of the zone in which the job is now.
    fn home<'a>(&self, zone: &str, curves: &'a [(String, IntensityCurve)]) -> Result<&'a IntensityCurve, RequestError> {
        let found = curves.iter().find(|(name, _)| name == zone).map(|(_, curve)| curve);
        let names: Vec<&str> = curves.iter().map(|(name, _)| name.as_str()).collect();
        let missing = || format!("{}: no column {zone:?}; there are: {}", self.series.name(), names.join(", "));
        found.ok_or_else(|| RequestError::Asked(missing()))
    }
}

impl PlanAnswer {
    /// Returns one plan: `start`, `slots`, `grams`, `grams_now`, `saving_percent`, `bound_grams`, `kind`. A queue:
    /// `jobs`, each with its `id`, and `total`. Zones: `zones`, each with `zone`, `transfer_grams` and `total_grams`.
    #[must_use]
    pub fn document(&self) -> Value {
        match &self.outcome {
            PlanOutcome::One { plan, .. } => Value::Object(of_plan(plan, self.kind)),
            PlanOutcome::Queue(queue) => self.queue(queue),
            PlanOutcome::Zones(zones) => {
                let zones: Vec<Value> = zones.iter().map(|zone| of_zone(zone, self.kind)).collect();
                json!({"zones": zones})
            }
        }
    }

    fn queue(&self, queue: &[(QueuedJob, Plan)]) -> Value {
        let job = |(job, plan): &(QueuedJob, Plan)| {
            let mut object = Map::from_iter([("id".to_owned(), json!(job.id))]);
            object.extend(of_plan(plan, self.kind));
            Value::Object(object)
        };
        let jobs: Vec<Value> = queue.iter().map(job).collect();
        let (grams, now_grams) = totals(queue);
        let total = json!({"grams": grams, "grams_now": now_grams, "saving_percent": saving_percent(grams, now_grams)});
        json!({"jobs": jobs, "total": total})
    }
}

impl PlanOutcome {
    /// Returns the grams of all plans, and of the same jobs started at once; `None` if that is unknown for one of them.
    #[must_use]
    pub fn totals(&self) -> (f64, Option<f64>) {
        match self {
            Self::One { plan, .. } => (plan.grams, plan.now_grams),
            Self::Queue(queue) => totals(queue),
            Self::Zones(zones) => zones.first().map_or((0.0, Some(0.0)), |zone| (zone.plan.grams, zone.plan.now_grams)),
        }
    }
}

fn totals(queue: &[(QueuedJob, Plan)]) -> (f64, Option<f64>) {
    let plans = || queue.iter().map(|(_, plan)| plan);
    (plans().fold(0.0, |sum, plan| sum + plan.grams), plans().map(|plan| plan.now_grams).sum())
}

fn of_zone(zone: &RankedZone, kind: Option<IntensityKind>) -> Value {
    let mut object = Map::from_iter([("zone".to_owned(), json!(zone.name))]);
    object.extend(of_plan(&zone.plan, kind));
    object.insert("transfer_grams".to_owned(), json!(zone.transfer_grams));
    object.insert("total_grams".to_owned(), json!(zone.total_grams));
    Value::Object(object)
}

/// Returns the keys of a plan.
fn of_plan(plan: &Plan, kind: Option<IntensityKind>) -> Map<String, Value> {
    let slot = |slot: &PlanSlot| json!({"from": utc(slot.from_ns), "to": utc(slot.to_ns), "workers": slot.workers});
    let keys = [
        ("start", json!(utc(plan.from_ns()))),
        ("slots", plan.slots.iter().map(slot).collect()),
        ("grams", json!(plan.grams)),
        ("grams_now", json!(plan.now_grams)),
        ("saving_percent", json!(plan.saving_percent())),
        ("bound_grams", json!(plan.bound_grams)),
        ("kind", json!(kind.map(IntensityKind::as_str))),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

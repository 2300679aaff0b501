//! `eco2 plan`: when to run, how wide and where, for least grams.

mod show;

use anyhow::Error;
use eco2_grid::plan::{
    Candidate, Costs, Curve, HOUR_NS, Job, Plan, PlanError, Queued, Ranked, Scaling, Window, elastic, plan as of_job,
    rank, read_jobs, share_machines, transfer_grams, whole_slots,
};
use eco2_grid::{FileError, FileFault, Place, Pue, Series, utc};

use crate::args::PlanArgs;
use crate::failure::Usage;
use crate::out;

/// What a job draws where nobody says, watts: then grams are those of each kilowatt.
const PLAIN_W: f64 = 1000.0;
/// Microjoules in a watt-hour.
const UJ_PER_WH: f64 = 3.6e9;

/// Plans one job, a queue, or one job in every zone.
///
/// # Errors
/// For files that cannot be used, naming line and remedy, and for jobs that do not fit.
pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<u8> {
    if args.power.is_none() && args.more.profile.is_none() {
        talk("no --power: grams are those of a job that draws 1000 W");
    }
    check(args)?;
    let text = match (&args.jobs, args.more.rank) {
        (Some(jobs), _) => queue(args, jobs)?,
        (None, true) => zones(args)?,
        (None, false) => one(args)?,
    };
    out::data(&text)?;
    Ok(0)
}

/// What the flags cannot mean together.
fn check(args: &PlanArgs) -> Result<(), Usage> {
    let may_pause = args.interruptible || args.more.profile.is_some();
    if in_whole_slots(args) && !may_pause {
        let what = "--whole-slots, --start-cost and --switch-cost are for jobs that may pause";
        return Err(Usage(format!("{what}: add --interruptible or --profile")));
    }
    Ok(())
}

fn in_whole_slots(args: &PlanArgs) -> bool {
    args.more.whole_slots || args.more.start_cost.is_some() || args.more.switch_cost.is_some()
}

fn one(args: &PlanArgs) -> anyhow::Result<String> {
    let curve = curve(args)?;
    let (from_ns, to_ns) = times(args, &curve);
    let planned = curve.window(from_ns, to_ns).and_then(|window| Ok((window, power(args)?)));
    let (window, power_w) = planned.map_err(|error| refused(args, error))?;
    let scaling = scaling(args, power_w)?;
    let found = best(args, &window, scaling.as_ref(), power_w).map_err(|error| refused(args, error))?;
    let kind = curve.kind();
    Ok(if args.json { show::document(&found, kind) } else { show::page(&found, from_ns, kind) })
}

fn best(args: &PlanArgs, window: &Window<'_>, scaling: Option<&Scaling>, power_w: f64) -> Result<Plan, PlanError> {
    let duration_ns = args.duration.unwrap_or_default();
    match scaling {
        Some(scaling) if in_whole_slots(args) => whole_slots(window, scaling, costs(args), duration_ns),
        Some(scaling) => elastic(window, scaling, duration_ns),
        None if in_whole_slots(args) => whole_slots(window, &Scaling::one_worker(power_w)?, costs(args), duration_ns),
        None => of_job(window, &Job { duration_ns, power_w, interruptible: args.interruptible }),
    }
}

fn zones(args: &PlanArgs) -> anyhow::Result<String> {
    let series = Series::read_all(&args.series)?;
    let curves: Vec<(String, Curve)> = series.iter().map(|(name, series)| (name.clone(), Curve::new(series))).collect();
    let (_, first) = curves.first().ok_or_else(|| Usage("the series has no column beside the time".into()))?;
    let (from_ns, to_ns) = times(args, first);
    let ranked = ranked(args, &curves, from_ns, to_ns)?;
    let kind = first.kind();
    Ok(if args.json { show::zones_document(&ranked, kind) } else { show::zones_page(&ranked, kind) })
}

fn ranked(args: &PlanArgs, curves: &[(String, Curve)], from_ns: i64, to_ns: i64) -> anyhow::Result<Vec<Ranked>> {
    let home = args.zone.as_ref().map(|zone| home(args, zone, curves)).transpose()?;
    let energy_kwh = args.more.transfer.unwrap_or_default();
    let transfer = |to| home.map_or(Ok(0.0), |home| transfer_grams(home, to, from_ns, energy_kwh));
    let ranked = || {
        let candidates = curves.iter().map(|(name, curve)| {
            let transfer_grams = transfer(curve)?;
            Ok(Candidate { name, curve, transfer_grams })
        });
        let candidates = candidates.collect::<Result<Vec<_>, PlanError>>()?;
        let (duration_ns, power_w) = (args.duration.unwrap_or_default(), power(args)?);
        rank(&candidates, from_ns, to_ns, &Job { duration_ns, power_w, interruptible: args.interruptible })
    };
    ranked().map_err(|error| refused(args, error))
}

fn home<'a>(args: &PlanArgs, zone: &str, curves: &'a [(String, Curve)]) -> anyhow::Result<&'a Curve> {
    let found = curves.iter().find(|(name, _)| name == zone).map(|(_, curve)| curve);
    let names: Vec<&str> = curves.iter().map(|(name, _)| name.as_str()).collect();
    let missing = || format!("{}: no column {zone:?}; there are: {}", args.series.display(), names.join(", "));
    found.ok_or_else(|| Usage(missing()).into())
}

fn queue(args: &PlanArgs, jobs: &std::path::Path) -> anyhow::Result<String> {
    let curve = curve(args)?;
    let power_w = power(args).map_err(|error| refused(args, error))?;
    let queue = read_jobs(jobs, power_w)?;
    let open = queue.iter().filter(|job| job.deadline_ns > curve.to_ns()).count();
    if open > 0 {
        talk(&format!("{open} deadlines lie after the end of the series, {}: planned up to there", utc(curve.to_ns())));
    }
    let plans = match args.more.machines {
        None => queue.iter().map(|job| job.plan(&curve).map_err(|error| of_job_in(jobs, job, &error))).collect(),
        Some(machines) => share_machines(&curve, &queue, machines).map(|shared| shared.plans).map_err(|error| {
            let job = if let PlanError::NoMachine { job, .. } = error { queue.get(job) } else { None };
            job.map_or_else(|| refused(args, error.clone()), |job| of_job_in(jobs, job, &error))
        }),
    };
    let plans: Vec<Plan> = plans?;
    let kind = curve.kind();
    Ok(if args.json { show::queue_document(&queue, &plans, kind) } else { show::queue_page(&queue, &plans, kind) })
}

fn curve(args: &PlanArgs) -> anyhow::Result<Curve> {
    match Series::read(&args.series, args.zone.as_deref()) {
        Ok(series) => Ok(Curve::new(&series)),
        Err(error @ FileError { fault: FileFault::NoColumn { .. } | FileFault::WhichColumn { .. }, .. }) => {
            Err(Usage(error.to_string()).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// From the start to the deadline, or to the end of the series where that comes first and the job still fits.
fn times(args: &PlanArgs, curve: &Curve) -> (i64, i64) {
    let from_ns = args.start.unwrap_or(curve.from_ns());
    let to_ns = from_ns.saturating_add(args.within.unwrap_or_default());
    if to_ns <= curve.to_ns() || args.duration > args.within || from_ns >= curve.to_ns() {
        return (from_ns, to_ns);
    }
    talk(&format!("the series ends at {}, before the deadline: nothing after it is considered", utc(curve.to_ns())));
    (from_ns, curve.to_ns())
}

/// Power of the facility, watts: PUE is applied here, once.
fn power(args: &PlanArgs) -> Result<f64, PlanError> {
    Ok(args.power.unwrap_or(PLAIN_W) * Pue::new(args.pue)?.get())
}

fn costs(args: &PlanArgs) -> Costs {
    let uj = |wh: Option<f64>| (wh.unwrap_or_default() * args.pue * UJ_PER_WH).round() as u64;
    Costs { start_uj: uj(args.more.start_cost), switch_uj: uj(args.more.switch_cost) }
}

/// The profile, its own power multiplied by PUE too.
fn scaling(args: &PlanArgs, power_w: f64) -> anyhow::Result<Option<Scaling>> {
    let Some(path) = &args.more.profile else { return Ok(None) };
    let scaling = Scaling::read(path, power_w)?;
    if !scaling.has_power() {
        return Ok(Some(scaling));
    }
    if args.power.is_some() {
        talk("the profile has a column of power: --power is not used");
    }
    Ok(Some(scaling.with_power_times(args.pue)?))
}

/// What a plan was refused for: the place in the series where that is at fault, else the command line.
fn refused(args: &PlanArgs, error: PlanError) -> Error {
    match error.place() {
        Place::Whole => Usage(error.to_string()).into(),
        place => anyhow::anyhow!("{}{place}: {error}", args.series.display()),
    }
}

fn of_job_in(file: &std::path::Path, job: &Queued, error: &PlanError) -> Error {
    let reason = match error.place() {
        Place::Whole => error.to_string(),
        place => format!("{error} (series{place})"),
    };
    let fault = FileFault::Job { id: job.id.clone(), reason };
    FileError { file: file.display().to_string(), place: job.place, fault }.into()
}

fn talk(text: &str) {
    out::talk(&format!("eco2: {text}\n"));
}

/// Hours of a number of nanoseconds.
fn hours(ns: i64) -> f64 {
    ns as f64 / HOUR_NS as f64
}

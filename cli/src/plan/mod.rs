//! `eco2 plan`: when to run, how wide and where, for least grams. What is planned is the library's; here are flags and text.

mod forecast;
mod show;

use eco2::options::opt;
use eco2_grid::request::{JobWidth, PlanAnswer, PlanOutcome, PlanRequest, SeriesFrom};
use eco2_grid::utc;

use crate::args::PlanArgs;
use crate::out::document;
use crate::{failure, live, out};

/// Plans one job, a queue, or one job in every zone.
///
/// # Errors
/// For files that cannot be used, naming line and remedy, for jobs that do not fit, and providers without a forecast.
pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<u8> {
    let answer = request(args)?.answer().map_err(failure::of_request)?;
    for note in &answer.notes {
        out::talk(&format!("eco2: {note}\n"));
    }
    if let Some(note) = past(&answer.outcome, live::now_ns()) {
        out::talk(&format!("eco2: {note}\n"));
    }
    if args.json {
        out::data(&document(&answer.document()))?
    } else {
        out::page(&page(&answer))?
    };
    Ok(0)
}

/// A note about a plan that is over: all of it lies before now, nanoseconds since 1970 UTC.
fn past(outcome: &PlanOutcome, now_ns: i64) -> Option<String> {
    let end_ns = match outcome {
        PlanOutcome::One { plan, .. } => Some(plan.to_ns()),
        PlanOutcome::Queue(queue) => queue.iter().map(|(_, plan)| plan.to_ns()).max(),
        PlanOutcome::Zones(zones) => zones.iter().map(|zone| zone.plan.to_ns()).max(),
    };
    let end = utc(end_ns.filter(|end_ns| *end_ns <= now_ns)?);
    let flag = opt::INTENSITY_PROVIDER.flag_name();
    Some(format!("the plan ends in the past ({end}); use a series of the hours to come, or {flag}"))
}

fn page(answer: &PlanAnswer) -> String {
    match &answer.outcome {
        PlanOutcome::One { plan, from_ns } => show::page(plan, *from_ns, answer.kind),
        PlanOutcome::Queue(queue) => show::queue_page(queue, answer.outcome.totals(), answer.kind),
        PlanOutcome::Zones(zones) => show::zones_page(zones, answer.kind),
    }
}

fn request(args: &PlanArgs) -> anyhow::Result<PlanRequest> {
    let (series, start_ns) = match &args.series {
        Some(path) => (SeriesFrom::File(path.clone()), args.start),
        None => forecast::published(args)?,
    };
    Ok(PlanRequest {
        zone: args.zone.clone(),
        duration_ns: args.duration,
        within_ns: args.within,
        start_ns,
        interruptible: args.interruptible,
        power_w: args.power,
        pue: args.pue,
        width: JobWidth {
            profile: args.more.profile.clone(),
            whole_slots: args.more.whole_slots,
            start_cost_wh: args.more.start_cost,
            switch_cost_wh: args.more.switch_cost,
        },
        rank: args.more.rank,
        transfer_kwh: args.more.transfer,
        jobs: args.jobs.clone(),
        machines: args.more.machines,
        ..PlanRequest::new(series)
    })
}

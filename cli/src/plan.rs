//! Runs `eco2 plan`, which finds the time, place and number of workers with the lowest emissions for a job.
//!
//! The library plans; this file turns flags into its request, fetches published forecasts for `--provider`, and prints
//! the answer. *Published* are intensities that a provider gives for hours to come. A *queue* is several jobs of
//! `--jobs`.

use eco2::options::opt;
use eco2_grid::plan::{HOUR_NS, Plan, PlanSlot, QueuedJob, RankedZone, saving_percent};
use eco2_grid::provider::Coverage;
use eco2_grid::request::{JobWidth, PlanAnswer, PlanOutcome, PlanRequest, SeriesFrom};
use eco2_grid::{IntensityKind, Series, utc};

use crate::args::PlanArgs;
use crate::out::document;
use crate::{failure, live, out};

const SECOND_NS: i64 = 1_000_000_000;

/// Plans one job, a queue, or one job in every zone.
///
/// # Errors
/// For files that cannot be used (with the line and what to change), jobs that do not fit, and providers without a
/// forecast.
pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<u8> {
    let answer = request(args)?.answer().map_err(failure::from_request)?;
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

/// Returns a note if the whole plan lies before `now_ns` (nanoseconds since 1970 UTC).
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

/// Returns the answer as text.
fn page(answer: &PlanAnswer) -> String {
    match &answer.outcome {
        PlanOutcome::One { plan, from_ns } => plan_page(plan, *from_ns, answer.kind),
        PlanOutcome::Queue(queue) => queue_page(queue, answer.outcome.totals(), answer.kind),
        PlanOutcome::Zones(zones) => zones_page(zones, answer.kind),
    }
}

/// Makes the library's request from the flags.
fn request(args: &PlanArgs) -> anyhow::Result<PlanRequest> {
    let (series, start_ns) = match &args.series {
        Some(path) => (SeriesFrom::File(path.clone()), args.start),
        None => published(args)?,
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

/// Returns the published intensities between start and deadline, and the start: `--start`, else now. Whole hours are
/// requested, so that slots are the provider's own.
///
/// # Errors
/// If no provider can be queried, or none has values for that time.
fn published(args: &PlanArgs) -> anyhow::Result<(SeriesFrom, Option<i64>)> {
    let start_ns = args.start.unwrap_or_else(next_second);
    let end_ns = start_ns.saturating_add(args.within.unwrap_or_default());
    let (from_ns, to_ns) = (whole_hours(start_ns), whole_hours(end_ns.saturating_add(HOUR_NS - 1)));
    let mut coverage = live::query(&args.provider, args.zone.as_deref(), from_ns, to_ns)?;
    for (provider, fault) in &coverage.faults {
        out::talk(&format!("eco2: {provider}: {fault}\n"));
    }
    // A provider that failed may have a cached answer whose last value is extended into the future: it is not a
    // forecast.
    let Coverage { parts, faults, .. } = &mut coverage;
    parts.retain(|part| faults.iter().all(|(provider, _)| *provider != part.provider));
    let series = Series::published(&coverage).map_err(failure::from_request)?;
    let name = args.provider.text(&opt::INTENSITY_PROVIDER).unwrap_or_default().to_owned();
    out::talk(&format!("eco2: {name} publishes intensities up to {}\n", utc(series.to_ns())));
    Ok((SeriesFrom::Known { name, series }, Some(start_ns)))
}

/// Returns the start of the next second: times in answers are whole seconds.
fn next_second() -> i64 {
    (live::now_ns().div_euclid(SECOND_NS) + 1) * SECOND_NS
}

/// Rounds an instant down to the hour, nanoseconds since 1970 UTC.
fn whole_hours(at_ns: i64) -> i64 {
    at_ns.div_euclid(HOUR_NS) * HOUR_NS
}

/// Returns the plan of one job as text.
fn plan_page(plan: &Plan, from_ns: i64, kind: Option<IntensityKind>) -> String {
    let less = match (plan.saving_percent(), plan.now_grams) {
        (Some(saving), Some(now_grams)) => format!("{saving:.2} % less than starting now ({} g)", figure(now_grams)),
        _ => "emissions of starting now are not known".to_owned(),
    };
    let mut rows = vec![
        (
            "Start",
            format!(
                "{}, {} h after the earliest start time",
                utc(plan.from_ns()),
                figure(hours(plan.from_ns() - from_ns))
            ),
        ),
        ("End", utc(plan.to_ns())),
        ("Carbon", format!("{} g CO2e, {less}", figure(plan.grams))),
        ("Bound", bound(plan)),
        ("Kind", kind.map_or_else(|| "not stated".to_owned(), |kind| kind.to_string())),
    ];
    let slot = |slot: &PlanSlot| {
        let workers = if slot.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", slot.workers) };
        ("Run", format!("{} to {}, {workers}", utc(slot.from_ns), utc(slot.to_ns)))
    };
    rows.extend(plan.slots.iter().map(slot));
    rows.iter().map(|(label, fact)| format!("{label:<8}{fact}\n")).collect()
}

/// Returns how much better another plan could be at most. A relative difference of 1e-9 is rounding, and the plan is
/// optimal.
fn bound(plan: &Plan) -> String {
    let above = plan.grams - plan.bound_grams;
    if above <= 1e-9 * plan.grams {
        return "optimal: no plan has lower emissions".to_owned();
    }
    format!(
        "no plan has less than {} g; at most {:.2} % could be gained",
        figure(plan.bound_grams),
        100.0 * above / plan.grams
    )
}

/// Returns the plans of a queue as text, one job per line.
fn queue_page(
    queue: &[(QueuedJob, Plan)],
    (grams, now_grams): (f64, Option<f64>),
    kind: Option<IntensityKind>,
) -> String {
    let widest = queue.iter().map(|(job, _)| job.id.chars().count()).max().unwrap_or(0).max("total".len());
    let line = |id: &str, start: &str, end: &str, grams: f64, saving: Option<f64>| {
        let saving = saving.map_or_else(|| "unknown".to_owned(), |saving| format!("{saving:.2}"));
        format!("{id:<widest$}  {start:<20}  {end:<20}  {:>14}  {saving:>7}\n", figure(grams))
    };
    let mut text = format!("{:<widest$}  {:<20}  {:<20}  {:>14}  {:>7}\n", "job", "start", "end", "g CO2e", "saved %");
    for (job, plan) in queue {
        text += &line(&job.id, &utc(plan.from_ns()), &utc(plan.to_ns()), plan.grams, plan.saving_percent());
    }
    text += &line("total", "", "", grams, saving_percent(grams, now_grams));
    text + &kind_line(kind)
}

/// Returns the plans of one job in several zones as text, lowest emissions first.
fn zones_page(zones: &[RankedZone], kind: Option<IntensityKind>) -> String {
    let widest = zones.iter().map(|zone| zone.name.chars().count()).max().unwrap_or(0).max("zone".len());
    let mut text = format!("{:<widest$}  {:<20}  {:>14}  {:>14}\n", "zone", "start", "g CO2e", "with transfer");
    for zone in zones {
        let (start, grams, total) = (utc(zone.plan.from_ns()), figure(zone.plan.grams), figure(zone.total_grams));
        text += &format!("{:<widest$}  {start:<20}  {grams:>14}  {total:>14}\n", zone.name);
    }
    text + &kind_line(kind)
}

/// Returns the line that states what the intensities count.
fn kind_line(kind: Option<IntensityKind>) -> String {
    kind.map_or_else(String::new, |kind| format!("intensity: {kind}\n"))
}

/// Returns the hours of a number of nanoseconds.
fn hours(ns: i64) -> f64 {
    ns as f64 / HOUR_NS as f64
}

/// Up to three decimals, for people.
fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k16_plan_is_called_optimal_only_if_its_bound_equals_its_emissions() {
        let plan =
            |bound_grams| Plan { slots: Vec::new(), grams: 10.0, now_grams: None, bound_grams, work_grams: None };
        assert!(bound(&plan(10.0)).starts_with("optimal"));
        // A search that dropped candidates proves only its bound: the text states the gap.
        let gap = bound(&plan(8.0));
        assert!(gap.starts_with("no plan has less than 8") && gap.contains("at most 20.00 % could be gained"), "{gap}");
    }
}

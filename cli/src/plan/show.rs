//! Plans as text.

use eco2_grid::plan::{HOUR_NS, Plan, QueuedJob, RankedZone, saving_percent};
use eco2_grid::{IntensityKind, utc};

/// One plan for people.
pub(super) fn page(plan: &Plan, from_ns: i64, kind: Option<IntensityKind>) -> String {
    let less = match (plan.saving_percent(), plan.now_grams) {
        (Some(saving), Some(now_grams)) => format!("{saving:.2} % less than at once ({} g)", figure(now_grams)),
        _ => "what it would be at once is not known".to_owned(),
    };
    let mut rows = vec![
        ("Start", format!("{}, {} h after the earliest", utc(plan.from_ns()), figure(hours(plan.from_ns() - from_ns)))),
        ("End", utc(plan.to_ns())),
        ("Carbon", format!("{} g CO2e, {less}", figure(plan.grams))),
        ("Bound", bound(plan)),
        ("Kind", kind.map_or_else(|| "not stated".to_owned(), |kind| kind.to_string())),
    ];
    let slot = |slot: &eco2_grid::plan::PlanSlot| {
        let workers = if slot.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", slot.workers) };
        ("Run", format!("{} to {}, {workers}", utc(slot.from_ns), utc(slot.to_ns)))
    };
    rows.extend(plan.slots.iter().map(slot));
    rows.iter().map(|(label, fact)| format!("{label:<8}{fact}\n")).collect()
}

fn bound(plan: &Plan) -> String {
    let above = plan.grams - plan.bound_grams;
    if above <= 1e-9 * plan.grams {
        return "optimal: no plan is below this".to_owned();
    }
    format!("no plan is below {} g: at most {:.2} % to gain", figure(plan.bound_grams), 100.0 * above / plan.grams)
}

/// A queue for people: a job a line.
pub(super) fn queue_page(
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

/// Zones for people, the best first.
pub(super) fn zones_page(zones: &[RankedZone], kind: Option<IntensityKind>) -> String {
    let widest = zones.iter().map(|zone| zone.name.chars().count()).max().unwrap_or(0).max("zone".len());
    let mut text = format!("{:<widest$}  {:<20}  {:>14}  {:>14}\n", "zone", "start", "g CO2e", "with transfer");
    for zone in zones {
        let (start, grams, total) = (utc(zone.plan.from_ns()), figure(zone.plan.grams), figure(zone.total_grams));
        text += &format!("{:<widest$}  {start:<20}  {grams:>14}  {total:>14}\n", zone.name);
    }
    text + &kind_line(kind)
}

fn kind_line(kind: Option<IntensityKind>) -> String {
    kind.map_or_else(String::new, |kind| format!("intensity: {kind}\n"))
}

/// Hours of a number of nanoseconds.
fn hours(ns: i64) -> f64 {
    ns as f64 / HOUR_NS as f64
}

/// Up to three decimals, for people.
fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

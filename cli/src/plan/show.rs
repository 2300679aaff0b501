//! Plans as JSON and as text.

use eco2_grid::plan::{Plan, Queued, Ranked, saving_percent};
use eco2_grid::{Kind, utc};
use serde_json::{Map, Value, json};

use super::hours;
use crate::grid::document as indented;

/// One plan as JSON.
pub(super) fn document(plan: &Plan, kind: Option<Kind>) -> String {
    indented(&Value::Object(of_plan(plan, kind)))
}

/// One plan for people.
pub(super) fn page(plan: &Plan, from_ns: i64, kind: Option<Kind>) -> String {
    let less = format!("{:.2} % less than at once ({} g)", plan.saving_percent(), figure(plan.now_grams));
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
        return "no plan is below this".to_owned();
    }
    format!("no plan is below {} g: at most {:.2} % to gain", figure(plan.bound_grams), 100.0 * above / plan.grams)
}

/// A queue as JSON.
pub(super) fn queue_document(queue: &[Queued], plans: &[Plan], kind: Option<Kind>) -> String {
    let job = |(job, plan): (&Queued, &Plan)| {
        let mut object = Map::from_iter([("id".to_owned(), json!(job.id))]);
        object.extend(of_plan(plan, kind));
        Value::Object(object)
    };
    let jobs: Vec<Value> = queue.iter().zip(plans).map(job).collect();
    let (grams, now_grams) = totals(plans);
    let total = json!({"grams": grams, "grams_now": now_grams, "saving_percent": saving_percent(grams, now_grams)});
    indented(&json!({"jobs": jobs, "total": total}))
}

/// A queue for people: a job a line.
pub(super) fn queue_page(queue: &[Queued], plans: &[Plan], kind: Option<Kind>) -> String {
    let widest = queue.iter().map(|job| job.id.chars().count()).max().unwrap_or(0).max("total".len());
    let line = |id: &str, start: &str, end: &str, grams: f64, saving: f64| {
        format!("{id:<widest$}  {start:<20}  {end:<20}  {:>14}  {saving:>7.2}\n", figure(grams))
    };
    let mut text = format!("{:<widest$}  {:<20}  {:<20}  {:>14}  {:>7}\n", "job", "start", "end", "g CO2e", "saved %");
    for (job, plan) in queue.iter().zip(plans) {
        text += &line(&job.id, &utc(plan.from_ns()), &utc(plan.to_ns()), plan.grams, plan.saving_percent());
    }
    let (grams, now_grams) = totals(plans);
    text += &line("total", "", "", grams, saving_percent(grams, now_grams));
    text + &kind_line(kind)
}

/// Zones as JSON, the best first.
pub(super) fn zones_document(zones: &[Ranked], kind: Option<Kind>) -> String {
    let zone = |zone: &Ranked| {
        let mut object = Map::from_iter([("zone".to_owned(), json!(zone.name))]);
        object.extend(of_plan(&zone.plan, kind));
        object.insert("transfer_grams".to_owned(), json!(zone.transfer_grams));
        object.insert("total_grams".to_owned(), json!(zone.total_grams));
        Value::Object(object)
    };
    indented(&json!({"zones": zones.iter().map(zone).collect::<Vec<_>>()}))
}

/// Zones for people, the best first.
pub(super) fn zones_page(zones: &[Ranked], kind: Option<Kind>) -> String {
    let widest = zones.iter().map(|zone| zone.name.chars().count()).max().unwrap_or(0).max("zone".len());
    let mut text = format!("{:<widest$}  {:<20}  {:>14}  {:>14}\n", "zone", "start", "g CO2e", "with transfer");
    for zone in zones {
        let (start, grams, total) = (utc(zone.plan.from_ns()), figure(zone.plan.grams), figure(zone.total_grams));
        text += &format!("{:<widest$}  {start:<20}  {grams:>14}  {total:>14}\n", zone.name);
    }
    text + &kind_line(kind)
}

fn kind_line(kind: Option<Kind>) -> String {
    kind.map_or_else(String::new, |kind| format!("intensity: {kind}\n"))
}

fn totals(plans: &[Plan]) -> (f64, f64) {
    plans.iter().fold((0.0, 0.0), |(grams, now), plan| (grams + plan.grams, now + plan.now_grams))
}

/// The keys of a plan, in their order.
fn of_plan(plan: &Plan, kind: Option<Kind>) -> Map<String, Value> {
    let slot = |slot: &eco2_grid::plan::PlanSlot| json!({"from": utc(slot.from_ns), "to": utc(slot.to_ns), "workers": slot.workers});
    let keys = [
        ("start", json!(utc(plan.from_ns()))),
        ("slots", plan.slots.iter().map(slot).collect()),
        ("grams", json!(plan.grams)),
        ("grams_now", json!(plan.now_grams)),
        ("saving_percent", json!(plan.saving_percent())),
        ("bound_grams", json!(plan.bound_grams)),
        ("kind", json!(kind.map(Kind::as_str))),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Up to three decimals, for people.
fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

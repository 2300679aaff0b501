//! Plans as JSON: the fixed keys of `eco2 plan --json`.

use serde_json::{Map, Value, json};

use super::{PlanAnswer, PlanOutcome};
use crate::plan::{Plan, PlanSlot, QueuedJob, RankedZone, saving_percent};
use crate::{IntensityKind, utc};

impl PlanAnswer {
    /// One plan: `start`, `slots`, `grams`, `grams_now`, `saving_percent`, `bound_grams`, `kind`. A queue: `jobs`, each
    /// with its `id`, and `total`. Zones: `zones`, each with `zone`, `transfer_grams` and `total_grams`.
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
    /// Grams of all plans, and of the same jobs begun at once; `None` where that is not known of one.
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

/// The keys of a plan, in their order.
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

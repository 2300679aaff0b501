//! Makes the entry of a job as it is shown ([`consumer`]): of one that is listed, and of one of an earlier boot.

use eco2_core::Bounded;

use crate::jobs::JobState;
use crate::shares::JobKey;
use crate::snapshot::{Consumer, Instant};

/// What a job has used, without and with the jobs within it.
pub(super) struct Used {
    pub(super) own: Bounded<u64>,
    pub(super) own_grams: Bounded<f64>,
    pub(super) total: Bounded<u64>,
    pub(super) total_grams: Bounded<f64>,
    pub(super) grams_are_estimated: bool,
}

/// Returns the entry of a job. `now`: until when one that goes on has lasted. What contains it and its budget are the caller's.
pub(super) fn consumer(key: JobKey, state: &JobState, now: Instant, used: &Used) -> Consumer {
    let Used { own, own_grams, total, total_grams, grams_are_estimated } = used;
    Consumer {
        key,
        id: state.job.id.clone(),
        kind: state.job.kind.name(),
        name: state.job.name.clone(),
        uid: state.job.uid,
        energy_uj: own.value.unwrap_or(0),
        low_uj: own.low,
        high_uj: own.high,
        grams: own_grams.value,
        grams_low: own_grams.low,
        grams_high: own_grams.high,
        began_wall_ns: state.began.wall_ns,
        ended_wall_ns: state.ended.map(|ended| ended.wall_ns),
        duration_ns: state.ended.unwrap_or(now).ns.saturating_sub(state.began.ns),
        steps: state.steps,
        end_reason: state.end_reason,
        labels: state.job.labels.clone(),
        parent: None,
        total_uj: total.value.unwrap_or(0),
        total_low_uj: total.low,
        total_high_uj: total.high,
        total_grams: total_grams.value,
        total_grams_low: total_grams.low,
        total_grams_high: total_grams.high,
        grams_are_estimated: *grams_are_estimated,
        budget: None,
    }
}

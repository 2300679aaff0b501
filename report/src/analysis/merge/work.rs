//! Work of all ranks, each once, and the steps that were done again after a restart.

use std::collections::BTreeMap;

use eco2_core::schema::{Replayed, Report, Work};

use super::attempts::{Attempt, Attempts};
use super::energy::Measured;

/// Name of the figure that says with which step of the run an attempt began, counted from 0: the number of the steps that
/// the checkpoint held.
const FIRST_STEP: &str = "first_step";

/// Sums the work of all attempts.
pub(super) fn sum(parts: &[Report], attempts: &Attempts) -> Work {
    attempts.list.iter().map(|attempt| of_attempt(parts, attempt)).fold(Work::default(), |mut sum, work| {
        sum.steps = added(sum.steps, work.steps);
        sum.samples = added(sum.samples, work.samples);
        sum.tokens = added(sum.tokens, work.tokens);
        sum.loss = work.loss.or(sum.loss);
        sum.extra.extend(work.extra);
        sum
    })
}

/// Steps behind the checkpoint that the next attempt went on from. An attempt whose first step nobody told is left out,
/// but for the very first, which began with step 0.
pub(super) fn replayed(parts: &[Report], attempts: &Attempts, measured: &Measured) -> Vec<Replayed> {
    let works: Vec<Work> = attempts.list.iter().map(|attempt| of_attempt(parts, attempt)).collect();
    let mut out = Vec::new();
    for (place, pair) in works.windows(2).enumerate() {
        let [work, next] = pair else { continue };
        let began = first_step(work).or((place == 0).then_some(0));
        let Some((began, resumed)) = began.zip(first_step(next)) else { continue };
        let done = work.steps.unwrap_or(0);
        let steps = began.saturating_add(done).saturating_sub(resumed).min(done);
        if steps > 0 {
            let share = |uj: u64| u128::from(uj) * u128::from(steps) / u128::from(done);
            let energy_uj = measured.of_attempt(place).map(|uj| u64::try_from(share(uj)).unwrap_or(u64::MAX));
            out.push(Replayed { attempt: u32::try_from(place).unwrap_or(u32::MAX), steps, energy_uj });
        }
    }
    out
}

/// The sum of two counts; one that was not counted adds nothing.
fn added(one: Option<u64>, two: Option<u64>) -> Option<u64> {
    one.zip(two).map(|(one, two)| one.saturating_add(two)).or(one).or(two)
}

fn first_step(work: &Work) -> Option<u64> {
    let step = work.extra.get(FIRST_STEP).filter(|step| **step >= 0.0 && step.fract() == 0.0)?;
    Some(*step as u64)
}

/// Work of one attempt: of each rank the largest of its records, samples and tokens summed over ranks.
fn of_attempt(parts: &[Report], attempt: &Attempt) -> Work {
    let mut ranks: BTreeMap<Option<u32>, Work> = BTreeMap::new();
    for part in attempt.members.iter().filter_map(|place| parts.get(*place)) {
        let most = ranks.entry(part.run.rank).or_default();
        most.steps = most.steps.max(part.work.steps);
        most.samples = most.samples.max(part.work.samples);
        most.tokens = most.tokens.max(part.work.tokens);
        most.loss = most.loss.or(part.work.loss);
        most.extra.extend(part.work.extra.clone());
    }
    let mut sum = Work::default();
    // The first rank's own figures are told last, and stay.
    for work in ranks.into_values().rev() {
        sum.steps = sum.steps.max(work.steps);
        sum.samples = added(sum.samples, work.samples);
        sum.tokens = added(sum.tokens, work.tokens);
        sum.loss = work.loss.or(sum.loss);
        sum.extra.extend(work.extra);
    }
    sum
}

//! T3 for jobs that change width at the edges of slots only, and pay for every start and every change.
//!
//! A search over slots: see `labels.rs`. The linear programme, which neither pays nor rounds, is its bound.

use super::curve::PlanPiece;
use super::elastic::{buy, checked_work, now};
use super::labels::{ChangeCosts, SearchResult, SearchTask, SlotPlan, search};
use super::{Plan, PlanError, PlanSlot, PlanWindow, Scaling, push};

/// The most slots of a window that is searched: a week of half-hours and a day.
const MOST_SLOTS: usize = 400;

/// The plan of least grams whose width changes at the edges of slots only; the job stops once its work is done.
///
/// `bound_grams` equals `grams` where the search was complete: no plan in whole slots is below it. Where the search had to
/// drop candidates (more than some ten thousand per slot), it is the lower bound of what was dropped and of the linear
/// programme with its cheapest start, and the plan may not be the best one.
///
/// # Errors
/// As for [`elastic`](fn@super::elastic); [`PlanError::TooLarge`] for more than 400 slots.
pub fn whole_slots(
    window: &PlanWindow<'_>,
    scaling: &Scaling,
    costs: ChangeCosts,
    duration_ns: i64,
) -> Result<Plan, PlanError> {
    let work = checked_work(window, scaling, duration_ns)?;
    let pieces: Vec<PlanPiece> = window.pieces().collect();
    if pieces.len() > MOST_SLOTS {
        return Err(PlanError::TooLarge {
            what: "slots of a plan in whole slots",
            count: pieces.len(),
            most: MOST_SLOTS,
        });
    }
    let bought = buy(&pieces, scaling, work);
    let known = || pieces.iter().filter(|piece| piece.is_known);
    let cheapest_start = known().map(|piece| costs.grams(0, 1, piece)).fold(f64::INFINITY, f64::min);
    let task = SearchTask { pieces: &pieces, scaling, costs, work };
    let guesses = first_guesses(&task, &bought.steps, bought.shared.map(|(slot, _)| slot));
    let SearchResult { found, bound_grams } = search(&task, &guesses);
    if !found.grams.is_finite() {
        return Err(window.gap());
    }
    let now_grams = now(window, scaling, work)?.map(|grams| grams + costs.grams(0, 1, &pieces[0]));
    let bound_grams = (bought.grams + cheapest_start).min(found.grams).max(bound_grams);
    let slots = slots(&task, &found);
    Ok(Plan { slots, grams: found.grams, now_grams, bound_grams, work_grams: Some(bought.work_grams) })
}

/// Plans to start from: the linear programme's rounded up, and each width from each slot on without a pause.
fn first_guesses(task: &SearchTask<'_>, steps: &[usize], shared: Option<usize>) -> Vec<SlotPlan> {
    let level = |workers: u32| task.scaling.levels().iter().position(|l| l.workers == workers).map_or(0, |at| at + 1);
    let of_steps = |steps: usize| steps.checked_sub(1).map_or(0, |step| level(task.scaling.hull()[step].to));
    let rounded = (0..steps.len()).map(|at| of_steps(steps[at] + usize::from(shared == Some(at))));
    let mut guesses = vec![rounded.collect::<Vec<usize>>()];
    let widths = task.scaling.levels().len();
    let from = |first: usize, width| (0..steps.len()).map(move |at| if at < first { 0 } else { width }).collect();
    guesses.extend((1..=widths).flat_map(|width| (0..steps.len()).map(move |first| from(first, width))));
    for levels in &mut guesses {
        levels.iter_mut().zip(task.pieces).for_each(|(level, piece)| *level *= usize::from(piece.is_known));
    }
    guesses.iter().filter_map(|levels| task.perform(levels)).collect()
}

fn slots(task: &SearchTask<'_>, found: &SlotPlan) -> Vec<PlanSlot> {
    let mut slots = Vec::new();
    let last = found.levels.len().saturating_sub(1);
    for (at, (piece, &level)) in task.pieces.iter().zip(&found.levels).enumerate() {
        let Some(level) = level.checked_sub(1).map(|level| task.scaling.levels()[level]) else { continue };
        let length_ns = (piece.to_ns - piece.from_ns) as f64;
        let used_ns = if at == last { (length_ns * found.last_share).ceil() as i64 } else { i64::MAX };
        let to_ns = piece.from_ns.saturating_add(used_ns).min(piece.to_ns);
        push(&mut slots, PlanSlot { from_ns: piece.from_ns, to_ns, workers: level.workers });
    }
    slots
}

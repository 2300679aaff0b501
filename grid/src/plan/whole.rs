//! T3 for jobs that change width at the edges of slots only, and pay for every start and every change.
//!
//! A search over slots: see `labels.rs`. The linear programme, which neither pays nor rounds, is its bound.

use super::curve::Piece;
use super::elastic::{buy, checked_work, now};
use super::labels::{Found, Searched, search};
use super::{Plan, PlanError, PlanSlot, Scaling, Window, push};

/// The most slots of a window that is searched: a week of half-hours and a day.
const MOST_SLOTS: usize = 400;

/// Energy that changing takes, weighed with the intensity of the slot that it precedes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Costs {
    /// Of every start from rest, the first included: loading, restoring. Microjoules.
    pub start_uj: u64,
    /// Of every change from one number of workers to another: checkpoint and restore. Microjoules.
    pub switch_uj: u64,
}

/// What a search works on.
pub(super) struct Task<'a> {
    pub(super) pieces: &'a [Piece],
    pub(super) scaling: &'a Scaling,
    pub(super) costs: Costs,
    pub(super) work: f64,
}

/// The plan of least grams whose width changes at the edges of slots only; the job stops once its work is done.
///
/// `bound_grams` equals `grams` where the search was complete: no plan in whole slots is below it. Where the search had to
/// drop candidates (more than some ten thousand per slot), it is the lower bound of what was dropped and of the linear
/// programme with its cheapest start, and the plan may not be the best one.
///
/// # Errors
/// As for [`elastic`](fn@super::elastic); [`PlanError::TooLarge`] for more than 400 slots.
pub fn whole_slots(window: &Window<'_>, scaling: &Scaling, costs: Costs, duration_ns: i64) -> Result<Plan, PlanError> {
    let work = checked_work(window, scaling, duration_ns)?;
    let pieces: Vec<Piece> = window.pieces().collect();
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
    let task = Task { pieces: &pieces, scaling, costs, work };
    let guesses = first_guesses(&task, &bought.steps, bought.shared.map(|(slot, _)| slot));
    let Searched { found, bound_grams } = search(&task, &guesses);
    if !found.grams.is_finite() {
        return Err(window.gap());
    }
    let now_grams = now(window, scaling, work)?.map(|grams| grams + costs.grams(0, 1, &pieces[0]));
    let bound_grams = (bought.grams + cheapest_start).min(found.grams).max(bound_grams);
    let slots = slots(&task, &found);
    Ok(Plan { slots, grams: found.grams, now_grams, bound_grams, work_grams: Some(bought.work_grams) })
}

/// Plans to start from: the linear programme's rounded up, and each width from each slot on without a pause.
fn first_guesses(task: &Task<'_>, steps: &[usize], shared: Option<usize>) -> Vec<Found> {
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

fn slots(task: &Task<'_>, found: &Found) -> Vec<PlanSlot> {
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

impl Costs {
    /// Grams of going from one level to another before a slot; level 0 is rest.
    pub(super) fn grams(&self, from: usize, to: usize, piece: &Piece) -> f64 {
        let uj = match (from, to) {
            (_, 0) => 0,
            (0, _) => self.start_uj,
            _ if from != to => self.switch_uj,
            _ => 0,
        };
        eco2_core::units::grams(uj, piece.g_per_kwh())
    }
}

impl Task<'_> {
    /// What so many hours of a level in a slot weigh, grams.
    pub(super) fn grams(&self, level: usize, piece: &Piece, hours: f64) -> f64 {
        let power_w = level.checked_sub(1).map_or(0.0, |level| self.scaling.levels()[level].power_w);
        power_w / 1000.0 * hours * piece.g_per_kwh()
    }

    /// Work that a level does in a slot.
    pub(super) fn work_in(&self, level: usize, piece: &Piece) -> f64 {
        level.checked_sub(1).map_or(0.0, |level| self.scaling.levels()[level].throughput) * piece.hours()
    }

    /// What is left of the work is too little to count: rounding.
    pub(super) fn is_done(&self, work: f64) -> bool {
        work >= self.work * (1.0 - 1e-12)
    }

    /// Follows a plan until the work is done; `None` where it is not.
    pub(super) fn perform(&self, levels: &[usize]) -> Option<Found> {
        let (mut work, mut grams, mut before) = (0.0, 0.0, 0);
        for (at, (&level, piece)) in levels.iter().zip(self.pieces).enumerate() {
            grams += self.costs.grams(before, level, piece);
            let (more, left) = (self.work_in(level, piece), self.work - work);
            if level > 0 && self.is_done(work + more) {
                let last_share = (left / more).min(1.0);
                grams += self.grams(level, piece, piece.hours() * last_share);
                return Some(Found { grams, levels: levels[..=at].to_vec(), last_share });
            }
            (grams, work, before) = (grams + self.grams(level, piece, piece.hours()), work + more, level);
        }
        None
    }
}

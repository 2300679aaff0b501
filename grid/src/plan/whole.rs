//! Plans jobs whose number of workers changes only between slots (periods with one intensity), and which pay for every
//! start and every change (`eco2 plan --whole-slots`, `--start-cost`, `--switch-cost`).
//!
//! A *level* is a number of workers that the profile lists; level 0 is rest. The search goes from slot to slot and
//! keeps every partial plan that can still become the best. A *label* is such a partial plan: grams emitted, work done,
//! and the level so far. Of two labels of the same level, the one with more emissions and less work is dropped. A label
//! is also dropped if its grams plus the least that its remaining work can cost reach those of a plan already found.
//! That least cost is the optimum of the linear programme over the remaining slots, which neither pays for changes nor
//! keeps to whole slots. The search is exact as long as no slot has more than [`MOST_LABELS`] labels. Beyond that, the
//! least promising ones are dropped too, and the plan states a lower bound.

use super::curve::PlanPiece;
use super::elastic::{buy, checked_work, now};
use super::{Plan, PlanError, PlanSlot, PlanWindow, Scaling, push};

/// Maximum number of slots of a window: eight days of half hours (384), and some more. It bounds the time of the
/// search.
const MOST_SLOTS: usize = 400;

/// Returns the plan of least emissions whose number of workers changes at the edges of slots only. The job stops once
/// its work is done.
///
/// `bound_grams` equals `grams` if the search was complete: no plan in whole slots emits less. If the search had to
/// drop candidates (more than 20,000 per slot), it is a lower bound of the dropped plans and of the linear programme
/// with its cheapest start, and the plan may not be optimal.
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

/// Returns the plans that the search starts from: the one of the linear programme rounded up, and each number of
/// workers from each slot on without a pause.
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

/// Returns the time slots in which the job runs.
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

/// Energy of starts and changes, emitted at the intensity of the slot that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeCosts {
    /// Energy of every start from rest including the first (loading, restoring), microjoules.
    pub start_uj: u64,
    /// Energy of every change of the number of workers (checkpoint and restore), microjoules.
    pub switch_uj: u64,
}

/// The input of a search.
pub(super) struct SearchTask<'a> {
    pub(super) pieces: &'a [PlanPiece],
    pub(super) scaling: &'a Scaling,
    pub(super) costs: ChangeCosts,
    pub(super) work: f64,
}

impl ChangeCosts {
    /// Returns the grams of changing from one level to another before a slot. Level 0 is rest, other levels count the
    /// rows of the profile from 1.
    pub(super) fn grams(&self, from: usize, to: usize, piece: &PlanPiece) -> f64 {
        let uj = match (from, to) {
            (_, 0) => 0,
            (0, _) => self.start_uj,
            _ if from != to => self.switch_uj,
            _ => 0,
        };
        eco2_core::units::grams(uj, piece.g_per_kwh())
    }
}

impl SearchTask<'_> {
    /// Returns the grams of running `hours` at a level in a slot.
    pub(super) fn grams(&self, level: usize, piece: &PlanPiece, hours: f64) -> f64 {
        let power_w = level.checked_sub(1).map_or(0.0, |level| self.scaling.levels()[level].power_w);
        power_w / 1000.0 * hours * piece.g_per_kwh()
    }

    /// Returns the work of a level in a slot.
    pub(super) fn work_in(&self, level: usize, piece: &PlanPiece) -> f64 {
        level.checked_sub(1).map_or(0.0, |level| self.scaling.levels()[level].throughput) * piece.hours()
    }

    /// Whether the work is done, except for rounding.
    pub(super) fn is_done(&self, work: f64) -> bool {
        work >= self.work * (1.0 - 1e-12)
    }

    /// Computes a plan with a level for each slot, up to the end of the work; `None` if the work is not done by then.
    pub(super) fn perform(&self, levels: &[usize]) -> Option<SlotPlan> {
        let (mut work, mut grams, mut before) = (0.0, 0.0, 0);
        for (at, (&level, piece)) in levels.iter().zip(self.pieces).enumerate() {
            grams += self.costs.grams(before, level, piece);
            let (more, left) = (self.work_in(level, piece), self.work - work);
            if level > 0 && self.is_done(work + more) {
                let last_share = (left / more).min(1.0);
                grams += self.grams(level, piece, piece.hours() * last_share);
                return Some(SlotPlan { grams, levels: levels[..=at].to_vec(), last_share });
            }
            (grams, work, before) = (grams + self.grams(level, piece, piece.hours()), work + more, level);
        }
        None
    }
}

/// Maximum number of labels that are kept per slot. It bounds memory and time of the search.
const MOST_LABELS: usize = 20_000;

/// A plan: a level for each slot up to the one in which the work is done, and the used share of that last slot.
#[derive(Debug, Clone)]
pub(super) struct SlotPlan {
    pub(super) grams: f64,
    /// Levels; 0 is rest, others count the rows of the profile from 1.
    pub(super) levels: Vec<usize>,
    pub(super) last_share: f64,
}

/// A partial plan, from the first slot to the one that the search has reached.
#[derive(Clone, Copy)]
struct Label {
    grams: f64,
    /// Lower bound of the grams of any complete plan that continues this one.
    least: f64,
    work: f64,
    level: usize,
    /// Index in [`Paths`].
    path: usize,
}

/// History of labels: the level in a slot, and the index of the entry for the slot before.
type Paths = Vec<(usize, usize)>;

/// The result of a search.
pub(super) struct SearchResult {
    /// The best plan; its grams are infinite if there is none.
    pub(super) found: SlotPlan,
    /// Lower bound of the grams of any plan; equal to those of `found` if no candidate that might be better was
    /// dropped.
    pub(super) bound_grams: f64,
}

/// Returns the plan of least grams; of equal ones the first to end. There must be a guess, or a plan that meets the
/// deadline.
pub(super) fn search(task: &SearchTask<'_>, guesses: &[SlotPlan]) -> SearchResult {
    search_among(task, guesses, MOST_LABELS)
}

/// Searches with at most `most` labels per slot, from the best of the guesses on.
fn search_among(task: &SearchTask<'_>, guesses: &[SlotPlan], most: usize) -> SearchResult {
    let mut dropped = f64::INFINITY;
    let rest = RemainingCost::new(task.pieces, task.scaling);
    let nothing = SlotPlan { grams: f64::INFINITY, levels: Vec::new(), last_share: 0.0 };
    let mut best =
        guesses.iter().fold(nothing, |best, guess| if is_better(guess, &best) { guess.clone() } else { best });
    let mut paths: Paths = vec![(0, 0)];
    let mut labels = vec![Label { grams: 0.0, least: 0.0, work: 0.0, level: 0, path: 0 }];
    for slot in 0..task.pieces.len() {
        let mut next = Vec::new();
        for label in &labels {
            let widest = if task.pieces[slot].is_known { task.scaling.levels().len() } else { 0 };
            for level in 0..=widest {
                extend(task, &rest, slot, (label, level), (&mut best, &mut next, &paths));
            }
        }
        labels = kept(next, best.grams, most, &mut dropped);
        for label in &mut labels {
            paths.push((label.level, label.path));
            label.path = paths.len() - 1;
        }
    }
    let bound_grams = best.grams.min(dropped);
    SearchResult { found: best, bound_grams }
}

/// Extends a label by a level in a slot, to the end of the work or to another label.
fn extend(
    task: &SearchTask<'_>,
    rest: &RemainingCost,
    slot: usize,
    (label, level): (&Label, usize),
    (best, next, paths): (&mut SlotPlan, &mut Vec<Label>, &Paths),
) {
    let piece = &task.pieces[slot];
    let grams = label.grams + task.costs.grams(label.level, level, piece);
    let more = task.work_in(level, piece);
    if level > 0 && task.is_done(label.work + more) {
        let last_share = ((task.work - label.work) / more).min(1.0);
        let found = grams + task.grams(level, piece, piece.hours() * last_share);
        if found < best.grams {
            let mut levels = history(paths, label.path, slot);
            levels.push(level);
            *best = SlotPlan { grams: found, levels, last_share };
        }
        return;
    }
    let (grams, work) = (grams + task.grams(level, piece, piece.hours()), label.work + more);
    let least = grams + rest.grams(slot + 1, task.work - work);
    if least < best.grams {
        next.push(Label { grams, least, work, level, path: label.path });
    }
}

/// Returns the labels that no other of the same level beats in both grams and work, at most `most` of them. `dropped`
/// becomes the lower bound of the grams of plans through labels beyond that.
fn kept(mut labels: Vec<Label>, best: f64, most: usize, dropped: &mut f64) -> Vec<Label> {
    labels.retain(|label| label.least < best);
    labels.sort_by(|a, b| a.level.cmp(&b.level).then(b.work.total_cmp(&a.work)).then(a.grams.total_cmp(&b.grams)));
    let (mut level, mut least) = (usize::MAX, f64::INFINITY);
    labels.retain(|label| {
        if label.level != level {
            (level, least) = (label.level, f64::INFINITY);
        }
        let stays = label.grams < least;
        least = least.min(label.grams);
        stays
    });
    if labels.len() > most {
        let (_, first_dropped, _) = labels.select_nth_unstable_by(most, |a, b| a.least.total_cmp(&b.least));
        *dropped = dropped.min(first_dropped.least);
        labels.truncate(most);
    }
    labels
}

/// Returns the level of each slot on a path, by going back from its end.
fn history(paths: &Paths, mut path: usize, slots: usize) -> Vec<usize> {
    let mut levels = vec![0; slots];
    for level in levels.iter_mut().rev() {
        (*level, path) = paths[path];
    }
    levels
}

/// Whether plan `a` has lower emissions than `b`, or the same emissions and an earlier end.
fn is_better(a: &SlotPlan, b: &SlotPlan) -> bool {
    a.grams.total_cmp(&b.grams).then(a.levels.len().cmp(&b.levels.len())).is_lt()
}

/// The least grams of the remaining work, by slot: for every first slot the cumulative work and grams of the steps that
/// are available from there on, cheapest first.
pub(super) struct RemainingCost(Vec<Vec<(f64, f64)>>);

impl RemainingCost {
    /// Computes the table from the last slot to the first.
    pub(super) fn new(pieces: &[PlanPiece], scaling: &Scaling) -> Self {
        let mut offers: Vec<(f64, f64)> = Vec::new();
        let mut all = vec![Vec::new()];
        for piece in pieces.iter().rev() {
            if !piece.is_known {
                all.push(cumulative(&offers));
                continue;
            }
            // Grams per unit of work, and the available amount of work.
            let offer = |price: f64, throughput: f64| (piece.g_per_kwh() * price / 1000.0, throughput * piece.hours());
            offers.extend(scaling.hull().iter().map(|step| offer(step.slope(), step.throughput)));
            offers.sort_by(|a, b| a.0.total_cmp(&b.0));
            all.push(cumulative(&offers));
        }
        all.reverse();
        Self(all)
    }

    /// Returns the least grams of `work` from a slot on; infinite if there is not enough time.
    pub(super) fn grams(&self, first: usize, work: f64) -> f64 {
        let offers = self.0.get(first).map_or(&[][..], Vec::as_slice);
        let at = offers.partition_point(|(done, _)| *done < work);
        let before = at.checked_sub(1).map_or((0.0, 0.0), |before| offers[before]);
        match offers.get(at) {
            Some((done, grams)) => before.1 + (grams - before.1) * (work - before.0) / (done - before.0),
            // Rounding alone may leave a job that just fits without its last part.
            None if work <= before.0 * (1.0 + 1e-9) => before.1,
            None => f64::INFINITY,
        }
    }
}

/// Returns the running sums of work and grams of offers, each of which is grams per unit of work, and work.
fn cumulative(offers: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let sum = |sum: &mut (f64, f64), (price, work): &(f64, f64)| {
        *sum = (sum.0 + work, sum.1 + price * work);
        Some(*sum)
    };
    offers.iter().scan((0.0, 0.0), sum).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{ChangeCosts, HOUR_NS, Scaling, WorkerLevel};

    fn pieces(costs: &[u32]) -> Vec<PlanPiece> {
        let piece = |(at, cost): (i64, &u32)| PlanPiece {
            from_ns: at * HOUR_NS,
            to_ns: (at + 1) * HOUR_NS,
            cost: i64::from(*cost) * 1_000_000_000_000,
            is_known: true,
        };
        (0..).zip(costs).map(piece).collect()
    }

    proptest! {
        #[test]
        fn k16_search_that_dropped_candidates_gives_a_bound_and_not_an_optimum(
            costs in prop::collection::vec(1..200u32, 2..8), start_uj in 0..400_000_000u64, hours in 1..5u32,
        ) {
            let level = |workers: u32, throughput| WorkerLevel { workers, throughput, power_w: 1000.0 * f64::from(workers) };
            let scaling = Scaling::new(vec![level(1, 1.0), level(2, 1.7), level(3, 2.1)]).unwrap();
            let pieces = pieces(&costs);
            let costs = ChangeCosts { start_uj, switch_uj: start_uj / 2 };
            let task = SearchTask { pieces: &pieces, scaling: &scaling, costs, work: f64::from(hours.min(pieces.len() as u32)) };
            let best = search_among(&task, &[], MOST_LABELS);
            prop_assert_eq!(best.bound_grams, best.found.grams, "a complete search proves its optimum");
            for most in [1, 2, 4] {
                let cut = search_among(&task, &[], most);
                prop_assert!(cut.bound_grams <= best.found.grams && best.found.grams <= cut.found.grams);
                let claims_optimum = cut.bound_grams == cut.found.grams;
                prop_assert!(!claims_optimum || cut.found.grams == best.found.grams, "{} labels", most);
            }
        }
    }

    #[test]
    fn k16_search_cut_to_one_label_misses_the_optimum_and_its_bound_shows_it() {
        // Three hours at 9, 1 and 1 g/kWh, one worker of 1 kW, two hours of work: 2 g. One label per slot keeps the one
        // of the first slot that did most.
        let scaling = Scaling::one_worker(1000.0).unwrap();
        let pieces = pieces(&[9, 1, 1]);
        let task = SearchTask {
            pieces: &pieces,
            scaling: &scaling,
            costs: ChangeCosts::default(),
            work: 2.0 * scaling.fastest(),
        };
        let guess = task.perform(&[1, 1, 0]).unwrap();
        assert_eq!(guess.grams, 10.0);
        let exact = search_among(&task, std::slice::from_ref(&guess), MOST_LABELS);
        assert_eq!((exact.found.grams, exact.bound_grams), (2.0, 2.0));
        let cut = search_among(&task, &[guess], 0);
        assert_eq!((cut.found.grams, cut.bound_grams), (10.0, 2.0), "nothing kept: the guess, and what was dropped");
    }
}

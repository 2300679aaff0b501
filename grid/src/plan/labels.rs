//! Search for plans in whole slots: all that can still become the best, slot by slot. It is exact as long as no slot has
//! more than [`MOST_LABELS`] labels; beyond that the least promising are dropped, and only a bound remains.
//!
//! A label is a way to have come so far: grams spent, work done, workers running. Of two labels with the same workers
//! the one that spent more and did less is dropped, as is one whose grams and the least its remaining work can cost
//! reach those of a plan already found. Where nothing else was dropped, what is left at the end holds the optimum.

use super::Scaling;
use super::curve::PlanPiece;
use super::rest::RemainingCost;

/// Energy that changing takes, weighed with the intensity of the slot that it precedes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeCosts {
    /// Of every start from rest, the first included: loading, restoring. Microjoules.
    pub start_uj: u64,
    /// Of every change from one number of workers to another: checkpoint and restore. Microjoules.
    pub switch_uj: u64,
}

/// What a search works on.
pub(super) struct SearchTask<'a> {
    pub(super) pieces: &'a [PlanPiece],
    pub(super) scaling: &'a Scaling,
    pub(super) costs: ChangeCosts,
    pub(super) work: f64,
}

impl ChangeCosts {
    /// Grams of going from one level to another before a slot; level 0 is rest.
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
    /// What so many hours of a level in a slot weigh, grams.
    pub(super) fn grams(&self, level: usize, piece: &PlanPiece, hours: f64) -> f64 {
        let power_w = level.checked_sub(1).map_or(0.0, |level| self.scaling.levels()[level].power_w);
        power_w / 1000.0 * hours * piece.g_per_kwh()
    }

    /// Work that a level does in a slot.
    pub(super) fn work_in(&self, level: usize, piece: &PlanPiece) -> f64 {
        level.checked_sub(1).map_or(0.0, |level| self.scaling.levels()[level].throughput) * piece.hours()
    }

    /// What is left of the work is too little to count: rounding.
    pub(super) fn is_done(&self, work: f64) -> bool {
        work >= self.work * (1.0 - 1e-12)
    }

    /// Follows a plan until the work is done; `None` where it is not.
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

/// The most labels kept per slot.
const MOST_LABELS: usize = 20_000;

/// A plan: a level for each slot up to the one in which the work is done, and the share of that one that it takes.
#[derive(Debug, Clone)]
pub(super) struct SlotPlan {
    pub(super) grams: f64,
    /// 0 is rest; others are places in the profile, from 1.
    pub(super) levels: Vec<usize>,
    pub(super) last_share: f64,
}

#[derive(Clone, Copy)]
struct Label {
    grams: f64,
    least: f64,
    work: f64,
    level: usize,
    /// Where in the history it stands.
    path: usize,
}

/// History: the level in a slot, and the place of what came before.
type Paths = Vec<(usize, usize)>;

/// What a search found.
pub(super) struct SearchResult {
    /// The best plan found; of infinite grams where there is none.
    pub(super) found: SlotPlan,
    /// Grams that no plan falls below; those of `found` where nothing that might be better was dropped.
    pub(super) bound_grams: f64,
}

/// The plan of least grams; of equal ones the first that ends. There must be a guess, or a plan that meets the deadline.
pub(super) fn search(task: &SearchTask<'_>, guesses: &[SlotPlan]) -> SearchResult {
    search_among(task, guesses, MOST_LABELS)
}

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

/// Goes on from a label with a level in a slot: to the end of the work, or to another label.
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

/// Labels that no other of the same level beats in grams and in work; at most `most`. `dropped` becomes the least that any
/// plan through a label beyond that can cost.
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

fn history(paths: &Paths, mut path: usize, slots: usize) -> Vec<usize> {
    let mut levels = vec![0; slots];
    for level in levels.iter_mut().rev() {
        (*level, path) = paths[path];
    }
    levels
}

fn is_better(a: &SlotPlan, b: &SlotPlan) -> bool {
    a.grams.total_cmp(&b.grams).then(a.levels.len().cmp(&b.levels.len())).is_lt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ChangeCosts, HOUR_NS, Scaling, WorkerLevel};
    use proptest::prelude::*;

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
    fn k16_a_search_cut_to_one_label_misses_the_optimum_and_says_so() {
        // Three hours at 9, 1 and 1 g/kWh, one worker of 1 kW, two hours of work: 2 g. One label per slot keeps the one of
        // the first slot that did most.
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

//! Exact search for plans in whole slots: all that can still become the best, slot by slot.
//!
//! A label is a way to have come so far: grams spent, work done, workers running. Of two labels with the same workers
//! the one that spent more and did less is dropped, as is one whose grams and the least its remaining work can cost
//! reach those of a plan already found. What is left at the end holds the optimum.

use super::rest::Rest;
use super::whole::Task;

/// The most labels kept a slot. Beyond it the least promising go, and the bound alone tells how far off the plan is.
const MOST_LABELS: usize = 20_000;

/// A plan: a level for each slot up to the one in which the work is done, and the share of that one that it takes.
#[derive(Debug, Clone)]
pub(super) struct Found {
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

/// The plan of least grams; of equal ones the first that ends. There must be a guess, or a plan that meets the deadline.
pub(super) fn search(task: &Task<'_>, guesses: &[Found]) -> Found {
    let rest = Rest::new(task.pieces, task.scaling);
    let nothing = Found { grams: f64::INFINITY, levels: Vec::new(), last_share: 0.0 };
    let mut best =
        guesses.iter().fold(nothing, |best, guess| if is_better(guess, &best) { guess.clone() } else { best });
    let mut paths: Paths = vec![(0, 0)];
    let mut labels = vec![Label { grams: 0.0, least: 0.0, work: 0.0, level: 0, path: 0 }];
    for slot in 0..task.pieces.len() {
        let mut next = Vec::new();
        for label in &labels {
            for level in 0..=task.scaling.levels().len() {
                extend(task, &rest, slot, (label, level), (&mut best, &mut next, &paths));
            }
        }
        labels = kept(next, best.grams);
        for label in &mut labels {
            paths.push((label.level, label.path));
            label.path = paths.len() - 1;
        }
    }
    best
}

/// Goes on from a label with a level in a slot: to the end of the work, or to another label.
fn extend(
    task: &Task<'_>,
    rest: &Rest,
    slot: usize,
    (label, level): (&Label, usize),
    (best, next, paths): (&mut Found, &mut Vec<Label>, &Paths),
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
            *best = Found { grams: found, levels, last_share };
        }
        return;
    }
    let (grams, work) = (grams + task.grams(level, piece, piece.hours()), label.work + more);
    let least = grams + rest.grams(slot + 1, task.work - work);
    if least < best.grams {
        next.push(Label { grams, least, work, level, path: label.path });
    }
}

/// Labels that no other of the same level beats in grams and in work.
fn kept(mut labels: Vec<Label>, best: f64) -> Vec<Label> {
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
    if labels.len() > MOST_LABELS {
        labels.select_nth_unstable_by(MOST_LABELS, |a, b| a.least.total_cmp(&b.least));
        labels.truncate(MOST_LABELS);
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

fn is_better(a: &Found, b: &Found) -> bool {
    a.grams.total_cmp(&b.grams).then(a.levels.len().cmp(&b.levels.len())).is_lt()
}

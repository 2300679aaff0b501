//! T3: how wide to run when. The optimum of the linear programme over shares of slots, found by greedy choice.
//!
//! In each slot each step of the hull can be bought once, for as long as the slot lasts; a unit of work then costs the
//! slot's intensity times the step's slope. Slopes rise within a slot, so the cheapest steps first is a feasible order
//! and the optimum. At most one slot is shared in time by two worker counts; no whole-slot plan can be below it.

use super::curve::{PlanPiece, check_fits, grams, too_long};
use super::{HOUR_NS, Plan, PlanError, PlanSlot, PlanWindow, Scaling, push};

/// Relative slack for a job that fits exactly: what the sum of a few thousand slots may lose.
const SLACK: f64 = 1e-12;

/// What has been bought: whole steps by slot, and a share of one more step in one slot.
pub(super) struct Bought {
    pub(super) steps: Vec<usize>,
    pub(super) shared: Option<(usize, f64)>,
    pub(super) grams: f64,
    /// Grams of the last unit of work.
    pub(super) work_grams: f64,
}

/// The plan of least grams for a job that takes `duration_ns` with the profile's fewest workers. It may pause.
///
/// `now_grams` is the job begun at once with the fewest workers that meet the deadline. Equal choices go to the
/// earliest slot.
///
/// # Errors
/// [`PlanError`] where even the widest job would miss the deadline, or does not fit into the time that is known.
pub fn elastic(window: &PlanWindow<'_>, scaling: &Scaling, duration_ns: i64) -> Result<Plan, PlanError> {
    let work = checked_work(window, scaling, duration_ns)?;
    let pieces: Vec<PlanPiece> = window.pieces().collect();
    let bought = buy(&pieces, scaling, work);
    let (grams, work_grams) = (bought.grams, Some(bought.work_grams));
    let slots = slots(&pieces, scaling, &bought);
    Ok(Plan { slots, grams, now_grams: now(window, scaling, work)?, bound_grams: grams, work_grams })
}

/// The work of a job, if the widest can do it within the window.
pub(super) fn checked_work(window: &PlanWindow<'_>, scaling: &Scaling, duration_ns: i64) -> Result<f64, PlanError> {
    let work = scaling.work(duration_ns);
    let need_h = work / scaling.fastest();
    if duration_ns <= 0 {
        check_fits(window, duration_ns)?;
    }
    if need_h > window.hours() * (1.0 + SLACK) {
        return Err(too_long(window, need_h));
    }
    let known_h = window.known_ns() as f64 / HOUR_NS as f64;
    if need_h > known_h * (1.0 + SLACK) { Err(window.gap()) } else { Ok(work) }
}

/// Buys work by the cheapest step first, in slots whose intensity is known.
pub(super) fn buy(pieces: &[PlanPiece], scaling: &Scaling, work: f64) -> Bought {
    let hull = scaling.hull();
    let cost = |slot: usize, step: usize| pieces[slot].g_per_kwh() * hull[step].slope();
    let known = (0..pieces.len()).filter(|slot| pieces[*slot].is_known);
    let offers = known.flat_map(|slot| (0..hull.len()).map(move |step| (slot, step)));
    let mut offers: Vec<(f64, usize, usize)> = offers.map(|(slot, step)| (cost(slot, step), slot, step)).collect();
    offers.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut bought = Bought { steps: vec![0; pieces.len()], shared: None, grams: 0.0, work_grams: 0.0 };
    let mut left = work;
    for (cost, slot, step) in offers {
        let most = hull[step].throughput * pieces[slot].hours();
        bought.work_grams = cost / 1000.0;
        bought.grams += bought.work_grams * most.min(left);
        if left <= most * (1.0 - SLACK) {
            bought.shared = Some((slot, left / most));
            break;
        }
        bought.steps[slot] = step + 1;
        left -= most;
        if left <= work * SLACK {
            break;
        }
    }
    bought
}

fn slots(pieces: &[PlanPiece], scaling: &Scaling, bought: &Bought) -> Vec<PlanSlot> {
    let workers = |steps: usize| steps.checked_sub(1).map_or(0, |step| scaling.hull()[step].to);
    let mut slots = Vec::new();
    let mut run = |from_ns, to_ns, workers| {
        if workers > 0 {
            push(&mut slots, PlanSlot { from_ns, to_ns, workers });
        }
    };
    for (at, piece) in pieces.iter().enumerate() {
        let steps = bought.steps[at];
        let share = bought.shared.filter(|(slot, _)| *slot == at).map_or(0.0, |(_, share)| share);
        // The wider part first: what is done is done.
        let wide_ns = ((piece.to_ns - piece.from_ns) as f64 * share).ceil() as i64;
        let until_ns = (piece.from_ns + wide_ns).min(piece.to_ns);
        if wide_ns > 0 {
            run(piece.from_ns, until_ns, workers(steps + 1));
        }
        run(until_ns, piece.to_ns, workers(steps));
    }
    slots
}

/// Grams of the work begun at once, with the fewest workers that meet the deadline; `None` where the intensity of that
/// time is not known.
pub(super) fn now(window: &PlanWindow<'_>, scaling: &Scaling, work: f64) -> Result<Option<f64>, PlanError> {
    let enough = |throughput: f64| work / throughput <= window.hours() * (1.0 + SLACK);
    let level = scaling.levels().iter().find(|level| enough(level.throughput));
    let level = level.or(scaling.levels().last()).ok_or(PlanError::NoWorkers)?;
    let length_ns = (work / level.throughput * HOUR_NS as f64).round() as i64;
    let to_ns = (window.from_ns() + length_ns).min(window.to_ns());
    let is_known = window.is_known(window.from_ns(), to_ns);
    Ok(is_known.then(|| grams(window.integral(window.from_ns(), to_ns), level.power_w)))
}

//! Plans jobs whose number of workers may change at any time (`eco2 plan --profile`). The plan is the optimum of a
//! linear programme over the shares of slots, and a greedy choice finds it.
//!
//! A *slot* is a period with one intensity. The *hull* of a profile lists the steps from fewer to more workers that are
//! worth their power (see [`Scaling`]). In each slot, each step can be used once, for at most the length of the slot. A
//! unit of work then emits the slot's intensity times the step's power per throughput. That slope increases within a
//! slot, so taking the cheapest steps first is possible and optimal. At most one slot is divided between two numbers of
//! workers. No plan in whole slots emits less.

use super::curve::{PlanPiece, check_fits, grams, too_long};
use super::{HOUR_NS, Plan, PlanError, PlanSlot, PlanWindow, Scaling, push};

/// Relative tolerance for a job that fits exactly: the rounding error of a sum over some thousand slots.
const SLACK: f64 = 1e-12;

/// The chosen steps: whole steps per slot, and a share of one more step in one slot.
pub(super) struct Bought {
    pub(super) steps: Vec<usize>,
    pub(super) shared: Option<(usize, f64)>,
    pub(super) grams: f64,
    /// Emissions of the last unit of work, grams.
    pub(super) work_grams: f64,
}

/// Returns the plan of least emissions for a job that takes `duration_ns` with the fewest workers of its profile. It
/// may pause.
///
/// `now_grams` is for the job started at once with the fewest workers that meet the deadline. Of equal choices the
/// earliest slot is taken.
///
/// ```
/// use eco2_grid::plan::{HOUR_NS, IntensityCurve, Scaling, elastic};
/// use eco2_grid::Series;
///
/// let csv = b"time,gco2e_per_kwh\n1970-01-01T00:00Z,100\n1970-01-01T01:00Z,10\n1970-01-01T02:00Z,100\n";
/// let series = Series::parse(csv, "series.csv", None)?;
/// // A second worker adds half of the throughput for the same power again.
/// let scaling = Scaling::parse(b"workers,throughput,power\n1,10,1000\n2,15,2000\n", "profile.csv", 1000.0)?;
/// let curve = IntensityCurve::new(&series);
/// let plan = elastic(&curve.window(series.from_ns(), series.to_ns())?, &scaling, 2 * HOUR_NS)?;
/// // Two workers in the cheap hour (20 g) do 15 of 20 units; one worker does the rest in half of the first hour (50 g).
/// assert_eq!((plan.grams.round(), plan.now_grams.map(f64::round)), (70.0, Some(110.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PlanError`] if even the widest job would miss the deadline, or does not fit into the known time.
pub fn elastic(window: &PlanWindow<'_>, scaling: &Scaling, duration_ns: i64) -> Result<Plan, PlanError> {
    let work = checked_work(window, scaling, duration_ns)?;
    let pieces: Vec<PlanPiece> = window.pieces().collect();
    let bought = buy(&pieces, scaling, work);
    let (grams, work_grams) = (bought.grams, Some(bought.work_grams));
    let slots = slots(&pieces, scaling, &bought);
    Ok(Plan { slots, grams, now_grams: now(window, scaling, work)?, bound_grams: grams, work_grams })
}

/// Returns the work of a job, if the largest number of workers can do it within the window.
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

/// Takes the cheapest steps first, in slots whose intensity is known, until the work is done.
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

/// Returns the time slots in which the job runs with the chosen steps.
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
        // The part with more workers first, so that the work is done earlier.
        let wide_ns = ((piece.to_ns - piece.from_ns) as f64 * share).ceil() as i64;
        let until_ns = (piece.from_ns + wide_ns).min(piece.to_ns);
        if wide_ns > 0 {
            run(piece.from_ns, until_ns, workers(steps + 1));
        }
        run(until_ns, piece.to_ns, workers(steps));
    }
    slots
}

/// Returns the emissions of the work started at once, with the fewest workers that meet the deadline; `None` if the
/// intensity of that time is unknown.
pub(super) fn now(window: &PlanWindow<'_>, scaling: &Scaling, work: f64) -> Result<Option<f64>, PlanError> {
    let enough = |throughput: f64| work / throughput <= window.hours() * (1.0 + SLACK);
    let level = scaling.levels().iter().find(|level| enough(level.throughput));
    let level = level.or(scaling.levels().last()).ok_or(PlanError::NoWorkers)?;
    let length_ns = (work / level.throughput * HOUR_NS as f64).round() as i64;
    let to_ns = (window.from_ns() + length_ns).min(window.to_ns());
    let is_known = window.is_known(window.from_ns(), to_ns);
    Ok(is_known.then(|| grams(window.integral(window.from_ns(), to_ns), level.power_w)))
}

//! Plans jobs that always use the same number of workers (`eco2 plan` without a profile), and computes what planning on
//! a forecast costs.
//!
//! A *window* is the time from the earliest start of the job to its deadline. A *slot* is a period of it with one
//! intensity, and an *edge* is the border of two slots. *Regret* is the emissions of a plan made on a forecast, minus
//! those of the best plan for the intensities that came.
//!
//! A job that may be interrupted takes the cheapest parts of its window. Every nanosecond of the window can be used
//! once, at the intensity of its slot, so taking the cheapest is the optimum. Of equal slots the earlier is taken, and
//! of the last slot its beginning.
//!
//! A job that may not be interrupted takes the cheapest period of its length. Its grams change linearly with its start
//! as long as neither of its ends crosses an edge. So the minimum is at a start where one end lies on an edge, or at
//! one of the ends of the window. Slots without a known intensity only add edges, and no period reaches into them.

use super::curve::{PlanPiece, check_fits, grams};
use super::error::{check, check_power};
use super::{Job, Plan, PlanError, PlanSlot, PlanWindow, push};

/// Returns the plan of least emissions for a job of fixed width. A job that may be interrupted runs in the cheapest
/// parts of the window, fractions of slots included. Another one runs in the cheapest period, which may start within a
/// slot.
///
/// # Errors
/// [`PlanError`] if the job does not fit, or a value is out of range.
pub fn plan(window: &PlanWindow<'_>, job: &Job) -> Result<Plan, PlanError> {
    check_power(job.power_w)?;
    check_fits(window, job.duration_ns)?;
    let (slots, cost) = if job.interruptible {
        if job.duration_ns > window.known_ns() {
            return Err(window.gap());
        }
        cheapest(window, job.duration_ns)
    } else {
        let (slot, cost) = contiguous(window, job.duration_ns).ok_or_else(|| window.gap())?;
        (vec![slot], cost)
    };
    let (from_ns, to_ns) = (window.from_ns(), window.from_ns() + job.duration_ns);
    let now = window.is_known(from_ns, to_ns).then(|| window.integral(from_ns, to_ns));
    let (grams, now_grams) = (grams(cost, job.power_w), now.map(|now| grams(now, job.power_w)));
    Ok(Plan { slots, grams, now_grams, bound_grams: grams, work_grams: None })
}

/// Returns the cheapest parts of a window, sorted by time, and their integral.
pub(super) fn cheapest(window: &PlanWindow<'_>, length_ns: i64) -> (Vec<PlanSlot>, i128) {
    let pieces: Vec<PlanPiece> = window.pieces().filter(|piece| piece.is_known).collect();
    let mut order: Vec<u32> = (0..pieces.len() as u32).collect();
    order.sort_unstable_by_key(|&at| (pieces[at as usize].cost, at));
    let (mut left_ns, mut cost, mut chosen) = (length_ns, 0, Vec::new());
    for at in order {
        let piece = pieces[at as usize];
        let taken_ns = (piece.to_ns - piece.from_ns).min(left_ns);
        cost += i128::from(piece.cost) * i128::from(taken_ns);
        chosen.push((at, taken_ns));
        left_ns -= taken_ns;
        if left_ns == 0 {
            break;
        }
    }
    chosen.sort_unstable();
    let mut slots = Vec::new();
    for (at, taken_ns) in chosen {
        let from_ns = pieces[at as usize].from_ns;
        push(&mut slots, PlanSlot { from_ns, to_ns: from_ns + taken_ns, workers: 1 });
    }
    (slots, cost)
}

/// Returns the earliest of the cheapest periods, and its integral; `None` if no period is known throughout.
pub(super) fn contiguous(window: &PlanWindow<'_>, length_ns: i64) -> Option<(PlanSlot, i128)> {
    let last_ns = window.to_ns() - length_ns;
    let ends = [window.from_ns(), last_ns].into_iter().filter(|start| window.is_known(*start, start + length_ns));
    let ends = ends.map(|start| (window.integral(start, start + length_ns), start));
    let begins_on_edge = window.slide(window.first_edge(0), length_ns, last_ns);
    let ends_on_edge = window.slide(window.first_edge(length_ns), length_ns, last_ns);
    // Sorted by grams, then by start: of equal ones the earliest.
    let (cost, from_ns) = ends.chain(begins_on_edge).chain(ends_on_edge).min()?;
    Some((PlanSlot { from_ns, to_ns: from_ns + length_ns, workers: 1 }, cost))
}

/// A plan made on a forecast, with its emissions at the actual intensities.
#[derive(Debug, Clone, PartialEq)]
pub struct Regret {
    /// Time slots in which the job ran.
    pub slots: Vec<PlanSlot>,
    /// Emissions at the actual intensities, grams CO2e.
    pub grams: f64,
    /// Emissions of the best plan for the actual intensities, grams CO2e.
    pub best_grams: f64,
    /// Emissions of the job started at once, grams CO2e; `None` if unknown.
    pub now_grams: Option<f64>,
}

impl Regret {
    /// Returns the emissions in excess of the best plan, grams CO2e; never negative.
    #[must_use]
    pub fn grams_lost(&self) -> f64 {
        (self.grams - self.best_grams).max(0.0)
    }

    /// Returns the excess in percent of the best plan; `None` if the best plan emits nothing.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.best_grams > 0.0).then(|| 100.0 * self.grams_lost() / self.best_grams)
    }
}

/// Plans a job on a forecast, and computes the emissions of the plan at the actual intensities of the same
/// window.
///
/// # Errors
/// [`PlanError`] if the job does not fit, or the actual intensities of the window or the plan are unknown.
pub fn regret(forecast: &PlanWindow<'_>, actual: &PlanWindow<'_>, job: &Job) -> Result<Regret, PlanError> {
    let made = plan(forecast, job)?;
    let seen = actual.curve().window(forecast.from_ns(), forecast.to_ns())?;
    let best = plan(&seen, job)?;
    if !made.slots.iter().all(|slot| seen.is_known(slot.from_ns, slot.to_ns)) {
        return Err(seen.gap());
    }
    let cost = made.slots.iter().map(|slot| seen.integral(slot.from_ns, slot.to_ns)).sum();
    let grams = grams(cost, job.power_w);
    Ok(Regret { slots: made.slots, grams, best_grams: best.grams, now_grams: best.now_grams })
}

/// Returns the largest possible regret of a plan, in percent of the best plan, if every forecast intensity is within
/// `error_percent` of the actual one.
///
/// With e = error/100, the actual emissions of a plan are at most 1/(1 - e) of its forecast emissions. These are at
/// most the forecast emissions of the best plan, which are at most 1 + e of its actual ones. So the regret is at most
/// (1 + e)/(1 - e) - 1.
///
/// # Errors
/// [`PlanError::Range`] unless the error is from 0 to below 100.
pub fn worst_regret_percent(error_percent: f64) -> Result<f64, PlanError> {
    check(error_percent, "forecast error in percent", |error| (0.0..100.0).contains(&error), "0 to below 100")?;
    let error = error_percent / 100.0;
    Ok(100.0 * 2.0 * error / (1.0 - error))
}

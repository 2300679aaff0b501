//! Plans many jobs on few machines (`eco2 plan --jobs FILE --machines N`), with the lowest emissions that it finds for
//! all of them together. A *slot* is a period with one intensity. A *share* is the machine time that a job gets in a
//! slot.
//!
//! The *slack* of a job is the time from its arrival to its deadline, minus its duration. Jobs that may be interrupted
//! share the machine time of every slot as the optimum of the transportation problem assigns it, and no plan has lower
//! emissions. Jobs that may not be interrupted are placed first, those with the least slack before the others, each at
//! the cheapest start at which a machine is free. That is a heuristic, because the problem is NP-hard; the plan states
//! its lower bound.
//!
//! Within a slot, shares become times on machines by McNaughton's wrap-around rule (1959): shares are laid end to end
//! and cut at the slot's length, and the rest goes on at the beginning of the next machine. The two parts of a job that
//! was cut never overlap, because no share is longer than the slot.

use super::curve::{PlanPiece, grams};
use super::error::check;
use super::fixed::contiguous;
use super::flow::{JobDemand, MachineShares, SlotSupply};
use super::{IntensityCurve, Plan, PlanError, PlanSlot, PlanWindow, QueuedJob, push};

/// Maximum number of jobs times slots: 8 Mi shares of 8 bytes each use 64 MiB.
const MOST_SHARES: usize = 8 << 20;

/// Plans of jobs that share machines.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedMachines {
    /// A plan for each job, in the order of the jobs. `now_grams` and `bound_grams` are those of the job alone.
    pub plans: Vec<Plan>,
    /// Grams CO2e of all jobs.
    pub grams: f64,
    /// Grams CO2e if each job started at its arrival on a machine of its own; `None` if that is unknown for one of
    /// them.
    pub now_grams: Option<f64>,
    /// Lower bound of the grams CO2e of any plan; equal to `grams` if every job may be interrupted.
    pub bound_grams: f64,
}

/// Plans jobs on a number of equal machines. A machine runs one job at a time.
///
/// # Errors
/// [`PlanError`] if a job does not fit alone, or no machine is free for it.
pub fn share_machines(curve: &IntensityCurve, jobs: &[QueuedJob], machines: u32) -> Result<SharedMachines, PlanError> {
    check(f64::from(machines), "machines", |machines| machines > 0.0, "1 or more")?;
    let alone = jobs.iter().map(|job| job.plan(curve)).collect::<Result<Vec<Plan>, _>>()?;
    let windows = jobs.iter().map(|job| window(curve, job)).collect::<Result<Vec<PlanWindow<'_>>, _>>()?;
    let mut slots = place(jobs, &windows, machines)?;
    let taken: Vec<PlanSlot> = slots.iter().flatten().copied().collect();
    interleave(curve, (jobs, &windows), (&taken, machines), &mut slots)?;
    let plans: Vec<Plan> = slots.into_iter().zip(alone).zip(jobs.iter().zip(&windows)).map(plan_of_slots).collect();
    let total = |of: fn(&Plan) -> f64| plans.iter().map(of).fold(0.0, |sum, grams| sum + grams);
    let (grams, now_grams) = (total(|plan| plan.grams), plans.iter().map(|plan| plan.now_grams).sum());
    let exact = jobs.iter().all(|job| job.job.interruptible);
    let bound_grams = if exact { grams } else { total(|plan| plan.bound_grams).min(grams) };
    Ok(SharedMachines { plans, grams, now_grams, bound_grams })
}

/// Returns the time from a job's arrival to its deadline.
fn window<'a>(curve: &'a IntensityCurve, job: &QueuedJob) -> Result<PlanWindow<'a>, PlanError> {
    curve.window(job.arrival_ns, job.deadline_ns.min(curve.to_ns()))
}

/// Returns the plan of a job from its slots on the machines, its plan alone, the job and its window.
fn plan_of_slots(((slots, alone), (job, window)): ((Vec<PlanSlot>, Plan), (&QueuedJob, &PlanWindow<'_>))) -> Plan {
    let cost = slots.iter().map(|slot| window.integral(slot.from_ns, slot.to_ns)).sum();
    let grams = grams(cost, job.job.power_w);
    Plan { slots, grams, bound_grams: alone.bound_grams.min(grams), ..alone }
}

/// Places the jobs that may not be interrupted, those with the least slack (window minus duration) first.
fn place(jobs: &[QueuedJob], windows: &[PlanWindow<'_>], machines: u32) -> Result<Vec<Vec<PlanSlot>>, PlanError> {
    let slack = |job: usize| windows[job].to_ns() - windows[job].from_ns() - jobs[job].job.duration_ns;
    let mut order: Vec<usize> = (0..jobs.len()).filter(|&job| !jobs[job].job.interruptible).collect();
    order.sort_by_key(|&job| (slack(job), jobs[job].arrival_ns));
    let (mut slots, mut taken): (Vec<Vec<PlanSlot>>, Vec<PlanSlot>) = (vec![Vec::new(); jobs.len()], Vec::new());
    for job in order {
        let place = free_place(&windows[job], jobs[job].job.duration_ns, &taken, machines);
        let place = place.ok_or(PlanError::NoMachine { job, machines })?;
        taken.push(place);
        slots[job] = vec![place];
    }
    Ok(slots)
}

/// Returns the cheapest period in which a machine is free throughout. Candidates start or end at an edge of a slot or
/// of another job.
fn free_place(window: &PlanWindow<'_>, length_ns: i64, taken: &[PlanSlot], machines: u32) -> Option<PlanSlot> {
    let (best, _) = contiguous(window, length_ns)?;
    if is_free(&best, taken, machines) {
        return Some(best);
    }
    let last_ns = window.to_ns() - length_ns;
    let edges = window.pieces().flat_map(|piece| [piece.from_ns, piece.to_ns]);
    let of_jobs = taken.iter().flat_map(|slot| [slot.from_ns, slot.to_ns]);
    let starts = edges.chain(of_jobs).flat_map(|edge| [edge, edge - length_ns]);
    let is_inside = |start: &i64| (window.from_ns()..=last_ns).contains(start);
    let known = starts.filter(|start| is_inside(start) && window.is_known(*start, start + length_ns));
    let places = known.map(|from_ns| {
        let to_ns = from_ns + length_ns;
        (window.integral(from_ns, to_ns), PlanSlot { from_ns, to_ns, workers: 1 })
    });
    let free = places.filter(|(_, place)| is_free(place, taken, machines));
    free.min_by_key(|(cost, place)| (*cost, place.from_ns)).map(|(_, place)| place)
}

/// Whether at least one machine is free at every moment of a period.
fn is_free(place: &PlanSlot, taken: &[PlanSlot], machines: u32) -> bool {
    let overlapping: Vec<&PlanSlot> =
        taken.iter().filter(|slot| slot.from_ns < place.to_ns && slot.to_ns > place.from_ns).collect();
    let running = |at_ns: i64| overlapping.iter().filter(|slot| (slot.from_ns..slot.to_ns).contains(&at_ns)).count();
    let moments = overlapping.iter().map(|slot| slot.from_ns.max(place.from_ns));
    moments.map(running).max().unwrap_or(0) < machines as usize
}

/// Shares the remaining machine time among the jobs that may be interrupted.
fn interleave(
    curve: &IntensityCurve,
    (jobs, windows): (&[QueuedJob], &[PlanWindow<'_>]),
    (taken, machines): (&[PlanSlot], u32),
    slots: &mut [Vec<PlanSlot>],
) -> Result<(), PlanError> {
    let flexible: Vec<usize> = (0..jobs.len()).filter(|&job| jobs[job].job.interruptible).collect();
    let pieces = cut(curve, &flexible.iter().map(|&job| windows[job]).collect::<Vec<_>>(), taken);
    let count = pieces.len() * flexible.len();
    if count > MOST_SHARES {
        return Err(PlanError::TooLarge { what: "jobs times slots that share machines", count, most: MOST_SHARES });
    }
    let supplies = pieces.iter().map(|piece| supply(piece, taken, machines)).collect();
    let demand = |&job: &usize| demand(&pieces, &windows[job], &jobs[job], jobs);
    let demands: Vec<JobDemand> = flexible.iter().map(demand).collect();
    let no_machine = |at: usize| PlanError::NoMachine { job: flexible[at], machines };
    let flow = MachineShares::solve(supplies, &demands).map_err(no_machine)?;
    for (at, piece) in pieces.iter().enumerate() {
        let shares = (0..flexible.len()).map(|job| (job, flow.share(job, at))).filter(|(_, share)| *share > 0);
        let mut times = wrap_around(&shares.collect::<Vec<_>>(), piece.to_ns - piece.from_ns);
        times.sort_by_key(|&(job, from_ns, _)| (job, from_ns));
        for (job, from_ns, to_ns) in times {
            let slot = PlanSlot { from_ns: piece.from_ns + from_ns, to_ns: piece.from_ns + to_ns, workers: 1 };
            push(&mut slots[flexible[job]], slot);
        }
    }
    Ok(())
}

/// Returns the time cut wherever the intensity, the free machines or the set of jobs may change.
fn cut(curve: &IntensityCurve, windows: &[PlanWindow<'_>], taken: &[PlanSlot]) -> Vec<PlanPiece> {
    let mut edges: Vec<i64> = windows.iter().flat_map(|window| [window.from_ns(), window.to_ns()]).collect();
    let (Some(&first), Some(&last)) = (edges.iter().min(), edges.iter().max()) else { return Vec::new() };
    edges.extend(taken.iter().flat_map(|slot| [slot.from_ns, slot.to_ns]));
    edges.extend(curve.edges(first, last));
    edges.retain(|edge| (first..=last).contains(edge));
    edges.sort_unstable();
    edges.dedup();
    let piece = |pair: &[i64]| {
        let cost = curve.cost_at(pair[0]);
        PlanPiece { from_ns: pair[0], to_ns: pair[1], cost: cost.unwrap_or(0), is_known: cost.is_some() }
    };
    edges.windows(2).map(piece).collect()
}

/// Returns the machine time that is free in a period.
fn supply(piece: &PlanPiece, taken: &[PlanSlot], machines: u32) -> SlotSupply {
    let running = taken.iter().filter(|slot| (slot.from_ns..slot.to_ns).contains(&piece.from_ns)).count();
    let length_ns = piece.to_ns - piece.from_ns;
    let free = if piece.is_known { i64::from(machines) - running as i64 } else { 0 };
    SlotSupply { length_ns, free_ns: length_ns.saturating_mul(free), cost: piece.cost }
}

/// Returns the time that a job needs, the range of periods in which it may run, and the weight of its power.
fn demand(pieces: &[PlanPiece], window: &PlanWindow<'_>, job: &QueuedJob, jobs: &[QueuedJob]) -> JobDemand {
    let first = pieces.partition_point(|piece| piece.from_ns < window.from_ns());
    let end = pieces.partition_point(|piece| piece.to_ns <= window.to_ns());
    // Only the ratio of powers matters: milliwatts, or 1 where all are equal.
    let equal = jobs.iter().all(|other| other.job.power_w == job.job.power_w);
    let weight = if equal { 1 } else { (job.job.power_w * 1e3).round() as i64 };
    JobDemand { first, end, need_ns: job.job.duration_ns, weight }
}

/// Returns the times of every share within a slot of `length_ns`, as `(job, from_ns, to_ns)` since the start of the
/// slot.
pub(super) fn wrap_around(shares_ns: &[(usize, i64)], length_ns: i64) -> Vec<(usize, i64, i64)> {
    let (mut times, mut at_ns) = (Vec::new(), 0);
    for &(job, share_ns) in shares_ns {
        let first_ns = share_ns.min(length_ns - at_ns);
        if first_ns < share_ns {
            times.push((job, 0, share_ns - first_ns));
        }
        times.push((job, at_ns, at_ns + first_ns));
        at_ns = (at_ns + share_ns) % length_ns;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_that_is_cut_never_runs_twice_at_once() {
        // Three jobs of 40 on two machines of 60.
        assert_eq!(wrap_around(&[(0, 40), (1, 40), (2, 40)], 60), [(0, 0, 40), (1, 0, 20), (1, 40, 60), (2, 20, 60)]);
    }
}

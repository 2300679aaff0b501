//! Computes the energy curves (energy over time) of the devices of a merged report. Their time is that of the merged
//! run: the attempts (starts of the run) follow each other without the pauses between them. A *window* is a start and
//! an end time; a *union* joins the records of one counter by several processes.

use eco2_core::schema::Device;
use eco2_core::{Bounded, Curve, CurvePoint, CurveRecord, Merged, Ranged, Window, curve_records};

use super::attempts::{AttemptParts, Attempts};
use super::energy::{Measured, MeasuredDevice, unbounded};
use super::parts::{Parts, length_ns};

/// Largest number of points of a curve, over all attempts together; a report keeps no more.
const MAX_INSTANTS: usize = 512;
/// Largest number of points of all curves together, as far as each has its ends: those of thousands of devices are only summed.
const MAX_POINTS: usize = 1 << 17;

/// Returns the curves of all merged devices.
pub(super) fn records(parts: &Parts, attempts: &Attempts, measured: &Measured) -> Vec<CurveRecord> {
    let mut end_ns = 0_u64;
    let mut begins_ns = Vec::with_capacity(attempts.list.len());
    for attempt in &attempts.list {
        begins_ns.push(end_ns);
        end_ns = end_ns.saturating_add(duration_ns(attempt));
    }
    let most = (MAX_POINTS / measured.devices.len().max(1)).clamp(2, MAX_INSTANTS);
    let curve = |measured: &MeasuredDevice| {
        measured.device.energy_uj?;
        Some(Curve::new(points(parts, attempts, measured, (&begins_ns, most)), end_ns, measured.device.bounded()))
    };
    let curves: Vec<Option<Curve>> = measured.devices.iter().map(curve).collect();
    let devices: Vec<Device> = measured.devices.iter().map(|measured| measured.device.clone()).collect();
    curve_records(&devices, &curves, &[])
}

/// Returns the duration of an attempt on the machine where it took longest, nanoseconds.
pub(super) fn duration_ns(attempt: &AttemptParts) -> u64 {
    attempt.windows.values().map(|window| length_ns(&[*window])).max().unwrap_or(0)
}

/// Returns the points of a device's curve: the energy of the union of its records up to each instant, through the
/// windows of all attempts.
///
/// `begins_ns` has the start of each attempt on the time of the merged run. At most `most` points are returned.
fn points(
    parts: &Parts,
    attempts: &Attempts,
    device: &MeasuredDevice,
    (begins_ns, most): (&[u64], usize),
) -> Vec<CurvePoint> {
    let MeasuredDevice { key, counted, .. } = device;
    let instants = instants(parts, device, most);
    let (mut points, mut before) = (Vec::new(), Merged::default());
    for (place, counted) in counted.iter().enumerate() {
        let Some(whole) = attempts.list.get(counted.attempt).and_then(|attempt| attempt.windows.get(&key.boot_id))
        else {
            continue;
        };
        let begin_ns = begins_ns.get(counted.attempt).copied().unwrap_or(0);
        let own = first_from(&instants, (place, 0))..first_from(&instants, (place + 1, 0));
        let mut ahead = counted.windows.iter().peekable();
        for (_, at_ns) in instants.get(own).unwrap_or_default() {
            while let Some(window) = ahead.next_if(|window| window.to_ns <= *at_ns) {
                before = before + parts.union.within(key, &[*window]);
            }
            let cut = ahead.peek().map(|window| Window { to_ns: *at_ns, ..**window });
            let reached = cut.map_or(before, |cut| before + parts.union.within(key, &[cut]));
            let is_unbounded = counted.unbounded_from_ns.is_some_and(|from_ns| from_ns < *at_ns);
            let energy = if is_unbounded { unbounded(reached) } else { reached }.energy;
            let since_ns = begin_ns.saturating_add(at_ns.saturating_sub(whole.from_ns));
            points.push(CurvePoint::at_instant(since_ns, &Bounded { value: energy.value.or(Some(0)), ..energy }));
        }
        before = ahead.fold(before, |sum, window| sum + parts.union.within(key, &[*window]));
        if counted.unbounded_from_ns.is_some() {
            before = unbounded(before);
        }
    }
    points
}

/// An instant of a device's curve: the index of the attempt among those in which the device counts, and the time in it,
/// nanoseconds.
type Instant = (usize, u64);

/// Returns at most `most` instants in order: starts and ends of a device's windows, and readings within them.
fn instants(parts: &Parts, device: &MeasuredDevice, most: usize) -> Vec<Instant> {
    let MeasuredDevice { key, counted, .. } = device;
    let stretches = parts.union.stretches(key);
    let mut read: Vec<u64> = stretches.iter().flat_map(|stretch| stretch.at_ns.iter().copied()).collect();
    read.sort_unstable();
    read.dedup();
    let (mut ends, mut inside) = (Vec::new(), Vec::new());
    for (place, counted) in counted.iter().enumerate() {
        for window in &counted.windows {
            ends.extend([(place, window.from_ns), (place, window.to_ns)]);
            let own = first_from(&read, window.from_ns)..first_from(&read, window.to_ns);
            inside.extend(read.get(own).unwrap_or_default().iter().map(|at_ns| (place, *at_ns)));
        }
    }
    let mut instants = thinned(ends, most);
    instants.extend(thinned(inside, most - instants.len().min(most)));
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// Returns the index of the first sorted value that is not below `least`.
fn first_from<T: Ord>(sorted: &[T], least: T) -> usize {
    sorted.partition_point(|value| *value < least)
}

/// Returns at most `most` of the instants, evenly chosen, from the last backwards.
fn thinned(instants: Vec<Instant>, most: usize) -> Vec<Instant> {
    if most == 0 {
        return Vec::new();
    }
    let every = instants.len().div_ceil(most).max(1);
    instants.into_iter().rev().step_by(every).collect()
}

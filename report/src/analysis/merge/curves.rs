//! Curves of merged devices, on the time of the merged run: its attempts one after the other, each machine's window of an
//! attempt from the attempt's beginning on.

use eco2_core::{Bounded, CounterKey, Curve, CurvePoint, CurveRecord, Merged, Ranged, Window, curve_records};

use super::attempts::{Attempt, Attempts};
use super::energy::{Counted, Measured, unbounded};
use super::parts::Parts;
use super::windows::length_ns;

/// Instants of a counter at which the union is asked, of all attempts together; a report keeps no more.
const INSTANTS: usize = 512;

/// The records of all merged devices.
pub(super) fn records(parts: &Parts, attempts: &Attempts, measured: &Measured) -> Vec<CurveRecord> {
    let mut end_ns = 0_u64;
    let mut begins_ns = Vec::with_capacity(attempts.list.len());
    for attempt in &attempts.list {
        begins_ns.push(end_ns);
        end_ns = end_ns.saturating_add(duration_ns(attempt));
    }
    let curve = |(device, (key, counted)): (&eco2_core::schema::Device, &(CounterKey, Vec<Counted>))| {
        device.energy_uj?;
        let points = points(parts, attempts, (key, counted), &begins_ns);
        Some(Curve::new(points, end_ns, device.bounded()))
    };
    let curves: Vec<Option<Curve>> = measured.devices.iter().zip(&measured.counted).map(curve).collect();
    curve_records(&measured.devices, &curves, &[])
}

/// How long an attempt took: on the machine where it took longest.
pub(super) fn duration_ns(attempt: &Attempt) -> u64 {
    attempt.windows.values().map(|window| length_ns(&[*window])).max().unwrap_or(0)
}

/// Walks over the windows of all attempts and asks the union at the instants on the way.
fn points(
    parts: &Parts,
    attempts: &Attempts,
    (key, counted): (&CounterKey, &[Counted]),
    begins_ns: &[u64],
) -> Vec<CurvePoint> {
    let instants = instants(parts, key, counted);
    let (mut points, mut before) = (Vec::new(), Merged::default());
    for (place, counted) in counted.iter().enumerate() {
        let Some(whole) = attempts.list.get(counted.attempt).and_then(|attempt| attempt.windows.get(&key.boot_id))
        else {
            continue;
        };
        let begin_ns = begins_ns.get(counted.attempt).copied().unwrap_or(0);
        let own = after(&instants, (place, 0))..after(&instants, (place + 1, 0));
        let mut ahead = counted.windows.iter().peekable();
        for (_, at_ns) in instants.get(own).unwrap_or_default() {
            while let Some(window) = ahead.next_if(|window| window.to_ns <= *at_ns) {
                before = before + parts.union.within(key, &[*window]);
            }
            let cut = ahead.peek().map(|window| Window { to_ns: *at_ns, ..**window });
            let reached = cut.map_or(before, |cut| before + parts.union.within(key, &[cut]));
            let is_blind = counted.blind_ns.is_some_and(|blind_ns| blind_ns < *at_ns);
            let energy = if is_blind { unbounded(reached) } else { reached }.energy;
            let since_ns = begin_ns.saturating_add(at_ns.saturating_sub(whole.from_ns));
            points.push(CurvePoint::at_instant(since_ns, &Bounded { value: energy.value.or(Some(0)), ..energy }));
        }
        before = ahead.fold(before, |sum, window| sum + parts.union.within(key, &[*window]));
        if counted.blind_ns.is_some() {
            before = unbounded(before);
        }
    }
    points
}

/// An instant, with the place among those in which the device counts of the attempt that it is in.
type Instant = (usize, u64);

/// At most [`INSTANTS`] of the windows' ends and of the instants at which the counter was seen within them, in order.
fn instants(parts: &Parts, key: &CounterKey, counted: &[Counted]) -> Vec<Instant> {
    let stretches = parts.union.stretches(key);
    let mut seen: Vec<u64> = stretches.iter().flat_map(|stretch| stretch.at_ns.iter().copied()).collect();
    seen.sort_unstable();
    seen.dedup();
    let (mut ends, mut inside) = (Vec::new(), Vec::new());
    for (place, counted) in counted.iter().enumerate() {
        for window in &counted.windows {
            ends.extend([(place, window.from_ns), (place, window.to_ns)]);
            let own = after(&seen, window.from_ns)..after(&seen, window.to_ns);
            inside.extend(seen.get(own).unwrap_or_default().iter().map(|at_ns| (place, *at_ns)));
        }
    }
    let mut instants = thinned(ends, INSTANTS);
    instants.extend(thinned(inside, INSTANTS - instants.len().min(INSTANTS)));
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// Place of the first of sorted values that is no less.
fn after<T: Ord>(sorted: &[T], least: T) -> usize {
    sorted.partition_point(|value| *value < least)
}

/// At most so many, evenly chosen, the last among them.
fn thinned(instants: Vec<Instant>, most: usize) -> Vec<Instant> {
    if most == 0 {
        return Vec::new();
    }
    let every = instants.len().div_ceil(most).max(1);
    instants.into_iter().rev().step_by(every).collect()
}

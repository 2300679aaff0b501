//! Curves of merged devices, on the time of the merged run: its attempts one after the other, each machine's window of an
//! attempt from the attempt's beginning on.

use eco2_core::{Bounded, CounterKey, Curve, CurvePoint, CurveRecord, Merged, Window, curve_records};

use super::attempts::{Attempt, Attempts};
use super::energy::{Counted, Measured};
use super::parts::Parts;
use super::windows::length_ns;

/// Instants of a counter at which the union is asked; a report keeps no more.
const INSTANTS: usize = 512;

/// The records of all merged devices.
pub(super) fn records(parts: &Parts, attempts: &Attempts, measured: &Measured) -> Vec<CurveRecord> {
    let mut end_ns = 0_u64;
    let mut begins_ns = Vec::with_capacity(attempts.list.len());
    for attempt in &attempts.list {
        begins_ns.push(end_ns);
        end_ns = end_ns.saturating_add(duration_ns(attempt));
    }
    let curve = |(device, (key, counted)): (&eco2_core::report::Device, &(CounterKey, Counted))| {
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

fn points(
    parts: &Parts,
    attempts: &Attempts,
    (key, counted): (&CounterKey, &Counted),
    begins_ns: &[u64],
) -> Vec<CurvePoint> {
    let (mut points, mut before) = (Vec::new(), Merged::none());
    for (place, windows) in counted {
        let Some(whole) = attempts.list.get(*place).and_then(|attempt| attempt.windows.get(&key.boot_id)) else {
            continue;
        };
        let begin_ns = begins_ns.get(*place).copied().unwrap_or(0);
        for at_ns in instants(parts, key, windows, INSTANTS / counted.len().max(1)) {
            let energy = before.plus(parts.union.within(key, &until(windows, at_ns))).energy;
            let since_ns = begin_ns.saturating_add(at_ns.saturating_sub(whole.from_ns));
            points.push(CurvePoint::at_instant(since_ns, &Bounded { value: energy.value.or(Some(0)), ..energy }));
        }
        before = before.plus(parts.union.within(key, windows));
    }
    points
}

/// At most so many of the instants at which the counter was seen within the windows, and the windows' ends.
fn instants(parts: &Parts, key: &CounterKey, windows: &[Window], most: usize) -> Vec<u64> {
    let inside = |at_ns: &u64| windows.iter().any(|window| (window.from_ns..=window.to_ns).contains(at_ns));
    let seen = parts.union.counters().filter(|(other, _)| *other == key).flat_map(|(_, stretches)| stretches);
    let mut seen: Vec<u64> = seen.flat_map(|stretch| stretch.at_ns.iter().copied()).filter(inside).collect();
    seen.sort_unstable();
    seen.dedup();
    let every = seen.len().div_ceil(most.max(1)).max(1);
    let ends = windows.iter().flat_map(|window| [window.from_ns, window.to_ns]);
    let mut instants: Vec<u64> = seen.into_iter().step_by(every).chain(ends).collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// The time of windows before an instant.
fn until(windows: &[Window], at_ns: u64) -> Vec<Window> {
    windows.iter().map(|window| Window { to_ns: window.to_ns.min(at_ns).max(window.from_ns), ..*window }).collect()
}

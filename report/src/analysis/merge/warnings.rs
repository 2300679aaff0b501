//! Finds the events of a merge: missing ranks, names that machines share or that differ on one, and records that
//! contradict each other. An *attempt* is one start of the run; a *part* is the report of one process.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::Window;
use eco2_core::schema::{EventKind, EventRecord, Merge, Report};
use eco2_core::units::watts;
use eco2_grid::pricing::MergedShares;

use super::attempts::{AttemptParts, Attempts};
use super::parts::{Parts, machine, wall, window};

/// Two records of one counter contradict each other if their mean powers differ by more than this share. A fifth is
/// more than different readings of one counter explain.
const MAX_DIFFERENCE: f64 = 0.2;
/// Only records that share at least this part of their time are compared, because the power can differ at other times.
const MIN_SHARED: f64 = 0.9;
/// Prefix of run ids that are made from the ranks' common parent process.
const LAUNCH_PREFIX: &str = "launch-";
/// Largest number of ranks or names that an event lists.
const MAX_LISTED: usize = 16;

/// Returns the events of a merge.
pub(super) fn events(
    parts: &Parts,
    attempts: &Attempts,
    merge: &Merge,
    priced: Option<&MergedShares>,
) -> Vec<EventRecord> {
    let list = &parts.list;
    let mut out = Vec::new();
    out.extend(attempts.list.iter().enumerate().filter_map(|(at, attempt)| missing(at, attempt)));
    out.extend(resized(attempts));
    out.extend(ids(list));
    out.extend(one_machine(list));
    out.extend(one_name(list));
    out.extend(contradictions(list));
    out.extend(unknown_boots(list));
    if let Some(uj) = merge.overhead_uj {
        let text = format!("{uj} uJ were used outside the attempts (start, between, end); they are in no total");
        out.push(event(EventKind::Overhead, text));
    }
    if priced.is_none() && list.iter().any(|part| part.carbon.is_some()) {
        out.push(event(EventKind::Unpriced, "a machine's records have no carbon, so the run has none".to_owned()));
    }
    out.extend(priced.into_iter().flat_map(|priced| priced.events.clone()));
    out.extend(intensities(list));
    out.extend(uncounted(list, attempts));
    out.extend(merge.left_out.iter().map(|error| event(EventKind::RecordUnreadable, format!("left out: {error}"))));
    out
}

/// Returns an event of the merge, which belongs to no time and no device.
fn event(kind: EventKind, text: String) -> EventRecord {
    EventRecord::new(0, kind, "", text)
}

/// Returns an event about the ranks of an attempt that have no record; `None` if none is missing.
fn missing(at: usize, attempt: &AttemptParts) -> Option<EventRecord> {
    let (missing, world) = (attempt.missing(), attempt.world_size?);
    let there = attempt.ranks().unwrap_or(0);
    let listed: Vec<String> = missing.iter().take(MAX_LISTED).map(u32::to_string).collect();
    let more = if missing.len() > MAX_LISTED { ", …" } else { "" };
    let text = format!(
        "attempt {at}: {there} of {world} ranks have a record (missing: {}{more}); a missing rank's machine counts \
         only if another record covers it",
        listed.join(", ")
    );
    (!missing.is_empty()).then(|| event(EventKind::RanksMissing, text))
}

/// Returns an event for each attempt whose number of ranks differs from that of the attempt before.
fn resized(attempts: &Attempts) -> Vec<EventRecord> {
    let sizes = attempts.list.iter().map(|attempt| attempt.world_size).enumerate();
    let known: Vec<(usize, u32)> = sizes.filter_map(|(at, size)| Some((at, size?))).collect();
    let changed = known.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    let text = |pair: &[(usize, u32)]| format!("attempt {} had {} ranks, not {}", pair[1].0, pair[1].1, pair[0].1);
    changed.map(|pair| event(EventKind::WorldSizeChanged, text(pair))).collect()
}

/// Returns an event if the merged records have several run ids.
fn ids(parts: &[Report]) -> Option<EventRecord> {
    let ids: BTreeSet<&str> = parts.iter().map(|part| part.run.id.as_str()).collect();
    let text = || format!("records of {} run ids were merged: {}", ids.len(), list(&ids));
    (ids.len() > 1).then(|| event(EventKind::RunIdsDiffer, text()))
}

/// Returns an event about a run that is known only by its parent process: a shell or a notebook can start several
/// trainings.
fn uncounted(parts: &[Report], attempts: &Attempts) -> Option<EventRecord> {
    let guessed: BTreeSet<&str> =
        parts.iter().map(|part| part.run.id.as_str()).filter(|id| id.starts_with(LAUNCH_PREFIX)).collect();
    let text = || {
        format!(
            "{} was started {} times by one process without a count of restarts: if these are separate trainings, give \
             each its own run id",
            list(&guessed),
            attempts.list.len()
        )
    };
    (attempts.uncounted && !guessed.is_empty()).then(|| event(EventKind::StartsUncounted, text()))
}

/// Joins words by commas, at most [`MAX_LISTED`] of them.
fn list(words: &BTreeSet<&str>) -> String {
    let shown: Vec<&str> = words.iter().take(MAX_LISTED).copied().collect();
    shown.join(", ") + if words.len() > MAX_LISTED { ", …" } else { "" }
}

/// Returns the node name from the cluster's label, else the host name.
fn node(part: &Report) -> &str {
    part.run.labels.get("node").unwrap_or(&part.run.host.hostname)
}

/// Returns an event for each machine with several names, such as two SLURM nodes on one host.
fn one_machine(parts: &[Report]) -> Vec<EventRecord> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.run.host.boot_id.is_empty()) {
        names.entry(&part.run.host.boot_id).or_default().insert(node(part));
    }
    let several = names.into_iter().filter(|(_, names)| names.len() > 1);
    let text = |(boot, names): (&str, BTreeSet<&str>)| {
        format!("{} are one machine (boot {boot}): its counters count once", list(&names))
    };
    several.map(|found| event(EventKind::OneMachine, text(found))).collect()
}

/// Returns an event for each host name that several machines had at the same time.
fn one_name(parts: &[Report]) -> Vec<EventRecord> {
    let mut named: BTreeMap<&str, Vec<(Window, &str)>> = BTreeMap::new();
    for host in parts.iter().filter(|part| !part.run.host.hostname.is_empty()) {
        named.entry(&host.run.host.hostname).or_default().push((wall(host), &host.run.host.boot_id));
    }
    named.retain(|_, times| is_of_several_boots(times));
    let text = |name: &str| format!("several machines have the name {name}; their boot ids distinguish them");
    named.into_keys().map(|name| event(EventKind::HostNameShared, text(name))).collect()
}

/// Whether two boots have a time in common.
fn is_of_several_boots(times: &mut [(Window, &str)]) -> bool {
    times.sort_unstable();
    // The boot that reached furthest so far, and the end of the furthest other one.
    let mut furthest: Option<(u64, &str)> = None;
    let mut other_ns = 0;
    for &(window, boot) in times.iter() {
        let reached_ns = furthest.filter(|(_, known)| *known != boot).map_or(other_ns, |(to_ns, _)| to_ns);
        if reached_ns > window.from_ns {
            return true;
        }
        match furthest {
            Some((to_ns, known)) if known != boot && to_ns >= window.to_ns => other_ns = other_ns.max(window.to_ns),
            Some((to_ns, known)) if known != boot => (other_ns, furthest) = (to_ns, Some((window.to_ns, boot))),
            Some((to_ns, _)) => furthest = Some((to_ns.max(window.to_ns), boot)),
            None => furthest = Some((window.to_ns, boot)),
        }
    }
    false
}

/// Returns an event for each two records of one counter at one time that cannot both be right, as of two machines with
/// one boot id.
fn contradictions(parts: &[Report]) -> Vec<EventRecord> {
    let mut on: BTreeMap<String, Vec<&Report>> = BTreeMap::new();
    parts.iter().for_each(|part| on.entry(machine(part)).or_default().push(part));
    let mut found = BTreeMap::new();
    for (machine, parts) in &on {
        for (at, part) in parts.iter().enumerate() {
            for other in parts.iter().skip(at + 1).filter(|other| are_concurrent(part, other)) {
                for device in part.devices.iter().filter_map(|device| contradicts(part, other, &device.id)) {
                    found.entry((machine.clone(), device)).or_insert((&part.run.part, &other.run.part));
                }
            }
        }
    }
    let contradiction = |((boot, device), (one, two)): ((String, String), (&String, &String))| {
        let text = format!(
            "{one} and {two} contradict each other on it; if boot {boot} is two machines, such as copies of one virtual \
             machine, merge them separately"
        );
        EventRecord { device, ..event(EventKind::CounterContradicts, text) }
    };
    found.into_iter().map(contradiction).collect()
}

/// Whether two records share most of their time (at least [`MIN_SHARED`] of the longer one).
fn are_concurrent(part: &Report, other: &Report) -> bool {
    let (own, others) = (window(part), window(other));
    let shared = own.to_ns.min(others.to_ns).saturating_sub(own.from_ns.max(others.from_ns)) as f64;
    let longest = (own.to_ns - own.from_ns.min(own.to_ns)).max(others.to_ns.saturating_sub(others.from_ns));
    longest > 0 && shared / longest as f64 >= MIN_SHARED
}

/// Returns the device's id if the bounds of both records, as mean powers, differ by more than [`MAX_DIFFERENCE`].
fn contradicts(part: &Report, other: &Report, id: &str) -> Option<String> {
    let bounds = |report: &Report| {
        let device = report.devices.iter().find(|device| device.id == id && device.energy_uj.is_some())?;
        Some((watts(device.low_uj?, report.run.duration_ns)?, watts(device.high_uj?, report.run.duration_ns)?))
    };
    let ((low, high), (other_low, other_high)) = (bounds(part)?, bounds(other)?);
    let is_contradiction = low > other_high * (1.0 + MAX_DIFFERENCE) || other_low > high * (1.0 + MAX_DIFFERENCE);
    is_contradiction.then(|| id.to_owned())
}

/// Returns an event about records whose machine is not known by its boot id and clock.
fn unknown_boots(parts: &[Report]) -> Option<EventRecord> {
    let places: Vec<String> = parts.iter().map(machine).collect();
    let without = places.iter().filter(|place| place.starts_with("unknown:") || place.starts_with("wall:")).count();
    let text = format!(
        "{without} of {} records have no time on the clock of a known boot: energy that they share with others may count \
         twice",
        parts.len()
    );
    (without > 0 && parts.len() > 1).then(|| event(EventKind::BootUnknown, text))
}

/// Returns an event for each machine whose records have different carbon intensities.
fn intensities(parts: &[Report]) -> Vec<EventRecord> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in parts {
        let segments = part.carbon.iter().flat_map(|carbon| &carbon.segments);
        let figures = found.entry(machine(part)).or_default();
        figures.extend(segments.map(|segment| format!("{} g/kWh ({})", segment.g_per_kwh, segment.source)));
    }
    let several = found.into_iter().filter(|(_, figures)| figures.len() > 1);
    let text = |figures: BTreeSet<String>| {
        let figures: Vec<String> = figures.into_iter().collect();
        format!(
            "records of one machine use different intensities: {}; the longest record's was used",
            figures.join(", ")
        )
    };
    several.map(|(_, figures)| event(EventKind::IntensityDiffers, text(figures))).collect()
}

//! Collects the parts of a merge (one report per process, each once) and the union of their counter records (in which
//! readings of one counter by several processes count once), and computes with windows (a start and an end time).

use std::borrow::Cow;
use std::collections::BTreeMap;

use eco2_core::schema::{CounterRecord, Device, GapRecord, Report, State};
use eco2_core::{CounterKey, Quality, Stretch, Union, Window};
use jiff::Timestamp;

use crate::render::finite;

/// The parts of a merge and their counter records.
pub(super) struct Parts {
    /// One report per process, without counters and curves, in the order of their ids.
    pub(super) list: Vec<Report>,
    /// The records of each counter.
    pub(super) union: Union,
}

impl Parts {
    /// Collects the parts of reports; a merged report contributes the parts it was made from.
    pub(super) fn gather(reports: Vec<Report>) -> Self {
        let mut parts = BTreeMap::new();
        let mut union = Union::default();
        for mut report in reports {
            let records = match records_of(&report) {
                Cow::Owned(records) => records,
                Cow::Borrowed(_) => std::mem::take(&mut report.counters),
            };
            for record in records {
                let key = CounterKey { boot_id: record.boot_id, device: record.device };
                for stretch in record.stretches {
                    union.insert(key.clone(), stretch);
                }
            }
            match report.merge.take() {
                Some(merge) => merge.parts.into_iter().for_each(|part| keep(&mut parts, part)),
                None => keep(&mut parts, report),
            }
        }
        Self { list: parts.into_values().collect(), union }
    }

    /// Returns the parts, and the counter records of the union, as a report stores them.
    pub(super) fn into_records(self) -> (Vec<Report>, Vec<CounterRecord>) {
        let record = |(CounterKey { boot_id, device }, stretches)| CounterRecord { boot_id, device, stretches };
        (self.list, self.union.into_counters().map(record).collect())
    }
}

/// Keeps the last version of a part: the final one, else the longest. The order of the reports does not matter.
fn keep(parts: &mut BTreeMap<(String, String), Report>, report: Report) {
    let bare = Report {
        counters: Vec::new(),
        curves: Vec::new(),
        step_curve: None,
        span_times: Vec::new(),
        merge: None,
        ..report
    };
    let part = match finite(&bare) {
        Cow::Borrowed(_) => None,
        Cow::Owned(part) => Some(part),
    };
    let part = part.unwrap_or(bare);
    let key = (part.run.part.clone(), if part.run.part.is_empty() { unnamed(&part) } else { String::new() });
    match parts.get_mut(&key) {
        Some(kept) if version(kept) >= version(&part) => {}
        Some(kept) => *kept = part,
        None => drop(parts.insert(key, part)),
    }
}

/// Returns a key for a report without a part id (of an earlier version), made from the description of the run.
pub(super) fn unnamed(part: &Report) -> String {
    let run = &part.run;
    format!("{} {} {} {:?}", run.id, run.host.boot_id, run.started_at, run.command)
}

/// Returns a sort key for versions of a part: the last version has the largest.
pub(super) fn version(part: &Report) -> (bool, u64, String) {
    (part.run.state == State::Final, part.run.duration_ns, serde_json::to_string(part).unwrap_or_default())
}

/// Returns the machine that a part ran on: its boot id if known, else a unique name. The prefix `wall:` marks a part
/// without a time on the boot's clock.
pub(in crate::analysis) fn machine(part: &Report) -> String {
    match (part.run.boot_ns, part.run.host.boot_id.as_str()) {
        (_, "") => format!("unknown:{}", if part.run.part.is_empty() { unnamed(part) } else { part.run.part.clone() }),
        (Some(_), boot_id) => boot_id.to_owned(),
        (None, boot_id) => format!("wall:{boot_id}"),
    }
}

/// Returns the time of a part on the clock of its machine.
pub(in crate::analysis) fn window(part: &Report) -> Window {
    match part.run.boot_ns {
        Some([from_ns, to_ns]) if !part.run.host.boot_id.is_empty() => Window { from_ns, to_ns },
        _ => wall(part),
    }
}

/// Returns the time of a part by the wall clock, nanoseconds since 1970.
pub(super) fn wall(part: &Report) -> Window {
    let started: Option<Timestamp> = part.run.started_at.parse().ok();
    let from_ns = started.and_then(|at| u64::try_from(at.as_nanosecond()).ok()).unwrap_or(0);
    Window { from_ns, to_ns: from_ns.saturating_add(part.run.duration_ns) }
}

/// Returns the counter records of a report: its own; of a record without any those of its devices.
pub(super) fn records_of(report: &Report) -> Cow<'_, [CounterRecord]> {
    if report.merge.is_none() && report.counters.is_empty() {
        Cow::Owned(records_of_devices(report))
    } else {
        Cow::Borrowed(&report.counters)
    }
}

/// Makes counter records for a report without any: the totals of its devices, spread evenly over the run except for
/// gaps.
fn records_of_devices(report: &Report) -> Vec<CounterRecord> {
    let record = |device: &Device| {
        let energy_uj = device.energy_uj.filter(|_| device.quality != Quality::Missing)?;
        let covered = covered(device, window(report));
        let whole_ns = length_ns(&covered);
        let (mut passed_ns, mut stretches) = (0, Vec::new());
        for piece in covered {
            let before_uj = share(energy_uj, passed_ns, whole_ns);
            passed_ns += piece.to_ns - piece.from_ns;
            stretches.push(even(device, energy_uj, piece, share(energy_uj, passed_ns, whole_ns) - before_uj));
        }
        Some(CounterRecord { boot_id: machine(report), device: device.id.clone(), stretches })
    };
    report.devices.iter().filter_map(record).collect()
}

/// Returns the run minus the gaps whose energy the counter does not include; the whole run if nothing is left.
fn covered(device: &Device, run: Window) -> Vec<Window> {
    let uncounted_gaps = device.gaps.iter().filter(|gap| !gap.is_counted());
    let hole = |gap: &GapRecord| Window {
        from_ns: run.from_ns.saturating_add(gap.from_ns),
        to_ns: run.from_ns.saturating_add(gap.to_ns),
    };
    let whole = joined(vec![run]);
    let covered = without(&whole, &joined(uncounted_gaps.map(hole).collect()));
    if covered.is_empty() { whole } else { covered }
}

/// Returns the energy of the first `passed_ns` of `whole_ns`, if it is spread evenly.
fn share(uj: u64, passed_ns: u64, whole_ns: u64) -> u64 {
    let share = (u128::from(uj) * u128::from(passed_ns)).checked_div(u128::from(whole_ns)).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Returns a straight line over one covered window: `uj` of the device's `whole_uj`, with the bounds of the whole.
fn even(device: &Device, whole_uj: u64, piece: Window, uj: u64) -> Stretch {
    let below = |low: Option<u64>| whole_uj - low.unwrap_or(0).min(whole_uj);
    let above = |high: Option<u64>| high.map(|high| high.saturating_sub(whole_uj));
    Stretch {
        quality: device.quality,
        at_ns: vec![piece.from_ns, piece.to_ns],
        uj: vec![0, uj],
        slack_ns: 0,
        below_uj: below(device.low_uj).min(uj),
        above_uj: above(device.high_uj),
        free_below_uj: below(device.free_low_uj).min(uj),
        free_above_uj: above(device.free_high_uj),
    }
}

/// Returns the same time as sorted, disjoint windows.
pub(in crate::analysis) fn joined(mut windows: Vec<Window>) -> Vec<Window> {
    windows.retain(|window| window.from_ns < window.to_ns);
    windows.sort_unstable();
    let mut out: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match out.last_mut().filter(|last| window.from_ns <= last.to_ns) {
            Some(last) => last.to_ns = last.to_ns.max(window.to_ns),
            None => out.push(window),
        }
    }
    out
}

/// Returns the shortest window that contains both.
pub(in crate::analysis) fn hull(one: Window, other: Window) -> Window {
    Window { from_ns: one.from_ns.min(other.from_ns), to_ns: one.to_ns.max(other.to_ns) }
}

/// Returns the time of `windows` minus that of `holes`, both sorted and disjoint as [`joined`] returns them.
pub(super) fn without(windows: &[Window], holes: &[Window]) -> Vec<Window> {
    let mut out = Vec::new();
    for window in windows {
        let mut from_ns = window.from_ns;
        let ended = holes.partition_point(|hole| hole.to_ns <= window.from_ns);
        for hole in holes.iter().skip(ended).take_while(|hole| hole.from_ns < window.to_ns) {
            out.push(Window { from_ns, to_ns: hole.from_ns });
            from_ns = hole.to_ns;
        }
        out.push(Window { from_ns, to_ns: window.to_ns });
    }
    out.retain(|window| window.from_ns < window.to_ns);
    out
}

/// Returns the length of disjoint windows, nanoseconds.
pub(in crate::analysis) fn length_ns(windows: &[Window]) -> u64 {
    windows.iter().fold(0, |sum: u64, window| sum.saturating_add(window.to_ns - window.from_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(pairs: &[(u64, u64)]) -> Vec<Window> {
        pairs.iter().map(|&(from_ns, to_ns)| Window { from_ns, to_ns }).collect()
    }

    #[test]
    fn windows_are_joined_and_cut() {
        assert_eq!(joined(windows(&[(5, 7), (0, 3), (2, 5), (9, 9)])), windows(&[(0, 7)]));
        let cut = without(&windows(&[(0, 10), (20, 30)]), &windows(&[(2, 3), (8, 22), (40, 50)]));
        assert_eq!(cut, windows(&[(0, 2), (3, 8), (22, 30)]));
        assert_eq!(length_ns(&cut), 2 + 5 + 8);
    }
}

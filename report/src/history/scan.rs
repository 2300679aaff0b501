//! Reads all runs of a folder from their logs ([`scan_runs`]). It needs no index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::StoredRun;
use super::stored_run::RecordTime;
use crate::store::runs_in;

/// Returns the runs in a folder of runs, newest first. Reads the end of every log.
#[must_use]
pub fn scan_runs(folder: &Path) -> Vec<StoredRun> {
    let read = runs_in(folder).into_iter().map(|(id, records)| StoredRun::read(folder, &id, &records));
    let mut found: Vec<(StoredRun, Vec<RecordTime>)> = read.collect();
    mark_overlaps(&mut found);
    let mut runs: Vec<StoredRun> = found.into_iter().map(|(run, _)| run).collect();
    runs.sort_by(newest_first);
    runs
}

/// Orders runs by their start, the newest first, and runs of one millisecond by their ids.
pub(super) fn newest_first(one: &StoredRun, two: &StoredRun) -> std::cmp::Ordering {
    (two.started_ms(), &two.summary.run_id).cmp(&(one.started_ms(), &one.summary.run_id))
}

/// Marks the runs that were measured on one machine at the same time as another.
fn mark_overlaps(runs: &mut [(StoredRun, Vec<RecordTime>)]) {
    // The start, the end, and the place of the run in the list.
    let mut machines: BTreeMap<String, Vec<(i64, i64, usize)>> = BTreeMap::new();
    for (place, (_, times)) in runs.iter().enumerate() {
        for time in times.iter().filter(|time| !time.boot_id.is_empty()) {
            machines.entry(time.boot_id.clone()).or_default().push((time.from_ms, time.to_ms, place));
        }
    }
    let mut overlapping: BTreeSet<usize> = BTreeSet::new();
    for mut times in machines.into_values() {
        times.sort_unstable();
        // Records that may overlap the next one, because they end after the start of the last.
        let mut active: Vec<(i64, i64, usize)> = Vec::new();
        for (from_ms, to_ms, place) in times {
            active.retain(|(_, end_ms, _)| *end_ms > from_ms);
            for (start_ms, _, other) in &active {
                if *start_ms < to_ms && other != &place {
                    overlapping.extend([*other, place]);
                }
            }
            active.push((from_ms, to_ms, place));
        }
    }
    for (place, (run, _)) in runs.iter_mut().enumerate() {
        run.overlaps = overlapping.contains(&place);
    }
}

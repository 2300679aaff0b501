//! Several runs in one sum: each run whole, and what two runs saw of one counter once.

use std::collections::BTreeMap;

use eco2_core::schema::{Report, Run};

use super::merge_without;
use super::parts::{machine, unnamed, version, window};

/// One report a run: its ranks, attempts and other records merged. Of several versions of a record the last counts.
///
/// In the order in which the runs come; records without a run id stay apart.
pub(crate) fn whole_runs(reports: &[Report]) -> Vec<Report> {
    let mut runs: BTreeMap<(String, String), (usize, Vec<&Report>)> = BTreeMap::new();
    for (place, report) in reports.iter().enumerate() {
        let own = if report.run.id.is_empty() { unnamed(report) } else { String::new() };
        let (_, records) = runs.entry((report.run.id.clone(), own)).or_insert_with(|| (place, Vec::new()));
        keep_last_version(records, report);
    }
    let mut runs: Vec<_> = runs.into_values().collect();
    runs.sort_by_key(|(place, _)| *place);
    runs.into_iter().filter_map(|(_, records)| merged(&records, Report::clone)).collect()
}

fn keep_last_version<'a>(records: &mut Vec<&'a Report>, report: &'a Report) {
    // A merged report has no part of its own.
    let same =
        |kept: &&mut &Report| (kept.run.part == report.run.part && !report.run.part.is_empty()) || **kept == report;
    match records.iter_mut().find(same) {
        Some(kept) if version(kept) >= version(report) => {}
        Some(kept) => *kept = report,
        None => records.push(report),
    }
}

/// Reports whose energy may be added: runs that were on one machine at one time are one of them, with every counter once.
pub(crate) fn measured_once(runs: &[&Report]) -> Vec<Report> {
    let mut clusters: Vec<Vec<&Report>> = Vec::new();
    for members in together(runs) {
        clusters.push(members.into_iter().filter_map(|place| runs.get(place).copied()).collect());
    }
    clusters.iter().filter_map(|cluster| merged(cluster, anonymous)).collect()
}

/// The only report, or all of them merged as `prepared`.
fn merged(reports: &[&Report], prepared: impl Fn(&Report) -> Report) -> Option<Report> {
    match reports {
        [] => None,
        [only] => Some((*only).clone()),
        all => {
            let reports: Vec<Report> = all.iter().map(|report| prepared(report)).collect();
            merge_without(&reports, &[]).ok().or_else(|| reports.into_iter().max_by_key(version))
        }
    }
}

/// The report of a process like any other: ranks and restarts of several runs have nothing to do with each other.
fn anonymous(report: &Report) -> Report {
    let loosened =
        |run: &Run| Run { id: String::new(), rank: None, world_size: None, attempt: 0, requeue: 0, ..run.clone() };
    let mut report = Report { run: loosened(&report.run), ..report.clone() };
    for part in report.merge.iter_mut().flat_map(|merge| &mut merge.parts) {
        part.run = loosened(&part.run);
    }
    report
}

/// Places of the runs that were on one machine at one time, directly or through others.
fn together(runs: &[&Report]) -> Vec<Vec<usize>> {
    let mut on: BTreeMap<String, Vec<(u64, u64, usize)>> = BTreeMap::new();
    for (place, run) in runs.iter().enumerate() {
        let parts = run.merge.as_ref().map_or(std::slice::from_ref(*run), |merge| &merge.parts);
        for part in parts {
            let window = window(part);
            on.entry(machine(part)).or_default().push((window.from_ns, window.to_ns, place));
        }
    }
    let mut groups = Groups((0..runs.len()).collect());
    for mut windows in on.into_values() {
        windows.sort_unstable();
        let mut last: Option<(u64, usize)> = None;
        for (from_ns, to_ns, place) in windows {
            match &mut last {
                Some((end_ns, other)) if from_ns < *end_ns => {
                    groups.join(*other, place);
                    *end_ns = to_ns.max(*end_ns);
                }
                _ => last = Some((to_ns, place)),
            }
        }
    }
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    (0..runs.len()).for_each(|place| found.entry(groups.of(place)).or_default().push(place));
    found.into_values().collect()
}

/// Sets of places, each known by its first.
struct Groups(Vec<usize>);

impl Groups {
    fn of(&self, mut place: usize) -> usize {
        while let Some(next) = self.0.get(place).copied().filter(|next| *next != place) {
            place = next;
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        if let Some(root) = self.0.get_mut(one.max(other)) {
            *root = one.min(other);
        }
    }
}

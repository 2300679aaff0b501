//! Prepares sums over several runs, as for totals by label: each run becomes one report ([`whole_runs`]), and a counter
//! that several runs read at the same time counts once ([`measured_once`]).

use std::collections::BTreeMap;

use eco2_core::schema::{Report, Run};

use super::merge_without;
use super::parts::{machine, unnamed, version, window};

/// Returns one report per run, with its ranks, attempts and other records merged. Of several versions of a record, the
/// last counts.
///
/// The runs keep their order; a record without a run id is a run of its own.
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

/// Adds a report to the records of its run, or replaces an earlier version of it.
fn keep_last_version<'a>(records: &mut Vec<&'a Report>, report: &'a Report) {
    // A merged report has no part of its own.
    let is_same =
        |kept: &&mut &Report| (kept.run.part == report.run.part && !report.run.part.is_empty()) || **kept == report;
    match records.iter_mut().find(is_same) {
        Some(kept) if version(kept) >= version(report) => {}
        Some(kept) => *kept = report,
        None => records.push(report),
    }
}

/// Returns reports whose energies can be added: runs on one machine at the same time become one report, with every
/// counter once.
pub(crate) fn measured_once(runs: &[&Report]) -> Vec<Report> {
    let cluster = |places: Vec<usize>| places.into_iter().filter_map(|place| runs.get(place).copied()).collect();
    let clusters = concurrent(runs).into_iter().map(cluster);
    clusters.filter_map(|cluster: Vec<&Report>| merged(&cluster, anonymous)).collect()
}

/// Returns the only report, or the merge of all of them after `prepared` was applied; `None` if there is none.
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

/// Returns the report without run id, ranks and restarts, which have no meaning across runs.
fn anonymous(report: &Report) -> Report {
    let loosened =
        |run: &Run| Run { id: String::new(), rank: None, world_size: None, attempt: 0, requeue: 0, ..run.clone() };
    let mut report = Report { run: loosened(&report.run), ..report.clone() };
    for part in report.merge.iter_mut().flat_map(|merge| &mut merge.parts) {
        part.run = loosened(&part.run);
    }
    report
}

/// Returns groups of indices: runs of one group were on one machine at the same time, directly or through other runs.
fn concurrent(runs: &[&Report]) -> Vec<Vec<usize>> {
    let mut on: BTreeMap<String, Vec<(u64, u64, usize)>> = BTreeMap::new();
    for (place, run) in runs.iter().enumerate() {
        let parts = run.merge.as_ref().map_or(std::slice::from_ref(*run), |merge| &merge.parts);
        for part in parts {
            let window = window(part);
            on.entry(machine(part)).or_default().push((window.from_ns, window.to_ns, place));
        }
    }
    let mut groups = DisjointSets((0..runs.len()).collect());
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
    (0..runs.len()).for_each(|place| found.entry(groups.root(place)).or_default().push(place));
    found.into_values().collect()
}

/// Disjoint sets of indices (union-find). The root of a set is its smallest index; each entry is a parent.
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    /// Returns the smallest index of the set that an index is in.
    fn root(&self, mut place: usize) -> usize {
        while let Some(next) = self.0.get(place).copied().filter(|next| *next != place) {
            place = next;
        }
        place
    }

    /// Joins the sets of two indices.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(root) = self.0.get_mut(one.max(other)) {
            *root = one.min(other);
        }
    }
}

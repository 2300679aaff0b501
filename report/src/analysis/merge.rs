//! Joins the reports of one run for `eco2 merge`. Several processes (ranks, restarts, a monitoring agent, the command
//! around them) may have measured the run, and some of them the same counter.
//!
//! A merged report is computed from two sets: the *parts* (one report per process, known by its id; the last version
//! counts) and the *union* of their counter records (see `eco2_core::Union`). A merged report contains both sets, so
//! merging is idempotent, commutative and associative, and merged reports can be merged again.
//!
//! * **Energy** is that of the counters, each once, within the *attempts*. An attempt is one start of the run: it lasts
//!   on each machine from the first start to the last end of its processes. Energy outside the attempts is overhead. It
//!   is listed, but not part of a total.
//! * **Work**: samples and tokens are summed over the ranks. Steps are those of the rank with the most, because ranks
//!   step together. Of several records of one rank in one attempt, the largest counts.
//! * **Carbon and cost** are computed from the merged energy, at each machine's own intensity, PUE (facility overhead)
//!   and price.
//! * **Episodes** (of stalled steps, idle GPUs and the like) that several processes of one attempt on one machine
//!   report count once. Those of several attempts add up.
//! * **Spans** (named times) are those of one rank per machine, because the other ranks there measure the same energy.

mod activity;
mod attempts;
mod carbon;
mod curves;
mod devices;
mod energy;
mod identity;
mod once;
mod parts;
#[cfg(feature = "parquet")]
mod record;
mod warnings;

use std::collections::BTreeSet;

use eco2_core::schema::{Merge, Report, SelfCost};

use crate::Error;
use attempts::Attempts;
pub(crate) use once::{measured_once, whole_runs};
use parts::Parts;
pub(super) use parts::{hull, joined, length_ns, machine, window};
#[cfg(feature = "parquet")]
pub(crate) use record::{record_identity, record_stretches};

/// Merges reports of one run; merged reports may be among them.
///
/// # Errors
/// [`Error::NothingToMerge`] without any report, and [`Error::Condensed`] for a merged report without its records.
pub fn merge(reports: &[Report]) -> Result<Report, Error> {
    merge_without(reports, &[])
}

/// Merges reports as [`merge`] does, and lists the errors of records that could not be read in the merged report.
///
/// # Errors
/// As [`merge`].
pub fn merge_without(reports: &[Report], unreadable: &[String]) -> Result<Report, Error> {
    merge_owned(reports.to_vec(), unreadable)
}

/// Merges reports as [`merge_without`] does, without a copy of them.
///
/// # Errors
/// As [`merge`].
pub fn merge_owned(reports: Vec<Report>, unreadable: &[String]) -> Result<Report, Error> {
    let is_condensed = |report: &&Report| report.merge.as_ref().is_some_and(|merge| merge.records.is_some());
    if let Some(condensed) = reports.iter().find(is_condensed) {
        return Err(Error::Condensed { run: condensed.run.id.clone() });
    }
    let left_out = left_out(&reports, unreadable);
    let parts = Parts::gather(reports);
    if parts.list.is_empty() {
        return Err(Error::NothingToMerge);
    }
    let attempts = Attempts::find(&parts.list);
    let measured = energy::measure(&parts, &attempts);
    let replayed = activity::replayed(&parts.list, &attempts, &measured);
    let carbon = carbon::price(&parts.list, &attempts, &measured);
    let identity = identity::run(&parts.list, &attempts, &measured);
    let last = attempts.list.last();
    let merge = Merge {
        ranks: last.and_then(attempts::AttemptParts::ranks),
        world_size: last.and_then(|attempt| attempt.world_size),
        missing_ranks: last.map(attempts::AttemptParts::missing).unwrap_or_default(),
        machines: u32::try_from(attempts.machines().len()).unwrap_or(u32::MAX),
        overhead_uj: measured.overhead.and_then(|overhead| overhead.energy.value),
        overhead_ns: measured.overhead_ns(),
        replayed,
        parts: Vec::new(),
        records: None,
        left_out,
    };
    let mut merged = Report {
        events: warnings::events(&parts, &attempts, &merge, carbon.as_ref()),
        energy: carbon::with_facility(measured.energy(), &parts.list, &attempts, &measured),
        devices: measured.devices.iter().map(|measured| measured.device.clone()).collect(),
        host_totals: measured.host_totals(),
        spans: activity::spans(&parts.list, &attempts),
        work: activity::work(&parts.list, &attempts),
        carbon: carbon.map(|priced| priced.carbon),
        sources: identity::sources(&parts.list),
        spells: activity::episodes(&parts.list, &attempts),
        own: own(&parts.list),
        curves: curves::records(&parts, &attempts, &measured),
        merge: Some(merge),
        ..Report::empty(identity)
    };
    carbon::add_supplements(&mut merged, &parts.list, &attempts, &measured);
    let (list, counters) = parts.into_records();
    merged.counters = counters;
    if let Some(merge) = &mut merged.merge {
        merge.parts = list;
    }
    Ok(merged)
}

/// Returns the errors of the records that were left out of this merge or an earlier one, each once.
fn left_out(reports: &[Report], unreadable: &[String]) -> Vec<String> {
    let before = reports.iter().filter_map(|report| report.merge.as_ref()).flat_map(|merge| &merge.left_out);
    before.chain(unreadable).collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// Returns the cost of measuring, summed over the processes; the memory is that of the largest process.
fn own(parts: &[Report]) -> SelfCost {
    parts.iter().map(|part| &part.own).fold(SelfCost::default(), |sum, own| SelfCost {
        cpu_ns: sum.cpu_ns.saturating_add(own.cpu_ns),
        max_rss_bytes: sum.max_rss_bytes.max(own.max_rss_bytes),
        samples: sum.samples.saturating_add(own.samples),
        dropped: sum.dropped.saturating_add(own.dropped),
        missed_ticks: sum.missed_ticks.saturating_add(own.missed_ticks),
        log_lost_bytes: sum.log_lost_bytes.saturating_add(own.log_lost_bytes),
    })
}

//! Whose figures price which part of the merged energy: each attempt on each machine at its own record's.

use eco2_core::Bounded;
use eco2_core::schema::{Energy, Report};
use eco2_grid::Pue;
use eco2_grid::pricing::{EnergyShare, MergedShares, facility, merge_shares};
use jiff::Timestamp;

use super::attempts::Attempts;
use super::energy::Measured;
use super::parts::{machine, wall};

/// Fills in what the facility took: each attempt's energy on each machine times the PUE that it is priced with.
pub(super) fn with_facility(energy: Energy, parts: &[Report], attempts: &Attempts, measured: &Measured) -> Energy {
    let share = |((attempt, place), cell): (&(usize, String), &eco2_core::Merged)| -> (Pue, Bounded<u64>) {
        (figures(parts, attempts, *attempt, place).map_or(Pue::ONE, pue), cell.energy)
    };
    facility(energy, &measured.cells.iter().map(share).collect::<Vec<_>>())
}

/// The part whose figures hold for an attempt on a machine: the attempt's longest there that weighed some energy, else
/// another attempt's; where none did, one that tells its carbon in the same order; where no part tells any, the longest.
fn figures<'a>(parts: &'a [Report], attempts: &Attempts, attempt: usize, place: &str) -> Option<&'a Report> {
    let there = || members(parts, attempts, attempt).filter(|part| machine(part) == place);
    let weighs = |part: &Report| part.carbon.as_ref().is_some_and(|carbon| !carbon.segments.is_empty());
    longest(there().filter(|part| weighs(part)))
        .or_else(|| speaker(parts, place, weighs))
        .or_else(|| longest(there().filter(|part| part.carbon.is_some())))
        .or_else(|| speaker(parts, place, |part| part.carbon.is_some()))
        .or_else(|| longest(there()))
        .or_else(|| speaker(parts, place, |_| true))
}

fn members<'a>(parts: &'a [Report], attempts: &Attempts, attempt: usize) -> impl Iterator<Item = &'a Report> {
    let members = attempts.list.get(attempt).map(|attempt| attempt.members.clone()).unwrap_or_default();
    members.into_iter().filter_map(|at| parts.get(at))
}

/// Prices every attempt on every machine; `None` where a machine's carbon is not known.
pub(super) fn price(parts: &[Report], attempts: &Attempts, measured: &Measured) -> Option<MergedShares> {
    let mut shares = Vec::with_capacity(measured.cells.len());
    for ((attempt, place), cell) in &measured.cells {
        let part = figures(parts, attempts, *attempt, place)?;
        let during = lasted(parts, attempts, *attempt, place);
        shares.push(EnergyShare { energy: cell.energy, during, carbon: part.carbon.as_ref()?, own: &part.energy });
    }
    Some(merge_shares(&shares))
}

/// When an attempt lasted on a machine; where none of its processes has a record there, when it lasted.
fn lasted(parts: &[Report], attempts: &Attempts, attempt: usize, place: &str) -> (String, String) {
    let there: Vec<&Report> = members(parts, attempts, attempt).filter(|part| machine(part) == place).collect();
    if there.is_empty() { ends(members(parts, attempts, attempt)) } else { ends(there.into_iter()) }
}

/// The part whose figures hold for a machine: of those that will do the longest, and of several the first.
fn speaker<'a>(parts: &'a [Report], place: &str, will_do: impl Fn(&Report) -> bool) -> Option<&'a Report> {
    longest(parts.iter().filter(|part| machine(part) == place && will_do(part)))
}

/// The longest, and of several the first.
fn longest<'a>(parts: impl Iterator<Item = &'a Report>) -> Option<&'a Report> {
    parts.fold(None, |best: Option<&Report>, part| match best {
        Some(best) if best.run.duration_ns >= part.run.duration_ns => Some(best),
        _ => Some(part),
    })
}

fn pue(part: &Report) -> Pue {
    Pue::new(part.energy.pue).unwrap_or(Pue::ONE)
}

/// The first beginning and the last end of parts, RFC 3339 UTC.
pub(super) fn ends<'a>(parts: impl Iterator<Item = &'a Report>) -> (String, String) {
    let windows: Vec<_> = parts.map(wall).collect();
    let text = |ns: Option<u64>| {
        let at = ns.and_then(|ns| Timestamp::from_nanosecond(i128::from(ns)).ok());
        at.map_or_else(String::new, |at| at.to_string())
    };
    (text(windows.iter().map(|w| w.from_ns).min()), text(windows.iter().map(|w| w.to_ns).max()))
}

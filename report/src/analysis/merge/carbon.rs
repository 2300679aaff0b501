//! Computes the emissions and cost of a merged run. A *cell* is one attempt (one start of the run) on one machine. Its
//! energy is priced with the intensities, prices and PUE (facility overhead) of a part, which is the report of one
//! process.

use eco2_core::Bounded;
use eco2_core::schema::{Carbon, Energy, EventKind, EventRecord, PriceTerms, Report};
use eco2_grid::Pue;
use eco2_grid::carbon::{RunFacts, SupplementTerms};
use eco2_grid::pricing::{AgreedTerms, EnergyShare, MergedShares, agreed, facility, merge_shares};
use jiff::Timestamp;

use super::attempts::Attempts;
use super::energy::{Cell, Measured};
use super::parts::wall;

/// Adds the facility's energy: the energy of each attempt on each machine times its PUE.
pub(super) fn with_facility(energy: Energy, parts: &[Report], attempts: &Attempts, measured: &Measured) -> Energy {
    let share = |(cell, merged): (&Cell, &eco2_core::Merged)| -> (Pue, Bounded<u64>) {
        (pricing_part(parts, attempts, cell).map_or(Pue::ONE, pue), merged.energy)
    };
    facility(energy, &measured.cells.iter().map(share).collect::<Vec<_>>())
}

/// Returns the part whose intensities, prices and PUE apply to an attempt on a machine.
///
/// Parts with priced energy come first, then parts with a carbon section, then any part; each time first the parts of
/// the attempt, then those of other attempts on the machine. Of several, the longest is used.
fn pricing_part<'a>(parts: &'a [Report], attempts: &'a Attempts, cell: &Cell) -> Option<&'a Report> {
    let is_priced = |part: &Report| part.carbon.as_ref().is_some_and(|carbon| !carbon.segments.is_empty());
    let own = |accepts: fn(&Report) -> bool| longest(cell_parts(parts, attempts, cell).filter(|part| accepts(part)));
    let on = || attempts.parts_on(&cell.machine).iter().filter_map(|place| parts.get(*place));
    let other = |accepts: fn(&Report) -> bool| longest(on().filter(|part| accepts(part)));
    let preferences: [fn(&Report) -> bool; 3] = [is_priced, |part| part.carbon.is_some(), |_| true];
    preferences.into_iter().find_map(|accepts| own(accepts).or_else(|| other(accepts)))
}

/// Returns the parts of an attempt.
fn members<'a>(parts: &'a [Report], attempts: &'a Attempts, attempt: usize) -> impl Iterator<Item = &'a Report> {
    let members = attempts.list.get(attempt).map_or(&[][..], |attempt| &attempt.members);
    members.iter().filter_map(|at| parts.get(*at))
}

/// Returns the parts of an attempt on a machine.
fn cell_parts<'a>(parts: &'a [Report], attempts: &'a Attempts, cell: &Cell) -> impl Iterator<Item = &'a Report> {
    let members = attempts.list.get(cell.attempt).map_or(&[][..], |attempt| attempt.members_on(&cell.machine));
    members.iter().filter_map(|at| parts.get(*at))
}

/// Prices every attempt on every machine; `None` if the carbon of a machine is not known.
pub(super) fn price(parts: &[Report], attempts: &Attempts, measured: &Measured) -> Option<MergedShares> {
    let mut shares = Vec::with_capacity(measured.cells.len());
    for (cell, merged) in &measured.cells {
        let part = pricing_part(parts, attempts, cell)?;
        let during = start_and_end(parts, attempts, cell);
        shares.push(EnergyShare { energy: merged.energy, during, carbon: part.carbon.as_ref()?, own: &part.energy });
    }
    Some(merge_shares(&shares))
}

/// Returns start and end of an attempt on a machine; of the whole attempt if none of its processes has a record there.
fn start_and_end(parts: &[Report], attempts: &Attempts, cell: &Cell) -> (String, String) {
    let there: Vec<&Report> = cell_parts(parts, attempts, cell).collect();
    if there.is_empty() { ends(members(parts, attempts, cell.attempt)) } else { ends(there.into_iter()) }
}

/// Returns the longest part; the first of equals.
fn longest<'a>(parts: impl Iterator<Item = &'a Report>) -> Option<&'a Report> {
    parts.fold(None, |best: Option<&Report>, part| match best {
        Some(best) if best.run.duration_ns >= part.run.duration_ns => Some(best),
        _ => Some(part),
    })
}

/// Returns the PUE of a part; 1 if the report has no valid one.
fn pue(part: &Report) -> Pue {
    Pue::new(part.energy.pue).unwrap_or(Pue::ONE)
}

/// Returns the first start and the last end of parts, RFC 3339 UTC.
pub(super) fn ends<'a>(parts: impl Iterator<Item = &'a Report>) -> (String, String) {
    let windows: Vec<_> = parts.map(wall).collect();
    let text = |ns: Option<u64>| {
        let at = ns.and_then(|ns| Timestamp::from_nanosecond(i128::from(ns)).ok());
        at.map_or_else(String::new, |at| at.to_string())
    };
    (text(windows.iter().map(|w| w.from_ns).min()), text(windows.iter().map(|w| w.to_ns).max()))
}

/// Adds embodied emissions, SCI, water and the like to the merged carbon, by the terms on which the parts agree.
///
/// Terms that differ are left out, with an event. Embodied emissions are left out for several machines, because one
/// part's terms do not cover them. The merged cost has no bounds of its own.
pub(super) fn add_supplements(report: &mut Report, parts: &[Report], attempts: &Attempts, measured: &Measured) {
    let Some(mut carbon) = report.carbon.take() else { return };
    let places: Vec<Vec<PriceTerms>> = measured.cells.keys().map(|cell| cell_terms(parts, attempts, cell)).collect();
    let all: Vec<PriceTerms> = parts.iter().filter_map(part_terms).collect();
    let AgreedTerms { mut terms, mut differ } = agreed(&places, &all);
    if attempts.machines().len() > 1 && terms.embodied.take().is_some() {
        differ.push("embodied emissions, because there are several machines");
    }
    let facts = RunFacts { energy: &report.energy, work: &report.work, reserved_ns: report.run.duration_ns };
    let cost = carbon.cost;
    SupplementTerms::from(&terms).apply(&mut carbon, facts, None);
    carbon.cost = cost;
    let are_kept = parts.iter().filter_map(|part| part.carbon.as_ref()).any(|carbon| carbon.terms.is_some());
    carbon.terms = are_kept.then(|| Box::new(terms));
    report.carbon = Some(carbon);
    if !differ.is_empty() {
        let text = format!("left out because the parts have different settings: {}", differ.join("; "));
        report.events.push(EventRecord::new(0, EventKind::TermsDiffer, "", text));
    }
}

/// Returns the price terms of an attempt's parts on a machine, else of the machine's other parts.
fn cell_terms(parts: &[Report], attempts: &Attempts, cell: &Cell) -> Vec<PriceTerms> {
    let own: Vec<PriceTerms> = cell_parts(parts, attempts, cell).filter_map(part_terms).collect();
    if cell_parts(parts, attempts, cell).next().is_some() {
        return own;
    }
    let on = attempts.parts_on(&cell.machine).iter().filter_map(|place| parts.get(*place));
    on.filter_map(part_terms).collect()
}

/// Returns the price terms of a part; `None` if it has no emissions.
fn part_terms(part: &Report) -> Option<PriceTerms> {
    part.carbon.as_ref().map(Carbon::price_terms)
}

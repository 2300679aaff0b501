//! What stands beside the merged grams: computed again, by the terms that the parts were given where they agree.

use std::collections::BTreeSet;

use eco2_core::schema::{Carbon, EventKind, EventRecord, PriceTerms, Report};
use eco2_grid::carbon::{RunFacts, SupplementTerms};
use eco2_grid::pricing::{AgreedTerms, agreed};

use super::attempts::Attempts;
use super::energy::Measured;
use super::parts::machine;

/// Fills it in. The making of several machines' hardware is not known from one part's terms, so it is left out there, and
/// the merged cost has no bounds of its own. What the parts were not asked for alike is left out and said.
pub(super) fn fill(report: &mut Report, parts: &[Report], attempts: &Attempts, measured: &Measured) {
    let Some(mut carbon) = report.carbon.take() else { return };
    let places: Vec<Vec<PriceTerms>> =
        measured.cells.keys().map(|(attempt, place)| of_cell(parts, attempts, *attempt, place)).collect();
    let all: Vec<PriceTerms> = parts.iter().filter_map(of_part).collect();
    let AgreedTerms { mut terms, mut differ } = agreed(&places, &all);
    if attempts.machines().len() > 1 && terms.embodied.take().is_some() {
        differ.push("the making of the hardware, as there are several machines");
    }
    let facts = RunFacts { energy: &report.energy, work: &report.work, reserved_ns: report.run.duration_ns };
    let cost = carbon.cost;
    SupplementTerms::from(&terms).apply(&mut carbon, facts, None);
    carbon.cost = cost;
    let are_kept = parts.iter().filter_map(|part| part.carbon.as_ref()).any(|carbon| carbon.terms.is_some());
    carbon.terms = are_kept.then(|| Box::new(terms));
    report.carbon = Some(carbon);
    if !differ.is_empty() {
        let text = format!("not asked for alike in all parts, so left out: {}", differ.join("; "));
        report.events.push(EventRecord::new(0, EventKind::TermsDiffer, "", text));
    }
}

/// The terms of the parts of an attempt on a machine; of the machine's other parts where none is of that attempt.
fn of_cell(parts: &[Report], attempts: &Attempts, attempt: usize, place: &str) -> Vec<PriceTerms> {
    let members: BTreeSet<usize> = attempts.list.get(attempt).into_iter().flat_map(|one| one.members.clone()).collect();
    let there = || parts.iter().enumerate().filter(|(_, part)| machine(part) == place);
    let own: Vec<&Report> = there().filter(|(at, _)| members.contains(at)).map(|(_, part)| part).collect();
    let told = if own.is_empty() { there().map(|(_, part)| part).collect() } else { own };
    told.into_iter().filter_map(of_part).collect()
}

fn of_part(part: &Report) -> Option<PriceTerms> {
    part.carbon.as_ref().map(Carbon::price_terms)
}

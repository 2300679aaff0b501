//! What stands beside the merged grams: computed again, by the terms that the parts were given where they agree.

use std::collections::BTreeSet;

use eco2_core::report::{EventRecord, Report};
use eco2_grid::carbon::{Facts, Terms};

use super::attempts::Attempts;
use super::energy::Measured;
use super::parts::machine;

/// Fills it in. The making of several machines' hardware is not known from one part's terms, so it is left out there, and
/// the merged cost has no bounds of its own. What the parts were not asked for alike is left out and said.
pub(super) fn fill(report: &mut Report, parts: &[Report], attempts: &Attempts, measured: &Measured) {
    let Some(mut carbon) = report.carbon.take() else { return };
    let (mut terms, mut differ) = common(parts, attempts, measured);
    if attempts.machines().len() > 1 && terms.hardware.take().is_some() {
        differ.push("the making of the hardware, as there are several machines");
    }
    let facts = Facts { energy: &report.energy, work: &report.work, reserved_ns: report.run.duration_ns };
    let cost = carbon.cost;
    terms.apply(&mut carbon, facts, None);
    carbon.cost = cost;
    report.carbon = Some(carbon);
    if !differ.is_empty() {
        let text = format!("not asked for alike in all parts, so left out: {}", differ.join("; "));
        report.events.push(EventRecord { at: 0, kind: "terms-differ".to_owned(), device: String::new(), text });
    }
}

/// The terms that hold for all parts, and what was left out. A contract, water and hardware go with the energy of a place,
/// so every attempt on every machine must have them; a price of carbon is one as soon as nobody gives another.
fn common(parts: &[Report], attempts: &Attempts, measured: &Measured) -> (Terms, Vec<&'static str>) {
    let cells: Vec<Vec<Terms>> =
        measured.cells.keys().map(|(attempt, place)| of_cell(parts, attempts, *attempt, place)).collect();
    let all: Vec<Terms> = parts.iter().filter_map(of_part).collect();
    let mut differ = Vec::new();
    let mut left_out = |what: &'static str, agreed: bool| {
        if !agreed {
            differ.push(what);
        }
    };
    let market = everywhere(&cells, |terms| terms.market.clone());
    let water = everywhere(&cells, |terms| terms.water);
    let hardware = everywhere(&cells, |terms| terms.hardware.clone());
    let functional_unit = anywhere(all.iter().filter_map(|terms| terms.functional_unit));
    let carbon_price = anywhere(all.iter().filter_map(|terms| terms.carbon_price));
    let currency = anywhere(all.iter().filter_map(|terms| terms.currency.clone()));
    left_out("market-based grams", market.is_ok());
    left_out("water", water.is_ok());
    left_out("the making of the hardware", hardware.is_ok());
    left_out("SCI", functional_unit.is_ok());
    left_out("the price of carbon", carbon_price.is_ok() && (currency.is_ok() || carbon_price == Ok(None)));
    let terms = Terms {
        market: market.unwrap_or(None),
        water: water.unwrap_or(None),
        hardware: hardware.unwrap_or(None),
        functional_unit: functional_unit.unwrap_or(None),
        carbon_price: carbon_price.unwrap_or(None).filter(|_| currency.is_ok()),
        currency: currency.unwrap_or(None),
        offsets: Vec::new(),
        equivalents: all.iter().any(|terms| terms.equivalents),
    };
    (with_offsets(terms, &all), differ)
}

/// Every offset that any part lists, once: ranks share their variables, and so the lines.
fn with_offsets(mut terms: Terms, all: &[Terms]) -> Terms {
    for offset in all.iter().flat_map(|terms| &terms.offsets) {
        if !terms.offsets.contains(offset) {
            terms.offsets.push(offset.clone());
        }
    }
    terms
}

/// Not the same in all parts.
#[derive(Debug, PartialEq)]
struct Differ;

/// A term that every cell has, and none another; `None` where nobody has it.
fn everywhere<T: PartialEq>(cells: &[Vec<Terms>], of: impl Fn(&Terms) -> Option<T>) -> Result<Option<T>, Differ> {
    let found: Result<Vec<Option<T>>, Differ> =
        cells.iter().map(|cell| anywhere(cell.iter().filter_map(&of))).collect();
    let mut found = found?.into_iter();
    let first = found.next().unwrap_or(None);
    if found.all(|term| term == first) { Ok(first) } else { Err(Differ) }
}

/// A term that somebody has, and nobody another.
fn anywhere<T: PartialEq>(mut given: impl Iterator<Item = T>) -> Result<Option<T>, Differ> {
    let first = given.next();
    if given.all(|term| Some(&term) == first.as_ref()) { Ok(first) } else { Err(Differ) }
}

/// The terms of the parts of an attempt on a machine; of the machine's other parts where none is of that attempt.
fn of_cell(parts: &[Report], attempts: &Attempts, attempt: usize, place: &str) -> Vec<Terms> {
    let members: BTreeSet<usize> = attempts.list.get(attempt).into_iter().flat_map(|one| one.members.clone()).collect();
    let there = || parts.iter().enumerate().filter(|(_, part)| machine(part) == place);
    let own: Vec<&Report> = there().filter(|(at, _)| members.contains(at)).map(|(_, part)| part).collect();
    let told = if own.is_empty() { there().map(|(_, part)| part).collect() } else { own };
    told.into_iter().filter_map(of_part).collect()
}

fn of_part(part: &Report) -> Option<Terms> {
    part.carbon.as_ref().and_then(|carbon| carbon.beside.as_deref()).map(Terms::of)
}

//! What stands beside the merged grams.

use eco2_core::report::{Energy, Report, Work};
use eco2_grid::carbon::{Facts, Functional, Hardware, Instrument, Terms};
use eco2_report::merge;

use super::{Seen, rank, report};

/// A record whose run was asked for a contract, a carbon price, hardware and SCI.
fn asked(seen: &Seen, boot: &'static str) -> Report {
    let mut report = report(&Seen { boot, ..seen.clone() });
    let terms = Terms {
        market: Some(Instrument::new("PPA", 10.0).unwrap()),
        hardware: Some(Hardware::named("1000").unwrap()),
        functional_unit: Some(Functional::Run),
        carbon_price: Some(80.0),
        ..Terms::default()
    };
    let (energy, work): (Energy, Work) = (report.energy.clone(), Work::default());
    let facts = Facts { energy: &energy, work: &work, reserved_ns: report.run.duration_ns };
    terms.apply(report.carbon.as_mut().unwrap(), facts, None);
    report
}

#[test]
fn figures_beside_the_grams_are_computed_again_and_never_added_up() {
    let [one, two] = [rank(0, 2, 0, 100), rank(1, 2, 0, 100)].map(|seen| asked(&seen, "b0"));
    let alone = one.carbon.clone().unwrap();
    let merged = merge(&[one, two]).unwrap().carbon.unwrap();
    let (beside, before) = (merged.beside.unwrap(), alone.beside.unwrap());
    // Two ranks saw the same counters of one machine: one machine's energy, making and price.
    assert!((beside.market.unwrap().grams / before.market.unwrap().grams - 1.0).abs() < 1e-9);
    assert_eq!(beside.embodied.unwrap().grams, before.embodied.unwrap().grams);
    assert_eq!(beside.carbon_price.unwrap().amount, merged.grams / 1e6 * 80.0);
}

#[test]
fn the_making_of_several_machines_is_not_guessed_from_one() {
    let parts = [asked(&rank(0, 2, 0, 100), "b0"), asked(&rank(1, 2, 0, 100), "b1")];
    let merged = merge(&parts).unwrap().carbon.unwrap();
    let beside = merged.beside.unwrap();
    assert_eq!((merged.embodied, beside.embodied), (None, None));
    assert_eq!(beside.sci.unwrap().embodied_g, None);
}

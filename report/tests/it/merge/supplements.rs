//! Merged supplements: market-based and embodied emissions, water, cost, offsets and the like.

use eco2_core::schema::{Energy, Offset, PriceTerms, Report, Work};
use eco2_grid::carbon::{FunctionalUnit, Hardware, MarketContract, RunFacts, SupplementTerms, WaterFactors};
use eco2_report::merge;

use super::{Seen, event_text, rank, report};

/// A record whose run was asked for a contract, a carbon price, hardware and SCI.
fn asked(seen: &Seen, boot: &'static str) -> Report {
    let terms = SupplementTerms {
        market: Some(MarketContract::new("PPA", 10.0).unwrap()),
        hardware: Some("1000".parse::<Hardware>().unwrap()),
        functional_unit: Some(FunctionalUnit::Run),
        carbon_price: Some(80.0),
        ..SupplementTerms::default()
    };
    with(terms, &Seen { boot, ..seen.clone() })
}

fn with(terms: SupplementTerms, seen: &Seen) -> Report {
    let mut report = report(seen);
    let (energy, work): (Energy, Work) = (report.energy.clone(), Work::default());
    let facts = RunFacts { energy: &energy, work: &work, reserved_ns: report.run.duration_ns };
    let carbon = report.carbon.as_mut().unwrap();
    let mut stated = PriceTerms::default();
    terms.put(&mut stated);
    carbon.terms = Some(Box::new(stated));
    terms.apply(carbon, facts, None);
    report
}

#[test]
fn supplements_are_computed_from_merged_energy_and_never_added_up() {
    let [one, two] = [rank(0, 2, 0, 100), rank(1, 2, 0, 100)].map(|seen| asked(&seen, "b0"));
    let alone = one.carbon.clone().unwrap();
    let merged = merge(&[one, two]).unwrap().carbon.unwrap();
    let (supplements, before) = (merged.beside.unwrap(), alone.beside.unwrap());
    // Two ranks saw the same counters of one machine: one machine's energy, making and price.
    assert!((supplements.market.unwrap().grams.unwrap() / before.market.unwrap().grams.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(supplements.embodied.unwrap().grams, before.embodied.unwrap().grams);
    assert_eq!(supplements.carbon_price.unwrap().amount, Some(merged.grams.unwrap() / 1e6 * 80.0));
}

#[test]
fn embodied_emissions_of_several_machines_are_not_guessed_from_one() {
    let parts = [asked(&rank(0, 2, 0, 100), "b0"), asked(&rank(1, 2, 0, 100), "b1")];
    let merged = merge(&parts).unwrap().carbon.unwrap();
    let supplements = merged.beside.unwrap();
    assert_eq!((merged.embodied, supplements.embodied), (None, None));
    assert_eq!(supplements.sci.unwrap().embodied_g, None);
}

#[test]
fn a_contract_of_one_attempt_is_not_the_others_and_every_offset_is_a_line() {
    let offset = |name: &str, kg| Offset { name: name.into(), kg };
    let water = |wue| WaterFactors::new(Some(wue), None).unwrap();
    let first = SupplementTerms {
        market: Some(MarketContract::new("PPA", 10.0).unwrap()),
        water: water(1.8),
        carbon_price: Some(80.0),
        offsets: vec![offset("forest", 120.0)],
        ..SupplementTerms::default()
    };
    let without = SupplementTerms { market: None, offsets: vec![offset("peat", 7.0)], ..first.clone() };
    let again = Seen { attempt: 1, ..rank(0, 1, 20, 40) };
    let merged = merge(&[with(first.clone(), &rank(0, 1, 0, 10)), with(without, &again)]).unwrap();
    let supplements = merged.carbon.clone().unwrap().beside.unwrap();
    assert_eq!(supplements.market, None, "the second attempt had no contract");
    assert_eq!(supplements.offsets, [offset("forest", 120.0), offset("peat", 7.0)]);
    let litres = 1.8 * merged.energy.total_uj.unwrap() as f64 / 3.6e12;
    assert!((supplements.water.unwrap().litres.unwrap() / litres - 1.0).abs() < 1e-9, "asked for alike");
    assert!(supplements.carbon_price.is_some());
    assert_eq!(
        event_text(&merged, "terms-differ"),
        "left out because the parts have different settings: market-based grams"
    );
    let dry = SupplementTerms { water: water(0.2), carbon_price: Some(90.0), ..first.clone() };
    let merged = merge(&[with(first, &rank(0, 1, 0, 10)), with(dry, &again)]).unwrap();
    let supplements = merged.carbon.unwrap().beside.unwrap();
    assert!(supplements.market.is_some() && supplements.water.is_none() && supplements.carbon_price.is_none());
    assert_eq!(supplements.offsets, [offset("forest", 120.0)], "one purchase in two records");
}

//! Market-based emissions, water, SCI, prices and offsets of a run.
//!
//! Prefixes of test names (`d09_` and so on) refer to docs/acceptance.md.

use eco2_core::schema::{Carbon, Energy, Offset, PriceTerms, Work};
use eco2_grid::carbon::{
    FunctionalUnit, Hardware, MarketContract, RunFacts, SupplementTerms, WaterFactors, carbon_price, facility_kwh,
    flat_cost, it_kwh,
};
use eco2_grid::{Consumption, Pue, constant, price};

const KWH: u64 = 3_600_000_000_000;
const HOUR_NS: u64 = 3_600_000_000_000;

/// `kwh` kilowatt-hours, bounds a tenth off, at a PUE.
fn energy(kwh: u64, pue: f64) -> Energy {
    let total_uj = kwh * KWH;
    Energy {
        total_uj: Some(total_uj),
        low_uj: total_uj / 10 * 9,
        high_uj: Some(total_uj / 10 * 11),
        facility_uj: Some(Pue::new(pue).unwrap().facility_uj(total_uj)),
        pue,
        ..Energy::default()
    }
}

fn carbon(energy: &Energy, g_per_kwh: f64) -> Carbon {
    let Energy { total_uj: energy_uj, low_uj, high_uj, pue, .. } = *energy;
    let consumption = Consumption {
        energy: eco2_core::Bounded::hard(energy_uj.unwrap(), low_uj, high_uj),
        from: "2022-03-11T00:00:00Z",
        to: "2022-07-06T00:00:00Z",
    };
    price(&consumption, Pue::new(pue).unwrap(), &constant(g_per_kwh).unwrap())
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * other.abs().max(1.0)
}

fn applied(terms: &SupplementTerms, energy: &Energy, g_per_kwh: f64, work: &Work) -> Carbon {
    let mut carbon = carbon(energy, g_per_kwh);
    terms.apply(&mut carbon, RunFacts { energy, work, reserved_ns: HOUR_NS }, None);
    carbon
}

#[test]
fn training_of_bloom_emits_24_69_tonnes_by_energy_use() {
    // Luccioni et al. 2022: 1,082,990 GPU-hours at 0.4 kW and 57 g/kWh; idle nodes took another 256,646 kWh.
    let training = energy(433_196, 1.0);
    let tonnes = carbon(&training, 57.0).grams.unwrap() / 1e6;
    assert!((tonnes - 24.692_172).abs() < 1e-9, "{tonnes}");
    assert_eq!((tonnes * 100.0).round(), 2469.0);
    assert_eq!((carbon(&energy(256_646, 1.0), 57.0).grams.unwrap() / 1e6 * 100.0).round(), 1463.0);
}

#[test]
fn unrequested_supplements_are_absent_and_requested_ones_do_not_change_the_grams() {
    let energy = energy(2, 1.5);
    let plain = carbon(&energy, 100.0);
    assert_eq!(applied(&SupplementTerms::default(), &energy, 100.0, &Work::default()), plain);
    let all = SupplementTerms {
        market: Some(MarketContract::new("certificates", 0.0).unwrap()),
        hardware: Some("1000".parse::<Hardware>().unwrap()),
        functional_unit: Some(FunctionalUnit::Run),
        water: WaterFactors::new(Some(1.8), Some(3.1)).unwrap(),
        carbon_price: Some(15.0),
        currency: Some("EUR".to_owned()),
        offsets: vec![Offset { name: "forest".to_owned(), kg: 1e6 }],
        equivalents: true,
    };
    let full = applied(&all, &energy, 100.0, &Work::default());
    assert_eq!((full.grams, full.low, full.high), (plain.grams, plain.low, plain.high));
    assert_eq!(full.segments, plain.segments);
    let supplements = *full.beside.unwrap();
    let mut stated = PriceTerms::default();
    all.put(&mut stated);
    assert_eq!(SupplementTerms::from(&stated), all, "a report states the terms of its values");
    let older = Carbon { terms: None, beside: Some(Box::new(supplements.clone())), ..plain.clone() };
    assert_eq!(
        SupplementTerms::from(&older.price_terms()),
        all,
        "a report of an older version states them as far as its values do"
    );
    assert_eq!(supplements.market.unwrap().grams, Some(0.0), "a contract of 0 g/kWh changes nothing else");
    assert_eq!(supplements.sci.unwrap().operational_g, plain.grams, "SCI is location-based");
    assert_eq!((supplements.offsets.len(), supplements.equivalents.len()), (1, 4));
}

#[test]
fn market_based_grams_are_facility_energy_times_the_factor() {
    let market = MarketContract::new("PPA wind 2026", 12.0).unwrap().market(&energy(10, 1.2));
    assert!(
        near(market.grams.unwrap(), 144.0) && near(market.low, 129.6) && near(market.high.unwrap(), 158.4),
        "{market:?}"
    );
    assert_eq!((market.instrument.as_str(), market.g_per_kwh), ("PPA wind 2026", 12.0));
    assert!(MarketContract::new("x", -1.0).is_err() && MarketContract::new("x", f64::NAN).is_err());
}

#[test]
fn pue_is_applied_once_and_it_energy_stays_available() {
    let energy = energy(10, 1.2);
    assert!(near(it_kwh(&energy).value.unwrap(), 10.0));
    let facility = facility_kwh(&energy);
    assert!(near(facility.value.unwrap(), 12.0) && near(facility.low, 10.8) && near(facility.high.unwrap(), 13.2));
    assert!(near(carbon(&energy, 100.0).grams.unwrap(), 1200.0));
}

#[test]
fn sci_is_operational_plus_embodied_emissions_per_unit() {
    let work = Work { steps: Some(4), samples: Some(0), tokens: Some(1_000_000), ..Work::default() };
    let hardware = "900:1000:1200".parse::<Hardware>().unwrap().for_years(4.0).unwrap();
    let terms = SupplementTerms {
        hardware: Some(hardware),
        functional_unit: Some(FunctionalUnit::Step),
        ..SupplementTerms::default()
    };
    let carbon = applied(&terms, &energy(1, 1.0), 100.0, &work);
    let sci = carbon.beside.unwrap().sci.unwrap();
    // (100 g + 28.538812785 g) ÷ 4.
    assert!((sci.grams.unwrap() - 32.134_703_196).abs() < 1e-8, "{:?}", sci.grams);
    assert!((sci.low - (90.0 + 28.538_812_785 * 0.9) / 4.0).abs() < 1e-8);
    assert!((sci.high.unwrap() - (110.0 + 28.538_812_785 * 1.2) / 4.0).abs() < 1e-8);
    assert_eq!((carbon.sci, sci.units, sci.per.as_str()), (sci.grams, 4, "step"));
    let per_sample = SupplementTerms { functional_unit: Some(FunctionalUnit::Sample), ..terms };
    let uncounted = applied(&per_sample, &energy(1, 1.0), 100.0, &work);
    assert_eq!((uncounted.sci, uncounted.beside.unwrap().sci), (None, None), "samples were not counted");
}

#[test]
fn sci_without_hardware_has_no_embodied_emissions() {
    let terms = SupplementTerms { functional_unit: Some(FunctionalUnit::Run), ..SupplementTerms::default() };
    let sci = applied(&terms, &energy(1, 1.0), 100.0, &Work::default()).beside.unwrap().sci.unwrap();
    assert_eq!((sci.grams, sci.embodied_g), (Some(100.0), None));
}

#[test]
fn water_is_it_energy_times_wue_plus_facility_energy_times_ewif() {
    let water = WaterFactors::new(Some(1.8), Some(3.0)).unwrap().unwrap().water(&energy(10, 1.2));
    // 10 × 1.8 + 12 × 3.
    assert!(near(water.litres.unwrap(), 54.0) && near(water.low, 48.6) && near(water.high.unwrap(), 59.4), "{water:?}");
    let site = WaterFactors::new(Some(1.8), None).unwrap().unwrap().water(&energy(10, 1.2));
    assert!(near(site.litres.unwrap(), 18.0) && site.ewif.is_none());
    assert_eq!(WaterFactors::new(None, None).unwrap(), None);
    assert!(WaterFactors::new(Some(-1.0), None).is_err());
}

#[test]
fn d09_a_tonne_at_fifteen_a_tonne_costs_fifteen_with_its_bounds() {
    let energy = energy(10_000, 1.0);
    let money = carbon_price(&carbon(&energy, 100.0), 15.0, Some("USD"));
    assert!(near(money.amount.unwrap(), 15.0) && near(money.low, 13.5) && near(money.high.unwrap(), 16.5), "{money:?}");
}

#[test]
fn flat_price_applies_to_facility_energy() {
    let cost = flat_cost(&energy(10, 1.2), 0.3, Some("EUR"));
    assert!(
        near(cost.amount.unwrap(), 3.6) && near(cost.low.unwrap(), 3.24) && near(cost.high.unwrap(), 3.96),
        "{cost:?}"
    );
    assert_eq!((cost.method.as_str(), cost.unpriced_uj), ("flat", 0));
}

#[test]
fn d11_more_energy_is_never_fewer_grams_by_either_method() {
    let mut before = (-1.0, -1.0);
    for kwh in [0, 1, 2, 3, 5000] {
        let energy = energy(kwh, 1.3);
        let grams = carbon(&energy, 60.0).grams;
        let market = MarketContract::new("PPA", 12.0).unwrap().market(&energy).grams;
        assert!(grams > Some(before.0) && market > Some(before.1), "{kwh}");
        before = (grams.unwrap(), market.unwrap());
    }
}

//! Grams, money and PUE of parts that were not priced alike.

use eco2_core::schema::{Cost, Energy, Report, Supplements};
use eco2_grid::Pue;
use eco2_report::{merge, summary_json};

use super::{Seen, event_text, rank, report};

const DIRECT: &str = "direct-average-production";
const LIFECYCLE: &str = "lifecycle-average-production";
const MARGINAL: &str = "marginal-operating";

/// One attempt of two, which follow each other.
fn attempt(number: u32) -> Seen {
    Seen { attempt: number, ..rank(0, 1, u64::from(number) * 20, u64::from(number) * 20 + 10) }
}

fn priced(seen: &Seen, kind: Option<&str>) -> Report {
    let mut report = report(seen);
    report.carbon.as_mut().unwrap().segments[0].kind = kind.map(str::to_owned);
    report
}

fn paid(seen: &Seen, currency: Option<&str>) -> Report {
    let mut report = report(seen);
    let carbon = report.carbon.as_mut().unwrap();
    let cost = Cost {
        amount: carbon.cost,
        low: carbon.cost,
        high: carbon.cost,
        currency: currency.map(str::to_owned),
        method: "flat".to_owned(),
        unpriced_uj: 0,
    };
    carbon.beside = Some(Box::new(Supplements { cost: Some(cost), ..Supplements::default() }));
    report
}

fn at_pue(seen: &Seen, pue: f64) -> Report {
    let mut report = report(seen);
    let facility_uj = report.energy.total_uj.map(|uj| Pue::new(pue).unwrap().facility_uj(uj));
    report.energy = Energy { pue, facility_uj, ..report.energy };
    report
}

#[test]
fn k09_grams_of_different_kinds_are_never_added() {
    for other in [DIRECT, MARGINAL] {
        let parts = [priced(&attempt(0), Some(LIFECYCLE)), priced(&attempt(1), Some(other))];
        let merged = merge(&parts).unwrap();
        let carbon = merged.carbon.as_ref().unwrap();
        assert_eq!((carbon.grams, carbon.low, carbon.high, carbon.range_kind), (None, 0.0, None, None));
        assert_eq!(carbon.segments.len(), 2, "the grams of each part can still be computed");
        let text = event_text(&merged, "kinds-differ");
        assert!(text.contains(LIFECYCLE) && text.contains(other) && text.contains("--zone"), "{text}");
        let summary: serde_json::Value = serde_json::from_str(&summary_json(&merged).unwrap()).unwrap();
        assert!(!summary.to_string().contains("400.0"), "no mean of two kinds: {summary}");
        // Merging again with a third part, or alone, changes nothing of it.
        assert_eq!(merge(std::slice::from_ref(&merged)).unwrap().carbon.unwrap().grams, None);
    }
}

#[test]
fn k09_unstated_kind_combines_with_any_other() {
    let parts = [priced(&attempt(0), Some(DIRECT)), priced(&attempt(1), None)];
    let merged = merge(&parts).unwrap();
    assert!(merged.carbon.unwrap().grams.is_some());
    assert!(merged.events.iter().all(|event| event.kind != "kinds-differ"));
}

#[test]
fn k09_money_of_two_currencies_is_never_added() {
    let merged = merge(&[paid(&attempt(0), Some("EUR")), paid(&attempt(1), Some("USD"))]).unwrap();
    assert_eq!(merged.carbon.as_ref().unwrap().cost, None);
    assert!(merged.carbon.as_ref().unwrap().grams.is_some());
    let text = event_text(&merged, "currencies-differ");
    assert!(text.contains("EUR and USD") && text.contains("--currency"), "{text}");
    let parts = [paid(&attempt(0), Some("EUR")), paid(&attempt(1), Some("EUR"))];
    let alone: f64 = parts.iter().filter_map(|part| part.carbon.as_ref()?.cost).sum();
    assert_eq!(merge(&parts).unwrap().carbon.unwrap().cost, Some(alone));
}

#[test]
fn k09_a_merged_pue_is_the_one_that_was_stated() {
    // An energy whose facility's is rounded: the quotient of both is not 1.3.
    let odd = Seen { to_ns: attempt(0).to_ns + 25, ..attempt(0) };
    let [one, two] = [at_pue(&odd, 1.3), at_pue(&attempt(1), 1.3)];
    assert_eq!(merge(&[one.clone(), two.clone()]).unwrap().energy.pue, 1.3, "not 1.2999999993");
    // The mean weighted by energy: 10 s at 1.3 and 30 s at 1.5.
    let longer = Seen { attempt: 1, ..rank(0, 1, 20, 50) };
    let energy = merge(&[one.clone(), at_pue(&longer, 1.5)]).unwrap().energy;
    assert!((energy.pue - 1.45).abs() < 1e-8, "{}", energy.pue);
    assert!(energy.facility_low_uj.is_some());
    // A part without energy states nothing about where the energy was used.
    let mut idle = at_pue(&Seen { boot: "b1", ..attempt(1) }, 2.0);
    idle.devices.clear();
    idle.counters.clear();
    idle.energy = Energy { total_uj: None, low_uj: 0, high_uj: None, facility_uj: None, ..idle.energy };
    assert_eq!(merge(&[one, idle]).unwrap().energy.pue, 1.3);
}

/// A process that read nothing: no energy and no segment.
fn blind(seen: &Seen) -> Report {
    let mut report = unweighed(seen);
    report.devices.clear();
    report.counters.clear();
    report.energy = Energy { total_uj: None, low_uj: 0, high_uj: None, facility_uj: None, ..report.energy };
    report
}

/// A process whose energy was not priced.
fn unweighed(seen: &Seen) -> Report {
    let mut report = report(seen);
    let carbon = report.carbon.as_mut().unwrap();
    carbon.segments.clear();
    (carbon.grams, carbon.low, carbon.high, carbon.cost) = (None, 0.0, None, None);
    report
}

#[test]
fn k01_a_longer_part_that_read_nothing_leaves_the_figures_to_one_that_did() {
    let (reads, mut longer) = (rank(0, 2, 100, 200), rank(1, 2, 100, 200));
    longer.to_ns += 1_000_000;
    let merged = merge(&[at_pue(&reads, 1.5), blind(&longer)]).unwrap();
    // 120 W for 100 s are 12 kJ, at PUE 1.5 18 kJ or 5 Wh: 2 g at 400 g a kilowatt-hour. The cost is the part's own.
    let carbon = merged.carbon.unwrap();
    assert!((carbon.grams.unwrap() - 2.0).abs() < 1e-9, "{:?}", carbon.grams);
    assert!((carbon.cost.unwrap() - 0.001).abs() < 1e-12, "{:?}", carbon.cost);
    assert_eq!((merged.energy.pue, merged.energy.facility_uj), (1.5, Some(18_000_000_000)));
}

#[test]
fn k01_unpriced_energy_opens_the_upper_bound_of_the_grams_only() {
    let elsewhere = Seen { boot: "b1", ..rank(1, 2, 100, 200) };
    let merged = merge(&[report(&rank(0, 2, 100, 200)), unweighed(&elsewhere)]).unwrap();
    // 12 kJ at 400 g a kilowatt-hour; the emissions and cost of the other machine's 12 kJ are not known.
    let carbon = merged.carbon.unwrap();
    let grams = 12.0 / 3_600.0 * 400.0;
    assert!((carbon.grams.unwrap() - grams).abs() < 1e-9 && (carbon.low - grams).abs() < 1e-9, "{carbon:?}");
    assert_eq!((carbon.high, carbon.cost), (None, None));
}

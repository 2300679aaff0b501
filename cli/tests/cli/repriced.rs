//! `eco2 report RUN` with options of price: options that are not given keep the values of the report.

use eco2_core::schema::{Carbon, CarbonSegment, Report};
use eco2_core::units::kwh;

use crate::replay::trace;
use crate::rig::{Rig, assert_valid};

const SERIES: &str = "# kind=direct-average-production\n# source=Test grid\ntime,gco2e_per_kwh\n\
                      2026-03-01T12:00Z,100\n2026-03-01T13:00Z,500\n2026-03-01T14:00Z,500\n";
const PRICES: &str = "# unit=EUR/kWh\ntime,price_per_kwh\n2026-03-01T12:00Z,0.1\n2026-03-01T13:00Z,0.5\n";

/// The trace's report, kept as `r.json`. Its second second lies in the next hour.
fn kept(rig: &Rig, flags: &str) -> (Report, Carbon) {
    rig.put("trace.csv", &trace());
    rig.put("series.csv", SERIES);
    rig.put("prices.csv", PRICES);
    let ran = rig.eco2(&format!("replay trace.csv --started-at 2026-03-01T12:59:59Z --json - {flags}"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    rig.put("r.json", &ran.out);
    with_carbon(ran.report())
}

fn again(rig: &Rig, flags: &str) -> (Report, Carbon) {
    let ran = rig.eco2(&format!("report r.json --json {flags}"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    with_carbon(ran.report())
}

fn with_carbon(report: Report) -> (Report, Carbon) {
    assert_valid(&report);
    let carbon = report.carbon.clone().unwrap();
    (report, carbon)
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-8 * other.abs()
}

/// Zone, its source, and the segments without their energy.
fn place(carbon: &Carbon) -> (&str, &str, Vec<CarbonSegment>) {
    let without_energy = |segment: &CarbonSegment| CarbonSegment { energy_uj: 0, ..segment.clone() };
    (&carbon.zone, &carbon.zone_source, carbon.segments.iter().map(without_energy).collect())
}

#[test]
fn k09_another_pue_alone_keeps_the_zone_its_segments_and_their_kinds() {
    let rig = Rig::bare();
    let (before, old) = kept(&rig, "--zone DE");
    let (after, new) = again(&rig, "--pue 1.5");
    assert_eq!(place(&new), place(&old));
    assert_eq!((new.zone.as_str(), new.zone_source.as_str()), ("DE", "given"));
    let total_uj = before.energy.total_uj.unwrap();
    let facility_uj = total_uj + (total_uj as f64 * 0.5).round() as u64;
    assert_eq!((after.energy.pue, after.energy.facility_uj), (1.5, Some(facility_uj)));
    assert!(near(new.grams.unwrap(), kwh(facility_uj) * 342.06), "{:?}", new.grams);
    assert!(near(new.low, 1.5 * old.low) && near(new.high.unwrap(), 1.5 * old.high.unwrap()));

    let (before, old) = kept(&rig, "--intensity-series series.csv --pue 1.2");
    let (after, new) = again(&rig, "--pue 1.5");
    assert_eq!((place(&new), new.segments.len()), (place(&old), 2));
    assert_eq!(new.segments[1].kind.as_deref(), Some("direct-average-production"));
    assert_eq!(new.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), after.energy.facility_uj.unwrap());
    assert!(near(new.grams.unwrap(), old.grams.unwrap() / 1.2 * 1.5), "{new:?}");
    assert_eq!(after.energy.total_uj, before.energy.total_uj);
}

#[test]
fn k09_another_zone_alone_keeps_the_pue_the_price_and_the_water() {
    let rig = Rig::bare();
    let (before, old) =
        kept(&rig, "--zone DE --pue 1.3 --price-per-kwh 0.3 --currency EUR --ewif 3 --functional-unit step");
    let (after, new) = again(&rig, "--zone FR");
    assert_eq!((new.zone.as_str(), after.energy.pue), ("FR", 1.3), "as it was given, not 1.2999999993");
    assert_eq!(after.energy.facility_uj, before.energy.facility_uj);
    assert!(new.grams.unwrap() < old.grams.unwrap() / 3.0);
    let (before, after) = (old.beside.unwrap(), new.beside.unwrap());
    assert_eq!((new.cost, &after.cost, &after.water), (old.cost, &before.cost, &before.water));
    let (old_terms, terms) = (*old.terms.unwrap(), *new.terms.unwrap());
    assert_eq!((old_terms.zone.as_deref(), terms.zone.as_deref()), (Some("DE"), Some("FR")));
    assert_eq!((terms.pue, terms.price_per_kwh, terms.ewif), (Some(1.3), Some(0.3), Some(3.0)));
    assert_eq!(terms.functional_unit.as_deref(), Some("step"), "although no steps were counted");
}

#[test]
fn k09_a_cost_by_the_hour_goes_with_another_pue_and_a_factor_does_not_drop_its_twin() {
    let rig = Rig::bare();
    let (_, old) = kept(&rig, "--zone DE --tariff-series prices.csv --wue 1.8 --ewif 3");
    let (report, new) = again(&rig, "--pue 2 --wue 1");
    assert!(near(new.cost.unwrap(), 2.0 * old.cost.unwrap()), "{:?} {:?}", new.cost, old.cost);
    let water = new.beside.unwrap().water.unwrap();
    assert_eq!((water.wue, water.ewif), (Some(1.0), Some(3.0)));
    let it_kwh = kwh(report.energy.total_uj.unwrap());
    assert!(near(water.litres.unwrap(), it_kwh * 1.0 + 2.0 * it_kwh * 3.0), "{water:?}");
}

#[test]
fn k09_files_and_variables_for_new_runs_change_no_report() {
    let rig = Rig::bare();
    let (_, old) = kept(&rig, "--zone DE --pue 1.2");
    rig.put("eco2.toml", "zone = \"FR\"\npue = 1.9\n");
    let mut command = rig.command("report r.json --json --price-per-kwh 0.3");
    let ran = crate::rig::ran(command.env("ECO2_ZONE", "SE"));
    let (report, new) = with_carbon(ran.report());
    assert_eq!((new.zone.as_str(), report.energy.pue, new.grams), ("DE", 1.2, old.grams));
    assert!(near(new.cost.unwrap(), 0.3 * kwh(report.energy.facility_uj.unwrap())));
}

#[test]
fn k09_a_report_of_an_older_version_keeps_its_segments_and_supplements() {
    let rig = Rig::bare();
    let (mut report, old) = kept(&rig, "--zone DE --price-per-kwh 0.3 --wue 1.8 --carbon-price 80");
    report.carbon.as_mut().unwrap().terms = None;
    rig.put("r.json", &serde_json::to_string(&report).unwrap());
    let (_, new) = again(&rig, "--pue 2");
    assert_eq!(place(&new), place(&old));
    assert!(near(new.cost.unwrap(), 2.0 * old.cost.unwrap()));
    let supplements = new.beside.unwrap();
    assert_eq!(supplements.water, old.beside.unwrap().water, "water at the site is of the computers' energy");
    assert!(near(supplements.carbon_price.unwrap().amount.unwrap(), 80.0 * new.grams.unwrap() / 1e6));
    assert!(near(new.grams.unwrap(), 2.0 * old.grams.unwrap()));
}

/// The hash of a file by `sha256sum`.
fn sha256sum(rig: &Rig, file: &str) -> String {
    let ran = std::process::Command::new("sha256sum").arg(rig.path(file)).output().unwrap();
    String::from_utf8(ran.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_segment_names_the_file_of_its_intensity_and_a_repriced_report_its_parent() {
    let rig = Rig::bare();
    let (before, old) = kept(&rig, "--intensity-series series.csv --tariff-series prices.csv");
    // sha256sum of SERIES and PRICES.
    let series = "1114089684b52ee564f2f34d9b786b9ab8ef9c0f49a081d8c2283d61ca1d6151";
    let prices = "81efcf957ddd634a503bb97600c734724cf00d7cb53c86a13da93ebbc9b49de9";
    assert_eq!((sha256sum(&rig, "series.csv"), sha256sum(&rig, "prices.csv")), (series.to_owned(), prices.to_owned()));
    let tables = |carbon: &Carbon| carbon.segments.iter().map(|one| one.table_sha256.clone()).collect::<Vec<_>>();
    assert_eq!(tables(&old), vec![Some(series.to_owned()); 2]);
    assert_eq!(old.terms.as_ref().unwrap().tariff_sha256.as_deref(), Some(prices));
    assert_eq!(old.repriced_from, None);

    let (_, new) = again(&rig, "--zone FR");
    let from = *new.repriced_from.clone().unwrap();
    let parent = (before.run.id, before.run.part, Some(sha256sum(&rig, "r.json")));
    assert_eq!((from.run, from.part, from.sha256), parent);
    assert!(tables(&new) != tables(&old) && tables(&new).iter().all(Option::is_some), "{new:?}");
    assert_eq!(new.terms.unwrap().tariff_sha256.as_deref(), Some(prices), "the tariff was not changed");
}

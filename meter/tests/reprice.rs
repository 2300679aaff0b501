//! Runs that have ended, priced again.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use eco2::Error;
use eco2::options::Options;
use eco2::schema::Report;

/// 2026-01-01T00:00:00Z, nanoseconds since 1970.
const DAY_NS: i64 = 1_767_225_600_000_000_000;

const HOUR_NS: i64 = 3_600_000_000_000;

/// An hour at 1 kW that began at that hour of a day.
fn hour(name: &str, begun: i64, options: &Options) -> Report {
    replayed(name, DAY_NS + begun * HOUR_NS, &(0..=61).collect::<Vec<_>>(), options)
}

/// The same, from that instant on and read at these minutes.
fn replayed(name: &str, begun_ns: i64, minutes: &[u64], options: &Options) -> Report {
    let mut text = "# eco2.trace/1\n# domain p component=cpu kind=energy unit=J max_w=2000\n".to_owned();
    text += "# run begin_ns=0 end_ns=3600000000000\nbefore_ns,after_ns,domain,value\n";
    for minute in minutes {
        let ns = minute * 60_000_000_000;
        text += &format!("{ns},{ns},p,{}\n", minute * 60_000);
    }
    let trace = eco2_report::Trace::parse(text.as_bytes(), "trace.csv".as_ref()).unwrap();
    let started_at = Some(begun_ns);
    let mut report = eco2::replay(&trace, None, &Options { started_at, ..options.clone() }).unwrap();
    report.run.part = name.to_owned();
    report.run.id = "job".to_owned();
    report
}

/// Figures of each hour of that day, of a column.
fn file(folder: &Path, column: &str, figures: &[&str]) -> std::path::PathBuf {
    let path = folder.join(format!("{column}.csv"));
    let rows = figures.iter().enumerate().map(|(hour, figure)| format!("2026-01-01T{hour:02}:00Z,{figure}\n"));
    std::fs::write(&path, format!("time,{column}\n") + &rows.collect::<String>()).unwrap();
    path
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-3 * other.abs().max(1e-9)
}

#[test]
fn each_attempt_of_a_merged_run_is_priced_with_the_hours_in_which_it_ran() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        intensity_series: Some(file(folder.path(), "gco2e_per_kwh", &["100", "1000", "1000", "500", "0"])),
        ..Options::default()
    };
    let parts = [hour("a", 0, &Options::default()), hour("b", 3, &Options::default())];
    let merged = eco2_report::merge(&parts).unwrap();
    assert_eq!(merged.run.attempts.len(), 2);
    let carbon = eco2::reprice(merged, &options).unwrap().carbon.unwrap();
    // 1 kWh at 100 and 1 kWh at 500 g; the window of two hours from the first beginning would make it 1100.
    assert!(near(carbon.grams.unwrap(), 600.0), "{carbon:?}");
    let froms: Vec<&str> = carbon.segments.iter().map(|segment| segment.from.as_str()).collect();
    assert_eq!(froms, ["2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z"]);
}

#[test]
fn each_attempt_of_a_merged_run_costs_what_its_own_hours_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.supplements.tariff_series = Some(file(folder.path(), "price_per_kwh", &["0.1", "9", "9", "0.5", "0"]));
    let parts = [hour("a", 0, &Options::default()), hour("b", 3, &Options::default())];
    let merged = eco2_report::merge(&parts).unwrap();
    let carbon = eco2::reprice(merged, &options).unwrap().carbon.unwrap();
    assert!(near(carbon.cost.unwrap(), 0.6), "{carbon:?}");
}

#[test]
fn a_merged_report_that_lost_its_parts_is_refused() {
    let parts = [hour("a", 0, &Options::default()), hour("b", 3, &Options::default())];
    let mut merged = eco2_report::merge(&parts).unwrap();
    merged.merge = None;
    assert!(matches!(eco2::reprice(merged.clone(), &Options::default()), Err(Error::NoParts { .. })));
    assert!(matches!(eco2::reprice(merged, &Options::default()), Err(Error::NoParts { .. })));
}

#[test]
fn merging_keeps_what_is_not_known_of_when_the_energy_was_used() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        intensity_series: Some(file(folder.path(), "gco2e_per_kwh", &["0", "1000", "1000"])),
        ..Options::default()
    };
    let mut report = replayed("a", DAY_NS + HOUR_NS / 2, &[0, 60], &options);
    let own = report.carbon.clone().unwrap();
    assert!(own.low < 1.0 && own.high.unwrap() > 999.0, "all of it in either half hour: {own:?}");
    let alone = eco2_report::merge(&[report.clone()]).unwrap().carbon.unwrap();
    assert_eq!((alone.low, alone.high), (own.low, own.high));
    // Another energy than the record's own: all of it in either half hour again.
    report.energy.total_uj = report.energy.total_uj.map(|uj| uj + 1);
    let merged = eco2_report::merge(&[report]).unwrap().carbon.unwrap();
    assert!(merged.low <= own.low && merged.high.unwrap() >= own.high.unwrap(), "{merged:?}");
}

#[test]
fn an_old_cost_goes_with_the_facilitys_energy_and_a_new_price_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut flat = Options::default();
    flat.budget.price_per_kwh = Some(0.6);
    let cost = |report: &Report| report.carbon.as_ref().unwrap().cost;
    let report = hour("a", 0, &flat);
    assert!(near(cost(&report).unwrap(), 0.6));
    let doubled = Options { pue: 2.0, ..Options::default() };
    let again = eco2::reprice(report.clone(), &doubled).unwrap();
    assert!(near(cost(&again).unwrap(), 1.2), "{again:?}");
    let supplements = again.carbon.as_ref().unwrap().beside.as_ref().unwrap().cost.clone().unwrap();
    assert!(
        near(supplements.amount.unwrap(), 1.2) && supplements.low.unwrap() <= 1.2 && supplements.high.unwrap() >= 1.2,
        "{supplements:?}"
    );
    let mut series = Options::default();
    series.supplements.tariff_series = Some(file(folder.path(), "price_per_kwh", &["0.5", "0.5"]));
    let by_series = eco2::reprice(report.clone(), &series).unwrap();
    assert!(near(cost(&by_series).unwrap(), 0.5));
    assert!(near(cost(&eco2::reprice(by_series, &doubled).unwrap()).unwrap(), 1.0), "every hour costs twice as much");
    // A tariff that does not know the hour: what the flat price came to is no answer.
    series.supplements.tariff_series = Some(file(folder.path(), "price_per_kwh", &["", "0.5"]));
    let with_gap = eco2::reprice(report, &series).unwrap();
    assert_eq!(cost(&with_gap), None);
    assert!(with_gap.carbon.unwrap().beside.unwrap().cost.unwrap().unpriced_uj > 0);
}

#[test]
fn price_of_a_report_without_emissions_is_refused_unless_a_zone_is_named() {
    let report = Report { carbon: None, ..hour("a", 0, &Options::default()) };
    let mut options = Options::default();
    options.budget.price_per_kwh = Some(0.6);
    let refused = eco2::reprice(report.clone(), &options).unwrap_err();
    assert!(matches!(refused, Error::NoEmissions { .. }), "{refused}");
    let zone = Some("FR".to_owned());
    let priced = eco2::reprice(report.clone(), &Options { zone, ..options }).unwrap();
    assert!(near(priced.carbon.unwrap().cost.unwrap(), 0.6));
    let scaled = eco2::reprice(report, &Options { pue: 2.0, ..Options::default() }).unwrap();
    assert!(scaled.carbon.is_none() && near(scaled.energy.pue, 2.0));
}

#[test]
fn bounds_of_the_facilitys_energy_are_those_of_each_part_at_its_own_pue() {
    let mut water = Options::default();
    water.supplements.ewif = Some(1.0);
    let pue = |pue| Options { pue, ..water.clone() };
    let parts = [hour("a", 0, &pue(1.0)), hour("b", 3, &pue(2.0))];
    // One part is sure, the other is not: the mean PUE of 1.5 would share out what belongs to one alone.
    let sure = |part: &Report, low_uj, high_uj| {
        let mut part = part.clone();
        (part.devices[0].low_uj, part.devices[0].high_uj) = (Some(low_uj), Some(high_uj));
        (part.energy.low_uj, part.energy.high_uj) = (low_uj, Some(high_uj));
        part
    };
    const KWH: u64 = 3_600_000_000_000;
    let merged = eco2_report::merge(&[sure(&parts[0], KWH, KWH), sure(&parts[1], KWH / 2, 2 * KWH)]).unwrap();
    assert!(near(merged.energy.facility_uj.unwrap() as f64, 3.0 * KWH as f64), "{:?}", merged.energy);
    let water = merged.carbon.as_ref().unwrap().beside.as_ref().unwrap().water.as_ref().unwrap();
    assert!(near(water.litres.unwrap(), 3.0) && near(water.low, 2.0) && near(water.high.unwrap(), 5.0), "{water:?}");
}

#[test]
fn k09_a_merged_report_priced_again_is_the_merge_of_its_parts_priced_again() {
    let folder = tempfile::tempdir().unwrap();
    let figures = ["100", "333.3", "0.7", "4999", "12"];
    let series = file(folder.path(), "gco2e_per_kwh", &figures);
    let tariff = file(folder.path(), "price_per_kwh", &["0.1", "-0.7", "9", "0.33", "0"]);
    let mut by_tariff = Options::default();
    by_tariff.supplements.tariff_series = Some(tariff);
    by_tariff.supplements.ewif = Some(3.1);
    let asked = [
        Options { intensity: Some(123.4), ..Options::default() },
        Options { zone: Some("FR".to_owned()), pue: 1.37, ..Options::default() },
        Options { intensity_series: Some(series), ..Options::default() },
        Options { pue: 1.1, ..Options::default() },
        by_tariff,
    ];
    let german = Options { zone: Some("DE".to_owned()), pue: 1.3, ..Options::default() };
    for (begun, options) in [0, 1, 3].into_iter().flat_map(|begun| asked.iter().map(move |options| (begun, options))) {
        let begun_ns = DAY_NS + begun * HOUR_NS + HOUR_NS / 3;
        let parts = [hour("a", 0, &german), replayed("b", begun_ns + HOUR_NS, &[0, 7, 60], &german)];
        let again = |report: &Report| {
            let mut again = eco2::reprice(report.clone(), options).unwrap();
            let from = again.carbon.as_mut().unwrap().repriced_from.take().unwrap();
            assert_eq!((from.run, from.part, from.sha256), (report.run.id.clone(), report.run.part.clone(), None));
            again
        };
        let one = again(&eco2_report::merge(&parts).unwrap());
        let other = eco2_report::merge(&parts.each_ref().map(again)).unwrap();
        assert_eq!((&one.carbon, &one.energy), (&other.carbon, &other.energy), "{begun} {options:?}");
        assert_eq!(again(&one).carbon, one.carbon, "the same terms, the same figures");
    }
}

//! Sums by hour, day and week: a run is divided by its energy curve, and nothing is lost or counted twice.

use eco2_core::schema::{Energy, Report};
use eco2_core::{CurveRecord, Quality};
use eco2_report::{Period, PeriodSum, TextStyle, by_period, periods_csv, periods_json, periods_text};
use proptest::prelude::*;

use crate::fixture;

/// A run of one device whose energy grows through the points (seconds since its start, joules).
fn run(id: &str, started_at: &str, points: &[(u64, u64)], project: Option<&str>) -> Report {
    let mut report = fixture::kilowatt_hour(id, None);
    let (seconds, joules) = points.last().copied().unwrap();
    report.run.labels = project.map(|project| ("project".to_owned(), project.to_owned())).into_iter().collect();
    (report.run.started_at, report.run.duration_ns, report.merge) =
        (started_at.to_owned(), seconds * 1_000_000_000, None);
    let uj = joules * 1_000_000;
    report.energy = Energy {
        total_uj: Some(uj),
        low_uj: uj,
        high_uj: Some(uj),
        measured_uj: uj,
        facility_uj: Some(uj),
        pue: 1.0,
        ..Energy::default()
    };
    let mut device = report.devices.remove(0);
    (device.energy_uj, device.low_uj, device.high_uj) = (Some(uj), Some(uj), Some(uj));
    let column: Vec<u64> = points.iter().map(|(_, joules)| joules * 1_000_000).collect();
    report.curves = vec![CurveRecord {
        device: device.id.clone(),
        t_ns: points.iter().map(|(seconds, _)| seconds * 1_000_000_000).collect(),
        energy_uj: column.clone(),
        low_uj: column.clone(),
        high_uj: column.into_iter().map(Some).collect(),
        ..CurveRecord::default()
    }];
    (report.devices, report.counters) = (vec![device], Vec::new());
    report
}

fn energies(sums: &[PeriodSum]) -> Vec<(&str, Option<u128>)> {
    sums.iter().map(|sum| (&sum.from[..16], sum.energy_uj.map(|uj| uj / 1_000_000))).collect()
}

#[test]
fn d18_three_records_of_one_kilowatt_hour_are_three() {
    let kwh = |id: &str, at: &str| run(id, at, &[(0, 0), (3_600, 3_600_000)], Some("bert"));
    let runs = [kwh("a", "2026-01-05T10:00:00Z"), kwh("b", "2026-01-05T12:00:00Z"), kwh("c", "2026-01-11T23:00:00Z")];
    for period in [Period::Hour, Period::Day, Period::Week] {
        let sums = by_period(&runs, Some("project"), period);
        assert_eq!(sums.iter().filter_map(|sum| sum.energy_uj).sum::<u128>(), 3 * 3_600_000_000_000);
    }
    let week = by_period(&runs, Some("project"), Period::Week);
    assert_eq!(energies(&week), [("2026-01-05T00:00", Some(10_800_000))], "Monday to Sunday");
    assert_eq!((week[0].label.as_str(), week[0].runs, week[0].quality), ("bert", 3, Quality::Measured));
    assert_eq!(week[0].grams, Some(3.0 * 56.0));
}

#[test]
fn a_run_over_midnight_is_divided_by_its_curve() {
    // 100 J in the first half hour, 900 J in the 90 minutes after it.
    let report = run("a", "2026-01-04T23:30:00Z", &[(0, 0), (1_800, 100), (7_200, 1_000)], None);
    let days = by_period(std::slice::from_ref(&report), None, Period::Day);
    assert_eq!(energies(&days), [("2026-01-04T00:00", Some(100)), ("2026-01-05T00:00", Some(900))]);
    let mut failed = report.clone();
    failed.run.exit_code = Some(1);
    let wasted =
        by_period(&[failed], None, Period::Day).iter().map(|sum| sum.wasted_uj / 1_000_000).collect::<Vec<_>>();
    assert_eq!((wasted, days[0].wasted_uj), (vec![100, 900], 0));
    let hours = by_period(std::slice::from_ref(&report), None, Period::Hour);
    let found: Vec<Option<u128>> = energies(&hours).into_iter().map(|(_, joules)| joules).collect();
    assert_eq!(found, [Some(100), Some(600), Some(300)]);
    assert_eq!(energies(&by_period(&[report], None, Period::Week)).len(), 2, "Sunday, then Monday");
}

#[test]
fn runs_that_read_one_counter_at_one_time_count_once() {
    let mut twins = ["a", "b"].map(|id| run(id, "2026-01-05T10:00:00Z", &[(0, 0), (3_600, 3_600)], None));
    for report in &mut twins {
        report.run.host.boot_id = "shared".to_owned();
        report.run.boot_ns = Some([0, 3_600_000_000_000]);
        let stretch = eco2_core::Stretch {
            at_ns: vec![0, 3_600_000_000_000],
            uj: vec![0, 3_600_000_000],
            ..fixture::report().counters[0].stretches[0].clone()
        };
        report.counters = vec![eco2_core::schema::CounterRecord {
            boot_id: "shared".into(),
            device: report.devices[0].id.clone(),
            stretches: vec![stretch],
        }];
    }
    let sums = by_period(&twins, None, Period::Day);
    assert_eq!((energies(&sums), sums[0].runs), (vec![("2026-01-05T00:00", Some(3_600))], 2));
}

#[test]
fn unknown_parts_stay_unknown() {
    let unknown = Report {
        energy: fixture::nothing_read(),
        carbon: None,
        ..run("a", "2026-01-05T10:00:00Z", &[(0, 0), (60, 1)], None)
    };
    let unknown = Report { devices: Vec::new(), curves: Vec::new(), ..unknown };
    let alone = by_period(std::slice::from_ref(&unknown), None, Period::Day);
    assert_eq!(
        (alone[0].energy_uj, alone[0].high_uj, alone[0].grams, alone[0].quality),
        (None, None, None, Quality::Missing)
    );
    let with_known =
        by_period(&[unknown, run("b", "2026-01-05T12:00:00Z", &[(0, 0), (60, 7)], None)], None, Period::Day);
    assert_eq!((with_known[0].energy_uj, with_known[0].high_uj, with_known[0].unpriced), (Some(7_000_000), None, 1));
    let undated = run("c", "", &[(0, 0), (60, 5)], None);
    assert_eq!(by_period(&[undated], None, Period::Day)[0].from, "");
}

#[test]
fn periods_in_every_format() {
    let runs = [
        run("a", "2026-01-04T23:30:00Z", &[(0, 0), (1_800, 100), (7_200, 1_000)], Some("bert")),
        run("b", "2026-01-05T12:00:00Z", &[(0, 0), (3_600, 3_600_000)], None),
    ];
    let sums = by_period(&runs, Some("project"), Period::Day);
    insta::assert_snapshot!("periods_text", periods_text(&sums, Period::Day, Some("project"), &TextStyle::default()));
    insta::assert_snapshot!("periods_csv", periods_csv(&sums, Period::Day).unwrap());
    insta::assert_snapshot!("periods_json", periods_json(&sums, Period::Day, Some("project")).unwrap());
    assert!(
        !periods_text(&by_period(&runs, None, Period::Hour), Period::Hour, None, &TextStyle::default())
            .contains("(all)")
    );
}

/// Joules of a run until a second, by hand: straight between its points.
fn joules_until(points: &[(u64, u64)], second: f64) -> f64 {
    let mut found = 0.0;
    for pair in points.windows(2) {
        let [(from, before), (to, after)] = [pair[0], pair[1]].map(|(at, joules)| (at as f64, joules as f64));
        if second >= from {
            found = before + (after - before) * ((second - from) / (to - from)).clamp(0.0, 1.0);
        }
    }
    found
}

proptest! {
    #[test]
    fn parts_add_up_to_the_total_and_agree_with_a_sum_by_hand(
        start_s in 0..2_000_000_i64, steps in prop::collection::vec((1..20_000_u64, 0..5_000_u64), 1..12), hourly in any::<bool>(),
    ) {
        let mut points = vec![(0, 0)];
        for (seconds, joules) in steps {
            let (at, sum) = *points.last().unwrap();
            points.push((at + seconds, sum + joules));
        }
        let started = jiff::Timestamp::from_second(1_767_000_000 + start_s).unwrap();
        let report = run("a", &started.to_string(), &points, None);
        let period = if hourly { Period::Hour } else { Period::Day };
        let sums = by_period(&[report], None, period);
        let (length, joules) = points.last().copied().unwrap();
        prop_assert_eq!(sums.iter().filter_map(|sum| sum.energy_uj).sum::<u128>(), u128::from(joules) * 1_000_000);
        prop_assert_eq!(sums.iter().map(|sum| sum.duration_ns).sum::<u128>(), u128::from(length) * 1_000_000_000);
        let grams: f64 = sums.iter().filter_map(|sum| sum.grams).sum();
        prop_assert!((grams - 56.0).abs() < 1e-9, "{}", grams);
        let period_s = if hourly { 3_600 } else { 86_400 };
        for sum in &sums {
            let from_s = (sum.from.parse::<jiff::Timestamp>().unwrap().as_second() - started.as_second()) as f64;
            let by_hand = joules_until(&points, from_s + f64::from(period_s)) - joules_until(&points, from_s.max(0.0));
            let found = sum.energy_uj.unwrap() as f64 / 1e6;
            prop_assert!((found - by_hand).abs() < 1e-5, "{} instead of {}", found, by_hand);
        }
    }
}

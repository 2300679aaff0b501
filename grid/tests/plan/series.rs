//! Reading series: valid files, and every kind of fault.

use eco2_grid::plan::{IntensityCurve, PlanError};
use eco2_grid::{FileError, FileFault, FilePlace, IntensityKind, IntensityUnit, Series};

const HEAD: &str = "time,gco2e_per_kwh\n";
const HALF_HOUR_NS: i64 = 1_800_000_000_000;

fn read(text: &str) -> Result<Series, FileError> {
    Series::parse(text.as_bytes(), "series.csv", None)
}

fn fault(rows: &str) -> (FilePlace, FileFault) {
    let error = read(&format!("{HEAD}{rows}")).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("series.csv") && message.contains(';'), "no file or no remedy: {message}");
    (error.place, error.fault)
}

#[test]
fn a_step_function_knows_its_slots() {
    let series = read("time_utc,gco2e_per_kwh\n2020-01-01 00:00:00,192.2292\n2020-01-01 00:30:00,194.2519\n").unwrap();
    let from_ns = 1_577_836_800_000_000_000;
    assert_eq!((series.from_ns(), series.step_ns(), series.len()), (from_ns, HALF_HOUR_NS, 2));
    assert_eq!(series.at(from_ns), Some(192.2292));
    assert_eq!(series.at(from_ns + HALF_HOUR_NS - 1), Some(192.2292));
    assert_eq!(series.at(from_ns + HALF_HOUR_NS), Some(194.2519));
    assert_eq!(series.at(series.to_ns()), None);
    assert_eq!(series.at(from_ns - 1), None);
    assert_eq!(series.at(i64::MIN), None);
}

#[test]
fn a_column_is_named_literally_or_is_the_only_one() {
    let text = "time,GB,FR\n2026-01-01T00:00Z,10,20\n2026-01-01T01:00Z,11,21\n";
    let value = |zone| Series::parse_csv(text.as_bytes(), "s.csv", zone).map(|series| series.at(series.from_ns()));
    assert_eq!(value(Some("FR")).unwrap(), Some(20.0));
    assert_eq!(value(Some("GB")).unwrap(), Some(10.0));
    for (zone, part) in [(Some("fr"), "GB, FR"), (Some("time"), "GB, FR"), (None, "--zone")] {
        assert!(value(zone).unwrap_err().to_string().contains(part), "{zone:?}");
    }
    let twice = Series::parse_csv(b"time,GB,GB\n2026-01-01,1,2\n", "s.csv", Some("GB")).unwrap_err();
    assert_eq!(twice.fault, FileFault::TwiceColumn("GB".to_owned()));
}

#[test]
fn gaps_are_known_as_gaps_and_never_zero() {
    let rows = "2026-01-01T00:00Z,10\n2026-01-01T01:00Z,\n2026-01-01T02:00Z,0\n";
    let series = read(&format!("{HEAD}{rows}")).unwrap();
    let values: Vec<Option<f64>> = series.slots().map(|slot| slot.g_per_kwh).collect();
    assert_eq!(values, [Some(10.0), None, Some(0.0)]);
    assert_eq!(series.gaps().iter().map(|gap| gap.place).collect::<Vec<_>>(), [FilePlace::Line(3)]);
    let curve = IntensityCurve::new(&series);
    let error = curve.window(series.from_ns() + series.step_ns(), series.from_ns() + 2 * series.step_ns()).unwrap_err();
    assert!(matches!(&error, PlanError::Gap { from, .. } if from == "2026-01-01T01:00:00Z"), "{error}");
    assert_eq!(error.place(), FilePlace::Line(3));
    assert!(curve.window(series.from_ns() + 2 * series.step_ns(), series.to_ns()).is_ok(), "the gap is outside");
}

#[test]
fn every_fault_names_its_line() {
    let hours = |rows: &[&str]| fault(&rows.iter().map(|row| format!("2026-01-01T{row}\n")).collect::<String>());
    let line = FilePlace::Line(3);
    assert!(matches!(hours(&["01:00Z,1", "00:00Z,2"]), (at, FileFault::Unsorted { .. }) if at == line));
    assert!(matches!(hours(&["01:00Z,1", "01:00Z,2"]), (at, FileFault::Duplicate(_)) if at == line));
    let gapped = hours(&["00:00Z,1", "01:00Z,2", "03:00Z,3", "04:00Z,4"]);
    assert!(matches!(gapped, (FilePlace::Line(4), FileFault::Gapped { step_s: 3600.0, .. })), "{gapped:?}");
    let early = hours(&["00:00Z,1", "02:00Z,2", "03:00Z,3", "04:00Z,4"]);
    assert!(matches!(early, (at, FileFault::Gapped { .. }) if at == line), "a gap right at the start: {early:?}");
    let uneven = hours(&["00:00Z,1", "01:00Z,2", "01:30Z,3", "02:30Z,4"]);
    assert!(matches!(uneven, (FilePlace::Line(4), FileFault::Uneven { .. })), "{uneven:?}");
    for value in ["NaN", "inf", "-1", "5001", "1e400", "many", "0x10"] {
        let (place, fault) = hours(&["00:00Z,1", &format!("01:00Z,{value}")]);
        assert!(matches!(fault, FileFault::Figure { .. }), "{value}: {fault:?}");
        assert_eq!(place, line, "{value}");
    }
    assert!(matches!(hours(&["00:00Z,1", "25:00Z,2"]), (at, FileFault::Time(_)) if at == line));
    assert!(matches!(hours(&["00:00Z,1", "01:00Z,2,3"]), (at, FileFault::Syntax(_)) if at == line));
    assert_eq!(fault("").1, FileFault::Empty);
    // Times whose sums would not fit the clock; a lone one too.
    let far = |rows: &str| assert!(matches!(fault(rows).1, FileFault::Time(_)), "{rows}");
    far("1700-01-01,1\n1701-01-01,2\n");
    far("1678-01-01,1\n2261-12-31,2\n");
    far("1900-01-01,1\n2100-01-01,2\n");
    far("2262-04-11,1\n");
}

#[test]
fn local_clocks_are_noticed_where_they_repeat_or_skip_an_hour() {
    // Europe/Berlin without an offset: 02:00 comes twice in autumn, never in spring.
    let autumn = fault("2026-10-25 01:00,1\n2026-10-25 02:00,2\n2026-10-25 02:00,3\n2026-10-25 03:00,4\n");
    assert!(matches!(autumn, (FilePlace::Line(4), FileFault::Duplicate(_))), "{autumn:?}");
    let spring = fault("2026-03-29 00:00,1\n2026-03-29 01:00,2\n2026-03-29 03:00,3\n2026-03-29 04:00,4\n");
    assert!(matches!(spring, (FilePlace::Line(4), FileFault::Gapped { .. })), "{spring:?}");
    // The same hours with their offsets are in order.
    let offsets = "2026-10-25T02:00+02:00,1\n2026-10-25T02:00+01:00,2\n2026-10-25T03:00+01:00,3\n";
    assert_eq!(read(&format!("{HEAD}{offsets}")).unwrap().step_ns(), 2 * HALF_HOUR_NS);
}

#[test]
fn bytes_that_are_no_table_are_refused() {
    let of = |bytes: &[u8]| Series::parse(bytes, "s.csv", None).unwrap_err();
    let not_utf8 = of(b"time,gco2e_per_kwh\n2026-01-01,1\n2026-01-02,\xff\n");
    assert_eq!((not_utf8.place, not_utf8.fault), (FilePlace::Line(3), FileFault::NotUtf8));
    let long = of(format!("{HEAD}2026-01-01,{}\n", "1".repeat(70_000)).as_bytes());
    assert!(matches!((long.place, long.fault), (FilePlace::Line(2), FileFault::LongLine { .. })));
    assert!(matches!(of(b"").fault, FileFault::NoColumn { .. }));
    assert!(matches!(of(b"\0\0\0").fault, FileFault::NoColumn { .. }));
    assert!(
        Series::read(std::path::Path::new("/nowhere/s.csv"), None).unwrap_err().to_string().contains("check the path")
    );
}

#[test]
fn byte_order_marks_line_ends_quotes_and_statements_are_read() {
    let text = "\u{feff}# kind=direct-average-production\r\n# unit=lb/MWh\r\n# source=operator\r\n\"time\", x \r\n\
        \"2026-01-01T00:00Z\" , 870\r\n2026-01-01T00:05Z,870\r\n";
    let series = read(text).unwrap();
    assert_eq!(series.meta.kind, Some(IntensityKind::DirectAverageProduction));
    assert_eq!((series.meta.unit, series.meta.source.as_str()), (IntensityUnit::PoundsPerMwh, "operator"));
    assert!((series.at(series.from_ns()).unwrap() - 394.625).abs() < 0.001);
    let unknown = read("# kind=clean\ntime,x\n2026-01-01,1\n").unwrap_err();
    assert_eq!(unknown.place, FilePlace::Line(1));
    assert!(unknown.to_string().contains("lifecycle-average-production"), "{unknown}");
    let after = read("# a note\ntime,x\n2026-01-01,1\n# another\n2026-01-02,-3\n").unwrap_err();
    assert_eq!(after.place, FilePlace::Line(5));
}

#[test]
fn json_gives_the_same_series_and_its_faults_name_the_entry() {
    let text = r#"{"schema": "eco2.series/1", "zone": "GB", "kind": "marginal-operating", "unit": "lbs_co2_per_mwh",
        "estimated": true, "new_key": [], "points": [{"time": "2026-01-01T00:00Z", "value": 870},
        {"time": "2026-01-01T00:05Z", "value": null}, {"time": "2026-01-01T00:10Z"}]}"#;
    let series = read(text).unwrap();
    assert_eq!((series.len(), series.gaps().len(), series.meta.estimated), (3, 2, true));
    assert_eq!(series.meta.kind, Some(IntensityKind::MarginalOperating));
    assert_eq!(series.gaps()[0].place, FilePlace::Entry(1));
    assert!(Series::parse(text.as_bytes(), "s.json", Some("FR")).unwrap_err().to_string().contains("GB"));
    for (text, part) in [
        (r#"{"schema": "eco2.series/9", "points": []}"#, "eco2.series/1"),
        (r#"{"schema": "eco2.series/1", "points": []}"#, "no rows"),
        ("{\"schema\": \"eco2.series/1\",\n \"points\": 3}", "s.json:2"),
        (r#"{"schema": "eco2.series/1", "points": [{"time": "2026-01-01", "value": -3}]}"#, "points[0]"),
        (r#"{"schema": "eco2.series/1", "points": [{"time": "noon", "value": 3}]}"#, "ISO 8601"),
    ] {
        let message = Series::parse(text.as_bytes(), "s.json", None).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

/// Rows of 2025-10-01 with the values 1, 2, …, one a given time.
fn day(times: &[&str]) -> String {
    let row = |(value, time): (usize, &&str)| format!("2025-10-01T{time}Z,{}\n", value + 1);
    format!("{HEAD}{}", times.iter().enumerate().map(row).collect::<String>())
}

#[test]
fn k09_hours_that_turn_to_quarter_hours_last_until_the_next_one_begins() {
    let series = read(&day(&["00:00", "01:00", "02:00", "02:15", "02:30", "02:45"])).unwrap();
    let minute = |minute: i64| series.at(series.from_ns() + minute * 60_000_000_000);
    assert_eq!((minute(0), minute(59), minute(60), minute(119)), (Some(1.0), Some(1.0), Some(2.0), Some(2.0)));
    assert_eq!((minute(120), minute(134), minute(135), minute(179)), (Some(3.0), Some(3.0), Some(4.0), Some(6.0)));
    assert_eq!((minute(180), series.step_ns()), (None, HALF_HOUR_NS / 2), "the last lasts a quarter of an hour");
    // 1 kWh an hour: 1 + 2 + (3 + 4 + 5 + 6) ÷ 4 = 7.5 g.
    let times: Vec<i64> = (0..=3).map(|hour| series.from_ns() + hour * 2 * HALF_HOUR_NS).collect();
    let energy: Vec<u64> = (0..=3).map(|kwh| kwh * 3_600_000_000_000).collect();
    let grams = |stretch: &eco2_grid::EnergySlot| stretch.energy_uj as f64 / 3.6e12 * stretch.g_per_kwh.unwrap();
    assert_eq!(series.stretches(&times, &energy).iter().map(grams).sum::<f64>(), 7.5);
    // Back again, by way of half hours, and a single hour at the start.
    let back = ["00:00", "00:15", "00:30", "01:00", "01:30", "02:00", "03:00", "04:00"];
    assert_eq!(read(&day(&back)).unwrap().to_ns() - series.from_ns(), 10 * HALF_HOUR_NS);
    assert!(read(&day(&["00:00", "01:00", "01:15", "01:30"])).is_ok());
    // The plan of an hour that may pause: the first hour, 1 g/kWh.
    let plan = plan_of(&series, 2 * HALF_HOUR_NS);
    assert_eq!((plan.from_ns(), plan.grams), (series.from_ns(), 1.0));
}

fn plan_of(series: &Series, duration_ns: i64) -> eco2_grid::plan::Plan {
    let job = eco2_grid::plan::Job { duration_ns, power_w: 1000.0, interruptible: true };
    let curve = IntensityCurve::new(series);
    eco2_grid::plan::plan(&curve.window(series.from_ns(), series.to_ns()).unwrap(), &job).unwrap()
}

#[test]
fn k09_missing_row_is_refused_unless_the_file_states_that_rows_last() {
    for (times, line) in [
        // Of quarter hours one row, and three, are missing; of hours one at the end.
        (["00:00", "00:15", "00:45", "01:00", "01:15", "01:30"], 4),
        (["00:00", "00:15", "00:30", "01:30", "01:45", "02:00"], 5),
        (["00:00", "01:00", "02:00", "03:00", "04:00", "06:00"], 7),
    ] {
        let refused = read(&day(&times)).unwrap_err();
        assert!(
            matches!(refused.fault, FileFault::Gapped { .. }) && refused.place == FilePlace::Line(line),
            "{refused}"
        );
        assert!(refused.to_string().contains("slots=until-next"), "{refused}");
        let stated = read(&format!("# slots=until-next\n{}", day(&times))).unwrap();
        assert_eq!(stated.at(stated.from_ns()), Some(1.0));
        assert!(stated.slots().all(|slot| slot.g_per_kwh.is_some()), "{times:?}");
    }
    assert!(read(&format!("# slots=some\n{}", day(&["00:00"]))).unwrap_err().to_string().contains("until-next"));
    let json = r#"{"schema": "eco2.series/1", "slots": "until-next", "points": [{"time": "2025-10-01T00:00Z", "value": 1},
        {"time": "2025-10-01T03:00Z", "value": 2}, {"time": "2025-10-01T04:00Z", "value": null}]}"#;
    let series = read(json).unwrap();
    assert_eq!((series.len(), series.gaps().len()), (5, 1), "3 h, 1 h, and 1 h that is not known");
}

#[test]
fn k09_two_rows_at_a_distance_of_a_second_do_not_make_a_series_of_seconds() {
    let text = "# slots=until-next\ntime,x\n2000-01-01T00:00:00Z,1\n2000-01-01T00:00:01Z,2\n2020-01-01T00:00:00Z,3\n";
    assert!(matches!(read(text).unwrap_err().fault, FileFault::TooFine { .. }));
}

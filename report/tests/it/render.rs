//! Renderings: snapshots of text, exact values in machine formats, and missing data that is always reported.

use std::path::Path;

use eco2_core::Quality;
use eco2_core::schema::{RecordEnding, Report, State};
use eco2_report::{
    Error, TextStyle, by_label, csv, groups_csv, groups_json, groups_text, json, parse_report, read_report, spans_csv,
    text, write_file,
};

use crate::fixture::{bare, kilowatt_hour, report};

const PLAIN: TextStyle = TextStyle { color: false, width: 100, ascii: false };

fn parse(text: &str) -> Result<Report, Error> {
    parse_report(text.as_bytes(), Path::new("r.json"))
}

#[test]
fn text_plain() {
    insta::assert_snapshot!(text(&report(), &PLAIN));
}

#[test]
fn text_in_colour_has_the_same_words() {
    let coloured = text(&report(), &TextStyle { color: true, ..PLAIN });
    insta::assert_snapshot!(coloured.replace('\u{1b}', "ESC"));
    let mut plain = coloured;
    for code in ["[0m", "[1m", "[2m", "[1;33m"] {
        plain = plain.replace(&format!("\u{1b}{code}"), "");
    }
    assert_eq!(plain, text(&report(), &PLAIN));
}

#[test]
fn text_narrow_and_ascii() {
    let narrow = text(&report(), &TextStyle { color: false, width: 60, ascii: true });
    assert!(narrow.is_ascii());
    insta::assert_snapshot!(narrow);
}

#[test]
fn text_of_a_killed_run_without_sensors() {
    let mut report = bare();
    (report.run.state, report.run.end) = (State::Provisional, Some(RecordEnding::Open));
    report.run.exit_code = None;
    report.energy.high_uj = None;
    insta::assert_snapshot!(text(&report, &PLAIN));
}

#[test]
fn first_line_of_a_synthetic_run_states_it_and_no_other_line_repeats_it() {
    let mut report = report();
    report.devices[0].quality = Quality::Synthetic;
    report.energy.synthetic_uj = report.energy.measured_uj;
    for style in [PLAIN, TextStyle { color: true, ..PLAIN }, TextStyle { width: 40, ..PLAIN }] {
        let text = text(&report, &style);
        assert!(text.lines().next().is_some_and(|line| line.contains("SYNTHETIC DATA")), "{text}");
        assert_eq!(text.matches("SYNTHETIC").count(), 1, "{text}");
        assert!(text.contains("  synthetic  "), "the quality of the device: {text}");
    }
}

#[test]
fn estimates_and_world_averages_are_flagged_in_words() {
    let mut report = report();
    if let Some(carbon) = &mut report.carbon {
        carbon.zone_source = "default-world".into();
    }
    let text = text(&report, &PLAIN);
    assert!(text.contains("Estimated ") && text.contains("is modelled"), "{text}");
    assert!(text.contains("world average") && text.contains("location-based"), "{text}");
}

#[test]
fn lines_keep_to_the_width() {
    for width in [40, 60, 80, 132] {
        let text = text(&report(), &TextStyle { width, ..PLAIN });
        // Tables keep their figures whole: only they may be wider than a very narrow page.
        let wide = text.lines().filter(|line| !line.starts_with("  ")).map(|line| line.chars().count()).max();
        assert!(wide.unwrap() <= width, "{text}");
    }
}

#[test]
fn m43_a_missing_source_is_absent_in_every_output_with_its_reason() {
    let report = report();
    let groups = by_label(std::slice::from_ref(&report), "team");
    let outputs = [
        json(&report).unwrap(),
        csv(&report).unwrap(),
        spans_csv(&report).unwrap(),
        text(&report, &PLAIN),
        groups_json(&groups, "team").unwrap(),
        groups_csv(&groups, "team").unwrap(),
        groups_text(&groups, "team", &PLAIN),
    ];
    for output in outputs {
        assert!(output.contains("absent") && output.contains("libnvidia-ml.so.1 was not found"), "{output}");
        assert!(output.contains("denied") && output.contains("readable by root only"), "{output}");
    }
}

#[test]
fn m43_a_device_without_readings_is_missing_and_never_zero() {
    let report = report();
    let table = csv(&report).unwrap();
    let psys = table.lines().find(|line| line.contains(",psys,other")).unwrap();
    assert!(psys.contains(",missing,,,,,,"), "{psys}");
    assert!(text(&report, &PLAIN).lines().any(|line| line.contains("psys *") && line.contains("missing")));
    assert!(json(&report).unwrap().contains("\"energy_uj\": null"));
}

/// The rows of a host total with this remainder and this highest remainder.
fn host_rows(remainder_uj: Option<i64>, remainder_high_uj: Option<i64>) -> String {
    let mut report = report();
    let total = &mut report.host_totals[0];
    (total.remainder_uj, total.remainder_low_uj) = (remainder_uj, remainder_uj.map(|uj| uj - 60_000_000));
    total.remainder_high_uj = remainder_high_uj;
    let text = text(&report, &PLAIN);
    let rows = text.lines().skip_while(|line| !line.starts_with("Host total")).take_while(|line| *line != "Devices");
    rows.collect::<Vec<_>>().join(" ")
}

#[test]
fn remainder_of_a_host_total_is_never_more_certain_than_it_is() {
    assert!(
        host_rows(Some(30_000_000), Some(90_000_000)).contains("30.0 J  [0.0 – 90.0], estimated"),
        "a part is not negative"
    );
    assert!(host_rows(Some(30_000_000), None).contains("at least 0.0 J (estimate 30.0 J)"));
    assert!(host_rows(Some(-30_000_000), Some(30_000_000)).contains("none: the parts show 30.0 J more"));
    assert!(host_rows(None, Some(90_000_000)).contains("at most 90.0 J: a part or the total was not read"));
    for unknown in [None, Some(-1)] {
        assert!(host_rows(None, unknown).contains("Unexplained not known"));
    }
}

#[test]
fn csv_tables() {
    insta::assert_snapshot!(csv(&report()).unwrap());
    insta::assert_snapshot!(spans_csv(&report()).unwrap());
}

#[test]
fn json_is_read_back_as_it_was() {
    let report = report();
    assert_eq!(parse(&json(&report).unwrap()).unwrap(), report);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.json");
    write_file(&path, json(&report).unwrap().as_bytes()).unwrap();
    assert_eq!(read_report(&path).unwrap(), report);
}

#[test]
fn f42_numbers_that_are_not_finite_are_left_out_and_listed() {
    let mut report = report();
    report.work.loss = Some(f64::NAN);
    report.work.extra.insert("grad_norm".into(), f64::INFINITY);
    report.devices[0].gauges[0].mean = f64::NAN;
    report.energy.pue = f64::NAN;
    let read = parse(&json(&report).unwrap()).unwrap();
    assert_eq!((read.work.loss, read.work.extra.len(), read.devices[0].gauges.len()), (None, 1, 0));
    let text = &read.events.last().unwrap().text;
    for name in ["work.loss", "work.extra.grad_norm", "package-0.temperature", "energy.pue"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn f42_a_bad_report_is_refused_with_line_and_column() {
    let good = json(&Report { energy: report().energy, ..bare() }).unwrap();
    let deep = format!("{{\"schema\": \"eco2.report/1\", \"run\": {}", "[".repeat(100_000));
    let cases = [
        (good.replace("\"total_uj\": 1234400000", "\"total_uj\": -5"), "integer `-5`"),
        (good.replace("\"total_uj\": 1234400000", "\"total_uj\": NaN"), "expected value"),
        (good.replace("\"total_uj\": 1234400000", "\"total_uj\": 1e400"), "number out of range"),
        (good.replace("\"pue\"", "\"total_uj\": 1, \"pue\""), "duplicate field"),
        (good.replace("\"total_uj\"", "\"total\""), "missing field `total_uj`"),
        (good[..good.len() / 2].to_owned(), "EOF"),
        (deep, "EOF"),
        (String::new(), "EOF"),
    ];
    for (text, fault) in cases {
        let error = parse(&text).unwrap_err();
        assert!(matches!(error, Error::Json { .. }), "{error}");
        let error = error.to_string();
        assert!(error.starts_with("r.json:") && error.contains(fault) && error.contains("render it again"), "{error}");
    }
    for text in ["{}", "{\"schema\": \"other/1\"}"] {
        assert!(matches!(parse(text), Err(Error::NotOurs { .. })));
    }
}

#[test]
fn f43_a_newer_report_is_refused_and_unknown_fields_are_ignored() {
    let good = json(&bare()).unwrap();
    let newer = parse(&good.replace("eco2.report/1", "eco2.report/2")).unwrap_err().to_string();
    assert_eq!(
        newer,
        "r.json: written as eco2.report/2, and this eco2 reads up to eco2.report/1; install a newer eco2"
    );
    let grown = good.replace("\"steps\"", "\"leaps\": {\"a\": [1, 2]}, \"steps\"");
    assert_eq!(parse(&grown).unwrap(), bare());
}

#[test]
fn d25_reading_what_is_not_there_is_an_error_with_the_path() {
    let error = read_report(Path::new("/nowhere/r.json")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /nowhere/r.json: No such file"), "{error}");
}

#[test]
fn d18_three_kilowatt_hours_are_three_and_not_six() {
    let runs = [kilowatt_hour("a", Some("x")), kilowatt_hour("b", Some("x")), kilowatt_hour("c", Some("x"))];
    let groups = by_label(&runs, "team");
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].energy_uj, Some(3 * 3_600_000_000_000));
    assert_eq!((groups[0].low_uj, groups[0].high_uj), (3 * 3_500_000_000_000, Some(3 * 3_700_000_000_000)));
    assert_eq!(groups[0].grams, Some(168.0));
    assert!(groups_text(&groups, "team", &PLAIN).contains("3 kWh"));
    assert!(groups_csv(&groups, "team").unwrap().contains("team,x,3,183000000000,10800000000000,"));
}

#[test]
fn d18_totals_reconcile_with_the_runs_and_nothing_counts_twice() {
    let mut open = kilowatt_hour("b", Some("y"));
    open.energy.high_uj = None;
    let mut early = kilowatt_hour("c", None);
    early.run.state = State::Provisional;
    early.energy.total_uj = early.energy.total_uj.map(|uj| uj / 2);
    let runs = [kilowatt_hour("a", Some("x")), open, early, kilowatt_hour("c", None), kilowatt_hour("a", Some("x"))];
    let groups = by_label(&runs, "team");
    let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
    assert_eq!(labels, ["x", "y", "(none)"]);
    assert_eq!(groups.iter().filter_map(|group| group.energy_uj).sum::<u128>(), 3 * 3_600_000_000_000);
    assert_eq!((groups[1].high_uj, groups[2].provisional_runs), (None, 0));
    insta::assert_snapshot!(groups_text(&groups, "team", &PLAIN));
}

#[test]
fn grams_of_different_kinds_are_not_added() {
    let (a, mut b) = (kilowatt_hour("a", Some("x")), kilowatt_hour("b", Some("x")));
    b.carbon.as_mut().unwrap().segments[0].kind = Some("direct-marginal".into());
    let groups = by_label(&[a, b], "team");
    assert_eq!((groups[0].grams, groups[0].kinds.len()), (None, 2));
    assert!(groups_text(&groups, "team", &PLAIN).contains("kinds differ"));
}

#[test]
fn energy_of_failed_runs_counts_and_is_summed_separately() {
    let mut failed = kilowatt_hour("b", Some("x"));
    failed.run.exit_code = Some(137);
    let groups = by_label(&[kilowatt_hour("a", Some("x")), failed], "team");
    let group = &groups[0];
    assert_eq!((group.failed_runs, group.wasted_uj, group.energy_uj), (1, 3_600_000_000_000, Some(7_200_000_000_000)));
    assert!(
        groups_text(&groups, "team", &PLAIN).contains("1 failed: 1.00 kWh"),
        "{}",
        groups_text(&groups, "team", &PLAIN)
    );
    assert!(groups_csv(&groups, "team").unwrap().trim_end().ends_with(",1,3600000000000"));
}

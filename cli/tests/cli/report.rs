//! `eco2 report` and `eco2 grid`: the same report in every format.

use std::fs;

use crate::replay::trace;
use crate::rig::{Rig, ran, snapshots};

fn with_reports() -> Rig {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    for (name, label) in [("a", "team=nlp"), ("b", "team=vision")] {
        let words = format!("replay trace.csv --zone DE --name {name} --label {label} --json {name}.json");
        assert_eq!(rig.eco2(&words).code, Some(0));
    }
    rig
}

#[test]
fn every_format() {
    let rig = with_reports();
    snapshots(&rig).bind(|| {
        for format in ["text", "json", "csv", "spans-csv"] {
            let ran = rig.eco2(&format!("report a.json --format {format}"));
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
            insta::assert_snapshot!(format!("report_{}", format.replace('-', "_")), ran.out);
        }
        for format in ["text", "json", "csv"] {
            let ran = rig.eco2(&format!("report a.json b.json --by team --format {format}"));
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
            insta::assert_snapshot!(format!("report_by_label_{format}"), ran.out);
        }
    });
}

#[test]
fn json_goes_through_unchanged_and_short_flags_mean_the_same() {
    let rig = with_reports();
    let file = fs::read_to_string(rig.path("a.json")).unwrap();
    assert_eq!(rig.eco2("report a.json --json").out, file);
    assert_eq!(rig.eco2("report a.json --format json -o copy.json").out, "");
    assert_eq!(fs::read_to_string(rig.path("copy.json")).unwrap(), file);
}

#[test]
fn several_runs_are_an_array_and_one_table() {
    let rig = with_reports();
    let all: serde_json::Value = serde_json::from_str(&rig.eco2("report a.json b.json --json").out).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let table = rig.eco2("report a.json b.json --format csv").out;
    assert_eq!(table.lines().filter(|line| line.starts_with("run_id,")).count(), 1);
    let rows = |name: &str| {
        table.lines().filter(|line| line.starts_with("replay-") && line.contains(&format!(",{name},"))).count()
    };
    assert!(rows("a") >= 3 && rows("a") == rows("b"), "{table}");
    assert_eq!(rig.eco2("report a.json b.json --by team --format spans-csv").code, Some(2));
}

#[test]
fn a_run_is_found_as_last_by_id_by_beginning_and_by_path() {
    let rig = Rig::measured();
    let ran = rig.run("--name mine --verbose", "true");
    let log = rig.logs().remove(0);
    assert!(ran.err.contains(log.to_str().unwrap()), "the full summary shows the path of the log: {}", ran.err);
    let id = log.file_stem().unwrap().to_str().unwrap();
    for run in ["last", id, &id[..8], log.to_str().unwrap()] {
        let report = rig.eco2(&format!("report {run} --json")).report();
        assert_eq!((report.run.name.as_str(), report.run.id.as_str()), ("mine", id));
    }
}

#[test]
fn grid_shows_one_zone_or_all() {
    let rig = Rig::bare();
    snapshots(&rig).bind(|| {
        insta::assert_snapshot!("grid_zone", rig.eco2("grid Germany").out);
        insta::assert_snapshot!("grid_zone_json", rig.eco2("grid US/CA --json").out);
    });
    let list = rig.eco2("grid").out;
    assert!(list.lines().count() > 200 && list.contains("CC BY 4.0"), "{list}");
    let all: serde_json::Value = serde_json::from_str(&rig.eco2("grid --json").out).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(list.lines().count() - 2));
}

#[test]
fn locale_and_width_shape_the_text() {
    let rig = with_reports();
    let narrow = ran(rig.command("report a.json").env("LC_ALL", "C").env("COLUMNS", "60")).out;
    assert!(narrow.is_ascii(), "{narrow}");
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    let wide = ran(rig.command("report a.json").env("COLUMNS", "160")).out;
    assert!(widest(&narrow) < widest(&wide), "{narrow}\n{wide}");
}

//! The list of stored runs, from real logs in a real folder. The oracle computes from the reports that the logs were written from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eco2_core::Quality;
use eco2_core::schema::{Energy, RecordEnding, Report, Run};
use eco2_report::{
    Candidates, LogEncoder, LogMeta, RunEnd, RunFilter, RunList, RunTotals, StoredRun, TextStyle, records_of, runs_csv,
    runs_json, runs_markdown, runs_text, scan_runs, short_id,
};

use crate::fixture;

/// How the log of a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    /// After a checkpoint.
    Killed,
    /// Before the first checkpoint.
    KilledAtStart,
}

/// Writes the log of a run to a folder of runs, or to a folder in it.
pub(crate) fn put(folder: &Path, report: &Report, end: End) -> PathBuf {
    let mut encoder = LogEncoder::new(&LogMeta::new(report.run.clone(), 0)).unwrap();
    match end {
        End::Closed => encoder.finish(report).unwrap(),
        End::Killed => encoder.checkpoint(1_000_000_000, report).unwrap(),
        End::KilledAtStart => {}
    }
    let path = eco2_report::log_path(folder, &report.run.id, &report.run.part);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, encoder.take(Vec::new())).unwrap();
    path
}

/// A run of `number` kilowatt-hours that starts at hour `number`, on a machine of its own.
pub(crate) fn run(number: u64) -> Report {
    let id = format!("20260102-{number:02}0000-00000001-1");
    let mut report = fixture::kilowatt_hour(&id, Some(if number % 2 == 0 { "even" } else { "odd" }));
    report.run.name = if number % 3 == 0 { "eval.py" } else { "train.py" }.to_owned();
    report.run.started_at = format!("2026-01-02T{number:02}:00:00Z");
    (report.run.parent, report.merge) = (String::new(), None);
    let times = |uj: u64| uj * number;
    let energy = report.energy.clone();
    report.energy = Energy {
        total_uj: energy.total_uj.map(times),
        low_uj: times(energy.low_uj),
        high_uj: energy.high_uj.map(times),
        measured_uj: times(energy.measured_uj),
        ..energy
    };
    report
}

fn names(runs: &[StoredRun]) -> Vec<&str> {
    runs.iter().map(|run| run.summary.run_id.as_str()).collect()
}

#[test]
fn runs_are_listed_newest_first_with_exact_sums() {
    let folder = tempfile::tempdir().unwrap();
    [2, 1, 3].into_iter().for_each(|number| drop(put(folder.path(), &run(number), End::Closed)));
    let runs = scan_runs(folder.path());
    let ids = [3, 2, 1].map(|number| run(number).run.id);
    assert_eq!(names(&runs), ids);
    let totals = RunTotals::of(&runs);
    assert_eq!(totals.energy_uj, Some(6 * 3_600_000_000_000), "1 + 2 + 3 kWh are 6 kWh");
    assert_eq!((totals.low_uj, totals.high_uj), (6 * 3_500_000_000_000, Some(6 * 3_700_000_000_000)));
    assert_eq!((totals.grams, totals.runs, totals.overlapping_runs), (Some(3.0 * 56.0), 3, 0));
}

#[test]
fn missing_parts_make_the_sum_a_lower_bound_and_never_zero() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = Report { energy: fixture::nothing_read(), carbon: None, ..run(4) };
    put(folder.path(), &unknown, End::Closed);
    let alone = RunTotals::of(&scan_runs(folder.path()));
    assert_eq!((alone.energy_uj, alone.high_uj, alone.grams), (None, None, None), "nothing known is not 0");
    put(folder.path(), &run(1), End::Closed);
    put(folder.path(), &run(2), End::Killed);
    put(folder.path(), &run(3), End::KilledAtStart);
    fs::write(folder.path().join("20250101-000000-1-1.eco2log"), "damaged").unwrap();
    let runs = scan_runs(folder.path());
    let totals = RunTotals::of(&runs);
    assert_eq!((totals.runs, totals.open_runs, totals.unknown_runs, totals.unreadable_runs), (5, 2, 3, 1));
    assert_eq!((totals.energy_uj, totals.high_uj), (Some(3 * 3_600_000_000_000), None));
    let ends: Vec<RunEnd> = runs.iter().map(|run| run.end).collect();
    assert_eq!(ends, [RunEnd::Ended, RunEnd::Open, RunEnd::Open, RunEnd::Ended, RunEnd::Unreadable]);
    assert_eq!((runs[1].summary.name.as_str(), runs[1].quality().0), ("eval.py", Quality::Missing));
    assert!(runs[4].faults[0].contains("20250101-000000-1-1.eco2log"), "{:?}", runs[4].faults);
    let text = runs_text(&RunList { runs, totals }, &TextStyle::default());
    assert!(text.contains("at least") && text.contains("1 run cannot be read"), "{text}");
}

#[test]
fn a_log_that_has_not_grown_for_a_day_is_that_of_a_killed_run_whose_energy_is_wasted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut old, young) = (run(2), run(3));
    old.run.exit_code = None;
    let path = put(folder.path(), &old, End::Killed);
    put(folder.path(), &young, End::Killed);
    put(folder.path(), &run(1), End::Closed);
    let a_day_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3_600);
    fs::File::options().append(true).open(&path).unwrap().set_modified(a_day_ago).unwrap();
    let runs = scan_runs(folder.path());
    let ends: Vec<RunEnd> = runs.iter().map(|run| run.end).collect();
    assert_eq!(ends, [RunEnd::Open, RunEnd::Interrupted, RunEnd::Ended]);
    let totals = RunTotals::of(&runs);
    assert_eq!((totals.open_runs, totals.failed_runs, totals.wasted_uj), (1, 1, 2 * 3_600_000_000_000));
    let text = runs_text(&RunList { runs, totals }, &TextStyle::default());
    assert!(text.contains("killed") && text.contains("1 run failed"), "{text}");
    // The report of the log knows as much, so that sums over reports agree.
    let read = eco2_report::read_run(&path).unwrap();
    assert_eq!((read.run.end, read.run.has_failed()), (Some(RecordEnding::Interrupted), true));
    let group = eco2_report::by_label(&[read], "team").remove(0);
    assert_eq!((group.failed_runs, group.wasted_uj), (1, 2 * 3_600_000_000_000));
    // An exit code that is known decides.
    let ended = Run { exit_code: Some(0), end: Some(RecordEnding::Interrupted), ..Run::default() };
    assert!(!ended.has_failed(), "an earlier attempt was killed");
}

#[test]
fn energy_of_runs_that_share_a_machine_is_not_counted_twice_in_the_lower_bound() {
    let folder = tempfile::tempdir().unwrap();
    for number in [1, 2, 5] {
        let mut report = run(number);
        report.run.host.boot_id = "shared".to_owned();
        // The first two have the minute from 01:00 on in common.
        report.run.started_at = if number == 5 { "2026-01-02T05:00:00Z" } else { "2026-01-02T01:00:00Z" }.to_owned();
        put(folder.path(), &report, End::Closed);
    }
    let runs = scan_runs(folder.path());
    assert_eq!(runs.iter().map(|run| run.overlaps).collect::<Vec<_>>(), [false, true, true]);
    let totals = RunTotals::of(&runs);
    let kwh = 3_500_000_000_000_u128;
    assert_eq!((totals.overlapping_runs, totals.low_uj), (2, 5 * kwh + 2 * kwh), "only the larger of the two");
    assert_eq!(totals.high_uj, Some(8 * 3_700_000_000_000));
}

#[test]
fn records_of_several_processes_are_one_run_and_count_once() {
    let folder = tempfile::tempdir().unwrap();
    for rank in 0..2 {
        let mut report = run(1);
        // Both ranks read the same counter at the same time.
        report.run.id = "job-7".to_owned();
        report.run.part = format!("20260102-010000-1-{rank}-r{rank}");
        report.run.host.boot_id = "b0".to_owned();
        report.run.rank = Some(rank);
        put(folder.path(), &report, End::Closed);
    }
    let runs = scan_runs(folder.path());
    assert_eq!((names(&runs), runs[0].records.len(), runs[0].overlaps), (vec!["job-7"], 2, false));
    let merged = eco2_report::merge(
        &runs[0]
            .records
            .iter()
            .map(|path| eco2_report::read_run(&folder.path().join(path)).unwrap())
            .collect::<Vec<_>>(),
    )
    .unwrap();
    assert_eq!(runs[0].summary.energy, merged.energy);
}

#[test]
fn filters_take_what_a_search_by_hand_takes() {
    let folder = tempfile::tempdir().unwrap();
    let reports: Vec<Report> = (1..=12).map(run).collect();
    reports.iter().for_each(|report| drop(put(folder.path(), report, End::Closed)));
    let runs = scan_runs(folder.path());
    let hour =
        |hour: i64| "2026-01-02T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond() + hour * 3_600_000;
    let odd = ("team".to_owned(), "odd".to_owned());
    let all = RunFilter::default();
    type ByHand = fn(u64) -> bool;
    let cases: [(RunFilter, ByHand); 6] = [
        (all.clone(), |_| true),
        (RunFilter { name: Some("train*".into()), ..all.clone() }, |number| number % 3 != 0),
        (RunFilter { labels: vec![odd.clone()], ..all.clone() }, |number| number % 2 == 1),
        (RunFilter { since_ms: Some(hour(4)), until_ms: Some(hour(7)), ..all.clone() }, |number| {
            (4..7).contains(&number)
        }),
        (RunFilter { quality: Some(Quality::Estimated), ..all.clone() }, |_| false),
        (RunFilter { name: Some("eval.py".into()), labels: vec![odd], since_ms: Some(hour(4)), ..all }, |number| {
            number % 3 == 0 && number % 2 == 1 && number >= 4
        }),
    ];
    for (filter, wanted) in cases {
        let found: Vec<&str> =
            runs.iter().filter(|run| filter.takes(run)).map(|run| run.summary.run_id.as_str()).collect();
        let by_hand: Vec<String> =
            (1..=12).rev().filter(|number| wanted(*number)).map(|number| run(number).run.id).collect();
        assert_eq!(found, by_hand, "{filter:?}");
    }
}

#[test]
fn run_is_found_by_its_name_and_candidates_are_listed_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let paths: BTreeMap<u64, PathBuf> =
        [1, 2, 3].map(|number| (number, put(folder.path(), &run(number), End::Closed))).into();
    let found = |run: &str| records_of(run, folder.path(), "2026-06-01T12:00:00Z".parse().unwrap());
    assert_eq!(found("eval.py").unwrap(), std::slice::from_ref(&paths[&3]));
    assert_eq!(found("last~2").unwrap(), std::slice::from_ref(&paths[&1]));
    assert_eq!(found("eval").unwrap(), Vec::<PathBuf>::new(), "a name is given in full");
    let Err(Candidates::Named(runs)) = found("train.py") else { panic!("not ambiguous") };
    let line = |number| (short_id(&run(number).run.id), run(number).run.started_at);
    assert_eq!(runs, [line(2), line(1)]);
}

/// A list with what makes a table hard to read.
fn list() -> RunList {
    let folder = tempfile::tempdir().unwrap();
    let mut small = run(1);
    small.run.name = "a | *name* with \u{1b}[31mcolour, =cmd() and <b>markup</b>".to_owned();
    small.energy =
        Energy { total_uj: Some(1_234_567), low_uj: 1_000_000, high_uj: None, estimated_uj: 1_234_567, ..small.energy };
    small.energy.measured_uj = 0;
    small.run.exit_code = Some(137);
    put(folder.path(), &small, End::Closed);
    put(folder.path(), &run(2), End::Closed);
    put(folder.path(), &run(3), End::Killed);
    put(folder.path(), &Report { energy: fixture::nothing_read(), carbon: None, ..run(4) }, End::Closed);
    let runs = scan_runs(folder.path());
    let totals = RunTotals::of(&runs);
    RunList { runs, totals }
}

#[test]
fn list_in_every_format() {
    let list = list();
    for width in [60, 80, 120] {
        let text = runs_text(&list, &TextStyle { width, ..TextStyle::default() });
        assert!(text.lines().take(5).all(|line| line.chars().count() <= width.max(66)), "{text}");
        insta::assert_snapshot!(format!("runs_text_{width}"), text);
    }
    let ascii = runs_text(&list, &TextStyle { ascii: true, ..TextStyle::default() });
    assert!(ascii.is_ascii(), "{ascii}");
    insta::assert_snapshot!("runs_markdown", runs_markdown(&list));
    insta::assert_snapshot!("runs_csv", runs_csv(&list).unwrap());
    insta::assert_snapshot!("runs_json", runs_json(&list, None).unwrap());
}

#[test]
fn a_short_list_names_how_many_it_leaves_out() {
    let mut list = list();
    list.runs.truncate(1);
    let text = runs_text(&list, &TextStyle::default());
    assert!(text.contains("1 of 4 runs"), "{text}");
    let empty = RunList { runs: Vec::new(), totals: RunTotals::default() };
    assert_eq!(runs_text(&empty, &TextStyle::default()), "No runs match.\n");
}

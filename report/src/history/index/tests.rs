//! Tests of the history index with real logs and real SQLite files. The oracle is the list that is read from the logs alone.

use std::fs;
use std::path::Path;

use eco2_core::Quality;
use eco2_core::schema::{Energy, Report, Run, State};
use proptest::prelude::*;

use super::*;
use crate::history::{RunEnd, list_from_logs, list_runs, moment};
use crate::store::{LogEncoder, LogMeta, log_path};

/// File of the index.
const FILE: &str = ".history.sqlite";

/// A run as a test makes it.
#[derive(Debug, Clone)]
struct Made {
    /// Minutes since the start of 2026.
    minute: i64,
    minutes: u64,
    name: &'static str,
    team: &'static str,
    machine: &'static str,
    /// Joules by quality; `None`: nothing read.
    joules: Option<(Quality, u64)>,
    closed: bool,
    exit_code: i32,
}

/// Returns a run that goes on, with nothing read.
fn new_run() -> Made {
    Made { minute: 1, minutes: 1, name: "new", team: "nlp", machine: "m2", joules: None, closed: false, exit_code: 0 }
}

fn made() -> impl Strategy<Value = Made> {
    let quality = prop_oneof![Just(Quality::Measured), Just(Quality::Derived), Just(Quality::Estimated)];
    (
        0..6_000_i64,
        1..300_u64,
        prop_oneof![Just("train.py"), Just("eval.py"), Just("[a]?")],
        prop_oneof![Just("nlp"), Just("vision")],
        prop_oneof![Just("m1"), Just("m2")],
        prop_oneof![3 => (quality, 1..5_000_000_u64).prop_map(Some), 1 => Just(None)],
        prop::bool::weighted(0.8),
        prop_oneof![Just(0), Just(1)],
    )
        .prop_map(|(minute, minutes, name, team, machine, joules, closed, exit_code)| Made {
            minute,
            minutes,
            name,
            team,
            machine,
            joules,
            closed,
            exit_code,
        })
}

/// Writes the log of a run; `number` makes its id unique.
fn put(folder: &Path, number: usize, made: &Made) {
    let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let started = start + jiff::SignedDuration::from_mins(made.minute);
    let id = format!("{}-{number:04}", started.strftime("%Y%m%d-%H%M%S"));
    let mut run = Run { id: id.clone(), part: id, name: made.name.to_owned(), state: State::Final, ..Run::default() };
    run.labels.insert("team".to_owned(), made.team.to_owned());
    (run.started_at, run.duration_ns) = (started.to_string(), made.minutes * 60_000_000_000);
    (run.host.boot_id, run.exit_code) = (made.machine.to_owned(), Some(made.exit_code));
    let mut report = Report::empty(run);
    report.energy = match made.joules {
        None => Energy { pue: 1.0, ..Energy::default() },
        Some((quality, joules)) => {
            let uj = joules * 1_000_000;
            let part = |wanted| if quality == wanted { uj } else { 0 };
            Energy {
                total_uj: Some(uj),
                low_uj: uj / 2,
                high_uj: (joules % 7 != 0).then_some(uj * 2),
                measured_uj: part(Quality::Measured),
                derived_uj: part(Quality::Derived),
                estimated_uj: part(Quality::Estimated),
                facility_uj: Some(uj),
                pue: 1.0,
                ..Energy::default()
            }
        }
    };
    let mut encoder = LogEncoder::new(&LogMeta::new(report.run.clone(), 0)).unwrap();
    if made.closed {
        encoder.finish(&report).unwrap()
    } else {
        encoder.checkpoint(1, &report).unwrap()
    }
    let path = log_path(folder, &report.run.id, &report.run.part);
    fs::write(path, encoder.take(Vec::new())).unwrap();
}

fn filters() -> impl Strategy<Value = RunFilter> {
    let start_ms = 1_767_225_600_000_i64;
    let time = proptest::option::of((0..6_000_i64).prop_map(move |minute| start_ms + minute * 60_000));
    (
        proptest::option::of(prop_oneof![
            Just("train.py"),
            Just("*.py"),
            Just("[a]?"),
            Just("*"),
            Just("[a]*"),
            Just("?*")
        ]),
        proptest::option::of(prop_oneof![Just("nlp"), Just("none")]),
        time.clone(),
        time,
        proptest::option::of(prop_oneof![Just(Quality::Measured), Just(Quality::Missing)]),
    )
        .prop_map(|(name, team, since_ms, until_ms, quality)| RunFilter {
            name: name.map(str::to_owned),
            labels: team.map(|team| ("team".to_owned(), team.to_owned())).into_iter().collect(),
            since_ms,
            until_ms,
            quality,
        })
}

/// Everything in an index that does not depend on the order in which runs were added.
fn content(folder: &Path) -> Vec<String> {
    let index = Index::open(folder).unwrap().0;
    let mut lines = Vec::new();
    for query in [
        "SELECT id || started_ms || day || name || quality || is_open || overlaps || content FROM runs ORDER BY id",
        "SELECT runs.id || labels.name || value FROM labels JOIN runs ON run = number ORDER BY 1",
        "SELECT runs.id || path || bytes || modified_ns FROM records JOIN runs ON run = number ORDER BY 1",
        "SELECT runs.id || boot_id || from_ms || to_ms FROM times JOIN runs ON run = number ORDER BY 1",
        "SELECT day || '/' || quality || sums FROM day_sums ORDER BY day, quality",
    ] {
        let mut find = index.db.prepare(query).unwrap();
        lines.extend(find.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn index_lists_and_sums_what_the_logs_have(runs in prop::collection::vec(made(), 0..25), filters in prop::collection::vec(filters(), 6)) {
        let folder = tempfile::tempdir().unwrap();
        runs.iter().enumerate().for_each(|(number, made)| put(folder.path(), number, made));
        for filter in filters {
            let listed = list_runs(folder.path(), &filter, Some(7));
            prop_assert_eq!(listed.notice, None);
            prop_assert_eq!(listed.list, list_from_logs(folder.path(), &filter, Some(7)), "{:?}", filter);
        }
    }

    #[test]
    fn index_kept_up_to_date_equals_one_that_is_built_again(
        runs in prop::collection::vec(made(), 1..20), removed in prop::collection::vec(0..20_usize, 0..6), batch in 1..5_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (at, chunk) in runs.chunks(batch).enumerate() {
            chunk.iter().enumerate().for_each(|(number, made)| put(folder.path(), at * batch + number, made));
            update_index(folder.path()).unwrap();
        }
        // Open runs that end, and runs whose logs are gone.
        for (number, made) in runs.iter().enumerate().filter(|(number, made)| removed.contains(number) && !made.closed) {
            put(folder.path(), number, &Made { closed: true, exit_code: 3, ..made.clone() });
        }
        update_index(folder.path()).unwrap();
        let mut logs: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|found| found == "eco2log"));
        logs.sort();
        removed.iter().filter_map(|number| logs.get(*number)).for_each(|log| drop(fs::remove_file(log)));
        update_index(folder.path()).unwrap();
        let kept = content(folder.path());
        reindex(folder.path()).unwrap();
        prop_assert_eq!(kept, content(folder.path()));
    }
}

fn with_runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..30 {
        let joules = Some((Quality::Measured, 100 + number as u64));
        let made = Made {
            minute: number * 100,
            minutes: 5,
            name: "train.py",
            team: "nlp",
            machine: "m1",
            joules,
            closed: true,
            exit_code: 0,
        };
        put(folder.path(), usize::try_from(number).unwrap(), &made);
    }
    folder
}

#[test]
fn damaged_or_foreign_index_is_built_again_with_one_notice() {
    let folder = with_runs();
    let file = folder.path().join(FILE);
    let all = RunFilter::default();
    let wanted = list_from_logs(folder.path(), &all, None);
    assert_eq!(list_runs(folder.path(), &all, None).list, wanted);
    let whole = fs::read(&file).unwrap();
    let mut foreign = whole.clone();
    foreign[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let mut damages = vec![
        foreign,
        b"not a database, and long enough to have a header of a hundred bytes or more................................"
            .to_vec(),
    ];
    damages.extend(
        [1, 99, 100, 1_024, 4_096, whole.len() / 2, whole.len() - 4_096].map(|length| whole[..length].to_vec()),
    );
    for offset in (100..whole.len()).step_by(4_096) {
        let mut torn = whole.clone();
        torn[offset..(offset + 4_096).min(whole.len())].fill(0xa5);
        damages.push(torn);
    }
    for (number, damage) in damages.iter().enumerate() {
        fs::write(&file, damage).unwrap();
        let listed = list_runs(folder.path(), &all, None);
        assert_eq!(listed.list, wanted, "damage {number}");
        assert!(listed.notice.as_ref().is_none_or(|notice| notice.lines().count() == 1), "{:?}", listed.notice);
        assert_eq!(
            list_runs(folder.path(), &all, None),
            crate::ListedRuns { list: wanted.clone(), notice: None },
            "{number}"
        );
    }
}

#[test]
fn locked_or_forbidden_index_is_bypassed_with_one_notice() {
    let folder = with_runs();
    update_index(folder.path()).unwrap();
    let all = RunFilter::default();
    let wanted = list_from_logs(folder.path(), &all, Some(3));
    let other = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let listed = list_runs(folder.path(), &all, Some(3));
    assert_eq!(listed.list, wanted);
    assert!(listed.notice.unwrap().contains("another process has locked it"));
    assert!(matches!(reindex(folder.path()), Err(IndexFault::Locked)), "the file of another process stays");
    assert!(matches!(update_index(folder.path()), Err(IndexFault::Locked)));
    drop(other);
    assert_eq!(list_runs(folder.path(), &all, Some(3)).notice, None);
    fs::remove_file(folder.path().join(FILE)).unwrap();
    fs::create_dir(folder.path().join(FILE)).unwrap();
    let listed = list_runs(folder.path(), &all, Some(3));
    assert_eq!(listed.list, wanted);
    assert!(listed.notice.unwrap().contains("is not used"));
}

#[test]
fn run_that_was_listed_while_it_went_on_is_interrupted_once_its_log_has_not_grown_for_a_day() {
    let folder = with_runs();
    let made = Made {
        minute: 9_900,
        minutes: 5,
        name: "train.py",
        team: "nlp",
        machine: "m1",
        joules: None,
        closed: false,
        exit_code: 0,
    };
    put(folder.path(), 99, &made);
    let path = crate::store::runs_in(folder.path()).into_values().next_back().unwrap().remove(0);
    let end = || {
        let list = list_runs(folder.path(), &RunFilter::default(), None).list;
        assert_eq!(
            list,
            list_from_logs(folder.path(), &RunFilter::default(), None),
            "the index has what the logs have"
        );
        list.runs.iter().find(|run| run.end != RunEnd::Ended).map(|run| run.end)
    };
    assert_eq!(end(), Some(RunEnd::Open));
    let day = crate::store::OPEN_AGE + std::time::Duration::from_secs(60);
    let set =
        |age| fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::now() - age);
    set(day).unwrap();
    assert_eq!(end(), Some(RunEnd::Interrupted));
    // A machine that was suspended: the log grows again.
    set(std::time::Duration::ZERO).unwrap();
    assert_eq!(end(), Some(RunEnd::Open));
}

#[test]
fn index_is_private_and_not_written_through_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = with_runs();
    update_index(folder.path()).unwrap();
    let file = folder.path().join(FILE);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let target = folder.path().join("target");
    fs::rename(&file, &target).unwrap();
    let before = fs::read(&target).unwrap();
    std::os::unix::fs::symlink(&target, &file).unwrap();
    assert!(list_runs(folder.path(), &RunFilter::default(), None).notice.is_some());
    assert_eq!(fs::read(&target).unwrap(), before);
}

#[test]
fn lists_and_sums_read_no_more_than_they_must() {
    let folder = with_runs();
    update_index(folder.path()).unwrap();
    let index = Index::open(folder.path()).unwrap().0;
    let plan = |query: &str| {
        let mut find = index.db.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let lines: Vec<String> = find.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        lines.join("; ")
    };
    let page = "ORDER BY started_ms DESC, id DESC LIMIT 25";
    for (query, uses) in [
        (format!("SELECT overlaps, content FROM runs {page}"), "SCAN runs USING INDEX runs_by_start"),
        (format!("SELECT overlaps, content FROM runs WHERE name = 'a' {page}"), "INDEX runs_by_name (name=?)"),
        (format!("SELECT overlaps, content FROM runs WHERE quality = 1 {page}"), "INDEX runs_by_quality (quality=?)"),
        ("SELECT sums FROM day_sums WHERE day >= 1 AND day < 9".to_owned(), "PRIMARY KEY (day>? AND day<?)"),
        ("SELECT id FROM runs WHERE is_open".to_owned(), "INDEX runs_open"),
    ] {
        let plan = plan(&query);
        assert!(plan.contains(uses) && !plan.contains("TEMP B-TREE"), "{query}: {plan}");
    }
    let days: i64 = index.db.query_row("SELECT COUNT(*) FROM day_sums", [], |row| row.get(0)).unwrap();
    assert_eq!(days, 3, "30 runs in 50 hours: a row per day and quality");
}

#[test]
fn noted_runs_of_a_large_folder_are_taken_in_without_a_search() {
    let folder = with_runs();
    let mut index = Index::open(folder.path()).unwrap().0;
    index.sync_all(folder.path()).unwrap();
    let made = new_run();
    put(folder.path(), 77, &made);
    put(folder.path(), 78, &made);
    let noted = ["20260101-000100-0077".to_owned(), "gone".to_owned()].into();
    index.sync_noted(folder.path(), &noted).unwrap();
    assert_eq!(index.named("new").unwrap(), ["20260101-000100-0077"], "the other was not noted");
    put(folder.path(), 77, &Made { closed: true, ..made });
    index.sync_noted(folder.path(), &Default::default()).unwrap();
    assert!(index.open_runs().unwrap().is_empty(), "an open run is read again when its log grew");
    index.sync_all(folder.path()).unwrap();
    assert_eq!(index.named("new").unwrap().len(), 2);
}

#[test]
fn record_that_another_process_takes_in_between_reading_and_writing_is_not_lost() {
    let (folder, aside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    fs::create_dir(folder.join("job")).unwrap();
    let rank = |number: usize| {
        let made = Made { joules: Some((Quality::Measured, 5)), closed: true, ..new_run() };
        put(aside.path(), number, &made);
        let log = format!("20260101-000100-{number:04}.eco2log");
        fs::copy(aside.path().join(&log), folder.join("job").join(&log)).unwrap();
    };
    rank(1);
    let (mut index, _) = Index::open(folder).unwrap();
    let is_first = std::cell::Cell::new(true);
    let compare = |index: &Index| {
        let difference = index.difference(folder)?;
        if is_first.replace(false) {
            rank(2);
            update_index(folder)?;
        }
        Ok(difference)
    };
    index.take_in(folder, compare).unwrap();
    let found = content(folder);
    assert!(found.iter().filter(|line| line.starts_with("jobjob/")).count() == 2, "{found:?}");
    reindex(folder).unwrap();
    assert_eq!(found, content(folder));
}

#[test]
fn old_runs_are_selected_by_their_end_and_removed_with_their_folders() {
    use crate::history::{expired_runs, remove_runs};
    let folder = with_runs();
    fs::write(folder.path().join("20200101-000000-1-1.eco2log"), "damaged").unwrap();
    let now: jiff::Timestamp = moment("2026-01-03T00:00:00Z", jiff::Timestamp::UNIX_EPOCH).unwrap();
    let list = list_runs(folder.path(), &RunFilter::default(), None).list;
    let expired = expired_runs(folder.path(), list.runs, jiff::SignedDuration::from_hours(24), now).unwrap();
    assert_eq!(expired.runs.len(), 15, "minutes 0 to 1 400 of 1 440");
    assert!(expired.bytes > 1_000);
    remove_runs(folder.path(), &expired).unwrap();
    let left = list_runs(folder.path(), &RunFilter::default(), None).list;
    assert_eq!(left, list_from_logs(folder.path(), &RunFilter::default(), None));
    assert_eq!(left.runs.len(), 16, "what cannot be read stays");
}

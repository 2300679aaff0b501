//! The history index: building it from logs, the first page of a million runs, and their count and sum.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use eco2_core::schema::{Energy, Report, Run, State};
use eco2_report::{LogEncoder, LogMeta, RunFilter, list_runs, log_path, reindex};
use rusqlite::Connection;
use rustix::fs::{Advice, fadvise};

use crate::measure::{Failure, Place, Samples};
use crate::table::{Limit, Row};

/// Logs that are written and indexed.
const LOGS: u32 = 10_000;
/// How often their rows are repeated, each time ten days later: a million runs.
const COPIES: u32 = 100;
/// Days that the logs cover, so that copies do not share a day.
const DAYS: u32 = 10;
/// Name of the index in the folder of runs.
const INDEX: &str = ".history.sqlite";
/// Runs of a page.
const PAGE: usize = 25;
/// Measurements of each read.
const ROUNDS: usize = 9;

/// Elapsed time of reindexing, of a page and of a sum; the file is not in the page cache before each read.
///
/// # Errors
/// Where the folder cannot be written, or the index is not used.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    for number in 0..LOGS {
        write_log(folder.path(), number)?;
    }
    let start = Instant::now();
    let found = reindex(folder.path())?;
    let seconds = start.elapsed().as_secs_f64();
    if found.runs != u64::from(LOGS) {
        return Err(format!("{} of {LOGS} logs were indexed", found.runs).into());
    }
    let runs = repeat_rows(&folder.path().join(INDEX))?;
    let (mut pages, mut sums) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        pages.push(cold_ms(folder.path(), Some(PAGE), runs)?);
        sums.push(cold_ms(folder.path(), Some(0), runs)?);
    }
    let mib = fs::metadata(folder.path().join(INDEX))?.len() >> 20;
    Ok(vec![
        Row::new("history index, 10,000 logs indexed, wall", seconds, "s", Limit::AtMost(5.0)),
        Row::of(
            "history index, first page of 1,000,000 runs, cold, wall",
            &Samples::new(pages),
            "ms",
            Limit::AtMost(50.0),
        )
        .noting(format!("{PAGE} runs and the sum of all; index of {mib} MiB, opened and not in the page cache")),
        Row::of(
            "history index, count and sum of 1,000,000 runs, cold, wall",
            &Samples::new(sums),
            "ms",
            Limit::AtMost(300.0),
        ),
    ])
}

/// Milliseconds of a list, with the index out of the page cache.
fn cold_ms(folder: &Path, limit: Option<usize>, runs: u64) -> Result<f64, Failure> {
    let file = File::open(folder.join(INDEX))?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    let start = Instant::now();
    let listed = list_runs(folder, &RunFilter::default(), limit);
    let elapsed: Duration = start.elapsed();
    if listed.notice.is_some() || listed.list.totals.runs != runs {
        return Err(format!("not from the index: {:?}, {} runs", listed.notice, listed.list.totals.runs).into());
    }
    Ok(elapsed.as_secs_f64() * 1e3)
}

/// Writes the log of a run of an hour, of which each day has as many.
fn write_log(folder: &Path, number: u32) -> Result<(), Failure> {
    let seconds = i64::from(number) * i64::from(DAYS) * 86_400 / i64::from(LOGS);
    let started = format!(
        "2026-01-{:02}T{:02}:{:02}:{:02}Z",
        1 + seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    let id = format!("20260101-000000-{number:08x}-1");
    let mut run = Run {
        id: id.clone(),
        part: id,
        name: format!("train{}.py", number % 40),
        state: State::Final,
        ..Run::default()
    };
    run.labels =
        [("team", number % 7), ("seed", number % 5)].map(|(name, value)| (name.to_owned(), value.to_string())).into();
    (run.started_at, run.duration_ns, run.exit_code) = (started, 3_600_000_000_000, Some(0));
    (run.host.boot_id, run.host.hostname) = (format!("boot-{}", number % 100), format!("node{:03}", number % 100));
    let mut report = Report::empty(run);
    let uj = 1_000_000_000 + u64::from(number);
    report.energy = Energy {
        total_uj: Some(uj),
        low_uj: uj - 5,
        high_uj: Some(uj + 5),
        measured_uj: uj,
        facility_uj: Some(uj),
        pue: 1.0,
        ..Energy::default()
    };
    let mut encoder = LogEncoder::new(&LogMeta::new(report.run.clone(), 0))?;
    encoder.finish(&report)?;
    fs::write(log_path(folder, &report.run.id, &report.run.part), encoder.take(Vec::new()))?;
    Ok(())
}

/// Repeats the rows of the index, and returns the number of runs. The sums of a day are those of the day that it repeats.
fn repeat_rows(index: &Path) -> Result<u64, Failure> {
    let db = Connection::open(index)?;
    db.execute_batch(&format!(
        "PRAGMA synchronous = OFF; BEGIN;
         CREATE TEMP TABLE copies AS WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {COPIES} - 1) SELECT k FROM n;
         INSERT INTO runs (id, started_ms, day, name, quality, is_open, overlaps, part, content)
             SELECT id || '-' || k, started_ms + k * {DAYS} * 86400000, day + k * {DAYS}, name, quality, is_open, overlaps, part, content
             FROM copies, runs;
         INSERT INTO day_sums SELECT day + k * {DAYS}, quality, sums FROM copies, day_sums;
         COMMIT;"
    ))?;
    Ok(db.query_row("SELECT COUNT(*) FROM runs", [], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

//! One run of the history: the closing values of its records, and how it ended.
//!
//! A *record* is the log of one process of a run. The last frame of a log that was closed repeats the totals of the report
//! ([`LogSummary`]), so that a list reads a few kilobytes per run. A run of several records is merged from their reports.

use std::path::{Path, PathBuf};

use eco2_core::schema::{RecordEnding, Report, Run};
use eco2_core::{Bounded, Quality, RangeKind, Ranged as _, worst_quality};
use eco2_grid::Sha256;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::analysis::merge_without;
use crate::store::{LogSummary, RecordEnd, read_end, read_run};

/// Digits of a short id. Of 10,000 runs, 6 share the first six digits of a given one with a probability of 0.06 %.
const SHORT_DIGITS: usize = 6;

/// How a stored run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunEnd {
    /// Every record was closed.
    Ended,
    /// A record was not closed and has not grown for a day: eco2 was killed.
    Interrupted,
    /// A record was not closed: the run goes on or was killed. Its values are provisional.
    Open,
    /// No record can be read.
    Unreadable,
}

/// A stored run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRun {
    /// Identity and totals. `run_id` is the name by which the folder of runs has it.
    pub summary: LogSummary,
    /// How it ended.
    pub end: RunEnd,
    /// Why records cannot be read; empty if all can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Its logs, oldest first, relative to the folder of runs.
    pub records: Vec<PathBuf>,
    /// Whether another run was measured on the same machine at the same time: the energy of a shared device is then in
    /// both.
    pub overlaps: bool,
}

/// The time of one record on its machine, to find runs that overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordTime {
    /// Boot id of the machine; empty if not known.
    pub(super) boot_id: String,
    /// Start, milliseconds since 1970.
    pub(super) from_ms: i64,
    /// End, milliseconds since 1970.
    pub(super) to_ms: i64,
}

impl StoredRun {
    /// Reads a run from its records. `overlaps` is false; [`super::scan_runs`] sets it.
    pub(super) fn read(folder: &Path, id: &str, records: &[PathBuf]) -> (Self, Vec<RecordTime>) {
        let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).to_owned();
        let ends: Vec<Result<RecordEnd, Error>> = records.iter().map(|path| read_end(path)).collect();
        let times = ends.iter().flatten().filter_map(|end| RecordTime::of(&end.summary)).collect();
        let mut faults: Vec<String> = ends.iter().filter_map(|end| Some(end.as_ref().err()?.to_string())).collect();
        let readable: Vec<&RecordEnd> = ends.iter().flatten().collect();
        let end = match readable.as_slice() {
            [] => RunEnd::Unreadable,
            all => match all.iter().map(|record| record.ending).max() {
                Some(RecordEnding::Open) => RunEnd::Open,
                Some(RecordEnding::Interrupted) => RunEnd::Interrupted,
                Some(RecordEnding::Recorded) | None => RunEnd::Ended,
            },
        };
        let mut summary = match readable.as_slice() {
            [] => nothing_read(),
            [only] => only.summary.clone(),
            [first, ..] => merged(records, &mut faults).unwrap_or_else(|| first.summary.clone()),
        };
        id.clone_into(&mut summary.run_id);
        (Self { summary, end, faults, records: records.iter().map(relative).collect(), overlaps: false }, times)
    }

    /// Returns the short id, see [`short_id`].
    #[must_use]
    pub fn short_id(&self) -> String {
        short_id(&self.summary.run_id)
    }

    /// Returns the worst quality among the parts of the energy, and the share of the energy that has it in percent.
    #[must_use]
    pub fn quality(&self) -> (Quality, Option<f64>) {
        match worst_quality(&self.summary.energy) {
            Some((quality, percent)) => (quality, Some(percent)),
            // An energy of 0 that was read has no parts.
            None if self.summary.energy.total_uj.is_some() => (Quality::Measured, None),
            None => (Quality::Missing, None),
        }
    }

    /// Returns the energy with its bounds, microjoules.
    #[must_use]
    pub fn energy(&self) -> Bounded<u64> {
        self.summary.energy.bounded()
    }

    /// Returns the emissions with their bounds, grams CO2e.
    #[must_use]
    pub fn grams(&self) -> Bounded<f64> {
        let summary = &self.summary;
        Bounded {
            value: summary.grams,
            low: summary.grams_low.unwrap_or(0.0),
            high: summary.grams_high,
            kind: RangeKind::Plausible,
        }
    }

    /// Whether its command ended with an exit code other than 0, or eco2 was killed with it.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.summary.exit_code.map_or(self.end == RunEnd::Interrupted, |code| code != 0)
    }

    /// Returns the start, milliseconds since 1970; 0 if it is not known.
    #[must_use]
    pub fn started_ms(&self) -> i64 {
        self.summary.started_at.parse().map_or(0, Timestamp::as_millisecond)
    }
}

impl RecordTime {
    fn of(summary: &LogSummary) -> Option<Self> {
        let started: Timestamp = summary.started_at.parse().ok()?;
        let lasted = SignedDuration::from_nanos(i64::try_from(summary.duration_ns).ok()?);
        let ended = started.checked_add(lasted).ok()?;
        let boot_id = summary.host.boot_id.clone();
        Some(Self { boot_id, from_ms: started.as_millisecond(), to_ms: ended.as_millisecond() })
    }
}

/// Returns the summary of the merged reports of a run. A record that was killed before its first report is left out, and
/// so are records that cannot be read.
fn merged(records: &[PathBuf], faults: &mut Vec<String>) -> Option<LogSummary> {
    let mut reports: Vec<Report> = Vec::new();
    for path in records {
        match read_run(path) {
            Ok(report) => reports.push(report),
            Err(error) => faults.push(error.to_string()),
        }
    }
    faults.sort();
    faults.dedup();
    merge_without(&reports, faults).ok().map(|report| LogSummary::of(&report))
}

/// Returns the summary of a run of which nothing can be read.
fn nothing_read() -> LogSummary {
    LogSummary::of_start(Run::default())
}

/// Returns the short id of a run, which commands accept in place of its id: the first six hexadecimal digits of the SHA-256 of
/// the id.
///
/// ```
/// assert_eq!(eco2_report::short_id("20261122-202103-0000000a-ff").len(), 6);
/// ```
#[must_use]
pub fn short_id(run_id: &str) -> String {
    Sha256::of(run_id.as_bytes()).to_string().chars().take(SHORT_DIGITS).collect()
}

//! Errors of reading, writing and rendering files of runs. A message names the file, the line and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::LineFault;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line of a trace or of a span file is wrong.
    #[error("{}:{line}: {fault}", path.display())]
    Line {
        /// The file, or the label that the caller gave.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong and what to do.
        fault: LineFault,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// `read`, `create`, `write`, `sync`, `rename`, `remove`, `start the log thread for`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// A format requires grams, and the run has none.
    #[error(
        "run {run} has no grams: its energy or its carbon intensity is not known; `eco2 report` shows what is missing"
    )]
    NoGrams {
        /// Its id.
        run: String,
    },
    /// Tables for databases have the records of a run, and this report is a sum of records.
    #[error("run {run} is a merged report: export the logs or reports it was merged from, or the run by its id")]
    MergedExport {
        /// Its id.
        run: String,
    },
    /// A record has more intervals than fit into memory.
    #[error(
        "run {run} has {rows} intervals, and at most {most} are written: export it with longer ones, such as --every 3600"
    )]
    TooManyIntervals {
        /// Its id.
        run: String,
        /// Number of intervals.
        rows: u64,
        /// The most that is written.
        most: u64,
    },
    /// A format requires power over time, and the run has none.
    #[error(
        "run {run} has no power over time: it is still going, was written by an older version, or nothing was read; \
         `eco2 report` shows what is known"
    )]
    NoHistory {
        /// Its id.
        run: String,
    },
    /// The settled part of a run requires its steps over time, and it has too few.
    #[error(
        "run {run} has too few steps over time to find a settled part: it needs eight parts of the run with steps that were counted \
         by the library (`meter.step()`, or the callback); `eco2 report` shows its steps"
    )]
    NoSteps {
        /// Its id.
        run: String,
    },
    /// A format requires energy, and the run has none.
    #[error(
        "run {run} has no energy, and {format} requires a number in `{field}`: nothing was read; `eco2 report` shows what is \
         missing, `--format json` contains what is known"
    )]
    NoEnergy {
        /// Its id.
        run: String,
        /// The format.
        format: &'static str,
        /// The field that would be empty.
        field: &'static str,
    },
    /// A format requires hardware, and the report has no device: it is a summary that was shared.
    #[error(
        "run {run} has no devices, and {format} requires their number in `{field}`: export the report of the run itself, not a \
         summary of it"
    )]
    NoDevices {
        /// Its id.
        run: String,
        /// The format.
        format: &'static str,
        /// The field that would be empty.
        field: &'static str,
    },
    /// The file is larger than anything eco2 writes.
    #[error(
        "{}: larger than {cap_bytes} bytes, more than a {what} can be; check that this is the file you meant",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        what: &'static str,
        /// The most that is read, bytes.
        cap_bytes: u64,
    },
    /// A JSON document is malformed, or lacks or repeats a field.
    #[error(
        "{}:{line}:{column}: {what}; the file is damaged or was edited: render it again from its run log",
        path.display()
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// The parser's finding.
        what: String,
    },
    /// A value of a report is impossible or contradicts another.
    #[error(
        "{}: {field} {found}; the file is damaged or was edited: render it again from its run log, or measure again",
        path.display()
    )]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// Path of the field: `devices[2].energy_uj`.
        field: String,
        /// What is wrong with it.
        found: String,
    },
    /// The file is something else.
    #[error("{}: not an eco2 {what} ({found}); {remedy}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What was expected: `report`, `run log`.
        what: &'static str,
        /// What was found instead.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file was written by a newer eco2 whose format this one does not know.
    #[error("{}: written as {found}, and this eco2 reads up to {known}; install a newer eco2", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema found.
        found: String,
        /// The newest schema known.
        known: &'static str,
    },
    /// A run log ended before its first report.
    #[error(
        "{}: the run log holds no report yet (the run ended within its first seconds); replay its readings instead",
        path.display()
    )]
    NoReport {
        /// The file.
        path: PathBuf,
    },
    /// No report was given.
    #[error("there is nothing to merge: give the logs or reports of a run, or its folder")]
    NothingToMerge,
    /// A merged report of very many records, which it does not hold.
    #[error(
        "the merged report of run {run} does not hold its records, so it cannot be merged: merge the records themselves"
    )]
    Condensed {
        /// Id of the run.
        run: String,
    },
    /// A value could not be written as JSON.
    #[error("cannot encode {what} as JSON: {cause}")]
    Encode {
        /// What was being written.
        what: &'static str,
        /// The encoder's reason.
        cause: serde_json::Error,
    },
    /// A table could not be written as CSV.
    #[error("cannot encode {what} as CSV: {cause}")]
    Table {
        /// What was being written.
        what: &'static str,
        /// The encoder's reason.
        cause: csv::Error,
    },
    /// A user's [`crate::Exporter`] failed.
    #[error("the export failed: {cause}")]
    Export {
        /// Its own reason.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps the error of a user's own [`crate::Exporter`].
    pub fn export(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Export { cause: cause.into() }
    }

    /// Wraps an operating-system error with the file and what was tried.
    pub(crate) fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), cause }
    }

    /// Wraps a fault found in a line.
    pub(crate) fn line(path: &Path, line: u64, fault: LineFault) -> Self {
        Self::Line { path: path.to_owned(), line, fault }
    }

    /// Wraps a JSON error with the place it names.
    pub(crate) fn json(path: &Path, cause: &serde_json::Error) -> Self {
        let text = cause.to_string();
        // The parser appends " at line L column C"; the place is given once, in front.
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned();
        Self::Json { path: path.to_owned(), line: cause.line(), column: cause.column(), what }
    }
}

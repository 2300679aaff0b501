//! Defines the error of a file of intensities, prices, jobs or workers: it names the file, the place in it, the fault
//! and a remedy.

use std::fmt;

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{file}{place}: {fault}")]
pub struct FileError {
    /// Name of the file.
    pub file: String,
    /// Place of the fault.
    pub place: FilePlace,
    /// The fault.
    pub fault: FileFault,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FilePlace {
    /// The file as a whole.
    #[default]
    Whole,
    /// A line, from 1.
    Line(u64),
    /// An entry of a JSON array, from 0.
    Entry(u64),
}

/// The fault of a file. Every message ends with a remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The system refuses to read it.
    #[error("cannot be read: {0}; check the path and its permissions")]
    Unreadable(String),
    /// The file has too many bytes.
    #[error("is larger than {most} bytes; cut it to the time that is needed")]
    TooLarge {
        /// The most that is read.
        most: u64,
    },
    /// A line is too long.
    #[error("the line is longer than {most} bytes; is this a table of text?")]
    LongLine {
        /// The most that a line may have.
        most: usize,
    },
    /// The file is not text.
    #[error("is not UTF-8; save it as UTF-8 text")]
    NotUtf8,
    /// The file is neither a table nor JSON.
    #[error("{0}; write one record a line with as many fields as the header, or JSON as docs/plans.md shows")]
    Syntax(String),
    /// The table has no row.
    #[error("has no rows below its header; add one a slot")]
    Empty,
    /// The requested column does not exist.
    #[error("no column {wanted:?}; there are: {columns}; name one of them")]
    NoColumn {
        /// As given.
        wanted: String,
        /// What there is.
        columns: String,
    },
    /// There are several columns, and none is named.
    #[error("which column? there are: {columns}; name one with {option}")]
    WhichColumn {
        /// What there is.
        columns: String,
        /// The option that names a column of this file; `--zone` in plans.
        option: &'static str,
    },
    /// Two columns have one name.
    #[error("two columns are called {0:?}; rename one")]
    TwiceColumn(String),
    /// A field is not a time.
    #[error("{0:?} is not a time; write ISO 8601 in UTC, such as 2026-01-31T13:30Z")]
    Time(String),
    /// A row is earlier than the row before.
    #[error("{at} comes after {before}; sort the rows by time")]
    Unsorted {
        /// The row's time.
        at: String,
        /// The time before it.
        before: String,
    },
    /// Two rows have the same time.
    #[error("{0} is there twice; keep one row a slot (times are UTC: a local clock repeats an hour in autumn)")]
    Duplicate(String),
    /// Rows are missing.
    #[error(
        "nothing between {before} and {at}, although slots last {step_s} s; add the rows, with an empty value where it \
         is not known (times are UTC: a local clock skips an hour in spring), or state that each row holds until the next \
         with `slots=until-next`"
    )]
    Gapped {
        /// The row's time.
        at: String,
        /// The time before it.
        before: String,
        /// What slots last, seconds.
        step_s: f64,
    },
    /// A shorter slot among longer ones.
    #[error(
        "{at} is {length_s} s after the row before, although slots last {step_s} s; use slots of one length, or state that \
         each row holds until the next with `slots=until-next`"
    )]
    Uneven {
        /// The row's time.
        at: String,
        /// Time since the row before, seconds.
        length_s: f64,
        /// What slots last, seconds.
        step_s: f64,
    },
    /// The greatest common length of the slots is so short that the series would have too many of them.
    #[error(
        "its rows have only {step_s} s in common, which makes {slots} slots, at most {most}; use slots of one length"
    )]
    TooFine {
        /// Slots of that length.
        slots: i64,
        /// The greatest common length, seconds.
        step_s: f64,
        /// The most slots that a series may have.
        most: i64,
    },
    /// A value that is not a number or out of range.
    #[error("{what} is {text:?}; allowed: {allowed}")]
    Figure {
        /// What the figure is.
        what: &'static str,
        /// As written.
        text: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A word that is not known.
    #[error("{what} is {text:?}; write one of: {allowed}")]
    Word {
        /// What the word is.
        what: &'static str,
        /// As written.
        text: String,
        /// What it may be.
        allowed: String,
    },
    /// A profile that falls where it must rise.
    #[error("{what} is {value}, after {before} with fewer workers; sort by workers, and measure that row again")]
    Falling {
        /// Name of the column.
        what: &'static str,
        /// The row's value.
        value: f64,
        /// The value before it.
        before: f64,
    },
    /// A job of that row cannot be planned.
    #[error("job {id}: {reason}")]
    Job {
        /// The job.
        id: String,
        /// Why, and the remedy.
        reason: String,
    },
}

impl FileError {
    /// Returns a fault of a file at a place.
    pub(crate) fn new(file: &str, place: FilePlace, fault: FileFault) -> Self {
        Self { file: file.to_owned(), place, fault }
    }

    /// Returns the same error with another option that names a column of this file.
    #[must_use]
    pub fn naming(mut self, option: &'static str) -> Self {
        if let FileFault::WhichColumn { option: named, .. } = &mut self.fault {
            *named = option;
        }
        self
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Line(line) => write!(out, ":{line}"),
            Self::Entry(entry) => write!(out, ": points[{entry}]"),
        }
    }
}

/// Returns the first characters of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

//! Reads tables from CSV, for intensities, prices, jobs and profiles of workers. A file has a bounded size, is UTF-8
//! and has one header; every fault is reported with its line.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use csv::{Position, Reader, ReaderBuilder, StringRecord, Trim};

use super::error::{FileError, FileFault, FilePlace, shown};

/// The longest line, bytes: 64 KiB, so that a file that is not a table is refused early.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;
/// The largest file that is read, bytes: about six million slots.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The byte order mark that some programs write at the start of a text.
const MARK: &str = "\u{feff}";

/// A table whose header has been read.
pub(crate) struct TableRows<'a> {
    file: &'a str,
    text: &'a str,
    pub(crate) header: StringRecord,
    reader: Reader<&'a [u8]>,
}

/// One row of a table.
pub(crate) struct TableRow<'a> {
    file: &'a str,
    line: u64,
    record: StringRecord,
}

/// Returns the text of a file without its byte order mark.
///
/// # Errors
/// If a line is too long or not UTF-8.
pub(crate) fn text<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, FileError> {
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let fault = |fault| FileError::new(file, FilePlace::Line(number), fault);
        if line.len() > MAX_LINE_BYTES {
            return Err(fault(FileFault::LongLine { most: MAX_LINE_BYTES }));
        }
        std::str::from_utf8(line).map_err(|_| fault(FileFault::NotUtf8))?;
    }
    let text = std::str::from_utf8(bytes).map_err(|_| FileError::new(file, FilePlace::Whole, FileFault::NotUtf8))?;
    Ok(text.strip_prefix(MARK).unwrap_or(text))
}

impl<'a> TableRows<'a> {
    /// Reads the header of a table. Lines that begin with `#` are comments.
    ///
    /// # Errors
    /// If the text is no table.
    pub(crate) fn new(text: &'a str, file: &'a str) -> Result<Self, FileError> {
        let mut reader = ReaderBuilder::new().comment(Some(b'#')).trim(Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| of_csv(file, text, &error))?.clone();
        Ok(Self { file, text, header, reader })
    }

    /// Returns the line of the header.
    pub(crate) fn head(&self) -> FilePlace {
        FilePlace::Line(1 + skipped_lines(self.text))
    }

    /// Returns the index of a column; `None` if it does not exist.
    ///
    /// # Errors
    /// If two columns have that name.
    pub(crate) fn column(&self, name: &str) -> Result<Option<usize>, FileError> {
        let mut found = self.header.iter().enumerate().filter(|(_, column)| *column == name);
        let (first, again) = (found.next(), found.next());
        if again.is_some() {
            return Err(FileError::new(self.file, self.head(), FileFault::TwiceColumn(shown(name))));
        }
        Ok(first.map(|(place, _)| place))
    }

    /// Returns the index of a required column.
    ///
    /// # Errors
    /// If it does not exist, with the names of the existing ones.
    pub(crate) fn needed(&self, name: &str) -> Result<usize, FileError> {
        let missing = || FileFault::NoColumn { wanted: shown(name), columns: self.names(0) };
        self.column(name)?.ok_or_else(|| FileError::new(self.file, self.head(), missing()))
    }

    /// Returns the names of the columns from index `from` on, shortened.
    pub(crate) fn names(&self, from: usize) -> String {
        const MOST: usize = 12;
        let names: Vec<String> = self.header.iter().skip(from).take(MOST).map(shown).collect();
        let more = if self.header.len() > from + MOST { ", …" } else { "" };
        names.join(", ") + more
    }

    /// Returns the next row; `None` at the end.
    ///
    /// # Errors
    /// If the row has another number of fields than the header.
    pub(crate) fn next(&mut self) -> Result<Option<TableRow<'a>>, FileError> {
        let mut record = StringRecord::new();
        let more = self.reader.read_record(&mut record).map_err(|error| of_csv(self.file, self.text, &error))?;
        let line = record.position().map_or(0, |position| line(self.text, position));
        Ok(more.then_some(TableRow { file: self.file, line, record }))
    }
}

impl TableRow<'_> {
    /// Returns the text of a field; empty if there is none.
    pub(crate) fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or("")
    }

    /// Returns the first line of the row.
    pub(crate) fn place(&self) -> FilePlace {
        FilePlace::Line(self.line)
    }

    /// Returns a fault of this row.
    pub(crate) fn fault(&self, fault: FileFault) -> FileError {
        FileError::new(self.file, self.place(), fault)
    }

    /// Returns a finite number in a column.
    ///
    /// # Errors
    /// If the field is anything else.
    pub(crate) fn number(&self, column: usize, what: &'static str) -> Result<f64, FileError> {
        let text = self.text(column);
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        let fault = || FileFault::Figure { what, text: shown(text), allowed: "a number" };
        number.ok_or_else(|| self.fault(fault()))
    }

    /// Returns a time in a column, nanoseconds since 1970 UTC.
    ///
    /// # Errors
    /// If the field is anything else.
    pub(crate) fn instant(&self, column: usize) -> Result<i64, FileError> {
        let text = self.text(column);
        super::parse_instant(text).ok_or_else(|| self.fault(FileFault::Time(shown(text))))
    }
}

/// Returns the line of a record. The position of the reader is before the comments and empty lines that precede the
/// record.
fn line(text: &str, position: &Position) -> u64 {
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..));
    position.line() + rest.map_or(0, skipped_lines)
}

/// Returns the number of comments and empty lines at the start of a text.
fn skipped_lines(text: &str) -> u64 {
    text.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count() as u64
}

/// Returns an error of the CSV reader as an error of the file, with the line.
fn of_csv(file: &str, text: &str, error: &csv::Error) -> FileError {
    let place = error.position().map_or(FilePlace::Whole, |position| FilePlace::Line(line(text, position)));
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} fields, the header {expected_len}")
        }
        _ => "not a table".to_owned(),
    };
    FileError::new(file, place, FileFault::Syntax(what))
}

/// Returns the contents of a file.
///
/// # Errors
/// If the file cannot be read or is too large.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let fault = |fault| FileError::new(&path.display().to_string(), FilePlace::Whole, fault);
    let unreadable = |error: std::io::Error| fault(FileFault::Unreadable(error.to_string()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(fault(FileFault::TooLarge { most: MAX_FILE_BYTES }));
    }
    Ok(bytes)
}

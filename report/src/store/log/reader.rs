//! Reads run logs, also those that a crash cut off: all contents ([`read_log`]), only the readings ([`visit_readings`]), only
//! the report ([`read_run`]), or only the summary ([`read_summary`], for lists of runs).

use std::fs;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;
use std::time::Duration;

use eco2_core::Reading;
use eco2_core::schema::{RecordEnding, Report};

use super::contents::{ContentsBuilder, LogContents, ReportFrames, parse_json, parse_meta};
use super::frame::{FrameKind, MAGIC};
use super::scan::{FoundFrame, Scanner};
use super::{LogSummary, MAX_LOG_BYTES, MAX_UNPACKED_READINGS, block};
use crate::Error;
use crate::store::files;
use crate::store::report_file::{MAX_REPORT_BYTES, parse_report, read_report};

/// Bytes at the end of a log in which the summary is searched. A summary has a few kilobytes.
const TAIL_BYTES: u64 = 64 << 10;
/// The age of the last change at which a log that was not closed counts as that of a killed run. A suspended machine can pause a run
/// for hours.
pub(crate) const OPEN_AGE: Duration = Duration::from_secs(24 * 3_600);

/// Reads the contents of a log of at most [`MAX_LOG_BYTES`].
///
/// # Errors
/// As [`parse_log`], and [`Error::Io`] or [`Error::TooLarge`].
pub fn read_log(path: &Path) -> Result<LogContents, Error> {
    read_contents(files::open_regular(path, "run log", MAX_LOG_BYTES)?, path)
}

/// Parses a log; `path` is only for messages. Torn and damaged frames are dropped and counted.
///
/// # Errors
/// [`Error::NotOurs`] for bytes without any_frame frame, [`Error::Newer`] for a log of a later schema, and the errors of
/// [`crate::parse_report`] for the report in the log.
pub fn parse_log(bytes: &[u8], path: &Path) -> Result<LogContents, Error> {
    read_contents(Cursor::new(bytes), path)
}

/// Reads the summary of a run from its log. If the log has none, because the run did not end, the summary is made from the
/// report.
///
/// Reads only the end of a log that has a summary.
///
/// # Errors
/// As [`parse_log`], and [`Error::NoReport`] for a log that ended before its first checkpoint.
pub fn read_summary(path: &Path) -> Result<LogSummary, Error> {
    let mut file = files::open_regular(path, "run log", MAX_LOG_BYTES)?;
    match read_last_summary(&mut file).map_err(|e| Error::io("read", path, e))? {
        Some(summary) => Ok(summary),
        None => Ok(LogSummary::of(&find_report(file, path)?)),
    }
}

/// How the log of one process ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordEnd {
    /// The summary. Of a log that ended before its first report, only the start is known.
    pub(crate) summary: LogSummary,
    /// Whether the log has its final report.
    pub(crate) ending: RecordEnding,
}

/// Reads how a log ends. Reads only the end of a log that has a summary.
///
/// # Errors
/// As [`parse_log`].
pub(crate) fn read_end(path: &Path) -> Result<RecordEnd, Error> {
    let mut file = files::open_regular(path, "run log", MAX_LOG_BYTES)?;
    if let Some(summary) = read_last_summary(&mut file).map_err(|e| Error::io("read", path, e))? {
        return Ok(RecordEnd { summary, ending: RecordEnding::Recorded });
    }
    match find_last_report(&mut file, path) {
        Ok((report, is_final)) => {
            let ending = if is_final { RecordEnding::Recorded } else { unclosed_ending(path) };
            Ok(RecordEnd { summary: LogSummary::of(&report), ending })
        }
        Err(Error::NoReport { .. }) => {
            Ok(RecordEnd { summary: read_start(&mut file, path)?, ending: unclosed_ending(path) })
        }
        Err(error) => Err(error),
    }
}

/// Reads the first frame of a log.
fn read_start(file: &mut (impl Read + Seek), path: &Path) -> Result<LogSummary, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(file, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut meta) = (Vec::new(), None);
    if scanner.next(|kind| kind == FrameKind::Meta, &mut payload).map_err(io)?.is_some() {
        parse_meta(&mut meta, &payload, path)?;
    }
    Ok(meta.map_or_else(LogSummary::default, |meta| LogSummary::of_start(meta.run)))
}

/// Reads the summary that ends a log; `None` if the last frame is another one.
fn read_last_summary(file: &mut (impl Read + Seek)) -> io::Result<Option<LogSummary>> {
    let mut scanner = Scanner::at_end(file, MAX_LOG_BYTES, TAIL_BYTES)?;
    let (mut payload, mut summary) = (Vec::new(), None);
    while let Some(found) = scanner.next(|kind| kind == FrameKind::Summary, &mut payload)? {
        // A later frame shows that the run went on after the summary.
        summary = parse_json(&payload).filter(|_| found.kind == Some(FrameKind::Summary));
    }
    Ok(summary)
}

/// Calls `each` with the domain's index and every reading of a log, at most 2^26, and returns their number. Readings are
/// in the order of time within a block; blocks of different sources overlap in time. Needs the memory of one block only.
///
/// # Errors
/// [`Error::Io`].
pub fn visit_readings(input: impl Read + Seek, path: &Path, mut each: impl FnMut(u32, Reading)) -> Result<u64, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut count) = (Vec::new(), 0);
    while let Some(found) = scanner.next(|kind| kind == FrameKind::Ticks, &mut payload).map_err(io)? {
        if found.kind == Some(FrameKind::Ticks) && count < MAX_UNPACKED_READINGS {
            count += block::unpack(&payload, &mut each).unwrap_or(0) as u64;
        }
    }
    Ok(count)
}

/// Reads the report of a run from a report file or a run log. The first bytes show which of them the file is.
///
/// # Errors
/// As [`read_report`] and [`crate::read_log`]; [`Error::NoReport`] for a log that ended before its first checkpoint.
pub fn read_run(path: &Path) -> Result<Report, Error> {
    let file = files::open_regular(path, "run log", MAX_LOG_BYTES)?;
    let mut first_bytes = [0; MAGIC.len()];
    let outcome = (&file).read_exact(&mut first_bytes).and_then(|()| (&file).rewind());
    match outcome {
        Ok(()) if &first_bytes == MAGIC => find_report(file, path),
        Ok(()) => parse_report(&files::read_open(file, path, "report", MAX_REPORT_BYTES)?, path),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => read_report(path),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Reads the report of a log: the final one, else the last checkpoint. Does not unpack readings.
///
/// # Errors
/// As [`parse_log`], and [`Error::NoReport`].
pub(crate) fn find_report(input: impl Read + Seek, path: &Path) -> Result<Report, Error> {
    let (mut report, is_final) = find_last_report(input, path)?;
    if !is_final {
        report.run.end = Some(unclosed_ending(path));
    }
    Ok(report)
}

/// Returns how the record of a run ends whose log was not closed: as interrupted if the log has not grown for a day, because a log
/// of a run that goes on grows every few seconds.
#[must_use]
pub fn unclosed_ending(log: &Path) -> RecordEnding {
    let age = fs::metadata(log).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
    if age.is_some_and(|age| age >= OPEN_AGE) { RecordEnding::Interrupted } else { RecordEnding::Open }
}

/// Reads the report of a log, and returns whether it is the final one.
fn find_last_report(input: impl Read + Seek, path: &Path) -> Result<(Report, bool), Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut any_frame) = (Vec::new(), false);
    let mut reports = ReportFrames::default();
    while let Some(found) = scanner.next(|kind| kind == FrameKind::Meta, &mut payload).map_err(io)? {
        any_frame = true;
        match found.kind {
            Some(FrameKind::Meta) => drop(parse_meta(&mut None, &payload, path)?),
            Some(FrameKind::Checkpoint) => reports.checkpoint = Some(found),
            Some(FrameKind::Final) => reports.final_report = Some(found),
            _ => {}
        }
    }
    if !any_frame {
        return Err(no_frame_error(path, scanner.end()));
    }
    let is_final = reports.final_report.is_some();
    let found = reports.final_report.or(reports.checkpoint).ok_or_else(|| Error::NoReport { path: path.to_owned() })?;
    Ok((report_at(&mut scanner, &found, path)?, is_final))
}

/// Reads all contents of a log except reports that a later report replaces.
fn read_contents(input: impl Read + Seek, path: &Path) -> Result<LogContents, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut any_frame, mut builder) = (Vec::new(), false, ContentsBuilder::default());
    let wanted = |kind| !matches!(kind, FrameKind::Checkpoint | FrameKind::Final);
    while let Some(found) = scanner.next(wanted, &mut payload).map_err(io)? {
        any_frame = true;
        builder.add_frame(&found, &payload, path)?;
    }
    if !any_frame {
        return Err(no_frame_error(path, scanner.end()));
    }
    let (mut contents, reports) = builder.finish();
    contents.torn_bytes = scanner.torn();
    contents.final_report = reports.final_report.map(|found| report_at(&mut scanner, &found, path)).transpose()?;
    if contents.final_report.is_none() {
        contents.checkpoint = reports.checkpoint.map(|found| report_at(&mut scanner, &found, path)).transpose()?;
    }
    Ok(contents)
}

/// Reads the report in a frame that the scanner found.
fn report_at<R: Read + Seek>(scanner: &mut Scanner<R>, found: &FoundFrame, path: &Path) -> Result<Report, Error> {
    let payload = scanner.payload(found).map_err(|e| Error::io("read", path, e))?;
    parse_report(&payload, path)
}

/// Returns the error for a file of `bytes` bytes in which no frame was found.
pub(super) fn no_frame_error(path: &Path, bytes: u64) -> Error {
    let found = format!("{bytes} bytes without a whole frame");
    let remedy = "check that this file is a run log (*.eco2log), or that the run got beyond its start";
    Error::NotOurs { path: path.to_owned(), what: "run log", found, remedy }
}

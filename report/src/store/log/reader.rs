//! Bytes of a log back to what they hold, whatever a crash has left.

use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

use eco2_core::Reading;
use eco2_core::schema::Report;

use super::contents::{Intake, LogContents, ReportsAt, json, take_meta};
use super::frame::{FrameKind, MAGIC};
use super::scan::{Found, Scanner};
use super::{LogSummary, MAX_LOG_BYTES, MAX_UNPACKED, block};
use crate::Error;
use crate::store::files;
use crate::store::report_file::{MAX_REPORT_BYTES, parse_report, read_report};

/// Bytes at the end of a log in which its summary is looked for.
const TAIL_BYTES: u64 = 64 << 10;

/// Reads a log of at most [`MAX_LOG_BYTES`].
///
/// # Errors
/// As [`parse_log`], and [`Error::Io`] or [`Error::TooLarge`].
pub fn read_log(path: &Path) -> Result<LogContents, Error> {
    contents(files::open_regular(path, "run log", MAX_LOG_BYTES)?, path)
}

/// Reads a log from memory; `path` is only for messages. Torn and damaged frames are dropped and counted.
///
/// # Errors
/// [`Error::NotOurs`] for bytes that hold no frame at all, [`Error::Newer`] for a log of a later schema, and what
/// [`crate::parse_report`] returns for a report in it.
pub fn parse_log(bytes: &[u8], path: &Path) -> Result<LogContents, Error> {
    contents(Cursor::new(bytes), path)
}

/// The summary of a run from its log: its last record, else made from its report.
///
/// Of a log that was closed only the end is read.
///
/// # Errors
/// As [`parse_log`], and [`Error::NoReport`] for a log that ended before its first checkpoint.
pub fn read_summary(path: &Path) -> Result<LogSummary, Error> {
    let mut file = files::open_regular(path, "run log", MAX_LOG_BYTES)?;
    match closing_summary(&mut file).map_err(|e| Error::io("read", path, e))? {
        Some(summary) => Ok(summary),
        None => Ok(LogSummary::of(&find_report(file, path)?)),
    }
}

/// The summary that a log ends with.
fn closing_summary(file: &mut (impl Read + Seek)) -> io::Result<Option<LogSummary>> {
    let mut scanner = Scanner::at_end(file, MAX_LOG_BYTES, TAIL_BYTES)?;
    let (mut payload, mut summary) = (Vec::new(), None);
    while let Some(found) = scanner.next(|kind| kind == FrameKind::Summary, &mut payload)? {
        // Whatever came after it would have been written by a run that goes on.
        summary = json(&payload).filter(|_| found.kind == Some(FrameKind::Summary));
    }
    Ok(summary)
}

/// Calls `each` with the domain's index and every reading of a log, at most 2^26, and returns how many there
/// were. Within a block ticks are in order; blocks of different sources overlap in time. Needs the memory of one block.
///
/// # Errors
/// [`Error::Io`].
pub fn visit_readings(input: impl Read + Seek, path: &Path, mut each: impl FnMut(u32, Reading)) -> Result<u64, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut count) = (Vec::new(), 0);
    while let Some(found) = scanner.next(|kind| kind == FrameKind::Ticks, &mut payload).map_err(io)? {
        if found.kind == Some(FrameKind::Ticks) && count < MAX_UNPACKED {
            count += block::unpack(&payload, &mut each).unwrap_or(0) as u64;
        }
    }
    Ok(count)
}

/// Reads the report of a run from its report file or its run log, whichever the file is.
///
/// # Errors
/// As [`read_report`] and [`crate::read_log`]; [`Error::NoReport`] for a log that ended before its first checkpoint.
pub fn read_run(path: &Path) -> Result<Report, Error> {
    let file = files::open_regular(path, "run log", MAX_LOG_BYTES)?;
    let mut first = [0; MAGIC.len()];
    let read = (&file).read_exact(&mut first).and_then(|()| (&file).rewind());
    match read {
        Ok(()) if &first == MAGIC => find_report(file, path),
        Ok(()) => parse_report(&files::read_open(file, path, "report", MAX_REPORT_BYTES)?, path),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => read_report(path),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// The report that a log ends with: the final one, else the last checkpoint. Readings are not unpacked.
///
/// # Errors
/// As [`parse_log`], and [`Error::NoReport`].
pub(crate) fn find_report(input: impl Read + Seek, path: &Path) -> Result<Report, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut any) = (Vec::new(), false);
    let mut reports = ReportsAt::default();
    while let Some(found) = scanner.next(|kind| kind == FrameKind::Meta, &mut payload).map_err(io)? {
        any = true;
        match found.kind {
            Some(FrameKind::Meta) => drop(take_meta(&mut None, &payload, path)?),
            Some(FrameKind::Checkpoint) => reports.checkpoint = Some(found),
            Some(FrameKind::Final) => reports.last = Some(found),
            _ => {}
        }
    }
    if !any {
        return Err(no_frame(path, scanner.end()));
    }
    let found = reports.last.or(reports.checkpoint).ok_or_else(|| Error::NoReport { path: path.to_owned() })?;
    report(&mut scanner, &found, path)
}

fn contents(input: impl Read + Seek, path: &Path) -> Result<LogContents, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut any, mut intake) = (Vec::new(), false, Intake::default());
    let wanted = |kind| !matches!(kind, FrameKind::Checkpoint | FrameKind::Final);
    while let Some(found) = scanner.next(wanted, &mut payload).map_err(io)? {
        any = true;
        intake.take(&found, &payload, path)?;
    }
    if !any {
        return Err(no_frame(path, scanner.end()));
    }
    let (mut contents, reports) = intake.finish();
    contents.torn_bytes = scanner.torn();
    contents.final_report = reports.last.map(|found| report(&mut scanner, &found, path)).transpose()?;
    if contents.final_report.is_none() {
        contents.checkpoint = reports.checkpoint.map(|found| report(&mut scanner, &found, path)).transpose()?;
    }
    Ok(contents)
}

fn report<R: Read + Seek>(scanner: &mut Scanner<R>, found: &Found, path: &Path) -> Result<Report, Error> {
    let payload = scanner.payload(found).map_err(|e| Error::io("read", path, e))?;
    parse_report(&payload, path)
}

fn no_frame(path: &Path, bytes: u64) -> Error {
    let found = format!("{bytes} bytes without a whole frame");
    let remedy = "check that this file is a run log (*.eco2log), or that the run got beyond its start";
    Error::NotOurs { path: path.to_owned(), what: "run log", found, remedy }
}

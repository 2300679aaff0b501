//! Span files: `name,begin_ns,end_ns`, one span a line, names quoted as CSV has it.

use std::path::Path;

use super::attributes::ordered;
use super::decimal::whole;
use super::parse::lines;
use super::{LineFault, MAX_TRACE_BYTES, TraceSpan};
use crate::{Error, files};

/// Reads a span file of at most [`MAX_TRACE_BYTES`].
///
/// # Errors
/// As [`parse_spans`], and [`Error::Io`] or [`Error::TooLarge`].
pub fn read_spans(path: &Path) -> Result<Vec<TraceSpan>, Error> {
    parse_spans(&files::read_capped(path, "span file", MAX_TRACE_BYTES)?, path)
}

/// Parses a span file; `path` is only for messages. `#` lines are comments.
///
/// # Errors
/// [`Error::Line`] for the first line that is wrong.
///
/// ```
/// let spans = eco2_report::parse_spans(b"name,begin_ns,end_ns\n\"step, first\",5,9\n", "spans.csv".as_ref())?;
/// assert_eq!((spans[0].name.as_str(), spans[0].end_ns), ("step, first", 9));
/// # Ok::<(), eco2_report::Error>(())
/// ```
pub fn parse_spans(bytes: &[u8], path: &Path) -> Result<Vec<TraceSpan>, Error> {
    let mut spans = Vec::new();
    let mut header = false;
    for (line, text) in lines(bytes) {
        let fault = |fault| Error::line(path, line, fault);
        let text = text.map_err(fault)?;
        if text.starts_with('#') {
            continue;
        }
        if !header {
            header = text == "name,begin_ns,end_ns";
            if !header {
                return Err(fault(LineFault::NoSpanHeader));
            }
            continue;
        }
        spans.push(span(text).map_err(fault)?);
    }
    if header { Ok(spans) } else { Err(Error::line(path, 1, LineFault::NoSpanHeader)) }
}

fn span(text: &str) -> Result<TraceSpan, LineFault> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let (name, rest) = text.split_once(',').unwrap_or((text, ""));
            (name.to_owned(), rest)
        }
    };
    let mut columns = rest.split(',').map(str::trim_ascii);
    let (Some(begin), Some(end), None) = (columns.next(), columns.next(), columns.next()) else {
        return Err(LineFault::Columns { expected: 3, found: 1 + rest.split(',').count() });
    };
    let (begin_ns, end_ns) = ordered(whole("begin_ns", begin)?, whole("end_ns", end)?)?;
    Ok(TraceSpan { name, begin_ns, end_ns })
}

/// A quoted name, its doubled quotes made single, and what follows the comma.
fn unquote(text: &str) -> Result<(String, &str), LineFault> {
    let mut name = String::new();
    let mut rest = text;
    while let Some((part, tail)) = rest.split_once('"') {
        name.push_str(part);
        if let Some(after) = tail.strip_prefix('"') {
            name.push('"');
            rest = after;
        } else {
            let rest = tail.trim_ascii_start().strip_prefix(',');
            return rest.map(|rest| (name, rest)).ok_or_else(|| LineFault::Csv("no comma after the name".into()));
        }
    }
    Err(LineFault::Csv("the name's quote is not closed".into()))
}

//! Traces, schema `eco2.trace/1`: readings as text, written by a run and read back by a replay.
//!
//! ```text
//! # eco2.trace/1
//! # domain <id> component=<cpu|memory|gpu|other> kind=<energy|power> unit=<uJ|mJ|J|uW|mW|W|raw> [scale=<J per raw unit>]
//!          [range=<raw values before the wrap>] [max_w=<W>] [min_w=<W>] [parent=<id>]
//!          [ceiling_w=<W>] [average_ns=<ns>]
//!          [domain=<name>] [name=<text>] [source=<name>] [quality=<word>] [gain=<percent>]
//! # run begin_ns=<ns> end_ns=<ns>
//! # span name=<name> begin_ns=<ns> end_ns=<ns>
//! before_ns,after_ns,domain,value
//! ```
//!
//! - A `#` line may stand anywhere; one that starts with none of these words is a comment.
//! - An empty value is a failed read.
//! - With a named unit a value may have decimals. A domain's raw unit is then the finest decimal place seen in its
//!   values and range, at most the ninth (further digits are cut off), so that every raw value is an integer.
//! - With `unit=raw` values are integers and `scale` says what one is worth, in joules or watts.
//! - In ids and names, `%20` is a space, `%2C` a comma, and so on.
//! - Readings of one domain stand in the order of time.

mod attributes;
mod decimal;
mod domain;
mod fault;
mod parse;
mod span_file;
mod write;

use std::path::Path;

use eco2_core::{Domain, Reading};

pub use fault::{LineFault, NumberFault};
pub use span_file::{parse_spans, read_spans};
pub use write::TraceWriter;

use crate::{Error, files};

/// The schema's name, first line of a trace after `# `.
pub const TRACE_SCHEMA: &str = "eco2.trace/1";
/// The longest line of a text file, bytes.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// The largest trace or span file that is read, bytes: some 100 million readings.
pub const MAX_TRACE_BYTES: u64 = 4 << 30;
/// The most domains in a trace.
pub const MAX_TRACE_DOMAINS: usize = 65_536;

const HEADER: &str = "before_ns,after_ns,domain,value";

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// What was read, in the order of the `# domain` lines.
    pub domains: Vec<Domain>,
    /// Begin and end of the run, monotonic nanoseconds, where given.
    pub run: Option<(u64, u64)>,
    /// Spans in file order.
    pub spans: Vec<TraceSpan>,
    /// Readings in file order, each with an index into `domains`.
    pub readings: Vec<(u32, Reading)>,
}

/// A named stretch of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSpan {
    /// Name.
    pub name: String,
    /// Begin, monotonic nanoseconds.
    pub begin_ns: u64,
    /// End, monotonic nanoseconds; not before the begin.
    pub end_ns: u64,
}

impl Trace {
    /// Parses a trace; `path` is only for messages.
    ///
    /// # Errors
    /// [`Error::Line`] for the first line that is wrong.
    ///
    /// ```
    /// let domain = "# domain gpu-0 component=gpu kind=energy unit=J";
    /// let text = format!("# eco2.trace/1\n{domain}\nbefore_ns,after_ns,domain,value\n0,10,gpu-0,1.5\n");
    /// let trace = eco2_report::Trace::parse(text.as_bytes(), "example.csv".as_ref())?;
    /// assert_eq!(trace.readings[0].1.value, Ok(15));
    /// assert_eq!(trace.domains[0].scale.micro(15), 1_500_000);
    /// # Ok::<(), eco2_report::Error>(())
    /// ```
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        parse::parse(bytes, path)
    }

    /// Reads a trace of at most [`MAX_TRACE_BYTES`].
    ///
    /// # Errors
    /// As [`Trace::parse`], and [`Error::Io`] or [`Error::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&files::read_capped(path, "trace", MAX_TRACE_BYTES)?, path)
    }
}

//! The content of a trace as data, and the limits of its text form.

use eco2_core::{Domain, Reading};

/// The schema's name, first line of a trace after `# `.
pub(super) const TRACE_SCHEMA: &str = "eco2.trace/1";
/// Longest line of a trace or a span file, bytes.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// The largest trace or span file that is read, bytes: about 100 million readings.
pub(super) const MAX_TRACE_BYTES: u64 = 4 << 30;
/// Largest number of domains in a trace.
pub(super) const MAX_TRACE_DOMAINS: usize = 65_536;

/// The line of column names, before the first reading.
pub(super) const HEADER: &str = "before_ns,after_ns,domain,value";

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// The domains in the order of their `# domain` lines.
    pub domains: Vec<Domain>,
    /// Start and end of the run, monotonic nanoseconds; `None` if the trace has no `# run` line.
    pub run: Option<(u64, u64)>,
    /// Spans in file order.
    pub spans: Vec<TraceSpan>,
    /// Readings in file order, each with an index into `domains`.
    pub readings: Vec<(u32, Reading)>,
}

/// A named interval of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSpan {
    /// Name.
    pub name: String,
    /// Start, monotonic nanoseconds.
    pub begin_ns: u64,
    /// End, monotonic nanoseconds; not before the start.
    pub end_ns: u64,
}

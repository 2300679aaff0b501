//! The errors of a line in a trace or a span file, each with its remedy.

use super::format::{HEADER, MAX_LINE_BYTES, MAX_TRACE_DOMAINS, TRACE_SCHEMA};

/// What is wrong with a line of a trace or of a span file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// The line with the schema is missing.
    #[error("no line `# {TRACE_SCHEMA}`; put it first, or check that this file is a trace")]
    NoSchema,
    /// A later version of the format.
    #[error("the trace is {0}, and this eco2 reads {TRACE_SCHEMA}; install a newer eco2")]
    Newer(String),
    /// A reading before the column names.
    #[error("a reading before the line `{HEADER}`; put that line in front of the first reading")]
    NoHeader,
    /// Column names of a span file are missing.
    #[error("the first line must be `name,begin_ns,end_ns`")]
    NoSpanHeader,
    /// The line is not valid UTF-8.
    #[error("not valid UTF-8; save the file as UTF-8")]
    NotUtf8,
    /// The line is too long; the number of its bytes.
    #[error("a line of {0} bytes, the limit is {MAX_LINE_BYTES}; check that this file is a trace")]
    TooLong(usize),
    /// Wrong number of columns.
    #[error("{found} columns where {expected} are needed; a comma inside an id or name is written %2C")]
    Columns {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A malformed CSV record.
    #[error("{0}; quote the name if it holds a comma or a quote")]
    Csv(String),
    /// An invalid number.
    #[error("{field} `{text}`: {why}")]
    Number {
        /// Column or attribute.
        field: &'static str,
        /// The text found, cut at 40 characters.
        text: String,
        /// What is wrong with it.
        why: NumberFault,
    },
    /// The clock after the value was read is earlier than before.
    #[error("after_ns {after} is before before_ns {before}; swap the columns or fix the clock")]
    Bracket {
        /// Clock before.
        before: u64,
        /// Clock after.
        after: u64,
    },
    /// Readings of one domain go back in time.
    #[error("the reading of `{domain}` at {at} ns comes after one at {previous} ns; sort the readings by before_ns")]
    OutOfOrder {
        /// The domain.
        domain: String,
        /// Clock of the earlier line.
        previous: u64,
        /// Clock of this line.
        at: u64,
    },
    /// A reading of a domain that no line declares.
    #[error("domain `{0}` is not declared; add `# domain {0} component=… kind=… unit=…`")]
    UnknownDomain(String),
    /// Two lines declare one domain.
    #[error("domain `{id}` was declared on line {first} already; give each domain one line")]
    DuplicateDomain {
        /// The id.
        id: String,
        /// Where it was declared.
        first: u64,
    },
    /// More domains than a machine has.
    #[error("more than {MAX_TRACE_DOMAINS} domains; split the trace")]
    TooManyDomains,
    /// An attribute that the line does not have.
    #[error("unknown attribute `{key}`{}; `# {line}` takes {known}", did_you_mean(.nearest))]
    UnknownKey {
        /// The line's first word.
        line: &'static str,
        /// What was found.
        key: String,
        /// The nearest known one, if near.
        nearest: Option<&'static str>,
        /// All known ones.
        known: String,
    },
    /// An attribute twice in one line.
    #[error("attribute `{0}` occurs twice in the line; remove one")]
    DuplicateKey(&'static str),
    /// An attribute that must be there.
    #[error("`# {line}` needs {key}")]
    MissingKey {
        /// The line's first word.
        line: &'static str,
        /// What is missing.
        key: &'static str,
    },
    /// A word where another is needed.
    #[error("{key}=`{text}`; it must be one of {allowed}")]
    Word {
        /// The attribute.
        key: &'static str,
        /// What was found, cut at 40 characters.
        text: String,
        /// The allowed words.
        allowed: String,
    },
    /// A word between attributes that belongs to none.
    #[error("`{0}` is not key=value; a space inside a value is written %20")]
    StrayWord(String),
    /// `unit=raw` without `scale`.
    #[error("unit=raw needs scale=<joules (or watts) per raw unit>")]
    ScaleNeeded,
    /// An invalid `scale`, or one that contradicts the unit.
    #[error("scale=`{0}`; it must be between 1e-15 and 1e12 joules (or watts) per raw unit, and go with unit=raw")]
    Scale(String),
    /// A raw value with decimals.
    #[error("value `{0}` has decimals, and unit=raw takes whole numbers; use unit=J or unit=W for decimals")]
    RawDecimals(String),
    /// `range` is 0.
    #[error("range=0; leave range out for a counter that never wraps")]
    ZeroRange,
    /// `max_w` is 0.
    #[error("max_w=0; leave max_w out where the limit is not known")]
    ZeroLimit,
    /// `min_w` is above `max_w`.
    #[error("min_w is above max_w; swap them")]
    Limits,
    /// A span or run that ends before it begins.
    #[error("end_ns {end} is before begin_ns {begin}; swap them")]
    EndBeforeBegin {
        /// Begin.
        begin: u64,
        /// End.
        end: u64,
    },
    /// Two runs in one trace.
    #[error("a second `# run` line; a trace holds one run")]
    SecondRun,
    /// A domain that contains itself through `parent`.
    #[error("domain `{0}` contains itself through parent=; correct the parents")]
    ParentCycle(String),
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default()
}

/// Why a text is not the number needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberFault {
    /// Nothing there.
    #[error("a number is missing")]
    Empty,
    /// Below zero.
    #[error("negative; times, counters and powers start at 0")]
    Negative,
    /// NaN or infinite.
    #[error("not a finite number; leave a failed read empty")]
    NotFinite,
    /// Written with an exponent.
    #[error("has an exponent; write it as a plain decimal")]
    Exponent,
    /// Not a number at all.
    #[error("not a number")]
    Malformed,
    /// Has decimals where none can be.
    #[error("not a whole number")]
    Fraction,
    /// Does not fit 64 bits.
    #[error("too large: it does not fit 64 bits at the domain's finest decimal place")]
    TooLarge,
}

//! Traces, schema `eco2.trace/1`: the readings of a run as text. `eco2 run --trace` writes one, `eco2 replay` reads it.
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
//! - A `#` line can be anywhere; one that starts with none of these words is a comment.
//! - An empty value is a failed read.
//! - With a named unit a value may have decimals. A domain's raw unit is then the finest decimal place seen in its
//!   values and range, at most the ninth (further digits are cut off), so that every raw value is an integer.
//! - With `unit=raw` values are integers, and `scale` is the size of one, in joules or watts.
//! - In ids and names, `%20` is a space, `%2C` a comma, and so on.
//! - Readings of one domain are in the order of time.

mod attributes;
mod domain;
mod fault;
mod format;
mod parse;
mod write;

pub use fault::{LineFault, NumberFault};
pub use format::{MAX_LINE_BYTES, Trace, TraceSpan};
pub use parse::{parse_spans, read_spans};
pub use write::TraceWriter;

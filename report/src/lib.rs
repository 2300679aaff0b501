//! Data at rest: traces, the run log, the report's schema and every rendering of it.
//!
//! Numbers come in from `eco2-core` as plain data and leave as files or text. This crate reads no clock that decides a
//! figure, knows no hardware and prints nothing: renderings are returned as strings, faults as [`Error`]s that name file,
//! line and remedy.

#![forbid(unsafe_code)]

pub mod advice;
pub mod clean;
mod compare;
mod contradiction;
mod error;
mod exporter;
mod files;
mod footprint;
mod log;
mod merge;
mod output;
mod render;
mod report_file;
mod trace;

pub use compare::{
    Compared, Comparison, Figure, Objective, Overlap, Verdict, compare, comparison_json, comparison_text,
};
pub use error::Error;
pub use exporter::Exporter;
pub use files::write_file;
pub use footprint::{BudgetCheck, Footprint, read_hf_footprint};
#[doc(hidden)]
pub use log::generator;
pub use log::{
    BACKLOG_BYTES, BLOCK_TICKS, Disk, FLUSH_NS, FileDisk, GaugeReading, HISTORY_STEP_BYTES, LOG_SCHEMA,
    LONGEST_SPACING_NS, LogContents, LogEncoder, LogMeta, LogStatus, LogSummary, LogWriter, MAX_LOG_BYTES,
    MAX_PAYLOAD_BYTES, MAX_POINTS, MAX_UNPACKED, Pace, PolicyRecord, PricingRecord, PricingSlot, SPACING_NS, parse_log,
    read_log, read_run, read_summary, visit_readings,
};
pub use merge::{merge, merge_without};
pub use output::{Output, check_output, check_output_folder};
pub use render::{
    AbsentSource, Group, MetricNames, NO_LABEL, SUMMARY_SCHEMA_JSON, TextStyle, ai_act_json, boamps_json, by_label,
    codecarbon_csv, csv, groups_csv, groups_json, groups_text, hf_json, json, methods, model_card, openmetrics,
    quality_text, sci_json, scope2_csv, spans_csv, spent_text, summary_json, text,
};
pub use report_file::{MAX_REPORT_BYTES, parse_report, read_report};
pub use trace::{
    LineFault, MAX_LINE_BYTES, MAX_TRACE_BYTES, MAX_TRACE_DOMAINS, NumberFault, TRACE_SCHEMA, Trace, TraceSpan,
    TraceWriter, parse_spans, read_spans,
};

/// The report's JSON Schema (2020-12): every field with its description and unit.
pub const SCHEMA_JSON: &str = include_str!("../schema/eco2.report-1.schema.json");

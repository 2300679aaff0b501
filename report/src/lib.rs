//! Files of measured runs (run logs, traces, reports) and all output formats of a report.
//!
//! - `store`: the files of runs: run logs, traces, reports, and the folder they are in.
//! - `analysis`: merging and comparing reports, advice, and the emissions of a run against a budget.
//! - `history`: the stored runs as a list, with filters and sums, and the search for a run by name.
//! - `lake`: tables of many runs in Parquet files, for databases (feature `parquet`).
//! - `render`: a report as text, JSON, CSV, OpenMetrics and in the formats of other tools.
//!
//! The crate takes data from `eco2-core` and returns files or text. It reads no hardware and prints nothing. An [`Error`]
//! names the file, the line and the remedy.

#![forbid(unsafe_code)]

mod analysis;
pub mod clean;
mod error;
mod history;
#[cfg(feature = "parquet")]
mod lake;
mod render;
mod store;
mod wall;

pub use analysis::{
    BudgetCheck, Compared, Comparison, Difference, Figure, Footprint, Grouping, Increase, IncreaseCheck,
    IncreaseVerdict, LeftOut, Objective, Overlap, Period, PeriodSum, RunEnergy, RunGroup, Scope, Spread, Verdict,
    advice, by_period, check_increase, compare, compare_by, comparison_json, comparison_text, condensed,
    has_one_energy, in_scope, increase, merge, merge_owned, merge_without, read_hf_footprint, read_summaries,
    read_summary_group,
};
pub use analysis::{EndsCheck, FigureCheck, FigureDifference, check_closing, check_ends, check_figures};
pub use error::Error;
pub use history::{
    Candidates, ExpiredRuns, ListedRuns, PredictedAmount, Prediction, RunEnd, RunFilter, RunList, RunTotals, StoredRun,
    expired_runs, kept_age, list_from_logs, list_runs, moment, predict, records_of, remove_runs, scan_runs, short_id,
};
#[cfg(feature = "history")]
pub use history::{IndexFault, Reindexed, reindex, update_index};
#[cfg(feature = "parquet")]
pub use lake::{Exported, INTERVAL_SECONDS, Lake};
pub use render::{
    AbsentSource, CounterStart, Exporter, Family, Group, Labels, LiveValues, MetricNames, MetricSet, MetricsFormat,
    Notice, PartialSuccess, PushOrigin, SUMMARY_SCHEMA_JSON, ShortStyle, ShortText, TextStyle, TopDevice, TopFrame,
    TopLimit, TopOrder, TopUse, TopView, ai_act_json, boamps_json, by_label, codecarbon_csv, compute_checklist, csv,
    cyclonedx_json, duration_text, energy_text, esg_csv, gpai, group_path, groups_csv, groups_json, groups_text,
    hf_json, html, json, live_text, mass_text, methods, methods_of, model_card, openmetrics, otlp_metrics,
    otlp_partial_success, otlp_trace, quality_text, remote_write, report_metrics, sci_json, scope2_csv, short_text,
    spans_csv, spent_text, steady_json, steady_text, summary_json, text, top_lines, top_of_run,
};
pub use render::{
    budget_markdown, comparison_csv, comparison_html, comparison_latex, comparison_markdown, firefox_profile,
    increase_markdown, increase_text, latex, markdown, quality_of,
};
pub use render::{
    periods_csv, periods_json, periods_text, prediction_text, runs_csv, runs_json, runs_markdown, runs_text,
};
pub use store::{
    BLOCK_TICKS, CalibratedLoad, CalibratedPart, Calibration, CounterResult, CounterTest, Disk, GaugeReading,
    HISTORY_STEP_BYTES, LOG_EXTENSION, LONGEST_SPACING_NS, LineFault, LogCheck, LogContents, LogEncoder, LogFinding,
    LogMark, LogMeta, LogStatus, LogSummary, LogWriter, MAX_LINE_BYTES, MAX_LOG_BYTES, MAX_POINTS, MachineState,
    NumberFault, Output, Pace, PolicyRecord, PricingRecord, PricingSlot, Trace, TraceSpan, TraceWriter, check_log,
    check_log_bytes, check_output, check_output_folder, log_path, new_run_id, parse_log, parse_report, parse_spans,
    private_folder, read_log, read_report, read_run, read_spans, read_summary, records_at, seal_path, unclosed_ending,
    visit_readings, write_file,
};

#[cfg(feature = "seal")]
pub use store::{SealCheck, SealError, SealKey, SealPublicKey, check_seal, write_seal};

pub mod document {
    //! The document of an HTML page: the eco2 style sheet, the content security policy, and data that cannot end its element.

    pub use crate::render::{PAGE_STYLE as STYLE, PageKind as Kind, document};
}

/// The report's JSON Schema (2020-12): every field with its description and unit.
pub const SCHEMA_JSON: &str = include_str!("../schema/eco2.report-1.schema.json");

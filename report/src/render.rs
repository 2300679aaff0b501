//! Renderings of a report: JSON, CSV, text, OpenMetrics, other tools' formats, and totals by label.
//!
//! All are pure functions from data to strings. Machine formats keep every digit; text is rounded to what the bounds allow.
//! Text, JSON, CSV and OpenMetrics list the sources that could not be read, with status and reason.

mod budget;
mod codecarbon;
mod csv;
mod export;
mod exporter;
mod figures;
mod firefox;
mod groups;
mod hf;
mod host_total;
mod html;
mod json;
mod numbers;
mod openmetrics;
mod page;
mod periods;
mod protobuf;
mod provisional;
mod pushed;
mod rounding;
mod run_list;
mod sections;
mod sheet;
mod short;
mod steady;
mod supplements;
mod text;
mod top;

pub use budget::{quality_text, spent_text};
pub use codecarbon::codecarbon_csv;
pub use csv::{csv, spans_csv};
pub use export::{
    SUMMARY_SCHEMA_JSON, ai_act_json, boamps_json, compute_checklist, cyclonedx_json, esg_csv, gpai, methods,
    methods_of, model_card, sci_json, scope2_csv, summary_json,
};
pub use exporter::Exporter;
pub(crate) use figures::number;
pub use figures::{duration_text, energy_text, mass_text};
pub use firefox::firefox_profile;
pub use groups::{AbsentSource, Group, by_label, groups_csv, groups_json, groups_text};
pub use hf::hf_json;
pub use html::{Kind as PageKind, STYLE as PAGE_STYLE, comparison_html, document, html};
pub use json::json;
use json::not_ok;
pub(crate) use json::{finite, presentable, word};
pub use openmetrics::{Family, Labels, MetricNames, MetricSet, MetricsFormat, openmetrics, report_metrics};
pub(crate) use page::{Page, Tone};
pub use periods::{periods_csv, periods_json, periods_text};
pub use pushed::{
    CounterStart, PartialSuccess, PushOrigin, group_path, otlp_metrics, otlp_partial_success, otlp_trace, remote_write,
};
pub use run_list::{prediction_text, runs_csv, runs_json, runs_markdown, runs_text};
pub use sheet::{
    budget_markdown, comparison_csv, comparison_latex, comparison_markdown, increase_markdown, increase_text, latex,
    markdown, quality_of,
};
pub use short::{LiveValues, Notice, ShortStyle, ShortText, live_text, short_text};
pub use steady::{steady_json, steady_text};
use text::command_line as text_command;
pub use text::{TextStyle, text};
pub use top::{TopDevice, TopFrame, TopLimit, TopOrder, TopUse, TopView, top_lines, top_of_run};

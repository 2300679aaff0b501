//! Renderings of a report: JSON, CSV, text, OpenMetrics, other tools' formats, and totals by label.
//!
//! All are pure functions from data to strings. Machine formats keep every digit; text rounds to what the bounds allow.
//! A source that was looked for and is not reading stands in each of them with its status and its reason.

mod beside;
mod budget;
mod codecarbon;
mod csv;
mod export;
mod exporter;
mod figures;
mod finite;
mod group_text;
mod groups;
mod hf;
mod hf_budget;
mod layout;
mod merged;
mod money;
mod openmetrics;
mod page;
mod sections;
mod spells;
mod text;

use std::borrow::Cow;

use eco2_core::schema::{Report, SourceStatus, Status};

pub use budget::{quality_text, spent_text};
pub use codecarbon::codecarbon_csv;
pub use csv::{csv, spans_csv};
pub use export::{
    SUMMARY_SCHEMA_JSON, ai_act_json, boamps_json, methods, model_card, sci_json, scope2_csv, summary_json,
};
pub use exporter::Exporter;
pub(crate) use figures::number;
pub(crate) use finite::finite;
pub use group_text::{groups_csv, groups_json, groups_text};
pub use groups::{AbsentSource, Group, NO_LABEL, by_label};
pub use hf::hf_json;
pub use openmetrics::{MetricNames, openmetrics};
pub(crate) use page::{Page, Tone};
pub use text::{TextStyle, text};

use crate::{Error, clean};

/// The report for people: without figures that are not finite, and with every text cleaned for a terminal.
pub(crate) fn presentable(report: &Report) -> Cow<'_, Report> {
    match finite(report) {
        Cow::Borrowed(report) => clean::report(report),
        Cow::Owned(report) => Cow::Owned(clean::report(&report).into_owned()),
    }
}

/// The report as JSON: indented, fields in the schema's order, a line end after it, no NaN.
///
/// # Errors
/// [`Error::Encode`].
pub fn json(report: &Report) -> Result<String, Error> {
    let encoded = layout::indented(finite(report).as_ref());
    encoded.map(|text| text + "\n").map_err(|cause| Error::Encode { what: "the report", cause })
}

/// The word for a source's status, as in JSON.
fn status_word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Degraded => "degraded",
        Status::Absent => "absent",
        Status::Denied => "denied",
        Status::Lost => "lost",
        Status::Hung => "hung",
        Status::Off => "off",
    }
}

/// Sources that do not read, or not fully.
fn not_ok(report: &Report) -> impl Iterator<Item = &SourceStatus> {
    report.sources.iter().filter(|source| source.status != Status::Ok)
}

/// The word for a serialisable unit enum, as in JSON.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

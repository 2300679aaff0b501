//! Exports the report of a meter as text, and the merging of reports of one run: of its ranks, restarts and other
//! observers.

use std::ffi::c_char;
use std::path::Path;

use eco2_core::schema::Report;
use eco2_report::{MetricNames, Scope, has_one_energy, in_scope};

use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{Boxed as _, Handle, on_meter};
use crate::numbers::{
    ECO2_REPORT_AI_ACT, ECO2_REPORT_BOAMPS, ECO2_REPORT_CODECARBON, ECO2_REPORT_CSV, ECO2_REPORT_HF,
    ECO2_REPORT_HF_JSON, ECO2_REPORT_JSON, ECO2_REPORT_METHODS, ECO2_REPORT_OPENMETRICS, ECO2_REPORT_OPENMETRICS_HF,
    ECO2_REPORT_SCI, ECO2_REPORT_SCOPE2, ECO2_REPORT_SPANS_CSV, ECO2_REPORT_SUMMARY, ECO2_REPORT_TEXT,
};
use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_RENDER};
use crate::text::{self, OutText};

/// The most reports in one call: far above any run's number of processes. Merged reports can be merged again.
const MAX_REPORTS: usize = 1 << 16;

/// The report as text (ECO2_REPORT_...): final once the meter is closed, provisional before.
///
/// `*needed` is set to the size of the text, its NUL included, also where the buffer is too small (ECO2_ERR_BUFFER, and
/// nothing else was written). With size 0 the buffer may be NULL and only `*needed` is set; the report of a live meter
/// may have grown by the next call. Takes a lock and allocates. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_report(
    meter: *const Handle,
    format: i32,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutText::new(buffer, size, needed) }?;
        let (name, render) = renderer(format)?;
        let report = handle.meter.snapshot();
        let scope = if has_one_energy(name) { handle.options.scope } else { Scope::Machine };
        let text = render(&in_scope(&report, scope));
        out.put(&text.map_err(|error| Failure::new(ECO2_ERR_RENDER, error.to_string()))?)
    })
}

type Renderer = fn(&Report) -> Result<String, eco2_report::Error>;

/// Returns a format's name in `eco2 report` and the function that writes it, by the format's constant.
fn renderer(format: i32) -> Result<(&'static str, Renderer), Failure> {
    let found: (&'static str, Renderer) = match format {
        ECO2_REPORT_JSON => ("json", eco2_report::json),
        ECO2_REPORT_TEXT => ("text", |report| Ok(eco2_report::text(report, &eco2_report::TextStyle::default()))),
        ECO2_REPORT_CSV => ("csv", eco2_report::csv),
        ECO2_REPORT_SPANS_CSV => ("spans-csv", eco2_report::spans_csv),
        ECO2_REPORT_OPENMETRICS => ("openmetrics", |report| Ok(eco2_report::openmetrics(report, MetricNames::Eco2))),
        ECO2_REPORT_OPENMETRICS_HF => {
            ("openmetrics-hf", |report| Ok(eco2_report::openmetrics(report, MetricNames::HfTraining)))
        }
        ECO2_REPORT_CODECARBON => ("codecarbon", eco2_report::codecarbon_csv),
        ECO2_REPORT_HF_JSON => ("hf-json", eco2_report::hf_json),
        ECO2_REPORT_SCI => ("sci", eco2_report::sci_json),
        ECO2_REPORT_HF => ("hf", eco2_report::model_card),
        ECO2_REPORT_BOAMPS => ("boamps", eco2_report::boamps_json),
        ECO2_REPORT_SCOPE2 => ("scope2", eco2_report::scope2_csv),
        ECO2_REPORT_AI_ACT => ("ai-act", eco2_report::ai_act_json),
        ECO2_REPORT_METHODS => ("methods", eco2_report::methods),
        ECO2_REPORT_SUMMARY => ("summary", eco2_report::summary_json),
        other => return Err(Failure::argument(format!("format is {other}; allowed: ECO2_REPORT_... (0 to 14)"))),
    };
    Ok(found)
}

/// Merges JSON reports (schema eco2.report/1) of one run into one, as JSON. Every counter counts once, however many
/// processes read it.
///
/// `reports` are `count` texts, in any order; merged ones may be among them, and one may be there twice. `*needed` is set
/// to the size of the result, its NUL included, also where the buffer is too small (ECO2_ERR_BUFFER, and nothing else was
/// written). With size 0 the buffer may be NULL and only `*needed` is set. A text that is no report is ECO2_ERR_ARGUMENT,
/// and the message names its place. Needs no meter; allocates. Any thread. Since 0.1.
///
/// # Safety
/// `reports` is NULL or has `count` texts that end with NUL; `buffer` is writable for `size` bytes; `needed` is NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_merge(
    reports: *const *const c_char,
    count: usize,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutText::new(buffer, size, needed) }?;
        // SAFETY: as required of the caller.
        let parsed = unsafe { parse_all(reports, count) }?;
        let merged = eco2_report::merge(&parsed).map_err(|error| Failure::argument(format!("reports: {error}")))?;
        let json = eco2_report::json(&merged).map_err(|error| Failure::new(ECO2_ERR_RENDER, error.to_string()))?;
        out.put(&json)
    })
}

/// # Safety
/// `reports` is NULL or has `count` texts that end with NUL.
unsafe fn parse_all(reports: *const *const c_char, count: usize) -> Result<Vec<Report>, Failure> {
    if reports.is_null() {
        return Err(Failure::null("reports"));
    }
    if count == 0 || count > MAX_REPORTS {
        return Err(Failure::argument(format!("count is {count}; allowed: 1 to {MAX_REPORTS}")));
    }
    (0..count)
        .map(|index| {
            // SAFETY: `index` is below the number of texts.
            let element = unsafe { reports.add(index) };
            // SAFETY: readable, see above.
            let text = unsafe { element.read() };
            // SAFETY: as required of the caller.
            let text = unsafe { text::text(text, "reports") }?;
            let label = format!("reports[{index}]");
            let parsed = eco2_report::parse_report(text.as_bytes(), Path::new(&label));
            parsed.map_err(|error| Failure::new(ECO2_ERR_ARGUMENT, error.to_string()))
        })
        .collect()
}

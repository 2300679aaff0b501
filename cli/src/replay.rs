//! `eco2 replay`: a recorded trace through the account that live runs use.

use std::path::Path;

use anyhow::Context as _;
use eco2::options::Layer;
use eco2_core::schema::Report;
use eco2_report::{Trace, read_spans};

use crate::args::ReplayArgs;
use crate::{out, settings, sink};

/// Accounts a trace and shows it.
///
/// # Errors
/// For a trace or span file that cannot be read, naming the line, and for wrong options.
pub(crate) fn replay(args: &ReplayArgs) -> anyhow::Result<u8> {
    sink::check(args.json.as_deref())?;
    let mut layer = Layer::default();
    args.price.put(&mut layer)?;
    args.supplements.put(&mut layer)?;
    args.start.put(&mut layer)?;
    args.identity.put(&mut layer)?;
    let options = settings::resolve(layer)?;
    let spans = args.spans.as_deref().map(read_spans).transpose()?;
    let trace = Trace::read(&args.trace)?;
    let report = eco2::replay(&trace, spans.as_deref(), &options)?;
    show(&report, args.json.as_deref())?;
    Ok(0)
}

/// The report as text, as JSON to standard output, or as both where the JSON goes to a file.
///
/// # Errors
/// When the file or standard output cannot be written.
pub(crate) fn show(report: &Report, json: Option<&Path>) -> anyhow::Result<()> {
    if let Some(place) = json {
        sink::write(place, &eco2_report::json(report)?).context("the report was not written")?;
        if sink::is_stdout(place) {
            return Ok(());
        }
    }
    Ok(out::data(&eco2_report::text(report, &out::data_style()))?)
}

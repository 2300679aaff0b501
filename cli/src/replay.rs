//! Runs `eco2 replay`, which computes a report again from a recorded trace (the readings of a run), with the code that
//! accounts live runs.

use std::path::Path;

use anyhow::Context as _;
use eco2::options::Layer;
use eco2_core::schema::Report;
use eco2_report::{Trace, read_spans};

use crate::args::ReplayArgs;
use crate::{out, settings, sink};

/// Runs the command.
///
/// # Errors
/// For a trace or span file that cannot be read (the error names the line), and for wrong options.
pub(crate) fn replay(args: &ReplayArgs) -> anyhow::Result<u8> {
    sink::check(args.json.as_deref())?;
    let mut layer = Layer::default();
    args.price.copy_to(&mut layer)?;
    args.supplements.copy_to(&mut layer)?;
    args.start.copy_to(&mut layer)?;
    args.identity.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let spans = args.spans.as_deref().map(read_spans).transpose()?;
    let trace = Trace::read(&args.trace)?;
    let report = eco2::replay(&trace, spans.as_deref(), &options)?;
    show(&report, args.json.as_deref())?;
    Ok(0)
}

/// Prints the report: as text; with `--json -` as JSON; with `--json FILE` as text, and as JSON to the file.
///
/// # Errors
/// If the file or standard output cannot be written.
pub(crate) fn show(report: &Report, json: Option<&Path>) -> anyhow::Result<()> {
    if let Some(file) = json {
        sink::write(file, &eco2_report::json(report)?).context("the report was not written")?;
        if sink::is_stdout(file) {
            return Ok(());
        }
    }
    Ok(out::data(&eco2_report::text(report, &out::data_style()))?)
}

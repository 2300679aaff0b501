//! Runs `eco2 runs`, which lists the stored runs, and `eco2 show`, which shows one of them.

use eco2::Unrelated;
use eco2::options::{Layer, SummaryLength};
use eco2_report::{RunFilter, RunList, RunTotals};
use jiff::Timestamp;

use crate::args::{ListFormat, RunsArgs, ShowArgs};
use crate::failure::UsageError;
use crate::{out, settings, sink, summary};

/// Lists the runs.
///
/// # Errors
/// For a time that cannot be read, and output that cannot be written.
pub(crate) fn runs(args: &RunsArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let options = settings::resolve(Layer::default())?;
    let folder = eco2::runs::runs_folder(&options)?;
    let filter = filter(args, Timestamp::now())?;
    let mut runs = eco2_report::scan_runs(&folder);
    runs.retain(|run| filter.takes(run));
    let totals = RunTotals::of(&runs);
    runs.truncate(args.limit().unwrap_or(usize::MAX));
    let list = RunList { runs, totals };
    let text = match args.format() {
        ListFormat::Text => eco2_report::runs_text(&list, &out::data_style()),
        ListFormat::Json => eco2_report::runs_json(&list)?,
        ListFormat::Csv => eco2_report::runs_csv(&list)?,
        ListFormat::Markdown => eco2_report::runs_markdown(&list),
    };
    write(args.output.as_deref(), &text)
}

/// Returns the filter of the flags.
fn filter(args: &RunsArgs, now: Timestamp) -> Result<RunFilter, UsageError> {
    let moment_ms = |flag: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => eco2_report::moment(text, now)
            .map(|at| Some(at.as_millisecond()))
            .map_err(|fault| UsageError(format!("{flag}: {fault}"))),
    };
    Ok(RunFilter {
        name: args.name.clone(),
        labels: args.labels.clone(),
        since_ms: moment_ms("--since", &args.since)?,
        until_ms: moment_ms("--until", &args.until)?,
        quality: args.quality(),
    })
}

/// Shows a run.
///
/// # Errors
/// If the run is not found or cannot be read, and for output that cannot be written.
pub(crate) fn show(args: &ShowArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let mut layer = Layer::default();
    args.scope.copy_to(&mut layer)?;
    let mut options = settings::resolve(layer)?;
    options.summary = if args.all { SummaryLength::Full } else { SummaryLength::Short };
    let report = eco2::read_whole(&args.run, &options, Unrelated::Refused)?;
    let text = if args.json {
        eco2_report::json(&report)?
    } else {
        let id = format!("Run {}", eco2_report::short_id(&report.run.id));
        let rest = format!("eco2 show {} --all", args.run.to_string_lossy());
        summary::of_stored_run(&report, &options, out::data_style(), &[id, rest])
    };
    write(args.output.as_deref(), &text)
}

/// Writes a document to a file, or to standard output.
fn write(file: Option<&std::path::Path>, text: &str) -> anyhow::Result<u8> {
    match file {
        Some(file) => sink::write(file, text)?,
        None => out::data(text)?,
    }
    Ok(0)
}

//! Runs `eco2 compare`, which prints the energy and emissions of several runs, and which differences exceed the
//! uncertainty.

use eco2::Unrelated;
use eco2::options::Layer;
use eco2_core::schema::Report;

use crate::args::CompareArgs;
use crate::{out, settings, sink};

/// Reads the runs, prints the comparison and returns the exit code.
///
/// # Errors
/// If a run is not found or cannot be read, or the output cannot be written.
pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let options = settings::resolve(Layer::default())?;
    let reports: Vec<Report> = args
        .runs
        .iter()
        .map(|run| eco2::read_whole(run, &options, Unrelated::Refused))
        .collect::<Result<_, eco2::Error>>()?;
    let comparison = eco2_report::compare(&reports, args.per(), &args.objectives());
    let text = if args.json {
        eco2_report::comparison_json(&comparison)?
    } else {
        eco2_report::comparison_text(&comparison, &out::data_style())
    };
    match &args.output {
        Some(file) => sink::write(file, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
}

//! Runs `eco2 compare`, which prints the energy and emissions of several runs, and which differences exceed the
//! uncertainty.

use eco2::Unrelated;
use eco2::options::Layer;
use eco2_core::schema::Report;

use crate::args::{CompareArgs, CompareFormat};
use crate::{out, pdf, settings, sink};

/// Reads the runs, prints the comparison and returns the exit code.
///
/// # Errors
/// If a run is not found or cannot be read, or the output cannot be written.
pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let mut layer = Layer::default();
    args.scope.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let scope = options.scope;
    let reports: Vec<Report> = args
        .runs
        .iter()
        .map(|run| eco2::read_whole(run, &options, Unrelated::Refused))
        .map(|report| Ok(eco2_report::in_scope(&report?, scope).into_owned()))
        .collect::<Result<_, eco2::Error>>()?;
    let comparison = if args.by.is_empty() {
        eco2_report::compare(&reports, args.per(), &args.objectives())
    } else {
        eco2_report::compare_by(&reports, args.per(), &args.objectives(), &args.by)
    };
    let comparison = comparison.of_scope(scope);
    let text = match args.chosen() {
        CompareFormat::Json => eco2_report::comparison_json(&comparison)?,
        CompareFormat::Text => eco2_report::comparison_text(&comparison, &out::data_style()),
        CompareFormat::Html => eco2_report::comparison_html(&comparison),
        CompareFormat::Csv => eco2_report::comparison_csv(&comparison)?,
        CompareFormat::Markdown => eco2_report::comparison_markdown(&comparison),
        CompareFormat::Latex => eco2_report::comparison_latex(&comparison),
        CompareFormat::Pdf => {
            let pdf = pdf::print(&eco2_report::comparison_html(&comparison))?;
            sink::write_bytes(args.output.as_deref(), &pdf)?;
            return Ok(0);
        }
    };
    match &args.output {
        Some(file) => sink::write(file, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
}

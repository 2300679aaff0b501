//! `eco2 compare`: runs side by side, with what their bounds allow to say.

use eco2::options::Layer;
use eco2_core::schema::Report;

use crate::args::CompareArgs;
use crate::{out, settings, sink};

/// Compares runs.
///
/// # Errors
/// For a run that is not found or cannot be read.
pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let options = settings::resolve(Layer::default())?;
    let reports: Vec<Report> =
        args.runs.iter().map(|run| eco2::read_whole(run, &options)).collect::<Result<_, eco2::Error>>()?;
    let comparison = eco2_report::compare(&reports, args.per(), &args.objectives());
    let text = if args.json {
        eco2_report::comparison_json(&comparison)?
    } else {
        eco2_report::comparison_text(&comparison, &out::data_style())
    };
    match &args.output {
        Some(place) => sink::write(place, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
}

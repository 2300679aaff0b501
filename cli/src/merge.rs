//! `eco2 merge`: the records of one run as one report, every counter once.

use std::path::PathBuf;

use eco2::options::Layer;
use eco2::place;

use crate::args::MergeArgs;
use crate::{out, settings, sink};

/// Merges the records of a run.
///
/// # Errors
/// For a run that is not found, and when none of its records can be read.
pub(crate) fn merge(args: &MergeArgs) -> anyhow::Result<u8> {
    let options = settings::resolve(Layer::default())?;
    let mut records: Vec<PathBuf> = Vec::new();
    for run in &args.runs {
        records.extend(place::find_records(run, &options)?);
    }
    let report = eco2::merge_records(&records, &options)?;
    let told = report.events.iter().filter(|event| event.kind == "record-unreadable");
    told.for_each(|event| out::talk(&format!("eco2: {}\n", event.text)));
    let text = if args.json { eco2_report::json(&report)? } else { eco2_report::text(&report, &out::data_style()) };
    match &args.output {
        Some(place) => sink::write(place, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
}

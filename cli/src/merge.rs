//! Runs `eco2 merge`, which merges the records of a run (ranks, restarts, the command around them) into one report.

use eco2::options::Layer;
use eco2::{Records, Unrelated};
use eco2_core::schema::EventKind;

use crate::args::MergeArgs;
use crate::{out, settings, sink};

/// Reads the records, prints or writes the merged report and returns the exit code.
///
/// # Errors
/// If a run is not found, a folder has records of several runs, or none of the records can be read.
pub(crate) fn merge(args: &MergeArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let options = settings::resolve(Layer::default())?;
    let unrelated = if args.force { Unrelated::Summed } else { Unrelated::Refused };
    let mut records = Records::default();
    for run in &args.runs {
        records.extend(eco2::read_for_merge(run, &options, unrelated)?);
    }
    if let Some(runs) = records.several_runs() {
        out::talk(&format!("eco2: records of several runs are summed as one: {runs}\n"));
    }
    let report = eco2::merge_read(records)?;
    let report = if args.whole { report } else { eco2_report::condensed(report) };
    let unreadable = report.events.iter().filter(|event| event.event_kind() == Some(EventKind::RecordUnreadable));
    unreadable.for_each(|event| out::talk(&format!("eco2: {}\n", event.text)));
    let text = if args.json { eco2_report::json(&report)? } else { eco2_report::text(&report, &out::data_style()) };
    match &args.output {
        Some(file) => sink::write(file, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
}

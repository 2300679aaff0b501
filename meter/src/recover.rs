//! Reading a run again, whatever became of it: its final report, else its last provisional one, else its readings.

use std::path::Path;

use eco2_core::report::{Report, Run, State};
use eco2_report::{LogContents, Trace, read_log, read_run as read_report_or_log};
use jiff::{SignedDuration, Timestamp};

use crate::options::Options;
use crate::{Error, replay};

/// The report of a run from its report file or its log.
///
/// A run that was killed before its first checkpoint is accounted from the readings in its log, priced by `options`; its
/// report is provisional.
///
/// # Errors
/// [`Error::Read`] for a file that is neither or is damaged, and what [`crate::replay`] says of the options.
pub fn read_run(path: &Path, options: &Options) -> Result<Report, Error> {
    match read_report_or_log(path) {
        Err(eco2_report::Error::NoReport { .. }) => recovered(read_log(path)?, options),
        other => Ok(other?),
    }
}

fn recovered(log: LogContents, options: &Options) -> Result<Report, Error> {
    let readings = log.history();
    let begin_ns = log.meta.as_ref().map_or(0, |meta| meta.begin_ns);
    let end_ns = readings.iter().map(|(_, reading)| reading.after_ns).max().unwrap_or(begin_ns);
    // Readings name their domains by number, and a number whose frame was lost leaves a hole.
    let numbers: Vec<u32> = log.domains.keys().copied().collect();
    let place = |number: &u32| numbers.binary_search(number).ok().and_then(|place| u32::try_from(place).ok());
    let trace = Trace {
        readings: readings.iter().filter_map(|(number, reading)| Some((place(number)?, *reading))).collect(),
        domains: log.domains.into_values().collect(),
        run: Some((begin_ns.min(end_ns), end_ns)),
        spans: Vec::new(),
    };
    let mut report = replay(&trace, None, options)?;
    report.events = log.events;
    report.sources.clear();
    if let Some(meta) = log.meta {
        identify(&mut report, meta.run);
    }
    report.run.state = State::Provisional;
    Ok(report)
}

/// Gives a replayed report the identity and the wall clock of its run.
fn identify(report: &mut Report, run: Run) {
    let duration_ns = report.run.duration_ns;
    let lasted = SignedDuration::from_nanos(i64::try_from(duration_ns).unwrap_or(i64::MAX));
    let started: Option<Timestamp> = run.started_at.parse().ok();
    let ended_at = started.and_then(|at| at.checked_add(lasted).ok()).map_or_else(String::new, |at| at.to_string());
    for segment in report.carbon.iter_mut().flat_map(|carbon| &mut carbon.segments) {
        (segment.from, segment.to) = (run.started_at.clone(), ended_at.clone());
    }
    report.run = Run { duration_ns, ended_at, ..run };
}

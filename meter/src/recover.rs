//! Reading a run again, whatever became of it: its final report, else its last provisional one, else its readings.

use std::path::{Path, PathBuf};

use eco2_core::report::{Report, Run, State};
use eco2_report::{LogContents, Trace, read_log, read_run as read_report_or_log};
use jiff::{SignedDuration, Timestamp};

use crate::options::Options;
use crate::replay::replay_at;
use crate::{Error, place};

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

/// The report of a run given as [`crate::place::find_records`] takes it: its one record's, or that of all merged.
///
/// # Errors
/// [`Error::NoRun`], and of a single record what [`read_run`] says. Of several those that cannot be read are left out and
/// told in the report; an error is returned when none can.
pub fn read_whole(run: &str, options: &Options) -> Result<Report, Error> {
    let records = place::find_records(run, options)?;
    if let [one] = records.as_slice() {
        return read_run(one, options);
    }
    merge_records(&records, options)
}

/// Merges the records in files; what cannot be read is left out and told in the report.
///
/// # Errors
/// The first file's error when none can be read.
pub fn merge_records(records: &[PathBuf], options: &Options) -> Result<Report, Error> {
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for path in records {
        match read_run(path, options) {
            Ok(report) => reports.push(report),
            Err(error) => failures.push(error),
        }
    }
    if reports.is_empty() && !failures.is_empty() {
        return Err(failures.swap_remove(0));
    }
    let left_out: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Ok(eco2_report::merge_without(&reports, &left_out)?)
}

fn recovered(log: LogContents, options: &Options) -> Result<Report, Error> {
    let readings = log.history;
    let begin_ns = log.meta.as_ref().map_or(0, |meta| meta.begin_ns);
    let end_ns = readings.iter().map(|(_, reading)| reading.after_ns).max().unwrap_or(begin_ns);
    // Readings name their domains by number, and a number whose frame was lost leaves a hole.
    let numbers: Vec<u32> = log.domains.keys().copied().collect();
    let place = |number: &u32| numbers.binary_search(number).ok().and_then(|place| u32::try_from(place).ok());
    let trace = Trace {
        readings: readings.into_iter().filter_map(|(number, reading)| Some((place(&number)?, reading))).collect(),
        domains: log.domains.into_values().collect(),
        run: Some((begin_ns.min(end_ns), end_ns)),
        spans: Vec::new(),
    };
    let started = log.meta.as_ref().and_then(|meta| meta.run.started_at.parse().ok());
    let mut report = replay_at(&trace, None, options, started)?;
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
    let segments = report.carbon.iter_mut().flat_map(|carbon| &mut carbon.segments);
    if let [only] = segments.collect::<Vec<_>>().as_mut_slice() {
        (only.from, only.to) = (run.started_at.clone(), ended_at.clone());
    }
    let boot_ns = run.boot_ns.map(|[from_ns, _]| [from_ns, from_ns.saturating_add(duration_ns)]);
    report.run = Run { duration_ns, ended_at, boot_ns, ..run };
}

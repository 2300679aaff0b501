//! Reads a run that was stored ([`read_run`], [`read_whole`]). A *record* is the log or report file of one process. Its final report is
//! read; without one the last provisional report; without any a report is computed from the readings in the log.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use eco2_core::schema::{Report, Run, State};
use eco2_grid::Sha256;
use eco2_report::{LogContents, Trace, read_log, read_run as read_report_or_log, unclosed_ending};
use jiff::{SignedDuration, Timestamp};

use crate::Error;
use crate::error::RunNames;
use crate::options::Options;
use crate::run::replay::{id_of, replay_at};
use crate::run::runs;

/// The report of a run from its report file or its log.
///
/// A run that was killed before its first checkpoint is accounted from the readings in its log, priced by `options`; its
/// report is provisional.
///
/// # Errors
/// [`Error::Read`] for a file that is neither or is damaged, and the errors of [`crate::replay`].
///
/// ```
/// use eco2::options::{Log, Options, opt};
///
/// # let folder = std::env::temp_dir().join(format!("eco2-doc-read-{}", std::process::id()));
/// let builder = eco2::Meter::builder().set(&opt::SOURCES, "synthetic");
/// let meter = builder.log(Log::Folder(folder.clone())).open()?;
/// let path = meter.log_path().unwrap().to_owned();
/// let closed = meter.close();
/// assert_eq!(eco2::read_run(&path, &Options::default())?.run.id, closed.run.id);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), eco2::Error>(())
/// ```
pub fn read_run(path: &Path, options: &Options) -> Result<Report, Error> {
    match read_report_or_log(path) {
        Err(eco2_report::Error::NoReport { .. }) => {
            let mut report = recovered(read_log(path)?, None, options)?;
            report.run.end = Some(unclosed_ending(path));
            Ok(report)
        }
        other => Ok(other?),
    }
}

/// Reads the report of a run given as a file, a folder, a run id or `last`: that of its one record, or that of all records
/// merged. A file of shared summaries (`eco2 report --format summary`) is read as the sum of its runs.
///
/// # Errors
/// [`Error::NoRun`], [`Error::Unrelated`] for a folder with records of several runs unless those are to be summed, and for a
/// single record the errors of [`read_run`]. Of several records those that cannot be read are left out and named in the
/// report; an error is returned when none can.
///
/// ```
/// use eco2::{Meter, Unrelated, read_whole};
/// use eco2::options::{Log, Options, opt};
///
/// # let folder = std::env::temp_dir().join(format!("eco2-doc-whole-{}", std::process::id()));
/// let options = Options { state_dir: Some(folder.clone()), ..Options::default() };
/// let meter = Meter::builder().options(options.clone()).set(&opt::SOURCES, "synthetic").open()?;
/// let closed = meter.close();
/// let read = read_whole("last", &options, Unrelated::Refused)?; // also a beginning of the id, or a path
/// assert_eq!(read.run.id, closed.run.id);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), eco2::Error>(())
/// ```
pub fn read_whole(run: impl AsRef<OsStr>, options: &Options, unrelated: Unrelated) -> Result<Report, Error> {
    let run = run.as_ref();
    let records = runs::find_records(run, options)?;
    if let [one] = records.as_slice() {
        return read_run(one, options).or_else(|error| read_group(one, error));
    }
    merge_read(records_of(run, &records, options, unrelated, without_curves)?)
}

/// Reads a file of shared summaries, which is no report: the sum of its runs. `error` is returned for any other file.
fn read_group(path: &Path, error: Error) -> Result<Report, Error> {
    match eco2_report::read_summary_group(path) {
        Ok(Some(group)) => Ok(group),
        Ok(None) => Err(error),
        Err(eco2_report::Error::TooLarge { .. } | eco2_report::Error::Io { .. }) => Err(error),
        Err(fault) => Err(fault.into()),
    }
}

/// SHA-256 of the file that [`read_whole`] reads for that run, as `sha256sum` writes it; `None` where it is several files, or
/// cannot be read.
#[must_use]
pub fn record_hash(run: impl AsRef<OsStr>, options: &Options) -> Option<String> {
    let records = runs::find_records(run, options).ok()?;
    let [one] = records.as_slice() else { return None };
    let file = File::open(one).ok().filter(|file| file.metadata().is_ok_and(|found| found.is_file()))?;
    Some(Sha256::of_reader(file.take(eco2_report::MAX_LOG_BYTES)).ok()?.to_string())
}

/// What is done with records in a folder that have no run in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrelated {
    /// They are an error that names the runs.
    Refused,
    /// They are summed as one run.
    Summed,
}

/// Records that were read.
#[derive(Debug, Default)]
pub struct Records {
    /// Those that could be read.
    pub reports: Vec<Report>,
    /// Why the others could not.
    pub unreadable: Vec<Error>,
}

impl Records {
    /// Reads records; `kept` is what is kept of each.
    fn read(paths: &[PathBuf], options: &Options, kept: fn(Report) -> Report) -> Self {
        let mut records = Self::default();
        for path in paths {
            match read_run(path, options) {
                Ok(report) => records.reports.push(kept(report)),
                Err(error) => records.unreadable.push(error),
            }
        }
        records
    }

    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.reports.extend(others.reports);
        self.unreadable.extend(others.unreadable);
    }

    /// The runs that the records are of, where they are of several: records belong together if they have a run id in
    /// common, or if one is of a command and another of what was measured below that command.
    #[must_use]
    pub fn several_runs(&self) -> Option<RunNames> {
        let mut groups: Vec<(BTreeSet<&str>, &Run)> = Vec::new();
        for report in &self.reports {
            let marks = marks(report);
            let (mut joined, apart): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|(others, _)| !others.is_disjoint(&marks));
            let first = joined.first().map_or(&report.run, |(_, run)| *run);
            joined.push((marks, first));
            // Into the largest set, so that thousands of records take time in proportion to their number.
            joined.sort_by_key(|(marks, _)| std::cmp::Reverse(marks.len()));
            let all = joined.into_iter().map(|(marks, _)| marks).reduce(|mut all, marks| {
                all.extend(marks);
                all
            });
            groups = apart;
            groups.extend(all.map(|all| (all, first)));
        }
        let names = |run: &Run| (run.id.clone(), run.name.clone());
        (groups.len() > 1).then(|| RunNames(groups.iter().map(|(_, run)| names(run)).collect()))
    }
}

/// What a record has in common with others of its run: the id, and the records of commands.
fn marks(report: &Report) -> BTreeSet<&str> {
    let parts = report.merge.iter().flat_map(|merge| &merge.parts);
    let runs = std::iter::once(report).chain(parts).map(|one| &one.run);
    runs.flat_map(|run| [&run.id, &run.part, &run.parent]).map(String::as_str).filter(|mark| !mark.is_empty()).collect()
}

/// The records of a run given as [`crate::run::runs::find_records`] takes it.
///
/// # Errors
/// [`Error::NoRun`], and [`Error::Unrelated`] for a folder with records of several runs. A record that cannot be read is
/// no error here.
pub fn read_records(run: impl AsRef<OsStr>, options: &Options, unrelated: Unrelated) -> Result<Records, Error> {
    let run = run.as_ref();
    records_of(run, &runs::find_records(run, options)?, options, unrelated, std::convert::identity)
}

/// As [`read_records`], without the curves of each record, which are most of it and which [`merge_read`] does not use.
///
/// # Errors
/// As [`read_records`].
pub fn read_for_merge(run: impl AsRef<OsStr>, options: &Options, unrelated: Unrelated) -> Result<Records, Error> {
    let run = run.as_ref();
    records_of(run, &runs::find_records(run, options)?, options, unrelated, without_curves)
}

/// Returns a record without what a merge computes again from its counters. A merged report stays whole. The readings take no more memory
/// than they need: thousands of records are kept until they are merged.
fn without_curves(mut report: Report) -> Report {
    if report.merge.is_some() {
        return report;
    }
    for stretch in report.counters.iter_mut().flat_map(|counter| &mut counter.stretches) {
        stretch.at_ns.shrink_to_fit();
        stretch.uj.shrink_to_fit();
    }
    Report { curves: Vec::new(), step_curve: None, span_times: Vec::new(), ..report }
}

fn records_of(
    run: &OsStr,
    paths: &[PathBuf],
    options: &Options,
    unrelated: Unrelated,
    kept: fn(Report) -> Report,
) -> Result<Records, Error> {
    let records = Records::read(paths, options, kept);
    let is_folder = Path::new(run).is_dir();
    match records.several_runs().filter(|_| is_folder && unrelated == Unrelated::Refused) {
        Some(runs) => Err(Error::Unrelated { place: PathBuf::from(run), runs }),
        None => Ok(records),
    }
}

/// Merges records; the report names those that could not be read.
///
/// # Errors
/// The first record's error when none could be read.
pub fn merge_read(records: Records) -> Result<Report, Error> {
    let Records { reports, mut unreadable } = records;
    if reports.is_empty() && !unreadable.is_empty() {
        return Err(unreadable.swap_remove(0));
    }
    let left_out: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    Ok(eco2_report::merge_owned(reports, &left_out)?)
}

/// Computes a report from the readings in a log; it is provisional. The run ends at `end_ns`, by default at the last reading.
pub(crate) fn recovered(log: LogContents, end_ns: Option<u64>, options: &Options) -> Result<Report, Error> {
    let readings = log.history;
    let begin_ns = log.meta.as_ref().map_or(0, |meta| meta.begin_ns);
    let last_ns = || readings.iter().map(|(_, reading)| reading.after_ns).max().unwrap_or(begin_ns);
    let end_ns = end_ns.unwrap_or_else(last_ns);
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
    match log.meta {
        Some(meta) => identify(&mut report, meta.run),
        None => report.run.id = id_of(&trace, None, options),
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

//! Runs `eco2 runs`, which lists the stored runs and removes old ones, and `eco2 show`, which shows one of them.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use eco2::Unrelated;
use eco2::options::{Layer, Options, SummaryLength};
use eco2_report::{ListedRuns, RunFilter, RunList, RunTotals};
use jiff::Timestamp;

use crate::args::{ChangeRuns, ListFormat, PruneArgs, RunsArgs, ShowArgs};
use crate::failure::UsageError;
use crate::{out, settings, sink, summary};

/// Variable with the days for which runs are kept, where `--keep` is not given. HF Eco2AI has the same name.
const RETENTION: &str = "DATA_RETENTION_DAYS";
/// How long the end of a run waits for its index.
const UPDATE_WAIT: Duration = Duration::from_millis(100);

/// Lists the runs, or runs a subcommand.
///
/// # Errors
/// For a time that cannot be read, output that cannot be written, and as [`prune`] and [`reindex`].
pub(crate) fn runs(args: &RunsArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let options = settings::resolve(Layer::default())?;
    let folder = eco2::runs::runs_folder(&options)?;
    match &args.change {
        Some(ChangeRuns::Prune(prune)) => return self::prune(&folder, prune),
        Some(ChangeRuns::Reindex) => return self::reindex(&folder),
        None => {}
    }
    let filter = filter(args, Timestamp::now())?;
    let limit = args.limit().filter(|_| args.predict.is_none());
    let ListedRuns { mut list, notice } = eco2_report::list_runs(&folder, &filter, limit);
    notice.iter().for_each(|notice| out::talk(&format!("eco2: {notice}\n")));
    let prediction = args.predict.map(|steps| eco2_report::predict(&list.runs, Some(steps).filter(|steps| *steps > 0)));
    list.runs.truncate(args.limit().unwrap_or(usize::MAX));
    let text = match args.format() {
        ListFormat::Text => {
            let style = out::data_style();
            let next = prediction.map_or_else(String::new, |found| eco2_report::prediction_text(&found, &style));
            eco2_report::runs_text(&list, &style) + &next
        }
        ListFormat::Json => eco2_report::runs_json(&list, prediction.as_ref())?,
        ListFormat::Csv | ListFormat::Markdown if prediction.is_some() => {
            return Err(UsageError("--predict supports only text and json: use --format json".into()).into());
        }
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

/// Removes the runs that ended before the age to keep; without `--yes` only lists them.
///
/// # Errors
/// For an age that is none, and a log that cannot be removed.
fn prune(folder: &Path, args: &PruneArgs) -> anyhow::Result<u8> {
    let (keep, origin) = kept(args.keep.as_deref(), std::env::var(RETENTION).ok())?;
    let age = eco2_report::kept_age(&keep).map_err(|fault| UsageError(format!("{origin}: {fault}")))?;
    let ListedRuns { list, .. } = eco2_report::list_runs(folder, &RunFilter::default(), None);
    let expired = eco2_report::expired_runs(folder, list.runs, age, Timestamp::now())?;
    if expired.runs.is_empty() {
        out::page(&format!("No run ended more than {keep} ago.\n"))?;
        return Ok(0);
    }
    let (count, mib) = (expired.runs.len(), expired.bytes as f64 / f64::from(1 << 20));
    let runs = if count == 1 { "run" } else { "runs" };
    if args.yes {
        let outcome = eco2_report::remove_runs(folder, &expired);
        // An index that cannot be used now is compared with the folder by the next list.
        eco2_report::update_index(folder).ok();
        outcome?;
        out::page(&format!("Removed {count} {runs} ({mib:.1} MiB).\n"))?;
        return Ok(0);
    }
    let totals = RunTotals::of(&expired.runs);
    out::page(&eco2_report::runs_text(&RunList { runs: expired.runs, totals }, &out::data_style()))?;
    out::page(&format!(
        "Nothing was removed. `eco2 runs prune --keep {keep} --yes` removes the logs of {count} {runs} ({mib:.1} MiB) for good.\n"
    ))?;
    Ok(0)
}

/// Returns the age of the runs to keep, and where it was set.
fn kept(flag: Option<&str>, days: Option<String>) -> Result<(String, &'static str), UsageError> {
    match (flag, days.filter(|days| !days.is_empty())) {
        (Some(keep), _) => Ok((keep.to_owned(), "--keep")),
        (None, Some(days)) => Ok((format!("{}d", days.trim()), RETENTION)),
        (None, None) => Err(UsageError(format!("no age: give --keep AGE, such as --keep 90d, or set {RETENTION}"))),
    }
}

/// Builds the index of the runs again from their logs.
///
/// # Errors
/// For an index that is locked or cannot be written.
fn reindex(folder: &Path) -> anyhow::Result<u8> {
    let found = if folder.is_dir() {
        eco2_report::reindex(folder)
            .with_context(|| format!("the index of the runs in {} was not built", folder.display()))?
    } else {
        eco2_report::Reindexed::default()
    };
    let unreadable = match found.unreadable {
        0 => String::new(),
        count => format!(", of which {count} cannot be read"),
    };
    let runs = if found.runs == 1 { "run" } else { "runs" };
    out::page(&format!("Indexed {} {runs}{unreadable}.\n", found.runs))?;
    Ok(0)
}

/// Takes the run that has just ended into the index of the runs, for at most [`UPDATE_WAIT`]: the command is not held up by
/// a file system that is slow. What is left is taken in by the next list.
pub(crate) fn update_index(options: &Options) {
    let Ok(folder) = eco2::runs::runs_folder(options) else { return };
    let (sender, done) = std::sync::mpsc::channel();
    let update = move || {
        // The index is an optimisation: a fault is reported by the command that reads it.
        eco2_report::update_index(&folder).ok();
        sender.send(()).ok();
    };
    if std::thread::Builder::new().name("eco2-index".into()).spawn(update).is_ok() {
        done.recv_timeout(UPDATE_WAIT).ok();
    }
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
fn write(file: Option<&Path>, text: &str) -> anyhow::Result<u8> {
    match file {
        Some(file) => sink::write(file, text)?,
        None => out::data(text)?,
    }
    Ok(0)
}

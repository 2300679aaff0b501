//! `eco2 run`: measures a command, or a process that runs already. The command comes first: its exit code, its signals
//! and its streams pass through, and no fault of measuring changes them.

mod attach;
mod child;
mod signals;
mod status;
mod summary;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;
use eco2::options::{Log, Options};
use eco2_core::schema::Report;

use crate::args::RunArgs;
use crate::failure::{self, Usage};
use crate::{settings, sink};
pub(crate) use child::Output;
use child::{Child, Start};
pub(crate) use signals::{Inbox, Pressure};

/// Runs and returns the exit code: the command's own, or 125, 126, 127 where there is none.
pub(crate) fn run(args: &RunArgs) -> u8 {
    start(args).unwrap_or_else(|error| {
        failure::say(&error);
        failure::RUN
    })
}

fn start(args: &RunArgs) -> anyhow::Result<u8> {
    let options = settings::resolve(args.layer()?)?;
    check_outputs(&options)?;
    match (args.command.as_slice(), options.pid) {
        ([], Some(pid)) => attach::attach(pid, &options),
        ([], None) => Err(Usage("no command was given, such as `eco2 run -- python train.py`".into()).into()),
        (command, _) => follow(command, &options),
    }
}

/// Checks all that the run is to leave behind, so that nothing is found out after hours of work.
fn check_outputs(options: &Options) -> Result<(), Usage> {
    sink::check(options.json.as_deref())?;
    sink::check(options.trace.as_deref())?;
    let is_one_file = |path: &PathBuf| std::fs::metadata(path).map_or(true, |found| found.is_file());
    if options.json == options.trace && options.json.as_ref().is_some_and(is_one_file) {
        return Err(Usage("json and trace name the same file; choose two".into()));
    }
    let folder = match (&options.log, &options.state_dir) {
        (Log::Folder(folder), _) | (Log::Runs, Some(folder)) => folder,
        (Log::Off, _) | (Log::Runs, None) => return Ok(()),
    };
    eco2_report::check_output_folder(folder).map_err(|error| Usage(error.to_string()))
}

/// A command that ended, or did not start.
pub(crate) struct Outcome {
    /// Its exit code, or that of its not being started.
    pub(crate) code: u8,
    /// Whether it was started.
    pub(crate) started: bool,
    /// What was measured; none where nothing could be.
    pub(crate) report: Option<Report>,
    log: Option<PathBuf>,
}

/// Measures a command from its start to its end.
fn follow(command: &[OsString], options: &Options) -> anyhow::Result<u8> {
    let outcome = measure(command, options, None, Output::Ours)?;
    summary::finish(outcome.report, outcome.log.as_deref(), options);
    Ok(outcome.code)
}

/// The same without showing the report. Signals that came into `inbox` before the command was there are sent to it, too.
///
/// # Errors
/// For wrong options, and where signals cannot be forwarded.
pub(crate) fn measure(
    command: &[OsString],
    options: &Options,
    inbox: Option<Inbox>,
    output: Output,
) -> anyhow::Result<Outcome> {
    let words = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let meter = watch::open(options, words)?;
    summary::header(&meter, options);
    let open = || Inbox::open().context("signals cannot be received, so none could be forwarded");
    let inbox = inbox.map_or_else(open, Ok)?;
    let child = match Child::start(command, meter.handed_down(), output) {
        Start::Running(child) => child,
        Start::Refused(refused) => {
            failure::say(&refused.error);
            meter.discard();
            return Ok(Outcome { code: refused.code, started: false, report: None, log: None });
        }
    };
    meter.follow_with_orphans(child.id());
    let end = watch::until_ended(child, inbox, |pid, exited| meter.orphan_exited(pid, exited))?;
    let code = status::code(end.exited.status);
    let log = meter.closing();
    Ok(Outcome { code, started: true, report: meter.close(&end, code), log })
}

//! Runs `eco2 run`, which starts a command, or attaches to a running process (`--pid`), and reports its energy use and
//! emissions.
//!
//! The command's exit code, signals and streams pass through unchanged; an error of measuring never changes them.

mod attach;
mod child;
mod live_line;
#[cfg(not(feature = "serve"))]
mod no_ui;
mod output;
mod shown;
mod signals;
#[cfg(feature = "serve")]
mod ui;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use eco2::options::{Log, Options, SummaryLength};
use eco2_core::schema::Report;

use crate::args::RunArgs;
use crate::failure::{self, UsageError};
use crate::{runs, settings, sink};
use child::Child;
pub(crate) use child::ChildOutput;
use live_line::LiveLine;
#[cfg(not(feature = "serve"))]
use no_ui::Ui;
pub(crate) use shown::Shown;
pub(crate) use signals::{Inbox, Pressure};
#[cfg(feature = "serve")]
use ui::Ui;

/// Runs the command; returns the exit code of the measured command, or 125, 126 or 127 if it did not run.
pub(crate) fn run(args: &RunArgs) -> u8 {
    start(args).unwrap_or_else(|error| {
        failure::print_error(&error);
        failure::RUN
    })
}

fn start(args: &RunArgs) -> anyhow::Result<u8> {
    let mut options = settings::resolve(args.layer()?)?;
    if args.verbose {
        options.summary = SummaryLength::Full;
    }
    check_outputs(&options)?;
    match (args.command.as_slice(), options.pid) {
        ([], Some(pid)) => attach::attach(pid, &options),
        ([], None) => Err(UsageError("no command to run, such as `eco2 run -- python train.py`".into()).into()),
        (command, _) => follow(command, &options, Shown { page: args.ui, listen: args.listen }),
    }
}

/// Checks that all output files can be written, so that no error appears only after hours of work.
fn check_outputs(options: &Options) -> Result<(), UsageError> {
    sink::check(options.json.as_deref())?;
    sink::check(options.trace.as_deref())?;
    let is_one_file = |path: &PathBuf| std::fs::metadata(path).map_or(true, |found| found.is_file());
    if options.json == options.trace && options.json.as_ref().is_some_and(is_one_file) {
        return Err(UsageError("--json and --trace name the same file; choose two files".into()));
    }
    let folder = match (&options.log, &options.state_dir) {
        (Log::Folder(folder), _) | (Log::Runs, Some(folder)) => folder,
        (Log::Off, _) | (Log::Runs, None) => return Ok(()),
    };
    eco2_report::check_output_folder(folder).map_err(|error| UsageError(error.to_string()))
}

/// Result of measuring a command.
pub(crate) struct MeasuredCommand {
    /// Exit code of the command; 126 or 127 if it did not start.
    pub(crate) code: u8,
    /// Whether the command started.
    pub(crate) started: bool,
    /// The report; `None`: nothing was measured.
    pub(crate) report: Option<Report>,
    log: Option<PathBuf>,
    /// Whether the user has sent an interrupt.
    was_interrupted: bool,
}

/// Measures a command and shows the summary.
fn follow(command: &[OsString], options: &Options, shown: Shown) -> anyhow::Result<u8> {
    shown.check()?;
    let measured = measure(command, options, Following { inbox: None, output: ChildOutput::Inherited, shown })?;
    output::finish(measured.report, measured.log.as_deref(), options, measured.was_interrupted);
    if measured.log.is_some() {
        runs::update_index(options);
    }
    Ok(measured.code)
}

/// How a command is run.
pub(crate) struct Following {
    /// Signals that were received before the command started are sent to it.
    pub(crate) inbox: Option<Inbox>,
    pub(crate) output: ChildOutput,
    /// What is served meanwhile.
    pub(crate) shown: Shown,
}

/// Measures a command without showing a summary.
///
/// # Errors
/// For wrong options, and if signals cannot be forwarded.
pub(crate) fn measure(command: &[OsString], options: &Options, how: Following) -> anyhow::Result<MeasuredCommand> {
    let words = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let meter = watch::open(options, words)?;
    output::header(&meter, options);
    let open = || Inbox::open().context("signals cannot be received, so they could not be forwarded to the command");
    let inbox = how.inbox.map_or_else(open, Ok)?;
    let child = match Child::start(command, meter.variables(), how.output) {
        Ok(child) => child,
        Err(not_started) => {
            failure::print_error(&not_started.error);
            meter.discard();
            let code = not_started.code;
            return Ok(MeasuredCommand { code, started: false, report: None, log: None, was_interrupted: false });
        }
    };
    meter.follow_with_orphans(child.id());
    let live = Arc::new(LiveLine::default());
    let ui = meter.0.as_ref().filter(|_| how.shown.is_any()).and_then(|meter| Ui::open(meter, how.shown));
    let until_ended = || watch::until_ended(child, inbox, &live, |pid, exited| meter.orphan_exited(pid, exited));
    let wait = || match &ui {
        Some(ui) => ui.during(until_ended),
        None => until_ended(),
    };
    let end = live.during(meter.0.as_ref(), options, wait)?;
    let code = child::exit_code(end.exited.status);
    let log = meter.log_path();
    let was_interrupted = end.was_interrupted;
    Ok(MeasuredCommand { code, started: true, report: meter.close(&end, code), log, was_interrupted })
}

//! Prints the errors of every command on standard error, and chooses the exit code.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use anyhow::Error;
use clap::error::ErrorKind;
use eco2::options::OptionsError;
use eco2_grid::request::RequestError;
use eco2_report::LOG_EXTENSION;
use eco2_report::advice::shell_word;
use rustix::fs::{Access, access};

use crate::out;

/// Exit code: the command failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code: the command line or a setting is wrong.
pub(crate) const USAGE: u8 = 2;
/// Exit code of `eco2 run` for both, so that they differ from the exit codes of the command that it runs.
pub(crate) const RUN: u8 = 125;

/// A command line that clap accepts and that is wrong all the same, such as flags that contradict each other.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Returns the exit code of a command, and prints its error.
pub(crate) fn code(result: anyhow::Result<u8>) -> u8 {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    // A reader that closed the pipe has read enough, as `head` does.
    if is_closed_pipe(&error) {
        return 0;
    }
    print_error(&error);
    if is_usage(&error) { USAGE } else { FAILED }
}

/// Prints an error of clap, or the help that was requested, and returns the exit code.
pub(crate) fn print_clap(refusal: &clap::Error, words: &[OsString]) -> u8 {
    let typed = words.get(1..).unwrap_or_default();
    match remedy(typed).filter(|_| refusal.kind() == ErrorKind::InvalidSubcommand) {
        Some(remedy) => {
            let word = typed.first().map(|word| word.to_string_lossy()).unwrap_or_default();
            out::talk(&format!("eco2: '{word}' is not a command of eco2; {remedy}\n"));
        }
        // If the terminal is gone there is no place for another message.
        None => drop(refusal.print()),
    }
    match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ if words.get(1).is_some_and(|word| word == "run") => RUN,
        _ => USAGE,
    }
}

/// Returns what to type instead if the words are a program or a script with its arguments, or a file that can be a report.
fn remedy(words: &[OsString]) -> Option<String> {
    let (first, path) = (Path::new(words.first()?), std::env::var_os("PATH").unwrap_or_default());
    let is_program = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    let has_suffix =
        |suffixes: &[&str]| first.extension().is_some_and(|found| suffixes.iter().any(|one| found == *one));
    let before = match first.is_file() {
        true if has_suffix(&["py"]) => "python ",
        true if is_program(first) && first.components().count() == 1 => "./",
        true if is_program(first) => "",
        true if has_suffix(&["json", LOG_EXTENSION]) => {
            return Some(format!("if it is a report: eco2 show {}", shell_word(&first.to_string_lossy())));
        }
        _ if std::env::split_paths(&path).any(|folder| is_program(&folder.join(first))) => "",
        _ => return None,
    };
    let line: Vec<String> = words.iter().map(|word| shell_word(&word.to_string_lossy())).collect();
    Some(format!("to measure it: eco2 run -- {before}{}", line.join(" ")))
}

/// Prints an error and its causes on standard error.
pub(crate) fn print_error(error: &Error) {
    out::talk(&format!("eco2: {}\n", in_one_line(error)));
}

/// Returns the error and its causes in one line. A cause whose text the error already contains is not repeated.
pub(crate) fn in_one_line(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether an error is one of usage: the command line or a setting is wrong, and trying again cannot help.
pub(crate) fn is_usage(error: &Error) -> bool {
    error.chain().any(|cause| {
        let is_usage_of_meter = cause.downcast_ref::<eco2::Error>().is_some_and(is_usage_of_meter);
        is_usage_of_meter
            || cause.is::<UsageError>()
            || cause.is::<OptionsError>()
            || cause.is::<eco2_grid::ZoneError>()
            || cause.is::<eco2_grid::RangeError>()
    })
}

/// Whether an error of the measuring library is one of usage.
fn is_usage_of_meter(error: &eco2::Error) -> bool {
    use eco2::Error::{Email, Hardware, Locate, Options, Place, Provider, Push, Range, Series, Sources, Webhook, Zone};
    let is_of_intensity = matches!(error, Hardware(_) | Locate(_) | Place(_) | Provider { .. } | Series(_));
    is_of_intensity
        || matches!(error, Email(_) | Options(_) | Push { .. } | Webhook(_) | Zone(_) | Range(_) | Sources(_))
}

/// Whether the reader of standard output has closed the pipe.
fn is_closed_pipe(error: &Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.get_ref().is_some_and(|inner| inner.is::<out::ClosedOutput>()))
}

/// Converts an error of a plan: [`UsageError`] if the request is wrong, else a failure.
pub(crate) fn from_request(error: RequestError) -> Error {
    if error.is_of_the_request() { UsageError(error.to_string()).into() } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn causes_are_printed_once() {
        let cause = Err::<(), _>(io::Error::other("disk on fire"));
        let error = cause.context("cannot write a: disk on fire").unwrap_err();
        assert_eq!(in_one_line(&error), "cannot write a: disk on fire");
        let other = Err::<(), _>(io::Error::other("disk on fire")).context("cannot write a").unwrap_err();
        assert_eq!(in_one_line(&other), "cannot write a: disk on fire");
    }

    #[test]
    fn exit_codes_of_usage_failure_and_a_closed_pipe() {
        assert_eq!(code(Ok(7)), 7);
        assert_eq!(code(Err(UsageError("no".into()).into())), USAGE);
        assert_eq!(code(Err(io::Error::other("no").into())), FAILED);
        let broken = io::ErrorKind::BrokenPipe;
        let closed = io::Error::new(broken, out::ClosedOutput);
        assert_eq!(code(Err(Error::from(closed).context("standard output"))), 0);
        assert_eq!(code(Err(Error::from(io::Error::from(broken)).context("a socket or another file"))), FAILED);
        assert_eq!(code(Err(eco2::Error::from(eco2_grid::lookup("Narnia").unwrap_err()).into())), USAGE);
    }
}

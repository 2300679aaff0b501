//! From what went wrong to what is said and to the exit code.

use std::ffi::OsString;
use std::io;

use anyhow::Error;
use clap::error::ErrorKind;
use eco2::options::OptionsError;
use eco2_grid::request::RequestError;

use crate::out;

/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// The command line or a setting is wrong.
pub(crate) const USAGE: u8 = 2;
/// The same and every other failure of `eco2 run` itself, so that it is told apart from the command's own codes.
pub(crate) const RUN: u8 = 125;

/// A command line that makes no sense although every flag parses.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The exit code of a command, its failure said.
pub(crate) fn code(result: anyhow::Result<u8>) -> u8 {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    // Who closed the pipe has read enough.
    if is_closed_pipe(&error) {
        return 0;
    }
    say(&error);
    if is_usage(&error) { USAGE } else { FAILED }
}

/// Writes what clap has to say (an error, or the help that was asked for) and returns the exit code.
pub(crate) fn refused(refusal: &clap::Error, words: &[OsString]) -> u8 {
    // There is nobody to tell that the terminal is gone.
    refusal.print().ok();
    match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ if words.get(1).is_some_and(|word| word == "run") => RUN,
        _ => USAGE,
    }
}

/// Says an error on standard error, with its causes.
pub(crate) fn say(error: &Error) {
    out::talk(&format!("eco2: {}\n", told(error)));
}

/// The error and its causes in one line; a cause that its effect has named already is not repeated.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether the user asked for something that cannot be, rather than something having failed.
pub(crate) fn is_usage(error: &Error) -> bool {
    error.chain().any(|cause| {
        let of_the_meter = cause.downcast_ref::<eco2::Error>().is_some_and(is_usage_of_the_meter);
        of_the_meter
            || cause.is::<Usage>()
            || cause.is::<OptionsError>()
            || cause.is::<eco2_grid::ZoneError>()
            || cause.is::<eco2_grid::RangeError>()
    })
}

fn is_usage_of_the_meter(error: &eco2::Error) -> bool {
    use eco2::Error::{Hardware, Locate, Options, Place, Provider, Range, Series, Sources, Webhook, Zone};
    let of_intensity = matches!(error, Hardware(_) | Locate(_) | Place(_) | Provider { .. } | Series(_));
    of_intensity || matches!(error, Options(_) | Webhook(_) | Zone(_) | Range(_) | Sources(_))
}

fn is_closed_pipe(error: &Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A request that makes no sense is the user's, anything else has failed.
pub(crate) fn of_request(error: RequestError) -> Error {
    if error.is_of_the_request() { Usage(error.to_string()).into() } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn causes_are_told_once() {
        let cause = Err::<(), _>(io::Error::other("disk on fire"));
        let error = cause.context("cannot write a: disk on fire").unwrap_err();
        assert_eq!(told(&error), "cannot write a: disk on fire");
        let other = Err::<(), _>(io::Error::other("disk on fire")).context("cannot write a").unwrap_err();
        assert_eq!(told(&other), "cannot write a: disk on fire");
    }

    #[test]
    fn exit_codes_tell_usage_from_failure_and_from_a_closed_pipe() {
        assert_eq!(code(Ok(7)), 7);
        assert_eq!(code(Err(Usage("no".into()).into())), USAGE);
        assert_eq!(code(Err(io::Error::other("no").into())), FAILED);
        assert_eq!(code(Err(Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("standard output"))), 0);
        assert_eq!(code(Err(eco2::Error::from(eco2_grid::lookup("Narnia").unwrap_err()).into())), USAGE);
    }
}

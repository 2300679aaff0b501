//! Writes to standard output and standard error for every command: documents go to the first, messages to the second.
//!
//! Text that people read is cleaned of control characters, because names, paths and messages of services may contain
//! them.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use eco2_report::{TextStyle, clean};
use serde_json::Value;

/// Columns where neither the terminal nor `COLUMNS` states them.
const COLUMNS: usize = 80;

/// Writes a document to standard output: unchanged to a file or a pipe, cleaned as by [`page`] to a terminal.
///
/// # Errors
/// The error of the system; [`ClosedOutput`] in it if the reader has gone, which [`crate::failure::code`] treats as
/// success.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() { cleaned(text) } else { Cow::Borrowed(text) };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(marked)
}

/// Writes a document that is not text to standard output.
///
/// # Errors
/// As [`data`].
pub(crate) fn bytes(document: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(document).and_then(|()| out.flush()).map_err(marked)
}

/// The cause of an error of standard output whose reader has closed the pipe. A pipe or a socket that breaks elsewhere
/// is a failure.
#[derive(Debug)]
pub(crate) struct ClosedOutput;

impl std::fmt::Display for ClosedOutput {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("standard output was closed by its reader")
    }
}

impl std::error::Error for ClosedOutput {}

/// Returns an error with [`ClosedOutput`] in it if the reader of standard output has gone.
fn marked(error: io::Error) -> io::Error {
    let kind = error.kind();
    if kind == io::ErrorKind::BrokenPipe { io::Error::new(kind, ClosedOutput) } else { error }
}

/// Writes text for people to standard output. Of control characters only line ends, tabs and colours are kept.
///
/// # Errors
/// As [`data`].
pub(crate) fn page(text: &str) -> io::Result<()> {
    data(&cleaned(text))
}

/// Writes a message to standard error, cleaned as by [`page`]. Errors are ignored: a closed standard error must not
/// stop a run.
pub(crate) fn talk(text: &str) {
    io::stderr().lock().write_all(cleaned(text).as_bytes()).ok();
}

/// Returns a text without control characters other than line ends, tabs and colours.
fn cleaned(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('\u{1b}');
    let first = clean::lines(parts.next().unwrap_or_default());
    parts.fold(first, |text, part| {
        let escape = if sets_colour(part) { '\u{1b}' } else { '?' };
        Cow::Owned(format!("{text}{escape}{}", clean::lines(part)))
    })
}

/// Whether the text after an escape character makes it a colour, "Select Graphic Rendition" (ECMA-48, 8.3.117).
fn sets_colour(rest: &str) -> bool {
    let codes = rest.strip_prefix('[').and_then(|rest| rest.split_once('m'));
    codes.is_some_and(|(codes, _)| codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'))
}

/// Colours all output, help and errors included, if `FORCE_COLOR` is set and `NO_COLOR` is not.
pub(crate) fn obey_force_color() {
    if forces_colour(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())) {
        ColorChoice::Always.write_global();
    }
}

/// Whether `FORCE_COLOR` forces colour (<https://force-color.org>): any value does that is not empty, except 0 and
/// false, as in Node.js.
fn forces_colour(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).filter(|value| !value.is_empty());
    is_set("NO_COLOR").is_none() && is_set("FORCE_COLOR").is_some_and(|value| value != "0" && value != "false")
}

/// Returns the colour, width and character set of standard output.
pub(crate) fn data_style() -> TextStyle {
    style(&io::stdout())
}

/// Returns the colour, width and character set of standard error.
pub(crate) fn talk_style() -> TextStyle {
    style(&io::stderr())
}

/// Returns the colour by the terminal, `NO_COLOR`, `FORCE_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM`; the
/// terminal's width; ASCII unless the locale is UTF-8.
fn style<S: RawStream + IsTerminal + AsFd>(stream: &S) -> TextStyle {
    TextStyle {
        color: AutoStream::choice(stream) != ColorChoice::Never,
        width: width(stream),
        ascii: !is_utf8(|name| std::env::var(name).ok()),
    }
}

/// Returns the width of a terminal in columns; without one, that of the variable `COLUMNS`, else [`COLUMNS`].
fn width<S: IsTerminal + AsFd>(stream: &S) -> usize {
    let terminal = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten();
    let columns = terminal.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let variable = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| (1..10_000).contains(columns));
    columns.or_else(variable).unwrap_or(COLUMNS)
}

/// Whether the locale is UTF-8. The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set and not empty decides (POSIX,
/// "Internationalization Variables").
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Returns JSON with indentation and a line end.
pub(crate) fn document(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k17_only_colours_of_all_escape_sequences_pass() {
        assert_eq!(cleaned("\u{1b}[1;33mrun\u{1b}[0m a\tb\n"), "\u{1b}[1;33mrun\u{1b}[0m a\tb\n");
        assert_eq!(cleaned("\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[6n\u{9b}m\r"), "?]0;title??[2J?[6n?m?");
        assert_eq!(cleaned("plain"), "plain");
    }

    #[test]
    fn force_color_asks_for_colour_unless_no_color_refuses_it() {
        let forces = |force: &str, no: &str| {
            forces_colour(|name| Some(if name == "FORCE_COLOR" { force } else { no }.to_owned()))
        };
        assert!(forces("1", "") && forces("true", ""));
        assert!(!forces("1", "1") && !forces("0", "") && !forces("", "") && !forces("false", ""));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let locale = |pairs: &'static [(&str, &str)]| {
            is_utf8(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(locale(&[("LANG", "de_DE.UTF-8")]));
        assert!(locale(&[("LC_ALL", ""), ("LANG", "C.utf8")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!locale(&[]));
    }
}

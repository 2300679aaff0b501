//! The two streams: data on standard output, talk on standard error; and how text is laid out on each.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use eco2_report::TextStyle;

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;

/// Writes data to standard output.
///
/// # Errors
/// What the system says; a closed pipe is one of those that [`crate::failure::code`] takes for a success.
pub(crate) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes to standard error. A standard error that is closed or full stops nothing.
pub(crate) fn talk(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

/// How text looks on standard output.
pub(crate) fn data_style() -> TextStyle {
    style(&io::stdout())
}

/// How text looks on standard error.
pub(crate) fn talk_style() -> TextStyle {
    style(&io::stderr())
}

/// Colour on a terminal only, by `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM`; as wide as the terminal; ASCII
/// unless the locale says UTF-8.
fn style<S: RawStream + IsTerminal + AsFd>(stream: &S) -> TextStyle {
    TextStyle {
        color: AutoStream::choice(stream) != ColorChoice::Never,
        width: width(stream),
        ascii: !speaks_utf8(|name| std::env::var(name).ok()),
    }
}

fn width<S: IsTerminal + AsFd>(stream: &S) -> usize {
    let terminal = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten();
    let columns = terminal.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let given = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| (1..10_000).contains(columns));
    columns.or_else(given).unwrap_or(COLUMNS)
}

/// POSIX, "Internationalization Variables": the first of these that is set and not empty decides.
fn speaks_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let of = |pairs: &'static [(&str, &str)]| {
            speaks_utf8(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(of(&[("LANG", "de_DE.UTF-8")]));
        assert!(of(&[("LC_ALL", ""), ("LANG", "C.utf8")]));
        assert!(!of(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        assert!(!of(&[]));
    }
}

//! What the parts of the short summary share: what it depends on ([`ShortStyle`]), its rows ([`Row`]) and how names are shortened.

use super::notice::Notice;
use crate::Scope;
use crate::render::page::TextStyle;

/// What the short summary depends on besides the report.
#[derive(Debug, Clone, Default)]
pub struct ShortStyle<'a> {
    /// Colour, width and characters.
    pub style: TextStyle,
    /// Whose energy is the first row.
    pub scope: Scope,
    /// Notices that were shown on this machine before, and are left out.
    pub seen: &'a [Notice],
    /// The time zone of this machine's clock and the grid zone in it, such as `Europe/Berlin` and `DE`.
    pub clock: Option<(&'a str, &'a str)>,
    /// The facts of the last line: the run's short name, and commands to try next.
    pub next: &'a [String],
}

/// A short summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortText {
    /// The text; every line ends with `\n`.
    pub text: String,
    /// The notices about this machine that the text contains.
    pub notices: Vec<Notice>,
}

/// One row: a label, a value and a remark on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) remark: String,
    pub(super) is_strong: bool,
}

impl Row {
    pub(super) fn new(label: &'static str, value: String, remark: impl Into<String>) -> Self {
        Self { label, value, remark: remark.into(), is_strong: false }
    }
}

/// Blanks at the start of a line.
pub(super) const MARGIN: usize = 2;
/// Returns a text with its middle left out where it is longer than `most` characters: others may have the same start.
pub(in crate::render) fn shortened(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let (head, tail) = ((most - 1) / 2, most / 2);
    letters[..head].iter().chain(['~'].iter()).chain(&letters[letters.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_name_keeps_both_of_its_ends() {
        assert_eq!(shortened("train.py", 8), "train.py");
        assert_eq!(shortened("NVIDIA H100 80GB HBM3", 12), "NVIDI~B HBM3");
    }
}

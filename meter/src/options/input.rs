//! [`Input`]: a value as a file, a variable, a flag or a program has it, before an option converts it to its type.

use std::path::PathBuf;

/// Characters of a value that an error shows, so that its message stays on a line.
const MAX_SHOWN: usize = 60;

/// A value as TOML, JSON, a variable, a flag or a program has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// Text without a type, from a variable or a flag: read as the option's type.
    Bare(String),
    /// A path from a variable or a flag; it need not be UTF-8.
    Path(PathBuf),
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Several values.
    List(Vec<Input>),
    /// Values by name.
    Table(Vec<Entry>),
    /// A value that no option takes, such as a date; the text describes it.
    Other(&'static str),
}

/// A named value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub(super) key: String,
    /// Line in the file, from 1; `None` outside of files.
    pub(super) line: Option<usize>,
    pub(super) value: Input,
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Bare(text.to_owned())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Bare(text)
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<f64> for Input {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Input {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl Input {
    /// Returns a table of one name with its text, such as a label.
    #[must_use]
    pub fn pair(name: &str, text: &str) -> Self {
        let value = Self::Text(text.to_owned());
        Self::Table(vec![Entry { key: name.to_owned(), line: None, value }])
    }

    /// Returns the first entry that an option refuses alone; `None`: the option takes no table, or each entry is allowed.
    pub(super) fn wrong_entry(&self, is_read: impl Fn(&Self) -> bool) -> Option<&Entry> {
        let is_allowed = |entries: Vec<Entry>| is_read(&Self::Table(entries));
        match self {
            Self::Table(entries) if is_allowed(Vec::new()) => {
                entries.iter().find(|entry| !is_allowed(vec![(*entry).clone()]))
            }
            _ => None,
        }
    }

    /// Returns the value for an error message, shortened; of lists and tables only the kind.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) => format!("{:?}", shorten(without_account(text))),
            Self::Path(path) => format!("{:?}", shorten(&path.to_string_lossy())),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}

/// Returns the part of a text before an address that could contain a password: one with a user or a query.
fn without_account(text: &str) -> &str {
    match text.split_once("://") {
        Some((before, rest)) if rest.contains(['@', '?']) => before,
        _ => text,
    }
}

/// Returns the first [`MAX_SHOWN`] characters of a text.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// Finds the line of a byte offset. Holds the offsets of all line ends, so that the text is searched once.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// Returns the line ends of a text.
    pub(super) fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(offset, _)| offset).collect())
    }

    /// Returns the line of an offset, counted from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|&end| end < offset) + 1
    }
}

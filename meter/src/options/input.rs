//! A value before anyone knows which option it is for.

use std::path::PathBuf;

/// Characters of a value that an error shows.
const SHOWN: usize = 60;

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
    /// What no option takes, such as a date.
    Other(&'static str),
}

/// A named value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub(super) key: String,
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
    /// One name with its text, such as a label.
    #[must_use]
    pub fn pair(name: &str, text: &str) -> Self {
        let value = Self::Text(text.to_owned());
        Self::Table(vec![Entry { key: name.to_owned(), line: None, value }])
    }

    /// For an error: the value, or what it is, shortened.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) => format!("{:?}", shorten(text)),
            Self::Path(path) => format!("{:?}", shorten(&path.to_string_lossy())),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}

/// The beginning of a text.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// Finds lines of byte offsets without reading the text again for each.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of an offset, counted from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|&end| end < offset) + 1
    }
}

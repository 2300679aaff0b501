//! [`OptionsError`]: why options cannot be used. Every message names the place, the option, the allowed values and an example.

use std::io;
use std::path::PathBuf;

use super::input::{Input, shorten};
use super::origin::Origin;
use super::row::Row;
use super::rows::{Options, opt};

/// Options that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The text is not TOML or not JSON.
    #[error("{place}: not valid {format}: {problem}")]
    Syntax {
        /// File and line.
        place: String,
        /// `TOML` or `JSON`.
        format: &'static str,
        /// The message of the parser.
        problem: String,
    },
    /// No option has that name.
    #[error("{place}: no option is named {key:?}; {}", nearest(suggestion))]
    UnknownKey {
        /// File and line.
        place: String,
        /// As written, shortened.
        key: String,
        /// The nearest name.
        suggestion: Option<&'static str>,
    },
    /// The value has a wrong type or is out of range.
    #[error("{place}: {key} is {found}; allowed: {allowed}, such as {example}")]
    Value {
        /// File and line, variable or flag.
        place: String,
        /// The option.
        key: &'static str,
        /// The value that was found, shortened.
        found: String,
        /// Allowed values.
        allowed: &'static str,
        /// A value that works.
        example: &'static str,
    },
    /// An option needs another one, which is not set.
    #[error("{place}: {key} needs {needs}; set it too")]
    Missing {
        /// File and line, variable or flag.
        place: String,
        /// The option.
        key: &'static str,
        /// The option that is missing.
        needs: &'static str,
    },
    /// The text is not UTF-8.
    #[error("{place}: not UTF-8; save it as UTF-8 text")]
    NotUtf8 {
        /// File and line, or variable.
        place: String,
    },
    /// The text is larger than 1 MiB.
    #[error("{place}: larger than 1 MiB, which no options file is; give another file")]
    TooLarge {
        /// The file.
        place: String,
    },
    /// The file exists and cannot be read.
    #[error("cannot read {}: {source}; make it readable or move it away", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OptionsError {
    /// Returns the error of a value that the option does not take.
    pub(super) fn refused(row: &'static Row, found: &Input, origin: &Origin) -> Self {
        let (found, origin) = match found.wrong_entry(|input| Options::default().read(row, input).is_some()) {
            Some(entry) => (
                format!("{{ {} = {} }}", shorten(&entry.key), entry.value.shown()),
                entry.line.map_or_else(|| origin.clone(), |line| origin.on(Some(line))),
            ),
            None => (found.shown(), origin.clone()),
        };
        Self::Value { place: origin.to_string(), key: row.name, found, allowed: row.allowed, example: row.example }
    }
}

/// Returns the end of the message about an unknown name: the nearest option, or a list of all.
fn nearest(suggestion: &Option<&'static str>) -> String {
    match suggestion {
        Some(key) => format!("did you mean {key:?}?"),
        None => {
            let names: Vec<&str> = opt::all().map(|row| row.name).collect();
            format!("there are {}", names.join(", "))
        }
    }
}

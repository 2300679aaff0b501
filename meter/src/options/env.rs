//! Reads options from environment variables ([`Options::from_env`]), and warns of `ECO2_*` variables that are not options, such
//! as misspelt ones. An empty variable counts as not set. A *row* is the declaration of one option, with its variable.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use super::error::OptionsError;
use super::input::{Input, shorten};
use super::layer::{Layer, nearest};
use super::origin::Origin;
use super::rows::Options;
use super::rows::opt;

/// Prefix of the variables of all options.
const PREFIX: &str = "ECO2_";

/// Variable by which `eco2 run` passes the id of its record to the processes of the command; not an option.
pub const PARENT_PART: &str = "ECO2_PARENT_PART";

/// Variables that are not options: paths by which the Python package finds the library and the command, and the address of
/// a cloud's metadata service.
const OTHER_VARIABLES: &[&str] = &["ECO2_LIBRARY", "ECO2_COMMAND", "ECO2_METADATA_URL", PARENT_PART];

/// Prefix of variables with secrets. They are not options: they are read where they are used, and never shown.
const TOKEN_PREFIX: &str = "ECO2_TOKEN_";

/// A setting that was ignored while the options were loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A variable begins with `ECO2_` and is not an option.
    UnknownVariable {
        /// The variable, shortened to 60 characters.
        variable: String,
        /// The option's variable with the nearest name; `None`: none is near.
        suggestion: Option<&'static str>,
    },
    /// A configuration file was not looked for, because this user may not enter its folder.
    HiddenFile {
        /// The path where the file would be.
        path: PathBuf,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVariable { variable, suggestion } => {
                write!(out, "{variable} is not a variable of eco2 and was ignored")?;
                suggestion.map_or(Ok(()), |name| write!(out, "; did you mean {name}?"))
            }
            Self::HiddenFile { path } => {
                let path = path.display();
                write!(out, "{path} was not read: this user may not enter its folder; check its permissions, or HOME")
            }
        }
    }
}

impl Options {
    /// Returns the options that these variables set, and a warning for each `ECO2_*` variable that is not an option.
    ///
    /// # Errors
    /// [`OptionsError`] naming the variable: its value has a wrong type, is out of range, or is not UTF-8 (a path need not be).
    ///
    /// ```
    /// use eco2::options::{Options, Warning};
    ///
    /// let (layer, warnings) = Options::from_env([("ECO2_ZONE", "DE"), ("ECO2_INTERVALL", "10ms"), ("HOME", "/root")])?;
    /// assert_eq!(Options::resolve([layer])?.zone.as_deref(), Some("DE"));
    /// assert!(matches!(warnings[0], Warning::UnknownVariable { suggestion: Some("ECO2_INTERVAL"), .. }));
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn from_env<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Result<(Layer, Vec<Warning>), OptionsError>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let (mut layer, mut warnings) = (Layer::default(), Vec::new());
        for (variable, value) in variables {
            let Some(variable) = variable.as_ref().to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if OTHER_VARIABLES.contains(&variable) || variable.starts_with(TOKEN_PREFIX) {
                continue;
            }
            let Some(row) = opt::all().find(|row| row.variable == variable) else {
                let suggestion = nearest_variable(variable);
                warnings.push(Warning::UnknownVariable { variable: shorten(variable), suggestion });
                continue;
            };
            let origin = Origin::variable(row.variable);
            match value.as_ref().to_str() {
                Some("") => {}
                Some(text) => layer.put(row, Input::Bare(text.to_owned()), origin)?,
                // Only a path need not be UTF-8.
                None => layer
                    .put(row, Input::Path(value.as_ref().into()), origin)
                    .map_err(|_| OptionsError::NotUtf8 { place: row.variable.to_owned() })?,
            }
        }
        Ok((layer, warnings))
    }
}

/// Returns the option's variable whose name is nearest. The prefix is not compared: all have it, so that it would make every name near.
fn nearest_variable(typed: &str) -> Option<&'static str> {
    let typed: String = typed.chars().skip(PREFIX.len()).collect();
    nearest(&typed, |row| [row.variable.trim_start_matches(PREFIX)]).map(|row| row.variable)
}

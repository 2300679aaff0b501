//! Options from environment variables, and the variables that are not options. An empty variable counts as not set.

use std::ffi::OsStr;
use std::fmt;

use super::error::OptionsError;
use super::input::{Input, shorten};
use super::layer::{Layer, nearest};
use super::origin::Origin;
use super::rows::Options;
use super::rows::opt;

/// Prefix of all variables.
const PREFIX: &str = "ECO2_";

/// The record of the command that this process runs under; set by `eco2 run`, and not an option.
pub const PARENT_PART: &str = "ECO2_PARENT_PART";

/// Variables that are not options: paths by which the Python package finds the library and the command, and the address of
/// a cloud's metadata service.
const ELSEWHERE: &[&str] = &["ECO2_LIBRARY", "ECO2_COMMAND", "ECO2_METADATA_URL", PARENT_PART];

/// Prefix of variables with tokens. They are not options: they are read where they are used, and never shown.
const TOKENS: &str = "ECO2_TOKEN_";

/// A variable that looks like one of ours and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The variable, shortened.
    pub variable: String,
    /// The one that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is not a variable of eco2 and was ignored", self.variable)?;
        self.suggestion.map_or(Ok(()), |name| write!(out, "; did you mean {name}?"))
    }
}

impl Options {
    /// The options in an environment, and its variables that only look like options.
    ///
    /// # Errors
    /// [`OptionsError`] naming the variable: a value that is neither UTF-8 nor a path, of a wrong type or out of range.
    ///
    /// ```
    /// use eco2::options::Options;
    ///
    /// let (layer, warnings) = Options::from_env([("ECO2_ZONE", "DE"), ("ECO2_INTERVALL", "10ms"), ("HOME", "/root")])?;
    /// assert_eq!(Options::resolve([layer])?.zone.as_deref(), Some("DE"));
    /// assert_eq!(warnings[0].suggestion, Some("ECO2_INTERVAL"));
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
            if ELSEWHERE.contains(&variable) || variable.starts_with(TOKENS) {
                continue;
            }
            let Some(row) = opt::all().find(|row| row.variable == variable) else {
                warnings.push(Warning { variable: shorten(variable), suggestion: nearest_variable(variable) });
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

/// The variable that was probably meant; the prefix, which all have, is not compared.
fn nearest_variable(typed: &str) -> Option<&'static str> {
    let typed: String = typed.chars().skip(PREFIX.len()).collect();
    nearest(&typed, |row| [row.variable.trim_start_matches(PREFIX)]).map(|row| row.variable)
}

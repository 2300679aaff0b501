//! Reads the options of every command from files and the environment, and overrides them with the flags.

use eco2::options::{Layer, Options};

use crate::out;

/// Reads the files and the environment, and applies the flags. Refused keys and warnings are printed.
///
/// # Errors
/// For a value that is not allowed; the error names the file, variable or flag.
pub(crate) fn resolve(flags: Layer) -> anyhow::Result<Options> {
    let (options, warnings) = Options::load_with(flags)?;
    if !options.hides_refusals() {
        options.refused.iter().for_each(|refused| out::talk(&format!("eco2: {refused}\n")));
    }
    if !options.quiet {
        warnings.iter().for_each(|warning| out::talk(&format!("eco2: {warning}\n")));
    }
    Ok(options)
}

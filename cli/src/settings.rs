//! From flags, environment and files to the options that a command uses.

use std::env;

use eco2::options::{Layer, Options, Places, load_files};

use crate::out;

/// Lays the flags over the environment and the files.
///
/// # Errors
/// What is wrong with any of them, naming its place.
pub(crate) fn resolve(flags: Layer) -> anyhow::Result<Options> {
    let mut layers = load_files(&Places::standard(env::vars_os()))?;
    let (environment, warnings) = Options::from_env(env::vars_os())?;
    layers.extend([environment, flags]);
    let options = Options::resolve(layers)?;
    if !options.hides_refusals() {
        options.refused.iter().for_each(|refused| out::talk(&format!("eco2: {refused}\n")));
    }
    if !options.quiet {
        warnings.iter().for_each(|warning| out::talk(&format!("eco2: {warning}\n")));
    }
    Ok(options)
}

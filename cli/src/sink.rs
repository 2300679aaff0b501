//! Writes the output files of every command (`--json FILE`, `-o FILE`); `-` is standard output.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::failure::UsageError;
use crate::out;

/// Whether a path is `-`, which means standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Checks that a file can be written, before the run is measured.
///
/// # Errors
/// [`UsageError`] with the reason.
pub(crate) fn check<P: AsRef<Path>>(path: Option<P>) -> Result<(), UsageError> {
    match path.as_ref().map(AsRef::as_ref).filter(|path| !is_stdout(path)) {
        Some(path) => eco2_report::check_output(path).map_err(|error| UsageError(error.to_string())),
        None => Ok(()),
    }
}

/// Writes a document.
///
/// # Errors
/// If the file or standard output cannot be written; a file keeps its old content then.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if is_stdout(path) {
        return Ok(out::data(text)?);
    }
    Ok(eco2_report::write_file(path, text.as_bytes())?)
}

/// Writes bytes that are no text; to standard output if `path` is `None` or `-`.
///
/// # Errors
/// As [`write`], and [`UsageError`] if standard output is a terminal.
pub(crate) fn write_bytes(path: Option<&Path>, bytes: &[u8]) -> anyhow::Result<()> {
    match path.filter(|path| !is_stdout(path)) {
        Some(path) => Ok(eco2_report::write_file(path, bytes)?),
        None if std::io::stdout().is_terminal() => {
            Err(UsageError("this format is not text: write it to a file with -o FILE".to_owned()).into())
        }
        None => Ok(out::bytes(bytes)?),
    }
}

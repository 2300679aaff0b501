//! Where a document goes: a file, or standard output for `-`.

use std::path::Path;

use crate::failure::Usage;
use crate::out;

/// Whether a place stands for standard output.
pub(crate) fn is_stdout(place: &Path) -> bool {
    place.as_os_str() == "-"
}

/// Checks that a document can be written, before the work that it tells of is done.
///
/// # Errors
/// [`Usage`] with what is in the way.
pub(crate) fn check<P: AsRef<Path>>(place: Option<P>) -> Result<(), Usage> {
    match place.as_ref().map(AsRef::as_ref).filter(|place| !is_stdout(place)) {
        Some(place) => eco2_report::check_output(place).map_err(|error| Usage(error.to_string())),
        None => Ok(()),
    }
}

/// Writes a document.
///
/// # Errors
/// When the file or standard output cannot be written; a file is then as it was before.
pub(crate) fn write(place: &Path, text: &str) -> anyhow::Result<()> {
    if is_stdout(place) {
        return Ok(out::data(text)?);
    }
    Ok(eco2_report::write_file(place, text.as_bytes())?)
}

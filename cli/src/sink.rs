//! Where a document goes: a file, or standard output for `-`.

use std::path::Path;

use crate::out;

/// Whether a place stands for standard output.
pub(crate) fn is_stdout(place: &Path) -> bool {
    place.as_os_str() == "-"
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

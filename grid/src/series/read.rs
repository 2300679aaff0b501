//! Files of series, profiles and jobs from disk, of bounded size.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::Series;
use super::error::{FileError, FileFault, FilePlace};
use super::json_form::is_json;

/// The largest file that is read, bytes: some six million slots.
const MAX_FILE_BYTES: u64 = 256 << 20;

impl Series {
    /// Reads a file of either form; see [`Series::parse`].
    ///
    /// # Errors
    /// When it cannot be read, is too large, or holds a fault.
    pub fn read(path: &Path, zone: Option<&str>) -> Result<Self, FileError> {
        Self::parse(&bytes(path)?, &path.display().to_string(), zone)
    }

    /// Reads every column of a CSV file, with its name; the one series of a JSON file.
    ///
    /// # Errors
    /// As for [`Series::read`], in any column.
    pub fn read_all(path: &Path) -> Result<Vec<(String, Self)>, FileError> {
        Self::parse_all(&bytes(path)?, &path.display().to_string())
    }

    /// The same of what is in memory; `file` is for messages.
    ///
    /// # Errors
    /// As for [`Series::parse`], in any column.
    pub fn parse_all(bytes: &[u8], file: &str) -> Result<Vec<(String, Self)>, FileError> {
        if is_json(bytes) {
            let series = Self::parse_json(bytes, file)?;
            return Ok(vec![(series.meta().zone.clone(), series)]);
        }
        let columns = Self::columns(bytes, file)?.into_iter();
        columns.map(|name| Ok((name.clone(), Self::parse_csv(bytes, file, Some(&name))?))).collect()
    }
}

/// Everything that is in a file.
///
/// # Errors
/// When it cannot be read or is too large.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let fault = |fault| FileError::new(&path.display().to_string(), FilePlace::Whole, fault);
    let unreadable = |error: std::io::Error| fault(FileFault::Unreadable(error.to_string()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(fault(FileFault::TooLarge { most: MAX_FILE_BYTES }));
    }
    Ok(bytes)
}

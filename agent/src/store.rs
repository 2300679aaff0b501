//! Keeps the journal in a file ([`Store`]).

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::journal::{Journal, VERSION};

/// Name of the file.
const NAME: &str = "journal.json";
/// Longest file that is read: 10 000 jobs take some 5 MB.
const MAX_BYTES: u64 = 64 << 20;

/// What every version of the journal has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The file of the journal, in a folder that survives the agent.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    temporary: PathBuf,
    buffer: Vec<u8>,
}

impl Store {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join(NAME), temporary: folder.join(format!(".{NAME}.new")), buffer: Vec::new() }
    }

    /// Returns the journal that was kept; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read or parsed, or is of another version. It is then set aside, so that the next one does not overwrite it.
    pub(crate) fn read(&self) -> io::Result<Option<Journal>> {
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        // The version first: the rest is of its shape only.
        let version = serde_json::from_slice::<Version>(&bytes).map(|found| found.version);
        let journal = match version {
            Ok(version) if version != VERSION => Err(format!("it is of version {version}, not {VERSION}")),
            _ => serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string()),
        };
        journal.map_err(|error| {
            // The error is reported either way.
            let _ = fs::rename(&self.path, self.path.with_extension("damaged"));
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }

    /// Writes the journal in the place of the one before, in one step: a crash leaves one or the other.
    pub(crate) fn write(&mut self, journal: &Journal) -> io::Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, journal)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&self.temporary)?;
        file.write_all(&self.buffer)?;
        fs::rename(&self.temporary, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_of_another_version_is_set_aside_and_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "{\"version\": 1, \"other\": true}").unwrap();
        let error = Store::new(folder.path()).read().unwrap_err();
        assert!(error.to_string().contains("version 1"), "{error}");
        assert!(folder.path().join("journal.damaged").exists() && !folder.path().join(NAME).exists());
    }
}

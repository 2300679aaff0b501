//! Keeps the journal in two files of the agent's folder ([`Store`]).
//!
//! `journal.json` has the whole state at one instant, and the number of its *generation*. `journal.changes` has what has changed since,
//! one line per second ([`checked_line`](crate::checked_line)): a JSON array of the version, the generation, the number of the line from
//! 1, and a [`Change`]. So a second costs the numbers that changed, and not the names, jobs and sums that did not.
//!
//! - The whole is written at the start and at the end, when the changes have more than [`MOST_BYTES`] or more bytes than the whole, and
//!   after a line that could not be written: no line follows one that was cut off.
//! - It is written under another name and renamed, so that a crash leaves one or the other. The changes are emptied only then: lines of
//!   the generation before are ignored.
//! - The state is the whole with the lines of its generation, up to the first one that was cut off, is missing or is of another version;
//!   how many were not used is a warning. Each write is one line
//!   in the system's memory, so that a kill at any time loses at most the last second.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use eco2_samplers::clock::wall_ns;
use serde::Deserialize;

use crate::checked_line::{add_line, text_of};
use crate::journal::{Change, Journal, VERSION};

/// Names of the files.
const NAME: &str = "journal.json";
const CHANGES: &str = "journal.changes";
/// Longest file that is read: 10 000 jobs take some 5 MB.
const MAX_BYTES: u64 = 64 << 20;
/// Version of the lines of changes: another one where a [`Change`], or what it consists of, has another shape.
const LINES: u32 = 1;
/// Bytes of changes after which the whole is written: those of a minute, of eight GPUs.
const MOST_BYTES: u64 = 256 << 10;

/// What every version of the journal has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The files of the journal, in a folder that survives the agent.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    temporary: PathBuf,
    changes: PathBuf,
    /// What the files have, but for a write that failed.
    state: Journal,
    /// The file of changes; `None`: the whole is to be written first.
    file: Option<File>,
    /// Number of the last line.
    line: u64,
    /// Bytes of the changes, and of the whole.
    bytes: u64,
    whole_bytes: u64,
    buffer: Vec<u8>,
}

impl Store {
    /// Returns the files of a folder, for the node of this boot.
    pub(crate) fn new(folder: &Path, boot_id: String) -> Self {
        Self {
            path: folder.join(NAME),
            temporary: folder.join(format!(".{NAME}.new")),
            changes: folder.join(CHANGES),
            state: Journal::new(boot_id),
            file: None,
            line: 0,
            bytes: 0,
            whole_bytes: 0,
            buffer: Vec::new(),
        }
    }

    /// Returns the journal that was kept, `None` where there is none, and what of it could not be used. Writing begins with a new
    /// generation. A whole that cannot be read or parsed, or is of another version, is set aside, so that the next one does not
    /// overwrite it.
    pub(crate) fn read(&mut self) -> (Option<Journal>, Option<String>) {
        let mut journal = match read_whole(&self.path) {
            Ok(Some(journal)) => journal,
            Ok(None) => return (None, None),
            Err(error) => {
                // The error is reported either way.
                let _ = fs::rename(&self.path, self.path.with_extension("damaged"));
                return (None, Some(error.to_string()));
            }
        };
        self.state.generation = journal.generation;
        let warning = match read(&self.changes).map(|changes| replay(&mut journal, &changes.unwrap_or_default())) {
            Ok(0) => None,
            Ok(unused) => {
                Some(format!("{unused} lines of {CHANGES} are damaged or of another version: they were not used"))
            }
            Err(error) => Some(format!("{CHANGES} was not used: {error}")),
        };
        (Some(journal), warning)
    }

    /// Returns the file of the whole, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when the journal was written last, by the wall clock; `None`: not known.
    pub(crate) fn written(&self) -> Option<jiff::Timestamp> {
        let written = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).ok();
        let last = [&self.path, &self.changes].into_iter().filter_map(written).max()?;
        jiff::Timestamp::try_from(last).ok()
    }

    /// Returns the state from which the next change is.
    pub(crate) fn state(&self) -> &Journal {
        &self.state
    }

    /// Makes the next write write the whole.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    /// Writes what has changed since [`Self::state`].
    ///
    /// # Errors
    /// Where a file cannot be written. The next write then writes the whole.
    pub(crate) fn write(&mut self, change: Change) -> io::Result<()> {
        let file = self.file.take().filter(|_| self.bytes <= self.whole_bytes.max(MOST_BYTES));
        self.buffer.clear();
        let Some(mut file) = file else {
            self.state.apply(change);
            return self.write_whole();
        };
        let line = (LINES, self.state.generation, self.line + 1, &change);
        let added = add_line(&mut self.buffer, |text| serde_json::to_writer(text, &line));
        self.state.apply(change);
        added?;
        // In one write. What was cut off is not written again: the whole takes its place.
        if file.write(&self.buffer)? < self.buffer.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        (self.line, self.bytes) = (self.line + 1, self.bytes + self.buffer.len() as u64);
        self.file = Some(file);
        Ok(())
    }

    /// Writes the whole in the place of the one before, in one step, and then begins its changes.
    fn write_whole(&mut self) -> io::Result<()> {
        // Also other than that of a journal which was lost, whose changes are still there.
        let now = u64::try_from(wall_ns()).unwrap_or(0);
        self.state.generation = now.max(self.state.generation.saturating_add(1));
        serde_json::to_writer(&mut self.buffer, &self.state)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&self.temporary)?;
        file.write_all(&self.buffer)?;
        fs::rename(&self.temporary, &self.path)?;
        (self.line, self.bytes, self.whole_bytes) = (0, 0, self.buffer.len() as u64);
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).custom_flags(no_follow).open(&self.changes)?;
        file.set_len(0)?;
        self.file = Some(file);
        self.buffer.shrink_to(MOST_BYTES as usize);
        Ok(())
    }
}

/// Returns the bytes of a file; `None`: there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Returns the journal of a file; `None`: there is none.
fn read_whole(path: &Path) -> io::Result<Option<Journal>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    // The version first: the rest is of its shape only.
    let version = serde_json::from_slice::<Version>(&bytes).map(|found| found.version);
    let journal = match version {
        Ok(version) if version != VERSION => Err(format!("it is of version {version}, not {VERSION}")),
        _ => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
    };
    journal.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Applies the lines of the journal's generation, up to the first one that is damaged, missing or of another version. Returns how many
/// lines there are from that one on.
fn replay(journal: &mut Journal, changes: &[u8]) -> usize {
    let lines: Vec<&[u8]> = changes.split_inclusive(|byte| *byte == b'\n').collect();
    let mut last = 0;
    for (at, line) in lines.iter().enumerate() {
        let found = text_of(line).and_then(|text| serde_json::from_slice::<(u32, u64, u64, Change)>(text).ok());
        let Some((LINES, generation, number, change)) = found else { return lines.len() - at };
        if generation != journal.generation {
            continue;
        }
        if number != last + 1 {
            return lines.len() - at;
        }
        last = number;
        journal.apply(change);
    }
    0
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

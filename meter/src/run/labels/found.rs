//! What the surroundings tell, and how it is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest value, bytes.
pub(super) const LONGEST: usize = 256;
/// Files read here are a few lines; a mountinfo of a busy node has some hundred kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Contradictions, for people.
    pub warnings: Vec<String>,
    /// This process's place in a run of several.
    pub launch: Launch,
}

/// What the launcher says: which of how many processes this is, of which run, and how often that was started again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The launcher nearest to this process.
    pub launcher: Option<&'static str>,
    /// The run's id, fit to name a folder; `None` where the process is a run of its own.
    pub run_id: Option<String>,
    /// Which process this is.
    pub rank: Option<u32>,
    /// Of how many.
    pub world_size: Option<u32>,
    /// Restarts by the launcher.
    pub attempt: u32,
    /// Restarts of the whole job by the scheduler.
    pub requeue: u32,
}

/// Sets a label that no earlier, nearer finding has set; control characters and the part beyond 256 bytes are left out.
pub(super) fn put(labels: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let mut clean: String = value.trim().chars().filter(|letter| !letter.is_control()).collect();
    clean.truncate(clean.floor_char_boundary(LONGEST));
    if !clean.is_empty() {
        labels.entry(name.to_owned()).or_insert(clean);
    }
}

/// A small text file; `None` where there is none. What is not UTF-8 is replaced.
pub(super) fn read(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

//! The files of an outbox. The name of a message's file has its place in the order, the process that wrote it, and its size:
//! `00001764538946000000000-4242-512.message`. So the list of names is enough to keep the limit on bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::message::Message;

/// How a message's file ends.
const SUFFIX: &str = ".message";
/// How a file begins that is being written.
const UNFINISHED: &str = ".new-";
/// Age at which an unfinished file was left behind by a process that was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(600);
/// Least size that a message counts with, bytes: that of a block of a usual file system.
const LEAST_BYTES: u64 = 4096;
/// Longest file that is read, bytes, so that a foreign one cannot fill the memory.
const LONGEST: u64 = 64 << 20;

/// The folder of an outbox.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// What its messages may have together, bytes.
    pub(super) most_bytes: u64,
}

impl Folder {
    pub(super) fn new(path: &Path, most_bytes: u64) -> Self {
        Self { path: path.to_owned(), most_bytes }
    }

    /// Returns the names of the messages' files, oldest first.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| parts(name).is_some()).collect();
        names.sort_unstable();
        names
    }

    /// Writes a message as the newest one, and removes the oldest ones that are too many. Returns how many those are.
    ///
    /// # Errors
    /// If the file cannot be written or synced.
    pub(super) fn put(&self, message: &Message) -> io::Result<u64> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let content = message.encode();
        let names = self.names();
        let last = names.last().and_then(|name| parts(name)).map_or(0, |(place, _)| place);
        // The wall clock may have been set back since the last message.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let place = now.max(last.saturating_add(1));
        let name = format!("{place:023}-{}-{}{SUFFIX}", std::process::id(), content.len());
        let unfinished = self.path.join(format!("{UNFINISHED}{name}"));
        let written = Self::write(&unfinished, &self.path.join(name), &content);
        if written.is_err() {
            // What is left of it is removed later.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        // The message is stored. Some file systems cannot sync a folder, and what cannot be removed stays.
        File::open(&self.path).and_then(|folder| folder.sync_data()).ok();
        Ok(self.shrink(names, content.len() as u64).unwrap_or(0))
    }

    /// Writes a file whole or not at all.
    fn write(unfinished: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
        file.write_all(content)?;
        file.sync_data()?;
        fs::rename(unfinished, path)
    }

    /// Removes the oldest messages until there is space for one of `new_bytes`; returns their number.
    fn shrink(&self, names: Vec<String>, new_bytes: u64) -> io::Result<u64> {
        let size = |bytes: u64| bytes.max(LEAST_BYTES);
        let sizes = names.iter().filter_map(|name| parts(name)).map(|(_, bytes)| size(bytes));
        let (mut all, mut dropped) = (sizes.fold(size(new_bytes), u64::saturating_add), 0);
        for name in names {
            if all <= self.most_bytes {
                break;
            }
            self.remove(&name)?;
            all = all.saturating_sub(parts(&name).map_or(0, |(_, bytes)| size(bytes)));
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Returns a message; `None`: its file is damaged.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Message>> {
        let mut content = Vec::new();
        File::open(self.path.join(name))?.take(LONGEST).read_to_end(&mut content)?;
        Ok(Message::decode(&content))
    }

    /// Removes a message's file. One that is not there is removed.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Takes the lock of the sender, which lasts until the value is dropped or the process ends, and removes files that
    /// killed processes have left.
    ///
    /// # Errors
    /// If another process has it, or there is no folder.
    pub(super) fn lock(&self) -> io::Result<File> {
        let path = self.path.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        for entry in fs::read_dir(&self.path)?.flatten() {
            let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            let changed = entry.metadata().and_then(|about| about.modified()).ok();
            let age = changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default();
            if is_unfinished && age > LEFT_BEHIND {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(file)
    }
}

/// Returns place and size of a message's file by its name; `None`: it is another file.
fn parts(name: &str) -> Option<(u128, u64)> {
    let mut parts = name.strip_suffix(SUFFIX)?.split('-');
    let place = parts.next()?.parse().ok()?;
    Some((place, parts.nth(1)?.parse().ok()?))
}

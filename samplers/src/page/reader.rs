//! Reads the page of another process ([`PageReader`]).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use eco2_core::{TimelineLine, TimelineReader};
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat};

use super::header::{DEAD_NS, HEARTBEAT, Header, IN_USE, MAX_HEADER, PageFault, STATE};
use super::local::remote_kind;
use super::mapping::{Lines, Mapping};

/// Folder of the agent that the system starts. Only root makes folders in `/run`, so that its owner is trusted: it is the user
/// that root runs the agent as.
pub(crate) const SYSTEM: &str = "/run/eco2";
/// Permissions by which others than the owner could write.
const OTHERS_WRITE: u32 = 0o022;

/// What became of the writer of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    /// It writes.
    Live,
    /// Another file is in the place of this one, or the file was removed: attach again.
    Replaced,
    /// It ended, or has not written for two seconds.
    Dead,
}

/// A page that is mapped for reading.
#[derive(Debug)]
pub struct PageReader {
    header: Header,
    lines: Lines,
    timeline: TimelineReader<Lines>,
    file: File,
    file_bytes: u64,
}

impl PageReader {
    /// Opens and checks the page `name` in the agent's `folder`, and maps it. `boot_id` is that of this machine, `now_ns` the
    /// monotonic clock.
    ///
    /// The folder and the file must belong to root or to this user, and no other user may be able to write to them.
    ///
    /// # Errors
    /// [`PageFault`] with the reason for which it is not used.
    pub fn attach(folder: &Path, name: &str, boot_id: &str, now_ns: u64) -> Result<Self, PageFault> {
        let (place, owner) = trusted_folder(folder)?;
        // Without NONBLOCK, opening a pipe would wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat(&place, name, flags, Mode::empty()).map_err(io::Error::from)?;
        let mut file = File::from(file);
        let stat = fstat(&file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(PageFault::NotAPage);
        }
        check_owner(&stat, Some(owner), "it")?;
        if let Some(kind) = remote_kind(&file) {
            return Err(PageFault::NotLocal(kind));
        }
        let file_bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let mut bytes = Vec::new();
        (&mut file).take(MAX_HEADER as u64).read_to_end(&mut bytes)?;
        let header = Header::parse(&bytes, file_bytes)?;
        if header.boot_id != boot_id {
            return Err(PageFault::OtherBoot);
        }
        let lines = usize::try_from(file_bytes).unwrap_or(0) / TimelineLine::BYTES;
        let mapping = Arc::new(Mapping::new(&file, lines, false)?);
        let lines = Lines::new(mapping, header.bytes / TimelineLine::BYTES);
        let timeline = TimelineReader::over(lines.clone(), header.domains.len(), header.slots);
        let timeline = timeline.ok_or(PageFault::Damaged("size of its timeline"))?;
        let reader = Self { header, lines, timeline, file, file_bytes };
        // A clock that is ahead of ours by less is that of this machine: the writer went on since `now_ns` was read.
        if reader.heartbeat_ns() > now_ns.saturating_add(DEAD_NS) {
            return Err(PageFault::OtherClock);
        }
        if reader.state(now_ns) == PageState::Dead { Err(PageFault::Dead) } else { Ok(reader) }
    }

    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the reading end of the timeline. Values may be old: see [`PageReader::state`].
    #[must_use]
    pub fn timeline(&self) -> &TimelineReader<impl AsRef<[TimelineLine]> + Clone> {
        &self.timeline
    }

    /// Returns when the writer last published, monotonic nanoseconds.
    #[must_use]
    pub fn heartbeat_ns(&self) -> u64 {
        self.lines.head().map_or(0, |head| head.load_beat(HEARTBEAT))
    }

    /// Whether the writer lives at `now_ns`, without a system call. It does not notice that the file was replaced by that of a
    /// writer that lives.
    #[must_use]
    pub fn is_live(&self, now_ns: u64) -> bool {
        self.state_word() == IN_USE && now_ns.saturating_sub(self.heartbeat_ns()) <= DEAD_NS
    }

    /// Returns what became of the writer at `now_ns`. It takes a system call.
    #[must_use]
    pub fn state(&self, now_ns: u64) -> PageState {
        match fstat(&self.file) {
            Ok(stat) if stat.st_nlink == 0 => PageState::Replaced,
            // No writer of ours changes the size of its file: what lies beyond the end may not be read.
            Ok(stat) if u64::try_from(stat.st_size) != Ok(self.file_bytes) => PageState::Dead,
            Ok(_) if self.is_live(now_ns) => PageState::Live,
            _ => PageState::Dead,
        }
    }

    fn state_word(&self) -> u64 {
        // Relaxed: of a read-only mapping only relaxed loads are allowed.
        self.lines.head().and_then(|head| head.word(STATE)).map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// Opens the folder of an agent, and returns it with its owner.
///
/// # Errors
/// [`PageFault::NotTrusted`] if it belongs to neither root nor this user nor is [`SYSTEM`], or if other users can write to it.
fn trusted_folder(folder: &Path) -> Result<(OwnedFd, u32), PageFault> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let place = open(folder, flags, Mode::empty()).map_err(io::Error::from)?;
    let stat = fstat(&place).map_err(io::Error::from)?;
    let is_system = folder == Path::new(SYSTEM);
    check_owner(&stat, is_system.then_some(stat.st_uid), "its folder")?;
    Ok((place, stat.st_uid))
}

/// Returns the owner of an agent's folder, whose files and socket there are trusted as those of root and of this user are.
///
/// # Errors
/// [`PageFault::NotTrusted`] for a folder that others could have made or could write to; an error of the system for one that cannot be opened.
pub fn folder_owner(folder: &Path) -> Result<u32, PageFault> {
    trusted_folder(folder).map(|(_, owner)| owner)
}

/// Checks that a file or folder belongs to root, to this user or to `other`, and that no other user can write to it.
fn check_owner(stat: &Stat, other: Option<u32>, what: &str) -> Result<(), PageFault> {
    let own = rustix::process::geteuid().as_raw();
    if stat.st_uid != 0 && stat.st_uid != own && Some(stat.st_uid) != other {
        return Err(PageFault::NotTrusted(format!(
            "{what} belongs to user {}, who is neither root nor you",
            stat.st_uid
        )));
    }
    if stat.st_mode & OTHERS_WRITE != 0 {
        let mode = stat.st_mode & 0o777;
        return Err(PageFault::NotTrusted(format!("others than its owner can write to {what} (mode {mode:o})")));
    }
    Ok(())
}

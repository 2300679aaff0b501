//! Output files of the command, such as `--json FILE`: follows links, checks before the run that the file can be written, and
//! writes to pipes and devices.
//!
//! Links are followed. What exists and is no regular file (a device, a terminal, a pipe, a descriptor such as
//! `/dev/stdout`) is a *stream*: it is written to and never replaced.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, OFlags};

use crate::Error;

/// Largest number of links on the way to a file; path_resolution(7) has the same limit.
const MAX_LINKS: usize = 40;
/// How long an output waits for a process that reads from its pipe.
const READER_PATIENCE: Duration = Duration::from_millis(50);
/// How long a pipe may take nothing before it is given up.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);
/// Mode of a new file: it holds a run.
pub(crate) const NEW_MODE: u32 = 0o600;

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Place {
    /// A regular file, or none yet: its path without links, and what is known of the file that is there.
    File(PathBuf, Option<Metadata>),
    /// Anything else that bytes can be written to.
    Stream(PathBuf),
}

impl Place {
    /// Follows links, also one that leads to no file yet.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut target = path.to_owned();
        for _ in 0..MAX_LINKS {
            if is_descriptor(&target) {
                return Ok(Self::Stream(target));
            }
            match fs::symlink_metadata(&target) {
                Ok(found) if found.is_symlink() => {
                    let link = fs::read_link(&target)?;
                    target = folder(&target).join(link);
                }
                Ok(found) if found.is_dir() => {
                    return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder; name a file in it"));
                }
                Ok(found) if found.is_file() => return Ok(Self::File(target, Some(found))),
                Ok(_) => return Ok(Self::Stream(target)),
                Err(error) if is_missing(&error) => return Ok(Self::File(target, None)),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(rustix::io::Errno::LOOP))
    }
}

/// The folder that a path is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Whether a path names an open descriptor, as `/dev/stdout` and `/dev/fd/3` do: proc_pid_fd(5).
fn is_descriptor(path: &Path) -> bool {
    let parent = path.parent().filter(|parent| parent.ends_with("fd")).and_then(|parent| fs::canonicalize(parent).ok());
    parent.is_some_and(|parent| parent.starts_with("/proc") && parent.ends_with("fd"))
}

/// Checks that an output can be written, without changing anything: to be called before the work whose result it holds.
///
/// # Errors
/// [`Error::Io`] with what is in the way: a folder in its place, a folder that does not exist, missing permission.
pub fn check_output(path: &Path) -> Result<(), Error> {
    let writable = |path: &Path, access| rustix::fs::access(path, access).map_err(io::Error::from);
    let check = || match Place::of(path)? {
        Place::File(target, Some(_)) => writable(&target, Access::WRITE_OK),
        Place::File(target, None) => check_new(&target),
        Place::Stream(target) => writable(&target, Access::WRITE_OK),
    };
    check().map_err(|cause| Error::io("write", path, cause))
}

/// Whether a file can be created.
fn check_new(target: &Path) -> io::Result<()> {
    let folder = folder(target);
    if target.as_os_str().is_empty() || target.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
    }
    let no_folder = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            let text = format!("the folder {} does not exist; create it first", folder.display());
            io::Error::new(error.kind(), text)
        }
        _ => error,
    };
    if !fs::metadata(folder).map_err(no_folder)?.is_dir() {
        let text = format!("{} is not a folder", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
    }
    Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether nothing is there, or something on the way to it is no folder.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Checks that a folder exists or can be created, and can be written to; creates nothing.
///
/// # Errors
/// [`Error::Io`] with what is in the way.
pub fn check_output_folder(path: &Path) -> Result<(), Error> {
    let absolute = std::path::absolute(path).map_err(|cause| Error::io("write to", path, cause))?;
    for above in absolute.ancestors() {
        let cause = match fs::metadata(above) {
            Ok(found) if found.is_dir() => {
                let writable = rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK);
                return writable.map_err(|cause| Error::io("write to", path, cause.into()));
            }
            Ok(_) => io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a folder", above.display())),
            Err(error) if is_missing(&error) => continue,
            Err(error) => error,
        };
        return Err(Error::io("write to", path, cause));
    }
    Ok(())
}

/// An output that is written while something else goes on.
#[derive(Debug)]
pub struct Output(OutputState);

#[derive(Debug)]
enum OutputState {
    Open(File),
    /// A pipe that no process reads from yet.
    Unread(PathBuf),
}

impl Output {
    /// Opens an output and empties a regular file; a new file has mode 0600. Does not wait for the reader of a pipe.
    ///
    /// # Errors
    /// What is in the way.
    pub fn open(path: &Path) -> io::Result<Self> {
        match Place::of(path)? {
            Place::File(target, _) => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(NEW_MODE);
                options.open(target).map(|file| Self(OutputState::Open(file)))
            }
            Place::Stream(target) => match open_stream(&target) {
                Err(error) if is_unread(&error) => Ok(Self(OutputState::Unread(target))),
                other => waiting(other?).map(|file| Self(OutputState::Open(file))),
            },
        }
    }

    /// The open file; waits for the reader of a pipe until `is_over` returns true.
    ///
    /// # Errors
    /// When the pipe cannot be opened, and when it was not read from in time.
    pub fn wait(self, is_over: impl Fn() -> bool) -> io::Result<File> {
        let path = match self.0 {
            OutputState::Open(file) => return Ok(file),
            OutputState::Unread(path) => path,
        };
        loop {
            match open_stream(&path) {
                Err(error) if is_unread(&error) && !is_over() => thread::park_timeout(READER_PATIENCE / 5),
                Err(error) if is_unread(&error) => return Err(unread()),
                other => return waiting(other?),
            }
        }
    }
}

/// Opens a stream without waiting. A descriptor of a regular file is appended to, or what is in it would be overwritten.
fn open_stream(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().append(true).custom_flags(flags.bits() as i32).open(path)
}

/// Whether a pipe could not be opened because no process reads from it: fifo(7).
fn is_unread(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

fn unread() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "no process reads from this pipe; start the reader first")
}

/// The file with writes that wait.
fn waiting(file: File) -> io::Result<File> {
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Writes to a stream: waits a moment for the reader of a pipe, and gives up a reader that takes nothing.
pub(crate) fn write_stream(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let end = Instant::now() + READER_PATIENCE;
    let mut file = loop {
        match open_stream(path) {
            Err(error) if is_unread(&error) && Instant::now() < end => thread::sleep(READER_PATIENCE / 10),
            Err(error) if is_unread(&error) => return Err(unread()),
            other => break other?,
        }
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_room(&file)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn await_room(file: &File) -> io::Result<()> {
    let patience = Timespec { tv_sec: STREAM_PATIENCE.as_secs() as i64, tv_nsec: 0 };
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&patience)) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "the process at the other end does not read")),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

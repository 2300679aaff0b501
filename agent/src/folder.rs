//! Prepares the folder in which the agent publishes ([`RunFolder`]), and makes sure that one agent uses it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Name of the file that the agent holds locked.
const LOCK: &str = "lock";
/// Permissions by which others than the owner could write.
const OTHERS_WRITE: u32 = 0o022;

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderFault {
    /// It cannot be made or opened.
    #[error("cannot use the folder {path}: {error}; name another one with --dir")]
    Io {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system answered.
        #[source]
        error: io::Error,
    },
    /// It is a link.
    #[error("{0} is a symbolic link, which could lead anywhere: remove it, or name another folder with --dir")]
    Link(PathBuf),
    /// Others could put files there.
    #[error(
        "{path} belongs to user {owner} and has mode {mode:o}: it must be yours, and no other user may write to it (chmod 755)"
    )]
    Mode {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// An agent uses it.
    #[error("another agent runs in {0}: end it first, or name another folder with --dir")]
    Taken(PathBuf),
}

/// A folder that belongs to this agent alone while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The lock ends with the process, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder where there is none, checks it, and takes its lock.
    ///
    /// ```
    /// use eco2_agent::RunFolder;
    ///
    /// let parent = tempfile::tempdir()?;
    /// let folder = RunFolder::open(&parent.path().join("eco2"))?;
    /// let second = RunFolder::open(folder.path()).unwrap_err();
    /// assert!(second.to_string().starts_with("another agent runs in"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FolderFault`] with the reason and what to do.
    pub fn open(path: &Path) -> Result<Self, FolderFault> {
        let fault = |error| FolderFault::Io { path: path.to_owned(), error };
        match DirBuilder::new().mode(0o755).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fault(error)),
            _ => {}
        }
        let metadata = fs::symlink_metadata(path).map_err(fault)?;
        if metadata.is_symlink() {
            return Err(FolderFault::Link(path.to_owned()));
        }
        if !metadata.is_dir() {
            return Err(fault(io::ErrorKind::NotADirectory.into()));
        }
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if owner != rustix::process::geteuid().as_raw() || mode & OTHERS_WRITE != 0 {
            return Err(FolderFault::Mode { path: path.to_owned(), owner, mode });
        }
        let lock_path = path.join(LOCK);
        let fault = |error| FolderFault::Io { path: lock_path.clone(), error };
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut options = OpenOptions::new();
        let lock =
            options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow).open(&lock_path);
        let lock = lock.map_err(fault)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(FolderFault::Taken(path.to_owned())),
            Err(error) => Err(fault(error.into())),
        }
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn f46_links_modes_and_files_are_named_with_what_to_do() {
        let parent = tempfile::tempdir().unwrap();
        let real = parent.path().join("real");
        drop(RunFolder::open(&real).unwrap());
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o755);
        let link = parent.path().join("link");
        symlink(&real, &link).unwrap();
        assert!(matches!(RunFolder::open(&link), Err(FolderFault::Link(_))));
        fs::set_permissions(&real, fs::Permissions::from_mode(0o777)).unwrap();
        let fault = RunFolder::open(&real).unwrap_err().to_string();
        assert!(fault.contains("mode 777") && fault.contains("chmod 755"), "{fault}");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(real.join(LOCK)).unwrap();
        symlink("/dev/null", real.join(LOCK)).unwrap();
        assert!(RunFolder::open(&real).is_err(), "a lock that is a link");
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(RunFolder::open(&file), Err(FolderFault::Io { .. })));
        assert!(RunFolder::open(&parent.path().join("no/such")).is_err());
    }

    #[test]
    fn f41_the_lock_of_an_agent_that_ended_is_free_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let held = RunFolder::open(parent.path()).unwrap();
        assert!(matches!(RunFolder::open(parent.path()), Err(FolderFault::Taken(_))));
        drop(held);
        assert!(RunFolder::open(parent.path()).is_ok());
    }
}

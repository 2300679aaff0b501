//! The file that a run log is written to ([`FileDisk`]), behind a trait so that tests can use a disk that fails.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::store::files;

/// An append-only file or its replacement in a test.
pub trait Disk: Send {
    /// Appends a part of `bytes` and returns the length of that part, like [`io::Write::write`].
    ///
    /// # Errors
    /// The error of the system. In this case nothing was appended.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Syncs the appended bytes, so that a power cut does not lose them.
    ///
    /// # Errors
    /// The error of the system. A power cut can then lose the bytes since the last successful sync.
    fn sync(&mut self) -> io::Result<()>;
}

/// A new log file with mode 0600, in a folder with mode 0700.
#[derive(Debug)]
pub(super) struct FileDisk {
    file: File,
    path: PathBuf,
    /// Whether the folder was synced, so that a power cut does not remove the file's name.
    is_name_synced: bool,
}

impl FileDisk {
    /// Creates the file, and its folder if it is missing. Does not follow links.
    ///
    /// # Errors
    /// [`Error::Io`], also if the file exists.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_private_folder(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { file, path: path.to_owned(), is_name_synced: false })
    }
}

/// Creates a folder and its parents with mode 0700.
fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Disk for FileDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.is_name_synced {
            // Once: a power cut could otherwise remove the file's name although its bytes are on the disk.
            match files::sync_folder_of(&self.path) {
                Err(Error::Io { cause, .. }) => return Err(cause),
                _ => self.is_name_synced = true,
            }
        }
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn f31_a_log_is_private_new_and_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runs").join("a.eco2log");
        let mut disk = FileDisk::create(&path).unwrap();
        assert_eq!(disk.append(b"one").unwrap(), 3);
        disk.sync().unwrap();
        assert_eq!(disk.append(b"two").unwrap(), 3);
        disk.sync().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"onetwo");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn d25_an_existing_file_or_a_link_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, b"mine").unwrap();
        std::os::unix::fs::symlink(dir.path().join("c"), &link).unwrap();
        for taken in [&path, &link] {
            assert!(matches!(FileDisk::create(taken), Err(Error::Io { action: "create", .. })));
        }
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert!(!dir.path().join("c").exists());
    }
}

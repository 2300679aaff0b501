//! Where the log's bytes go: a private file, or in tests a disk that fails on purpose.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::store::files;

/// An append-only target.
pub trait Disk: Send {
    /// Appends a part of `bytes` and returns its length; like [`io::Write::write`].
    ///
    /// # Errors
    /// The system's reason; nothing of `bytes` was appended then.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes what was appended last through a power cut.
    ///
    /// # Errors
    /// The system's reason; what was appended since the last success may be lost in a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// A new log file with mode 0600, in a folder with mode 0700.
#[derive(Debug)]
pub(super) struct FileDisk {
    file: File,
    path: PathBuf,
    named: bool,
}

impl FileDisk {
    /// Creates the file, and its folder where missing. Links are not followed, existing files not touched.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file exists.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private_folder(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Self { file, path: path.to_owned(), named: false })
    }
}

fn private_folder(folder: &Path) -> io::Result<()> {
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
        if !self.named {
            // Once: without it a power cut may take the file's name while its bytes are safe.
            match files::sync_folder_of(&self.path) {
                Err(Error::Io { cause, .. }) => return Err(cause),
                _ => self.named = true,
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

//! Whole files: read with a cap, written so that a crash leaves the old one or the new one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::Error;

/// Reads a file of at most `cap_bytes`.
///
/// # Errors
/// [`Error::Io`], and [`Error::TooLarge`] without having read more than the cap.
pub(crate) fn read_capped(path: &Path, what: &'static str, cap_bytes: u64) -> Result<Vec<u8>, Error> {
    read_open(File::open(path).map_err(|e| Error::io("read", path, e))?, path, what, cap_bytes)
}

/// As [`read_capped`], from a file that is open.
///
/// # Errors
/// As [`read_capped`].
pub(crate) fn read_open(file: File, path: &Path, what: &'static str, cap_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    // One byte over the cap tells "full" from "too large" without trusting the size in the metadata.
    file.take(cap_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    if bytes.len() as u64 > cap_bytes {
        return Err(Error::TooLarge { path: path.to_owned(), what, cap_bytes });
    }
    Ok(bytes)
}

/// As [`read_capped`], of a regular file only: a pipe that nobody writes to would keep the reader for ever.
///
/// # Errors
/// As [`read_capped`]; [`Error::Io`] for what is no regular file.
pub(crate) fn read_regular(path: &Path, what: &'static str, cap_bytes: u64) -> Result<Vec<u8>, Error> {
    read_open(open_regular(path, what, cap_bytes)?, path, what, cap_bytes)
}

/// Opens a regular file of at most `cap_bytes`.
///
/// # Errors
/// [`Error::Io`] also for what is no regular file, [`Error::TooLarge`].
pub(crate) fn open_regular(path: &Path, what: &'static str, cap_bytes: u64) -> Result<File, Error> {
    let meta = fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    if !meta.is_file() {
        let other = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file; copy its content to one first");
        return Err(Error::io("read", path, other));
    }
    if meta.len() > cap_bytes {
        return Err(Error::TooLarge { path: path.to_owned(), what, cap_bytes });
    }
    File::open(path).map_err(|e| Error::io("read", path, e))
}

/// Writes a whole file so that a crash leaves either the old content or the new, never a mixture.
///
/// A temporary neighbour is written and synced, renamed over `path`, and the folder is synced. What exists and is not a
/// regular file (a pipe, a terminal) is written to directly.
///
/// # Errors
/// [`Error::Io`]; the neighbour is removed and `path` is as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let mut file = OpenOptions::new().write(true).open(path).map_err(|e| Error::io("write", path, e))?;
        return file.write_all(bytes).map_err(|e| Error::io("write", path, e));
    }
    // A link is followed by hand, or the rename would replace it.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (file, neighbour) = neighbour(&target)?;
    let done = replace(&target, file, &neighbour, bytes);
    if done.is_err() {
        // The first error is the one to tell, also where the neighbour cannot be removed.
        fs::remove_file(&neighbour).ok();
    }
    done
}

/// Creates a file beside `path`. A crashed run, in a container with the same process id, may have left the first name.
fn neighbour(path: &Path) -> Result<(File, PathBuf), Error> {
    let mut attempt = 0;
    loop {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let neighbour = path.with_file_name(name);
        match File::create_new(&neighbour) {
            Ok(file) => return Ok((file, neighbour)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempt < 16 => attempt += 1,
            Err(e) => return Err(Error::io("create", &neighbour, e)),
        }
    }
}

fn replace(path: &Path, mut file: File, neighbour: &Path, bytes: &[u8]) -> Result<(), Error> {
    file.write_all(bytes).map_err(|e| Error::io("write", neighbour, e))?;
    file.sync_all().map_err(|e| Error::io("sync", neighbour, e))?;
    fs::rename(neighbour, path).map_err(|e| Error::io("rename", path, e))?;
    sync_folder_of(path)
}

/// Makes the names in a file's folder last through a power cut.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let folder = File::open(parent).map_err(|e| Error::io("sync", parent, e))?;
    match folder.sync_all() {
        // Some filesystems have no sync for folders: there is nothing more that could be done.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(|e| Error::io("sync", parent, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f31_a_file_is_replaced_whole_and_leaves_no_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        write_file(&path, b"old").unwrap();
        let left = dir.path().join(format!(".r.json.{}-0.tmp", std::process::id()));
        fs::write(&left, b"of a crashed run").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn d25_a_write_that_fails_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no-such-folder").join("r.json");
        let error = write_file(&path, b"x").unwrap_err().to_string();
        assert!(error.contains("no-such-folder"), "{error}");
    }

    #[test]
    fn f28_a_full_device_is_an_error() {
        let path = Path::new("/dev/full");
        if path.exists() {
            let error = write_file(path, b"x").unwrap_err();
            assert!(error.to_string().contains("/dev/full"), "{error}");
        }
    }

    #[test]
    fn f42_a_file_over_the_cap_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, [0; 11]).unwrap();
        assert!(matches!(read_capped(&path, "report", 10), Err(Error::TooLarge { .. })));
        assert_eq!(read_capped(&path, "report", 11).unwrap().len(), 11);
    }

    #[test]
    fn f42_what_is_no_regular_file_is_refused_unopened() {
        let error = read_regular(Path::new("/dev/null"), "report", 10).unwrap_err().to_string();
        assert!(error.contains("/dev/null") && error.contains("not a regular file"), "{error}");
        assert!(read_regular(tempfile::tempdir().unwrap().path(), "report", 10).is_err());
    }
}

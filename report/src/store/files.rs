//! Reads and writes whole files: reads have a limit of size, and a write leaves the old file or the new one after a crash.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::store::output::{self, Place};

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
    // One byte over the cap distinguishes "full" from "too large" without trusting the size in the metadata.
    file.take(cap_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    if bytes.len() as u64 > cap_bytes {
        return Err(Error::TooLarge { path: path.to_owned(), what, cap_bytes });
    }
    Ok(bytes)
}

/// As [`read_capped`], of a regular file only: a pipe without a writer would block the reader.
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
/// Links are followed. A temporary neighbour of the target is written and synced, gets the target's owner and mode (0600
/// where there is no target), is renamed over it, and the folder is synced. Where that cannot be, because the file has
/// several names, is a mount, or lies in a folder that may not be written to, the file is overwritten. What exists and is
/// no regular file (a pipe, a device, a terminal) is written to.
///
/// # Errors
/// [`Error::Io`]; the neighbour is removed and `path` is as it was, unless it had to be overwritten.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |cause| Error::io("write", path, cause);
    let (target, old) = match Place::of(path).map_err(failed)? {
        Place::Stream(target) => return output::write_stream(&target, bytes).map_err(failed),
        Place::File(target, old) => (target, old),
    };
    let Some(old) = old else { return replace(&target, None, bytes) };
    if old.nlink() > 1 {
        return overwrite(&target, bytes).map_err(failed);
    }
    match replace(&target, Some(&old), bytes) {
        Err(Error::Io { action: "create" | "give" | "rename", .. }) => overwrite(&target, bytes).map_err(failed),
        other => other,
    }
}

/// Writes a neighbour and renames it over `target`.
fn replace(target: &Path, old: Option<&Metadata>, bytes: &[u8]) -> Result<(), Error> {
    let (file, neighbour) = neighbour(target)?;
    let done = fill(&file, old, &neighbour, bytes)
        .and_then(|()| fs::rename(&neighbour, target).map_err(|e| Error::io("rename", target, e)));
    if done.is_err() {
        // The first error is reported, also if the temporary file cannot be removed.
        fs::remove_file(&neighbour).ok();
    }
    done.and_then(|()| sync_folder_of(target))
}

fn fill(mut file: &File, old: Option<&Metadata>, neighbour: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(old) = old {
        give(file, old).map_err(|e| Error::io("give", neighbour, e))?;
    }
    file.write_all(bytes).map_err(|e| Error::io("write", neighbour, e))?;
    file.sync_all().map_err(|e| Error::io("sync", neighbour, e))
}

/// Gives a file the owner and the mode of another; the mode last, as a change of owner takes bits of it away.
fn give(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(old.permissions())
}

/// Overwrites a file in its place.
fn overwrite(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(target)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Creates a file next to `path`, mode 0600. A crashed run, in a container with the same process id, may have left the
/// first name.
fn neighbour(path: &Path) -> Result<(File, PathBuf), Error> {
    let mut attempt = 0;
    loop {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let neighbour = path.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).mode(output::NEW_MODE).open(&neighbour) {
            Ok(file) => return Ok((file, neighbour)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempt < 16 => attempt += 1,
            Err(e) => return Err(Error::io("create", &neighbour, e)),
        }
    }
}

/// Makes the names in a file's folder last through a power cut.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let parent = output::folder(path);
    let folder = File::open(parent).map_err(|e| Error::io("sync", parent, e))?;
    match folder.sync_all() {
        // Some filesystems have no sync for folders: there is nothing more that could be done.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other.map_err(|e| Error::io("sync", parent, e)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::{check_output, check_output_folder};

    fn mkfifo(path: &Path) {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

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

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn k18_new_file_is_private_and_the_mode_of_an_old_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        write_file(&path, b"1").unwrap();
        assert_eq!(mode(&path), 0o600);
        for kept in [0o600, 0o640, 0o644, 0o664, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            write_file(&path, b"2").unwrap();
            assert_eq!(mode(&path), kept, "{kept:o}");
        }
    }

    #[test]
    fn k18_links_are_written_through_also_one_that_leads_to_no_file_yet() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real/r.json", at("link")).unwrap();
        symlink("link", at("chain")).unwrap();
        for (through, text) in [("link", "one"), ("chain", "two")] {
            write_file(&at(through), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("real/r.json")).unwrap(), text);
            assert!(at(through).is_symlink(), "{through}");
        }
        assert_eq!(fs::read_dir(at("real")).unwrap().count(), 1, "no neighbour is left");
        symlink("loop", at("loop")).unwrap();
        assert!(write_file(&at("loop"), b"x").is_err());
    }

    #[test]
    fn k18_all_names_of_a_file_show_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), b"a longer text").unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        write_file(&at("a"), b"new").unwrap();
        assert_eq!((fs::read(at("a")).unwrap(), fs::read(at("b")).unwrap()), (b"new".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn k18_device_and_pipe_are_written_to_and_not_replaced() {
        write_file(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mkfifo(&pipe);
        let error = write_file(&pipe, b"x").unwrap_err().to_string();
        assert!(error.contains("no process reads from this pipe"), "{error}");
        let opened = pipe.clone();
        let reader = std::thread::spawn(move || fs::read(opened).unwrap());
        // The reader may be slower than the patience of one write.
        while write_file(&pipe, &[7; 100_000]).is_err() {}
        assert_eq!(reader.join().unwrap(), [7; 100_000]);
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }

    #[test]
    fn k18_open_descriptor_is_appended_to() {
        use std::os::fd::AsRawFd as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.txt");
        let mut out = File::create(&path).unwrap();
        out.write_all(b"of the command;").unwrap();
        write_file(Path::new(&format!("/proc/self/fd/{}", out.as_raw_fd())), b"report").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"of the command;report");
    }

    #[test]
    fn k18_output_is_checked_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("old"), b"old").unwrap();
        symlink("nowhere/x", at("astray")).unwrap();
        mkfifo(&at("pipe"));
        for good in [at("new"), at("old"), at("pipe"), "/dev/null".into(), "/dev/stdout".into()] {
            check_output(&good).unwrap();
        }
        assert!(!at("new").exists());
        let message = |name: &str| check_output(&at(name)).unwrap_err().to_string();
        assert!(message("none/r.json").contains("none does not exist"), "{}", message("none/r.json"));
        assert!(message("").contains("folder"), "{}", message(""));
        assert!(message("old/r.json").contains("not a folder"), "{}", message("old/r.json"));
        assert!(message("astray").contains("nowhere does not exist"), "{}", message("astray"));
        check_output_folder(&at("a/b/c")).unwrap();
        assert!(!at("a").exists());
        assert!(check_output_folder(&at("old/logs")).unwrap_err().to_string().contains("not a folder"));
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

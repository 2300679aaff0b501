//! The one module that reads small kernel files: numbers, short texts, CPU lists.
//!
//! Counters are read by `pread` on kept descriptors, a seventh of the cost of open, read and close. Every error becomes
//! a [`Fault`]; no error and no odd text ever becomes a value.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use eco2_core::Fault;

/// Most bytes of an attribute file: the kernel hands out at most one page.
const PAGE: usize = 4096;
/// More CPUs than any Linux is built for (`CONFIG_NR_CPUS` is at most 8192): a longer list is garbage.
const MAX_CPUS: usize = 65_536;

/// Returns the fault that an error of the operating system means for a reading.
pub(crate) fn fault_of(error: &io::Error) -> Fault {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => Fault::Denied,
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTDIR) => Fault::Gone,
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => Fault::Unsupported,
        Some(libc::ENODATA) => Fault::NotAvailable,
        _ => Fault::Failed,
    }
}

/// Reads a whole kernel file into `bytes`, which it empties first. A buffer that is used again needs no further allocation.
///
/// Such files state no size, for which `fs::read` starts with 32 bytes and needs eight reads for a file of 1 kB; this needs two.
///
/// # Errors
/// Those of opening and reading.
pub(crate) fn read_whole(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    bytes.clear();
    let mut length = 0;
    loop {
        bytes.resize(length + PAGE, 0);
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(())
}

/// Reads the text of a whole kernel file.
///
/// # Errors
/// Those of opening and reading; `InvalidData` for text that is not UTF-8.
pub(crate) fn read_long_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    read_whole(path, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads a small file's text without surrounding white space.
///
/// # Errors
/// Those of opening and reading; `InvalidData` for more than a page or text that is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut bytes, mut length) = ([0; PAGE + 1], 0);
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = std::str::from_utf8(&bytes[..length]).ok().filter(|_| length <= PAGE);
    Ok(text.ok_or(io::ErrorKind::InvalidData)?.trim().to_owned())
}

/// Reads the first page of a file that may be long (`/proc/cpuinfo`).
///
/// # Errors
/// Those of opening and reading.
pub(crate) fn read_head(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(PAGE as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file that holds one unsigned number.
///
/// # Errors
/// [`Fault::Failed`] for anything that is not a number, else what the error means.
pub(crate) fn read_u64(path: &Path) -> Result<u64, Fault> {
    KeptFile::open(path).map_err(|error| fault_of(&error))?.read_u64()
}

/// Reads a file that holds a CPU list; `None` when absent or garbage.
pub(crate) fn read_cpulist(path: &Path) -> Option<Vec<usize>> {
    parse_cpulist(&read_text(path).ok()?)
}

/// Reads the names in a directory, numbers in them in numeric order (`hwmon2` before `hwmon10`).
///
/// # Errors
/// Those of opening the directory.
pub(crate) fn entries(dir: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_by_cached_key(|name| natural_key(name));
    Ok(names)
}

/// Splits a name into texts and numbers, so that names compare the way people count.
fn natural_key(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        key.push((text.to_owned(), number.parse().unwrap_or(0)));
        rest = tail;
    }
    key
}

/// CPUs of a list such as `0,64`, `0-1`, `0-3:2` (every second) or `0-7:1/4` (the first of every four); sorted, each
/// once. Empty text is an empty list; `None` for anything else that is not a list.
///
/// Grammar: Linux, `Documentation/admin-guide/kernel-parameters.rst`, "cpu lists"; a stride without `/` is the older
/// form.
pub(crate) fn parse_cpulist(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (range, (used, group)) = match part.split_once(':') {
            Some((range, stride)) => (range, parse_stride(stride)?),
            None => (part, (1, 1)),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last >= MAX_CPUS {
            return None;
        }
        cpus.extend((first..=last).filter(|cpu| (cpu - first) % group < used));
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// `used/group`, or `step`, which is one of every `step`.
fn parse_stride(text: &str) -> Option<(usize, usize)> {
    let (used, group) = text.split_once('/').unwrap_or(("1", text));
    let (used, group) = (used.parse().ok()?, group.parse().ok()?);
    (0 < used && used <= group).then_some((used, group))
}

/// A kernel file that stays open.
#[derive(Debug)]
pub(crate) struct KeptFile {
    file: File,
    identity: (u64, u64),
}

impl KeptFile {
    /// Opens for reading; std opens close-on-exec.
    ///
    /// # Errors
    /// Those of opening.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        Ok(Self { file, identity: (meta.dev(), meta.ino()) })
    }

    /// Reads the number that is in the file now.
    ///
    /// # Errors
    /// See [`read_u64`].
    pub(crate) fn read_u64(&self) -> Result<u64, Fault> {
        read_number(|buffer, offset| self.file.read_at(buffer, offset))
    }

    /// Whether `path` still names this file. Real kernel files answer `ENODEV` once removed; ordinary ones never do.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|meta| self.identity == (meta.dev(), meta.ino()))
    }
}

/// Returns the path of a directory with every link resolved, for a device's stable name; `None` when it is not there.
pub(crate) fn real_path(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Reads a decimal number through interruptions and short reads. An empty file is a failure, never 0.
fn read_number(mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> Result<u64, Fault> {
    // 20 digits and a newline; what fills the buffer is no u64.
    let mut buffer = [0_u8; 24];
    let mut len = 0;
    while len < buffer.len() {
        match read_at(&mut buffer[len..], len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fault_of(&error)),
        }
        if buffer[..len].ends_with(b"\n") {
            break;
        }
    }
    parse_u64(&buffer[..len]).ok_or(Fault::Failed)
}

/// Parses a number of digits only: no sign, no unit, no second value.
fn parse_u64(bytes: &[u8]) -> Option<u64> {
    let text = bytes.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m07_cpulist_grammar() {
        let cases: [(&str, Option<&[usize]>); 14] = [
            ("0,64", Some(&[0, 64])),
            ("0-1", Some(&[0, 1])),
            ("0-3:2", Some(&[0, 2])),
            ("0-7:1/4", Some(&[0, 4])),
            ("0-7:2/4", Some(&[0, 1, 4, 5])),
            ("", Some(&[])),
            ("\n", Some(&[])),
            ("0\n", Some(&[0])),
            ("2,0-1,1", Some(&[0, 1, 2])),
            ("3-1", None),
            ("0-4294967295", None),
            ("0-3:0", None),
            ("-1", None),
            ("zero", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_cpulist(text).as_deref(), expected, "{text:?}");
        }
    }

    /// One scripted answer a call.
    fn number(script: &[Result<&[u8], i32>]) -> Result<u64, Fault> {
        let mut script = script.iter();
        read_number(|buffer, _| match script.next() {
            None => Ok(0),
            Some(Ok(bytes)) => {
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Some(Err(errno)) => Err(io::Error::from_raw_os_error(*errno)),
        })
    }

    #[test]
    fn m04_odd_reads_are_faults_never_zero() {
        assert_eq!(number(&[Ok(b"12\n")]), Ok(12));
        assert_eq!(number(&[Err(libc::EINTR), Ok(b"12\n")]), Ok(12), "interrupted");
        assert_eq!(number(&[Ok(b"1"), Err(libc::EINTR), Ok(b"2\n")]), Ok(12), "short read");
        assert_eq!(number(&[Ok(b"18446744073709551615\n")]), Ok(u64::MAX));
        for (script, fault) in [
            (Ok(b"".as_slice()), Fault::Failed),
            (Ok(b"\n"), Fault::Failed),
            (Ok(b"-1\n"), Fault::Failed),
            (Ok(b"+1\n"), Fault::Failed),
            (Ok(b"1 2\n"), Fault::Failed),
            (Ok(b"nonsense\n"), Fault::Failed),
            (Ok(b"18446744073709551616\n"), Fault::Failed),
            (Ok(b"111111111111111111111111"), Fault::Failed),
            (Err(libc::EIO), Fault::Failed),
            (Err(libc::EISDIR), Fault::Failed),
            (Err(libc::EACCES), Fault::Denied),
            (Err(libc::ENODEV), Fault::Gone),
            (Err(libc::ENODATA), Fault::NotAvailable),
            (Err(libc::EOPNOTSUPP), Fault::Unsupported),
        ] {
            assert_eq!(number(&[script]), Err(fault), "{script:?}");
        }
    }

    #[test]
    fn names_sort_as_people_count() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["intel-rapl:10", "intel-rapl:2", "intel-rapl:2:1", "intel-rapl"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let expected = ["intel-rapl", "intel-rapl:2", "intel-rapl:2:1", "intel-rapl:10"];
        assert_eq!(entries(dir.path()).unwrap(), expected);
    }

    #[test]
    fn long_files_are_refused_or_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        fs::write(&path, "a".repeat(5000)).unwrap();
        assert!(read_text(&path).is_err());
        assert_eq!(read_head(&path).unwrap().len(), 4096);
        assert_eq!(read_u64(dir.path()), Err(Fault::Failed), "a directory in place of a file");
        assert_eq!(read_u64(&dir.path().join("none")), Err(Fault::Gone));
    }
}

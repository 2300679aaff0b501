//! Keeps the jobs in a file that survives the machine ([`JobLog`]): one line per begin and end, written before the request is
//! answered, and synced to the disk at most a second later.
//!
//! A line has a checksum ([`checked_line`](crate::checked_line)) and a [`JobRecord`] as JSON: the state of one job, which replaces the
//! one before. A line that was cut off has a wrong checksum and is skipped. At [`MOST_BYTES`] the file becomes `jobs.log.1`, in the place of the one before, and a new one begins with every job that is listed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use eco2_core::{Bounded, Ranged};
use serde::{Deserialize, Serialize};

use crate::checked_line::{add_line, text_of};
use crate::jobs::JobState;
use crate::shares::{JobKey, ShareSum};

/// Name of the file.
const NAME: &str = "jobs.log";
/// Size at which a new file begins, bytes: the begins and ends of some 10 000 jobs.
const MOST_BYTES: u64 = 8 << 20;
/// Longest file that is read: one that grew because it could not be renamed.
const MOST_READ: u64 = 4 * MOST_BYTES;
/// How often both files are opened, where one takes the place of the other meanwhile: it does so once in thousands of jobs.
const MOST_TRIES: usize = 3;

/// One job at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// Number of the record, from 1.
    pub(crate) number: u64,
    /// The boot in which it was written.
    pub(crate) boot_id: String,
    pub(crate) key: JobKey,
    pub(crate) state: JobState,
    /// When it was written, nanoseconds since 1970.
    pub(crate) wall_ns: i64,
    /// Its energy with that of the jobs within it, as its user may see it.
    pub(crate) total: ShareSum,
    /// What that energy emitted; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grams: Option<RecordedGrams>,
    /// Its energy without the jobs within it, and what that emitted; `None`: no other was within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<(ShareSum, Option<RecordedGrams>)>,
}

/// Emissions as they were when a record was written, grams CO2e: the intensities of that time are not known later.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordedGrams {
    value: f64,
    low: f64,
    /// `None`: unbounded.
    high: Option<f64>,
    pub(crate) is_estimated: bool,
}

impl RecordedGrams {
    /// Returns what is recorded of emissions; `None` where they are not known.
    pub(crate) fn of(grams: &Bounded<f64>, is_estimated: bool) -> Option<Self> {
        grams.value.map(|value| Self { value, low: grams.low, high: grams.high, is_estimated })
    }
}

impl Ranged for RecordedGrams {
    type Amount = f64;

    fn bounded(&self) -> Bounded<f64> {
        Bounded::plausible(self.value, self.low, self.high)
    }
}

/// The file, to which records are added.
#[derive(Debug)]
pub(crate) struct JobLog {
    path: PathBuf,
    file: Option<Arc<File>>,
    /// Its size, bytes.
    size: u64,
    /// Number of the last record.
    last: u64,
    /// Whether a line may have been cut off, so that the next one begins with a line end.
    is_torn: bool,
    is_dirty: bool,
    syncer: Option<Syncer>,
}

impl JobLog {
    /// Returns the log of a folder with the records that it has, oldest first, and the number of lines that were skipped.
    pub(crate) fn open(folder: &Path) -> (Self, Vec<JobRecord>, usize) {
        Self::open_as(folder, NAME)
    }

    /// As [`Self::open`], with another name of the file.
    pub(crate) fn open_as(folder: &Path, name: &str) -> (Self, Vec<JobRecord>, usize) {
        let path = folder.join(name);
        let (records, skipped) = Self::records(&path);
        let last = records.iter().map(|record| record.number).max().unwrap_or(0);
        let log = Self { path, file: None, size: 0, last, is_torn: true, is_dirty: false, syncer: Syncer::start() };
        (log, records, skipped)
    }

    /// Returns the records of a file of this name, oldest first.
    pub(crate) fn read_as(folder: &Path, name: &str) -> Vec<JobRecord> {
        Self::records(&folder.join(name)).0
    }

    /// Returns the records of a file and of the one before it, oldest first, and the number of lines that are none.
    fn records(path: &Path) -> (Vec<JobRecord>, usize) {
        let (mut records, mut skipped) = (Vec::new(), 0);
        for file in open_both(path, || ()).into_iter().flatten() {
            let (found, damaged) = parse(&read(&file).unwrap_or_default());
            records.extend(found);
            skipped += damaged;
        }
        (records, skipped)
    }

    /// Returns the number of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Adds a record and gives it its number. It is in the system's memory when this returns: a crash of the agent does not lose it.
    ///
    /// # Errors
    /// Where the file cannot be written. The next call tries again.
    pub(crate) fn add(&mut self, mut record: JobRecord) -> io::Result<()> {
        record.number = self.last + 1;
        let line = line(&record)?;
        let line = if self.is_torn { [b"\n", line.as_slice()].concat() } else { line };
        let mut file = self.file()?;
        // In one write: a reader sees the line or not.
        let written = file.write(&line);
        self.is_torn = !written.as_ref().is_ok_and(|count| *count == line.len());
        let count = written?;
        self.size += count as u64;
        if self.is_torn {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.last = record.number;
        self.is_dirty = true;
        Ok(())
    }

    /// Returns the file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a new file should begin.
    pub(crate) fn is_full(&self) -> bool {
        self.size >= MOST_BYTES
    }

    /// Begins a new file. The caller then adds every job that is listed.
    ///
    /// # Errors
    /// Where the file cannot be renamed.
    pub(crate) fn begin_again(&mut self) -> io::Result<()> {
        (self.file, self.size) = (None, 0);
        fs::rename(&self.path, old(&self.path))
    }

    /// Lets another thread write to the disk what was added; to be called once a second. Returns the fault of the last time.
    pub(crate) fn sync(&mut self) -> Option<io::Error> {
        let syncer = self.syncer.as_ref()?;
        if let (true, Some(file)) = (self.is_dirty, &self.file) {
            // It may still be busy with the last one.
            self.is_dirty = syncer.files.try_send(Arc::clone(file)).is_err();
        }
        syncer.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn file(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).custom_flags(no_follow).open(&self.path)?;
        self.size = file.metadata()?.len();
        Ok(Arc::clone(self.file.insert(Arc::new(file))))
    }
}

/// The thread that waits for the disk. It ends with the log.
#[derive(Debug)]
struct Syncer {
    files: SyncSender<Arc<File>>,
    fault: Arc<Mutex<Option<io::Error>>>,
}

impl Syncer {
    /// Starts it; `None` where the system refuses: the system then writes when it likes.
    fn start() -> Option<Self> {
        let (files, received) = sync_channel::<Arc<File>>(1);
        let fault = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&fault);
        let thread = std::thread::Builder::new().name("eco2-journal".to_owned()).stack_size(64 << 10);
        let run = move || {
            for file in received {
                if let Err(error) = file.sync_data() {
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        };
        thread.spawn(run).ok().map(|_| Self { files, fault })
    }
}

fn old(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// Opens the file before a file, and the file. A writer may rename the file in between: then neither would have its records, and both are
/// opened again. `between` is called there, for tests.
fn open_both(path: &Path, mut between: impl FnMut()) -> [Option<File>; 2] {
    let before = old(path);
    let mut both = [None, None];
    for _ in 0..MOST_TRIES {
        let first = File::open(&before).ok();
        between();
        let second = File::open(path).ok();
        // While it is open, no other file has its number.
        let number = |about: io::Result<Metadata>| about.ok().map(|about| (about.dev(), about.ino()));
        let opened = first.as_ref().and_then(|file| number(file.metadata()));
        both = [first, second];
        if opened == number(fs::metadata(&before)) {
            break;
        }
    }
    both
}

fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn line(record: &JobRecord) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    add_line(&mut line, |text| serde_json::to_writer(text, record))?;
    Ok(line)
}

/// Returns the records of a file, and the number of lines that are none.
fn parse(bytes: &[u8]) -> (Vec<JobRecord>, usize) {
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() > 1);
    let mut skipped = 0;
    let record = |line: &[u8]| serde_json::from_slice(text_of(line)?).ok();
    let records = whole.filter_map(|line| {
        let found = record(line);
        skipped += usize::from(found.is_none());
        found
    });
    (records.collect(), skipped)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fixture::record;

    fn keys(folder: &Path) -> Vec<JobKey> {
        JobLog::open(folder).1.iter().map(|record| record.key).collect()
    }

    #[test]
    fn f31_every_prefix_of_the_log_has_the_records_that_are_whole_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, ..) = JobLog::open(folder.path());
        (1..=3).for_each(|key| log.add(record(key)).unwrap());
        let bytes = fs::read(folder.path().join(NAME)).unwrap();
        for length in 0..=bytes.len() {
            let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
            fs::write(folder.path().join(NAME), &bytes[..length]).unwrap();
            assert_eq!(keys(folder.path()), (1..=whole as u64).collect::<Vec<_>>(), "{length} bytes");
            // What is added next is not lost with the line that was cut off.
            let (mut next, ..) = JobLog::open(folder.path());
            next.add(record(9)).unwrap();
            assert_eq!(keys(folder.path()).last(), Some(&9), "{length} bytes");
        }
    }

    #[test]
    fn f42_lines_that_are_no_records_are_skipped_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, ..) = JobLog::open(folder.path());
        log.add(record(1)).unwrap();
        let file = folder.path().join(NAME);
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend(b"\n00000000 {}\nx\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n00000000 [[[[\n");
        fs::write(&file, &bytes).unwrap();
        let (mut log, records, skipped) = JobLog::open(folder.path());
        assert_eq!((records.len(), skipped, log.last()), (1, 4, 1));
        log.add(record(2)).unwrap();
        assert_eq!(keys(folder.path()), [1, 2]);
    }

    #[test]
    fn a_full_file_is_replaced_and_both_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, ..) = JobLog::open(folder.path());
        log.add(record(1)).unwrap();
        assert!(!log.is_full());
        log.size = MOST_BYTES;
        assert!(log.is_full());
        log.begin_again().unwrap();
        log.add(record(2)).unwrap();
        assert_eq!(keys(folder.path()), [1, 2]);
        assert_eq!(log.last(), 2);
    }

    #[test]
    fn file_that_is_replaced_between_the_opens_of_both_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, ..) = JobLog::open(folder.path());
        // The first time there is no file before, the second time there is one.
        for key in [1, 2] {
            log.add(record(key)).unwrap();
            let mut turns = 0;
            let both = open_both(&folder.path().join(NAME), || {
                turns += 1;
                if turns == 1 {
                    log.begin_again().unwrap();
                    log.add(record(key + 10)).unwrap();
                }
            });
            let found = both.into_iter().flatten().flat_map(|file| parse(&read(&file).unwrap()).0);
            let keys: Vec<JobKey> = found.map(|record| record.key).collect();
            assert_eq!((&keys[keys.len() - 2..], turns), (&[key, key + 10][..], 2));
        }
    }

    #[test]
    fn f28_a_full_disk_or_a_link_is_an_error_and_the_next_record_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        symlink("/dev/full", folder.path().join(NAME)).unwrap();
        let (mut log, ..) = JobLog::open(folder.path());
        assert!(log.add(record(1)).is_err(), "a link is not followed");
        // A device that is always full.
        log.file = Some(Arc::new(OpenOptions::new().append(true).open("/dev/full").unwrap()));
        assert_eq!(log.add(record(1)).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(log.last(), 0);
        log.file = None;
        fs::remove_file(folder.path().join(NAME)).unwrap();
        log.add(record(1)).unwrap();
        assert_eq!(keys(folder.path()), [1]);
    }
}

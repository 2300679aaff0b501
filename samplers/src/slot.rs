//! A kernel file read again and again as one domain: kept open, noticed when it vanishes, found again when it returns.
//!
//! The same quantity may be in several files (a second bus, an average and an instant): the first that can be read is.

use std::path::{Path, PathBuf};

use eco2_core::schema::EventKind;
use eco2_core::{Fault, Reading};

use crate::backoff::Backoff;
use crate::sysfs::{self, KeptFile};
use crate::{Batch, SourceEvent};

/// One domain's file.
#[derive(Debug)]
pub(crate) struct KernelFile {
    /// Files with the same quantity, best first; the one in use is `at`.
    paths: Vec<PathBuf>,
    at: usize,
    device: String,
    state: FileState,
    last: Option<u64>,
}

#[derive(Debug)]
enum FileState {
    Open(KeptFile),
    Shut(Fault, Backoff),
}

impl KernelFile {
    /// Opens the first of `paths` that can be read for `device`, else the first that can be opened; where none can,
    /// they are tried again later, with back-off.
    pub(crate) fn open(paths: Vec<PathBuf>, device: &str, now_ns: u64) -> Self {
        let mut slot = Self {
            paths,
            at: 0,
            device: device.to_owned(),
            state: FileState::Shut(Fault::Gone, Backoff::start(now_ns)),
            last: None,
        };
        match slot.first_readable() {
            Ok((at, file)) => (slot.at, slot.state) = (at, FileState::Open(file)),
            Err(fault) => slot.state = FileState::Shut(fault, Backoff::start(now_ns)),
        }
        slot
    }

    /// The file to read: the first that gives a number now, else the first that gives one at times.
    fn first_readable(&self) -> Result<(usize, KeptFile), Fault> {
        let (mut spare, mut first_fault) = (None, None);
        for (at, path) in self.paths.iter().enumerate() {
            let opened = KeptFile::open(path).map_err(|error| sysfs::fault_of(&error));
            match opened.map(|file| (file.read_u64(), file)) {
                Ok((Ok(_), file)) => return Ok((at, file)),
                // Refused for good, though it can be opened.
                Ok((Err(fault @ (Fault::Denied | Fault::Unsupported)), _)) | Err(fault) => {
                    first_fault.get_or_insert(fault);
                }
                Ok((Err(_), file)) => {
                    spare.get_or_insert((at, file));
                }
            }
        }
        spare.ok_or(first_fault.unwrap_or(Fault::Gone))
    }

    /// Why the file is not open; `None` when it is.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.state {
            FileState::Open(_) => None,
            FileState::Shut(fault, _) => Some(fault),
        }
    }

    /// The file in use, or the first.
    pub(crate) fn path(&self) -> &Path {
        self.paths.get(self.at).map_or(Path::new(""), PathBuf::as_path)
    }

    /// One reading between two looks at the clock.
    pub(crate) fn reading(&mut self, batch: &Batch, notes: &mut Vec<SourceEvent>) -> Reading {
        let before_ns = batch.now_ns();
        let value = self.read(before_ns, notes);
        Reading { before_ns, after_ns: batch.now_ns(), value }
    }

    /// The number in the file now; on failure why there is none. Between a file that vanished and the one that returned
    /// lies at least one [`Fault::Gone`], which starts a new segment of the counter.
    fn read(&mut self, now_ns: u64, notes: &mut Vec<SourceEvent>) -> Result<u64, Fault> {
        let value = match &self.state {
            FileState::Open(file) => file.read_u64(),
            FileState::Shut(fault, backoff) if !backoff.due(now_ns) => return Err(*fault),
            FileState::Shut(..) => return self.try_again(now_ns, notes),
        };
        match value {
            Err(Fault::Gone) => self.gone(now_ns, notes),
            Ok(value) if self.last == Some(value) => self.same(value, now_ns, notes),
            Ok(value) => {
                self.last = Some(value);
                Ok(value)
            }
            Err(fault) => Err(fault),
        }
    }

    /// A value that did not change may come from a file that is no longer there: outside the kernel's own file systems
    /// a removed file stays readable while it is open. So look, but only then: it doubles the cost of the read.
    fn same(&mut self, value: u64, now_ns: u64, notes: &mut Vec<SourceEvent>) -> Result<u64, Fault> {
        let FileState::Open(file) = &self.state else { return Ok(value) };
        if file.is_at(self.path()) {
            return Ok(value);
        }
        match KeptFile::open(self.path()) {
            // Replaced in one step, as careful writers do.
            Ok(file) => {
                let value = file.read_u64();
                self.state = FileState::Open(file);
                self.last = value.ok();
                value
            }
            Err(_) => self.gone(now_ns, notes),
        }
    }

    fn gone(&mut self, now_ns: u64, notes: &mut Vec<SourceEvent>) -> Result<u64, Fault> {
        self.state = FileState::Shut(Fault::Gone, Backoff::start(now_ns));
        self.last = None;
        notes.push(self.note(now_ns, EventKind::SensorFileGone, "vanished; looked for again with back-off"));
        Err(Fault::Gone)
    }

    fn try_again(&mut self, now_ns: u64, notes: &mut Vec<SourceEvent>) -> Result<u64, Fault> {
        let found = self.first_readable().and_then(|(at, file)| Ok((at, file.read_u64()?, file)));
        match found {
            Ok((at, value, file)) => {
                (self.at, self.state, self.last) = (at, FileState::Open(file), Some(value));
                notes.push(self.note(now_ns, EventKind::SensorFileBack, "is readable again: a new segment begins"));
                Ok(value)
            }
            Err(fault) => {
                if let FileState::Shut(why, backoff) = &mut self.state {
                    *why = fault;
                    backoff.failed(now_ns);
                }
                Err(fault)
            }
        }
    }

    fn note(&self, at_ns: u64, kind: EventKind, what: &str) -> SourceEvent {
        let text = format!("{} {what}", self.path().display());
        SourceEvent { at_ns, kind, device: self.device.clone(), text }
    }
}

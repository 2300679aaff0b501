//! [`KernelFile`] reads one sensor out of a file of the kernel, again and again, and survives that the file vanishes.
//!
//! The file is kept open. When it vanishes (a driver was unloaded), that is reported; it is then looked for again, less
//! and less often (back-off). The same quantity may be in several files (a second bus, or an average and an
//! instantaneous value): of those the first that can be read is used. A domain is one sensor; a segment is a stretch of
//! a counter over which its values can be subtracted; a fault is the reason why there is no value.

use std::path::{Path, PathBuf};

use eco2_core::schema::EventKind;
use eco2_core::{Fault, Reading};

use crate::backoff::Backoff;
use crate::sysfs::{self, KeptFile};
use crate::{Batch, SourceEvent};

/// The file, or files to choose from, of one domain.
#[derive(Debug)]
pub(crate) struct KernelFile {
    /// Files with the same quantity, best first; the one in use is `at`.
    paths: Vec<PathBuf>,
    /// Index in `paths` of the file in use.
    at: usize,
    /// Device that notes about the file name.
    device: String,
    state: FileState,
    /// Value read last; `None` before the first one and after the file vanished.
    last: Option<u64>,
}

/// Whether the file is open; if not, why, and when to try again.
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

    /// Returns the file to read and its index: the first that gives a number now, else the first that opens and fails
    /// for a reason that may pass.
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

    /// Returns why the file is not open; `None` when it is open.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.state {
            FileState::Open(_) => None,
            FileState::Shut(fault, _) => Some(fault),
        }
    }

    /// Returns the path of the file in use, or the first one where none is open.
    pub(crate) fn path(&self) -> &Path {
        self.paths.get(self.at).map_or(Path::new(""), PathBuf::as_path)
    }

    /// Reads the value, with the time before and after the read; what happened to the file goes to `notes`.
    pub(crate) fn reading(&mut self, batch: &Batch, notes: &mut Vec<SourceEvent>) -> Reading {
        let before_ns = batch.now_ns();
        let value = self.read(before_ns, notes);
        Reading { before_ns, after_ns: batch.now_ns(), value }
    }

    /// Returns the number that is in the file now, or why there is none. Between a file that vanished and the one that
    /// returned lies at least one [`Fault::Gone`], which starts a new segment of the counter.
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

    /// Checks, for a `value` that did not change, that the file is still there.
    ///
    /// Outside the kernel's own file systems a removed file stays readable while it is open, so an unchanged value may
    /// come from a removed file. Only then is it looked for: looking doubles the cost of the read.
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

    /// Takes note that the file vanished.
    fn gone(&mut self, now_ns: u64, notes: &mut Vec<SourceEvent>) -> Result<u64, Fault> {
        self.state = FileState::Shut(Fault::Gone, Backoff::start(now_ns));
        self.last = None;
        notes.push(self.note(now_ns, EventKind::SensorFileGone, "disappeared; eco2 tries to open it again"));
        Err(Fault::Gone)
    }

    /// Looks for a readable file again and reads it.
    fn try_again(&mut self, now_ns: u64, notes: &mut Vec<SourceEvent>) -> Result<u64, Fault> {
        let found = self.first_readable().and_then(|(at, file)| Ok((at, file.read_u64()?, file)));
        match found {
            Ok((at, value, file)) => {
                (self.at, self.state, self.last) = (at, FileState::Open(file), Some(value));
                notes.push(self.note(now_ns, EventKind::SensorFileBack, "can be read again: a new segment starts"));
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

    /// Returns an event about this file, with its path and `what` happened as text.
    fn note(&self, at_ns: u64, kind: EventKind, what: &str) -> SourceEvent {
        let text = format!("{} {what}", self.path().display());
        SourceEvent { at_ns, kind, device: self.device.clone(), text }
    }
}

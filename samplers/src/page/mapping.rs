//! Maps the file of a page into memory ([`Mapping`]), as lines of atomic words.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use eco2_core::TimelineLine;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A shared mapping of a whole file.
#[derive(Debug)]
pub(super) struct Mapping {
    address: NonNull<c_void>,
    lines: usize,
}

// SAFETY: the mapping belongs to no thread, and its memory is only used as atomic words.
unsafe impl Send for Mapping {}
// SAFETY: as above; atomic words may be used by several threads at once.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `lines` lines of a file, which has at least as many. `writable`: the caller is its only writer.
    pub(super) fn new(file: &File, lines: usize, writable: bool) -> io::Result<Self> {
        let bytes = lines.checked_mul(TimelineLine::BYTES).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
        let protection = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: no address is asked for, so that no other mapping is replaced. The result is a new mapping that only `drop` ends.
        let address = unsafe { mmap(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED, file, 0)? };
        let address = NonNull::new(address).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { address, lines })
    }

    pub(super) fn lines(&self) -> &[TimelineLine] {
        // SAFETY: the mapping has `lines` lines, begins at a multiple of 4096 bytes, and lives as long as `self`. Any bytes are valid
        // lines. Other processes change them only as atomic words, and of a read-only mapping the callers only load, relaxed, which
        // is allowed (std::sync::atomic, "Atomic accesses to read-only memory"). The file keeps its size: the caller has checked
        // that only its owner, who is trusted and never truncates it, can write to it.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr().cast::<TimelineLine>(), self.lines) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping of this length, and every borrow of its lines has ended.
        // An error would mean that it is not mapped; nothing is left to do then.
        let _ = unsafe { munmap(self.address.as_ptr(), self.lines * TimelineLine::BYTES) };
    }
}

/// The lines of a mapping from one of them on: the timeline behind the header.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    mapping: Arc<Mapping>,
    first: usize,
}

impl Lines {
    pub(super) fn new(mapping: Arc<Mapping>, first: usize) -> Self {
        Self { mapping, first }
    }

    /// Returns the first line of the file, with the numbers of the header that change.
    pub(super) fn head(&self) -> Option<&TimelineLine> {
        self.mapping.lines().first()
    }
}

impl AsRef<[TimelineLine]> for Lines {
    #[inline]
    fn as_ref(&self) -> &[TimelineLine] {
        self.mapping.lines().get(self.first..).unwrap_or_default()
    }
}

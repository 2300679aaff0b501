//! [`Found`] is the result of a search for sources: a source to read, if there is one, and the status of each that was
//! looked for.
//!
//! A source reads one interface of the system, such as RAPL (CPU energy) or NVML (NVIDIA GPUs).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use eco2_core::schema::{SourceStatus, Status};

use crate::Source;

/// Result of a search for one kind of source.
#[derive(Default)]
pub struct Found {
    /// Reads what was found; `None` when there is nothing to read.
    pub source: Option<Box<dyn Source>>,
    /// One entry for each source that was looked for, with a reason and, where something can be done, one remedy.
    pub statuses: Vec<SourceStatus>,
    /// For a source that is still being opened: becomes true once it has something to read. `None` for all others.
    pub(crate) late: Option<Arc<AtomicBool>>,
}

impl Found {
    /// Returns a result with nothing to read; `status` has the reason.
    pub(crate) fn nothing(status: SourceStatus) -> Self {
        Self { statuses: vec![status], ..Self::default() }
    }

    /// Returns a result with `source` and its status.
    pub(crate) fn source(source: impl Source + 'static, status: SourceStatus) -> Self {
        Self { source: Some(Box::new(source)), ..Self::nothing(status) }
    }
}

/// Returns a source's status, made from borrowed texts.
pub(crate) fn status(name: &str, status: Status, reason: &str, remedy: &str) -> SourceStatus {
    SourceStatus { name: name.to_owned(), status, reason: reason.to_owned(), remedy: remedy.to_owned() }
}

//! The result of discovery: a source to read, if there is one, and the status of each that was looked for.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use eco2_core::schema::{SourceStatus, Status};

use crate::Source;

/// Result of a search for one kind of source.
#[derive(Default)]
pub struct Found {
    /// Reads what was found; `None` when there is nothing to read.
    pub source: Option<Box<dyn Source>>,
    /// One entry a source that was looked for, with a reason and, where something can be done, one remedy.
    pub statuses: Vec<SourceStatus>,
    /// The source is still being opened; true once it has something to read.
    pub(crate) late: Option<Arc<AtomicBool>>,
}

impl Found {
    /// Nothing to read, and why.
    pub(crate) fn nothing(status: SourceStatus) -> Self {
        Self { statuses: vec![status], ..Self::default() }
    }

    /// A source and its status.
    pub(crate) fn source(source: impl Source + 'static, status: SourceStatus) -> Self {
        Self { source: Some(Box::new(source)), ..Self::nothing(status) }
    }
}

/// A status from borrowed texts.
pub(crate) fn status(name: &str, status: Status, reason: &str, remedy: &str) -> SourceStatus {
    SourceStatus { name: name.to_owned(), status, reason: reason.to_owned(), remedy: remedy.to_owned() }
}

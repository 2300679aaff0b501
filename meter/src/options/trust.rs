//! Who may set which option.
//!
//! A project's `./eco2.toml` is data from the author of the folder, also when the user owns or cloned it. It may describe a
//! run; it may not load code, name paths, or decide where data is sent. The same holds for a configuration file that another
//! user owns or can write. Every option declares its [`Effect`] in its [`Row`](super::Row).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Permission bits that let users other than the owner write a file.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What the value of an option can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It describes the run, or changes how it is measured, priced or shown.
    Describes,
    /// It names code that is loaded into the process.
    LoadsCode,
    /// It names a file or folder that is read.
    ReadsPath,
    /// It names a file or folder that is written.
    WritesPath,
    /// It names an address, or switches on messages to one.
    SetsAddress,
}

impl Effect {
    /// Why only trusted origins may set such an option; `None`: every origin may.
    pub(super) fn danger(self) -> Option<&'static str> {
        match self {
            Self::Describes => None,
            Self::LoadsCode => Some("it loads code"),
            Self::ReadsPath => Some("it names a path to read"),
            Self::WritesPath => Some("it names a path to write"),
            Self::SetsAddress => Some("it decides where data is sent"),
        }
    }
}

/// Why an origin is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distrust {
    /// It is a project's file.
    Project,
    /// Neither the user nor root owns the file.
    ForeignOwner,
    /// Users other than its owner can write the file.
    Writable,
}

impl Distrust {
    /// What is wrong with an open configuration file of the user or the machine, if anything.
    pub(super) fn of_file(metadata: &Metadata) -> Option<Self> {
        let user = rustix::process::geteuid().as_raw();
        if ![0, user].contains(&metadata.uid()) {
            return Some(Self::ForeignOwner);
        }
        (metadata.mode() & WRITABLE_BY_OTHERS != 0).then_some(Self::Writable)
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Project => "a project's file may not set it",
            Self::ForeignOwner => "another user owns this file (chown it to yourself)",
            Self::Writable => "other users can write this file (run chmod go-w on it)",
        }
    }
}

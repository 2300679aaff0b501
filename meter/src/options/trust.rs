//! Who may set which option.
//!
//! A project's `./eco2.toml` is data from the author of the folder, also when the user owns or cloned it. It may describe a
//! run; it may not load code, name paths, or decide where data is sent. The same holds for a configuration file that another
//! user owns or can write. Every option declares its [`Effect`] in its row of [`super::KEYS`].

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use super::{Key, Level, Origin};

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
    fn danger(self) -> Option<&'static str> {
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

    fn reason(self) -> &'static str {
        match self {
            Self::Project => "a project's file may not set it",
            Self::ForeignOwner => "another user owns this file (chown it to yourself)",
            Self::Writable => "other users can write this file (run chmod go-w on it)",
        }
    }
}

/// An option that was left out because its origin may not set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    key: &'static str,
    flag: &'static str,
    variable: &'static str,
    place: String,
    danger: &'static str,
    distrust: Distrust,
}

impl Refused {
    /// The refusal of an option from an origin; `None` where the origin may set it.
    pub(super) fn check(key: &'static Key, origin: &Origin) -> Option<Self> {
        let (danger, distrust) = (key.effect.danger()?, origin.distrust()?);
        let Key { name, flag, variable, .. } = *key;
        Some(Self { key: name, flag, variable, place: origin.to_string(), danger, distrust })
    }

    /// The option's name in [`super::KEYS`].
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, flag, variable, place, danger, distrust } = self;
        write!(out, "{place}: {key} is ignored: {danger}, and {}; ", distrust.reason())?;
        match *flag {
            "" => write!(out, "set it with {variable} or in the user's configuration file"),
            flag => write!(out, "set it with {flag}, with {variable} or in the user's configuration file"),
        }
    }
}

impl Origin {
    /// Whether it may set every option: the program, the environment, and the user's and the machine's files unless
    /// another user can change them.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.distrust().is_none()
    }

    fn distrust(&self) -> Option<Distrust> {
        match self.level() {
            Level::Project => Some(Distrust::Project),
            Level::Default | Level::System | Level::User | Level::Environment | Level::Code => self.file_distrust(),
        }
    }
}

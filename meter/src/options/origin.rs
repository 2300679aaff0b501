//! The origin of an option's value ([`Origin`]), its strength ([`Level`]), and whether it is trusted to set every option
//! ([`Distrust`]).

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Permission bits of a file that let its group or all other users write it.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Kinds of origins, from the weakest to the strongest. A stronger one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The default: no origin sets it.
    Default,
    /// `/etc/eco2/config.toml`.
    System,
    /// `$XDG_CONFIG_HOME/eco2/config.toml`.
    User,
    /// `./eco2.toml`.
    Project,
    /// An `ECO2_*` variable.
    Environment,
    /// The program: a setter or a flag.
    Code,
}

impl Level {
    /// Returns the name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::System => "system",
            Self::User => "user",
            Self::Project => "project",
            Self::Environment => "environment",
            Self::Code => "code",
        }
    }
}

/// The origin of a value. It is displayed as a file with its line, a variable, a flag or `default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    level: Level,
    /// Path of a file, or name of a variable, a flag or a setter.
    place: String,
    /// Line in the file, from 1; `None` where it is not known.
    line: Option<usize>,
    /// Why the file is not trusted, by its owner and mode; `None`: it is. A project's file is never trusted.
    distrust: Option<Distrust>,
}

/// The origin of a default.
pub(super) static DEFAULT: Origin = Origin { level: Level::Default, place: String::new(), line: None, distrust: None };

impl Origin {
    /// Returns the origin of values from the machine's configuration file.
    pub fn system(path: impl Into<String>) -> Self {
        Self::at(Level::System, path)
    }

    /// Returns the origin of values from the user's configuration file.
    pub fn user(path: impl Into<String>) -> Self {
        Self::at(Level::User, path)
    }

    /// Returns the origin of values from the project's configuration file.
    ///
    /// It may not set options that load code, name paths or set addresses:
    ///
    /// ```
    /// use eco2::options::{Options, Origin};
    ///
    /// let layer = Options::from_toml("pue = 1.1\nnvml = \"./evil.so\"", Origin::project("eco2.toml"))?;
    /// let options = Options::resolve([layer])?;
    /// assert_eq!((options.pue, options.nvml), (1.1, None));
    /// assert_eq!(options.refused[0].key(), "nvml"); // becomes an event of the run
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn project(path: impl Into<String>) -> Self {
        Self::at(Level::Project, path)
    }

    /// Returns the origin of values from the program: a setter, or a flag such as `--zone`.
    pub fn code(name: impl Into<String>) -> Self {
        Self::at(Level::Code, name)
    }

    /// Returns the origin of a value from an environment variable.
    pub(super) fn variable(name: &str) -> Self {
        Self::at(Level::Environment, name)
    }

    /// Returns this origin at a line, counted from 1.
    pub(super) fn on(&self, line: Option<usize>) -> Self {
        Self { line, ..self.clone() }
    }

    /// Returns this origin with the reason why its file is not trusted, if there is one.
    pub(super) fn distrusted(self, distrust: Option<Distrust>) -> Self {
        Self { distrust, ..self }
    }

    /// Returns the strength of the origin.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it may set every option: the program, the environment, and the user's and the machine's files unless
    /// another user can change them.
    #[must_use]
    pub(super) fn is_trusted(&self) -> bool {
        self.distrust().is_none()
    }

    /// Returns why the origin may not set every option; `None`: it may.
    pub(super) fn distrust(&self) -> Option<Distrust> {
        match self.level() {
            Level::Project => Some(Distrust::Project),
            Level::Default | Level::System | Level::User | Level::Environment | Level::Code => self.distrust,
        }
    }

    /// Whether the value was read from a configuration file.
    #[must_use]
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.level, Level::System | Level::User | Level::Project)
    }

    /// Returns the origin of that level and place: a path, or the name of a variable or flag.
    pub(super) fn at(level: Level, place: impl Into<String>) -> Self {
        Self { level, place: place.into(), line: None, distrust: None }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.level, self.line) {
            (Level::Default, _) => out.write_str("default"),
            (_, None) => out.write_str(&self.place),
            (_, Some(line)) => write!(out, "{}:{line}", self.place),
        }
    }
}

/// Why an origin is not trusted to load code, name paths or set addresses.
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
    /// Returns why a configuration file of the user or the machine is not trusted, by its owner and mode; `None`: it is.
    pub(super) fn of_file(metadata: &Metadata) -> Option<Self> {
        let user = rustix::process::geteuid().as_raw();
        if ![0, user].contains(&metadata.uid()) {
            return Some(Self::ForeignOwner);
        }
        (metadata.mode() & WRITABLE_BY_OTHERS != 0).then_some(Self::Writable)
    }

    /// Returns the reason and the remedy, as part of a message.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Project => "a project's file may not set it",
            Self::ForeignOwner => "another user owns this file (chown it to yourself)",
            Self::Writable => "other users can write this file (run chmod go-w on it)",
        }
    }
}

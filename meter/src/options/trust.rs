//! Decides which origin may set which option ([`Refused::check`]).
//!
//! A project's `./eco2.toml` is data from the author of the folder, also when the user owns or cloned it. It may describe a
//! run; it may not load code, name paths, or decide where data is sent. The same holds for a configuration file that another
//! user owns or can write. Every option declares its [`Effect`] in its [`Row`](super::Row).

use std::fmt;

use super::origin::{Distrust, Origin};
use super::row::{Row, Takes};

/// An option that was left out because its origin may not set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    row: &'static Row,
    /// File and line.
    place: String,
    /// What a value of the option can do.
    danger: &'static str,
    distrust: Distrust,
}

impl Refused {
    /// Returns the refusal of an option from an origin; `None` where the origin may set it.
    pub(super) fn check(row: &'static Row, origin: &Origin) -> Option<Self> {
        let (danger, distrust) = (row.effect.danger()?, origin.distrust()?);
        Some(Self { row, place: origin.to_string(), danger, distrust })
    }

    /// Returns the option's name.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.row.name
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row: Row { name, flag, variable, .. }, place, danger, distrust } = self;
        write!(out, "{place}: {name} is ignored: {danger}, and {}; ", distrust.reason())?;
        match flag.filter(|flag| flag.takes != Takes::Nothing(false)) {
            None => write!(out, "set it with {variable} or in the user's configuration file"),
            Some(flag) => write!(out, "set it with {}, with {variable} or in the user's configuration file", flag.name),
        }
    }
}

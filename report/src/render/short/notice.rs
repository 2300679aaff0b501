//! The notices of the short summary that are about the machine, and their names in its file.

/// A notice about the machine, which does not change from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Energy is modelled, because sensors are missing.
    Modelled,
    /// A sensor cannot be read with the user's permissions.
    Denied,
    /// No grid zone is set.
    NoZone,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 3] = [Self::Modelled, Self::Denied, Self::NoZone];

    /// Returns the name in the file of the machine.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Modelled => "modelled",
            Self::Denied => "denied",
            Self::NoZone => "no-zone",
        }
    }

    /// Returns the notice of a name; `None` for names of other versions.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.name() == name)
    }
}

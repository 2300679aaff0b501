//! Replaces the live page in a build without the node agent.

use eco2::Meter;

use crate::out;

/// The page of one run, which this build does not have.
pub(super) enum Ui {}

impl Ui {
    /// Prints that this build has no live page.
    pub(super) fn open(_meter: &Meter, _shown: super::shown::Shown) -> Option<Self> {
        out::talk("eco2: this build has no live page: build it with the feature serve\n");
        None
    }

    /// Runs `wait`.
    pub(super) fn during<T>(&self, _wait: impl FnOnce() -> T) -> T {
        match *self {}
    }
}

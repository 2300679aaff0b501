//! What the schedule learns of a source's turn: the readings it brought, and what the account has learned from them.

use eco2_core::Reading;

/// What the account has learned of a source's domains, asked for by index; see [`crate::Sink`].
pub trait Learned {
    /// Period of a domain's updates, nanoseconds. Asked for seldom.
    fn period_ns(&self, domain: usize) -> Option<u64>;
    /// Bracket of a domain's last change, monotonic nanoseconds. Asked for after each read.
    fn change_ns(&self, domain: usize) -> Option<(u64, u64)>;
}

/// What a source's turn brought.
///
/// An answer without readings is an answer: the source had nothing to read, or nothing that was due. Only a source that
/// was asked and has not answered is waited for.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// It was asked, and gave these readings, perhaps none.
    Given(&'a [(usize, Reading)]),
    /// It is being asked on a thread of its own and has not answered. The readings, if any, are those of the time before.
    Awaited(&'a [(usize, Reading)]),
}

impl<'a> Answer<'a> {
    pub(crate) fn readings(self) -> &'a [(usize, Reading)] {
        match self {
            Self::Given(readings) | Self::Awaited(readings) => readings,
        }
    }
}

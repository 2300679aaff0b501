//! The state that a track returns to if its counter's departure turns out to be a wrong reading.

use crate::Reading;

/// For how long a counter that departed from its earlier values may return to them.
const RETURN_NS: u64 = 60_000_000_000;

/// A state `T` as it was before a counter departed from its earlier values.
#[derive(Debug, Clone)]
pub(super) struct Fallback<T> {
    pub(super) before: Box<T>,
    pub(super) at_ns: u64,
    /// The departure was growth at an unusual power, which a load can cause, and not an impossible value.
    pub(super) leap: bool,
}

impl<T> Fallback<T> {
    /// Whether the counter may still return at this reading.
    pub(super) fn is_fresh(&self, reading: &Reading) -> bool {
        reading.before_ns.saturating_sub(self.at_ns) <= RETURN_NS
    }
}

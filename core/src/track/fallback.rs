//! The state to which a track (the energy of one counter so far) returns if a *departure* of its counter, a jump or a
//! reset, turns out to be a wrong reading.

use crate::Reading;

/// For how long after a departure the counter may return to its earlier values, nanoseconds. A minute covers some
/// wrong readings in a row even where the counter is read only once in some seconds.
const MAX_RETURN_NS: u64 = 60_000_000_000;

/// A track `T` as it was before its counter departed from its earlier values.
#[derive(Debug, Clone)]
pub(super) struct Fallback<T> {
    pub(super) track: Box<T>,
    /// When the reading that departed was started, nanoseconds.
    pub(super) departed_ns: u64,
    /// Whether the departure was growth at an unusual power, which a load can cause, and not an impossible value.
    pub(super) is_leap: bool,
}

impl<T> Fallback<T> {
    /// Whether the counter may still return at this reading.
    pub(super) fn is_recent(&self, reading: &Reading) -> bool {
        reading.before_ns.saturating_sub(self.departed_ns) <= MAX_RETURN_NS
    }
}

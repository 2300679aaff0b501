//! When a run was.

use jiff::Timestamp;

/// When a run was: its wall clock as text and as nanoseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// Start, RFC 3339 UTC.
    pub from: String,
    /// End, RFC 3339 UTC.
    pub to: String,
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// By the monotonic clock.
    pub lasted_ns: u64,
}

impl When {
    /// The time of a run that began at `from` and lasted so long.
    #[must_use]
    pub fn new(from: Timestamp, lasted_ns: u64) -> Self {
        let lasted = jiff::SignedDuration::from_nanos(i64::try_from(lasted_ns).unwrap_or(i64::MAX));
        let to = from.checked_add(lasted).unwrap_or(from);
        let from_ns = i64::try_from(from.as_nanosecond()).unwrap_or(i64::MAX);
        Self { from: from.to_string(), to: to.to_string(), from_ns, lasted_ns }
    }

    /// End, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.from_ns.saturating_add(i64::try_from(self.lasted_ns).unwrap_or(i64::MAX))
    }
}

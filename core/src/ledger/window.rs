//! The time that the readings of a *host total* (a sensor of the whole machine, such as a BMC) cover, as edges. An *edge* is
//! an instant with the energy that each domain (sensor or counter) had counted until then.

use super::threads::EdgeIndex;
use crate::Edge;

/// The time that the readings of one host total cover, as edges.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostWindow {
    /// Whether the sensor was read.
    pub(super) is_read: bool,
    /// The first reading; `None`: it was before the run's start.
    pub(super) first: Option<EdgeIndex>,
    /// The last reading of a power sensor; `None` for a counter, whose energy is known until the run's end.
    pub(super) last: Option<EdgeIndex>,
}

/// The edges of all domains at both ends of the time that a host total covers.
pub(crate) struct HostEdges {
    /// Start, monotonic nanoseconds.
    pub(crate) from_ns: u64,
    /// End, monotonic nanoseconds.
    pub(crate) to_ns: u64,
    /// One edge per domain, in their order.
    pub(crate) starts: Vec<Edge>,
    pub(crate) ends: Vec<Edge>,
}

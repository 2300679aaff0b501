//! Edges of spans in the ledger: an instant with the energy that each domain had counted until then.

use crate::Edge;
use crate::spans::Settled;

/// An edge in the ledger's slab.
pub(super) type EdgeIndex = u32;

/// One edge; it is pending while `missing` domains have no knot (counter change) after it.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) at_ns: u64,
    pub(super) error_ns: u64,
    pub(super) missing: usize,
    pub(super) references: u32,
    pub(super) seen: Vec<Edge>,
}

impl Pending {
    /// When, and known to `±` how much.
    pub(super) fn instant(&self) -> (u64, u64) {
        (self.at_ns, self.error_ns)
    }
}

/// The span between two edges whose knots have all arrived.
pub(super) fn settled<'a>(start: &'a Pending, end: &'a Pending) -> Settled<'a> {
    Settled { from_ns: start.at_ns, to_ns: end.at_ns, starts: &start.seen, ends: &end.seen }
}

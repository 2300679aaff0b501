//! What the spans of one name got from a part that a *deputy* counts for its *chief* ([`PartShare`]; `take_over.rs` defines both). If the
//! part is dropped, because the chief has counted on in the meantime, the energy of these spans becomes that of the chief's own count.
//!
//! Between its last update before the part and its next one, the chief's count is a straight line. So the sums of the spans' edges are
//! enough to take their energy from one curve to the other, and no span is kept.

use crate::Edge;
use crate::knot::{Bounds, BoundsSum};

/// A part that goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenPart {
    /// Index of the chief's domain.
    pub(crate) chief: usize,
    /// Start of the part, monotonic nanoseconds.
    pub(crate) from_ns: u64,
}

/// A part that was dropped, until the settled spans have the chief's own count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DroppedPart {
    /// Its start, monotonic nanoseconds.
    pub(crate) from_ns: u64,
    /// Time of the chief's first change after its start, nanoseconds.
    pub(crate) next_ns: u64,
    /// The reading by which it was dropped, nanoseconds.
    pub(crate) now_ns: u64,
}

/// The chief's own count over a part that was dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnCount {
    /// The energy until the start of the part.
    pub(crate) from: Edge,
    /// The energy until now.
    pub(crate) now: Edge,
    /// Time of the chief's first change after the part's start, nanoseconds, and the energy until then.
    pub(crate) next_ns: u64,
    pub(crate) next_uj: u64,
}

/// What the settled spans of one name got from a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartShare {
    from_ns: u64,
    /// Number of ends of spans within the part, less that of starts within it.
    edges: i128,
    /// Sum of the times of these ends since the part's start, less that of these starts, nanoseconds.
    time_ns: i128,
    /// Sum of the energies at these ends, less that at these starts, microjoules.
    uj: i128,
    /// Bounds of the complete chains that have no edge within the part.
    bounds: BoundsSum,
    free: BoundsSum,
    /// First edges of the complete chains that started before the part and ended within it.
    starts_before: Vec<Edge>,
    /// Number of complete chains that started within it.
    within: u64,
}

impl PartShare {
    /// Returns the share of spans that have got nothing yet. `bounds` and `free` are those of their complete chains.
    pub(crate) fn new(from_ns: u64, bounds: BoundsSum, free: BoundsSum) -> Self {
        Self { from_ns, edges: 0, time_ns: 0, uj: 0, bounds, free, starts_before: Vec::new(), within: 0 }
    }

    /// Adds a span by the times and energies of its edges.
    pub(crate) fn add_span(&mut self, [start_ns, end_ns]: [u64; 2], start: &Edge, end: &Edge) {
        for (sign, at_ns, edge) in [(1, end_ns, end), (-1, start_ns, start)] {
            if at_ns > self.from_ns {
                self.edges += sign;
                self.time_ns += sign * i128::from(at_ns - self.from_ns);
                self.uj += sign * i128::from(edge.uj);
            }
        }
    }

    /// Adds a complete chain by the times and energies of its outer edges.
    pub(crate) fn add_chain(&mut self, [start_ns, end_ns]: [u64; 2], start: &Edge, end: &Edge) {
        if end_ns <= self.from_ns {
            self.bounds.add(Edge::limited_between(start, end));
            self.free.add(Edge::free_between(start, end));
        } else if start_ns <= self.from_ns {
            self.starts_before.push(*start);
        } else {
            self.within += 1;
        }
    }

    /// Adds other spans that got nothing, by the bounds of their energy with power limits.
    pub(crate) fn add_bounds(&mut self, bounds: Option<Bounds>) {
        self.bounds.add(bounds.unwrap_or(Bounds { low_uj: 0, high_uj: None }));
    }

    /// Adds the share of other spans.
    pub(crate) fn join(&mut self, other: &Self) {
        self.edges += other.edges;
        self.time_ns += other.time_ns;
        self.uj += other.uj;
        self.bounds.join(&other.bounds);
        self.free.join(&other.free);
        self.starts_before.extend_from_slice(&other.starts_before);
        self.within += other.within;
    }

    /// Returns how much more energy the spans have by the chief's own count, microjoules.
    pub(crate) fn more_uj(&self, own: &OwnCount) -> i128 {
        let (from_uj, next_uj) = (i128::from(own.from.uj), i128::from(own.next_uj));
        let length_ns = i128::from(own.next_ns.saturating_sub(self.from_ns)).max(1);
        self.edges * from_uj + self.time_ns * (next_uj - from_uj).max(0) / length_ns - self.uj
    }

    /// Returns the bounds of the complete chains by the chief's own count: with power limits, and for any load.
    pub(crate) fn bounds(&self, own: &OwnCount) -> [BoundsSum; 2] {
        let sum = |mut sum: BoundsSum, between: fn(&Edge, &Edge) -> Bounds| {
            for start in &self.starts_before {
                sum.add(Bounds { high_uj: between(start, &own.now).high_uj, ..between(start, &own.from) });
            }
            // Of all that was counted in the part, each has between nothing and everything.
            let all = between(&own.from, &own.now).high_uj;
            let high_uj = all.map(|all| all.saturating_mul(self.within));
            sum.add(Bounds { low_uj: 0, high_uj: if self.within == 0 { Some(0) } else { high_uj } });
            sum
        };
        [sum(self.bounds, Edge::limited_between), sum(self.free, Edge::free_between)]
    }

    /// Whether an instant is within the part.
    pub(crate) fn has(&self, at_ns: u64) -> bool {
        at_ns > self.from_ns
    }
}

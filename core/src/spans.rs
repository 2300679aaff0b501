//! Adds up the spans (named parts of a run) of one name ([`NameTotal`]): their energy as an exact sum, and its bounds.
//!
//! An *edge* is the instant at which a span starts or ends, with the energy until then, which is known within bounds.
//! Adjacent spans share an edge, whose error cancels in their sum: N adjacent steps have the error of 2 edges, not of 2 N.
//! So spans form a *chain* while each starts where the last one ended, and only the two outer edges of a chain enter the
//! bounds.
//!
//! [`EdgeWidths`] counts the edges that were read around less closely than is usual for the name.

use crate::knot::Bounds;
use crate::{Edge, Histogram};

/// Sum over the spans of one name whose energy is final.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameTotal {
    /// Number of spans.
    pub(crate) count: u64,
    /// Sum of their durations, nanoseconds.
    pub(crate) duration_ns: u64,
    /// Their energy, by index of the domain (sensor or counter).
    pub(crate) by_domain: Vec<DomainSum>,
    /// How closely the edges of its settled spans were read around.
    pub(crate) widths: EdgeWidths,
    /// End of the chain that the next span may continue, nanoseconds; `None`: there is none.
    chain_end_ns: Option<u64>,
}

/// The unit in which [`EdgeWidths`] keeps brackets, nanoseconds: there is at least 1 ms between two polls.
const WIDTH_UNIT_NS: u64 = 100_000;
/// An edge is wide if its bracket is longer than this many times the median. At twice, it would depend on chance where a
/// slow counter was updated twice around an edge and not once.
const WIDE: f64 = 2.5;

/// The brackets of the edges of spans of one name. The bracket of an edge is the shortest [`Edge::bracket_ns`] of all
/// counters: a sensor that is slow, or that fails, does not hide how closely the edge was read around.
#[derive(Debug, Clone, Default)]
pub(crate) struct EdgeWidths {
    /// Number of edges by their bracket, in [`WIDTH_UNIT_NS`].
    brackets: Histogram,
    /// Number of edges without a bracket, because no counter has a knot before them or after them.
    open: u64,
}

impl EdgeWidths {
    /// Adds `count` edges that lie between the same two readings; `edges` is one of them, for each domain.
    pub(crate) fn add(&mut self, edges: &[Edge], count: u64) {
        match edges.iter().map(|edge| edge.bracket_ns).filter(|bracket_ns| *bracket_ns > 0).min() {
            Some(Edge::OPEN) => self.open = self.open.saturating_add(count),
            Some(bracket_ns) => self.brackets.record(bracket_ns / WIDTH_UNIT_NS, count),
            None => {}
        }
    }

    /// Returns the number of wide edges; `None` where no counter was read.
    pub(crate) fn wide(&self) -> Option<u64> {
        let median = self.brackets.quantile(0.5);
        let longer = median.map(|median| self.brackets.weight_above((median as f64 * WIDE) as u64));
        longer.or((self.open > 0).then_some(0)).map(|longer| longer.saturating_add(self.open))
    }
}

/// Energy of the spans from one domain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DomainSum {
    /// Sum of energies, microjoules. Signed, because the energy of one span may be slightly negative where bounds clamp an
    /// estimate; cutting each off at 0 would make the sum too large.
    pub(crate) uj: i128,
    /// Bounds of the complete chains.
    bounds: BoundsSum,
    /// Their bounds without any assumption on power.
    free: BoundsSum,
    /// First edge of the present chain.
    start: Edge,
    /// Last edge of the present chain.
    end: Edge,
}

/// Sum of bounds, microjoules.
#[derive(Debug, Clone, Copy, Default)]
struct BoundsSum {
    low: u64,
    high: u64,
    /// Whether one of them has no upper bound.
    open: bool,
}

impl BoundsSum {
    fn add(&mut self, bounds: Bounds) {
        self.low = self.low.saturating_add(bounds.low_uj);
        self.high = self.high.saturating_add(bounds.high_uj.unwrap_or(0));
        self.open |= bounds.high_uj.is_none();
    }

    fn plus(mut self, bounds: Bounds) -> Bounds {
        self.add(bounds);
        Bounds { low_uj: self.low, high_uj: (!self.open).then_some(self.high) }
    }
}

/// Adjacent spans that have ended, with the edges of their outer ends for each domain; a single span in most cases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledSpans<'a> {
    /// Number of spans.
    pub(crate) count: u64,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) starts: &'a [Edge],
    pub(crate) ends: &'a [Edge],
}

impl NameTotal {
    /// Adds one span, or adjacent ones: the edges between these cancel in the sum.
    pub(crate) fn add(&mut self, span: &SettledSpans<'_>) {
        self.count += span.count;
        self.duration_ns = self.duration_ns.saturating_add(span.to_ns - span.from_ns);
        self.by_domain.resize(span.ends.len().max(self.by_domain.len()), DomainSum::default());
        if span.from_ns == span.to_ns {
            // A span without duration has no energy, and no error either.
            return;
        }
        let continues_chain = self.chain_end_ns == Some(span.from_ns);
        for (sum, (start, end)) in self.by_domain.iter_mut().zip(span.starts.iter().zip(span.ends)) {
            sum.uj += i128::from(end.uj) - i128::from(start.uj);
            if !continues_chain {
                sum.end_chain();
                sum.start = *start;
            }
            sum.end = *end;
        }
        self.chain_end_ns = Some(span.to_ns);
    }
}

impl DomainSum {
    /// Adds the bounds of the present chain to those of the complete ones.
    fn end_chain(&mut self) {
        self.bounds.add(Edge::limited_between(&self.start, &self.end));
        self.free.add(Edge::free_between(&self.start, &self.end));
        (self.start, self.end) = (Edge::default(), Edge::default());
    }

    /// Returns the energy of all spans, microjoules; at least 0.
    pub(crate) fn energy_uj(&self) -> u64 {
        u64::try_from(self.uj.max(0)).unwrap_or(u64::MAX)
    }

    /// Returns the bounds, with power limits used where they are known.
    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds.plus(Edge::limited_between(&self.start, &self.end))
    }

    /// Returns the bounds without any assumption on power.
    pub(crate) fn free_bounds(&self) -> Bounds {
        self.free.plus(Edge::free_between(&self.start, &self.end))
    }
}

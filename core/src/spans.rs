//! Spans of one name added up: energy as an exact sum, bounds over unbroken chains.
//!
//! Adjacent spans share an edge, so its error cancels: N steps carry two edge errors, not 2 N. A chain grows while each
//! span starts where the last one ended; only its two outer edges enter the bounds.

use crate::Edge;
use crate::knot::Bounds;

/// Sum over all settled spans of one name.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameTotal {
    pub(crate) count: u64,
    pub(crate) duration_ns: u64,
    pub(crate) by_domain: Vec<DomainSum>,
    chain: Option<(u64, u64)>,
}

/// The part of one domain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DomainSum {
    /// Signed: a difference of estimates may dip by a quantum where power limits clamp, and must not be cut off singly.
    pub(crate) uj: i128,
    bounds: BoundsSum,
    free: BoundsSum,
    start: Edge,
    end: Edge,
}

#[derive(Debug, Clone, Copy, Default)]
struct BoundsSum {
    low: u64,
    high: u64,
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

/// One ended span, its edges per domain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledSpan<'a> {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) starts: &'a [Edge],
    pub(crate) ends: &'a [Edge],
}

impl NameTotal {
    /// Adds one span.
    pub(crate) fn add(&mut self, span: &SettledSpan<'_>) {
        self.count += 1;
        self.duration_ns = self.duration_ns.saturating_add(span.to_ns - span.from_ns);
        self.by_domain.resize(span.ends.len().max(self.by_domain.len()), DomainSum::default());
        if span.from_ns == span.to_ns {
            // No time, no energy: nothing that bounds would have to be widened for.
            return;
        }
        let joined = self.chain.is_some_and(|(_, to_ns)| to_ns == span.from_ns);
        for (sum, (start, end)) in self.by_domain.iter_mut().zip(span.starts.iter().zip(span.ends)) {
            sum.uj += i128::from(end.uj) - i128::from(start.uj);
            if !joined {
                sum.flush();
                sum.start = *start;
            }
            sum.end = *end;
        }
        let from_ns = self.chain.filter(|_| joined).map_or(span.from_ns, |(from_ns, _)| from_ns);
        self.chain = Some((from_ns, span.to_ns));
    }
}

impl DomainSum {
    fn flush(&mut self) {
        self.bounds.add(Edge::limited_between(&self.start, &self.end));
        self.free.add(Edge::free_between(&self.start, &self.end));
        (self.start, self.end) = (Edge::default(), Edge::default());
    }

    /// Energy of all spans; not negative as a whole.
    pub(crate) fn energy_uj(&self) -> u64 {
        u64::try_from(self.uj.max(0)).unwrap_or(u64::MAX)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds.plus(Edge::limited_between(&self.start, &self.end))
    }

    /// The bounds without any assumption on power.
    pub(crate) fn free_bounds(&self) -> Bounds {
        self.free.plus(Edge::free_between(&self.start, &self.end))
    }
}

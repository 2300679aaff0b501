//! Adds up the spans (named parts of a run) of one name ([`NameTotal`]): their energy as an exact sum, and its bounds.
//!
//! An *edge* is the instant at which a span starts or ends, with the energy until then, which is known within bounds.
//! Adjacent spans share an edge, whose error cancels in their sum: N adjacent steps have the error of 2 edges, not of 2 N.
//! So spans form a *chain* while each starts where the last one ended, and only the two outer edges of a chain enter the
//! bounds.
//!
//! [`EdgeWidths`] counts the edges that were read around less closely than is usual for the name.

use crate::knot::{Bounds, BoundsSum};
use crate::part_share::{OpenPart, OwnCount, PartShare};
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
    /// Start and end of the chain that the next span may continue, nanoseconds; `None`: there is none.
    chain_ns: Option<[u64; 2]>,
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
#[derive(Debug, Clone, Default)]
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
    /// What of it is from the part that a deputy counts now; `None`: nothing.
    share: Option<Box<PartShare>>,
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
    /// Adds one span, or adjacent ones: the edges between these cancel in the sum. `parts` are those that deputies count now.
    pub(crate) fn add(&mut self, span: &SettledSpans<'_>, parts: &[OpenPart]) {
        self.count += span.count;
        self.duration_ns = self.duration_ns.saturating_add(span.to_ns - span.from_ns);
        self.by_domain.resize(span.ends.len().max(self.by_domain.len()), DomainSum::default());
        if span.from_ns == span.to_ns {
            // A span without duration has no energy, and no error either.
            return;
        }
        for part in parts.iter().filter(|part| span.to_ns > part.from_ns) {
            let Some(sum) = self.by_domain.get_mut(part.chief) else { continue };
            let (bounds, free) = (sum.bounds, sum.free);
            let share = sum.share.get_or_insert_with(|| Box::new(PartShare::new(part.from_ns, bounds, free)));
            let edges = span.starts.get(part.chief).zip(span.ends.get(part.chief));
            edges.into_iter().for_each(|(start, end)| share.add_span([span.from_ns, span.to_ns], start, end));
        }
        let chain_ns = self.chain_ns;
        let continues_chain = chain_ns.is_some_and(|[_, end_ns]| end_ns == span.from_ns);
        for (sum, (start, end)) in self.by_domain.iter_mut().zip(span.starts.iter().zip(span.ends)) {
            sum.uj += i128::from(end.uj) - i128::from(start.uj);
            if !continues_chain {
                sum.end_chain(chain_ns);
                sum.start = *start;
            }
            sum.end = *end;
        }
        let start_ns = chain_ns.filter(|_| continues_chain).map_or(span.from_ns, |[start_ns, _]| start_ns);
        self.chain_ns = Some([start_ns, span.to_ns]);
    }

    /// Replaces what the spans got from the part of a chief, which was dropped, by the chief's own count. `energy_at` returns that at
    /// an instant.
    pub(crate) fn drop_part(&mut self, chief: usize, own: &OwnCount, energy_at: impl Fn(u64) -> Edge) {
        let Some(sum) = self.by_domain.get_mut(chief) else { return };
        let Some(share) = sum.share.take() else { return };
        sum.uj += share.more_uj(own);
        [sum.bounds, sum.free] = share.bounds(own);
        let Some([start_ns, end_ns]) = self.chain_ns else { return };
        for (edge, at_ns) in [(&mut sum.start, start_ns), (&mut sum.end, end_ns)] {
            if share.has(at_ns) {
                *edge = energy_at(at_ns);
            }
        }
    }

    /// Returns what one of the sums got from the part that a deputy counts now, with the present chain as a complete one.
    pub(crate) fn share_of(&self, sum: &DomainSum) -> Option<Box<PartShare>> {
        let mut share = sum.share.clone()?;
        self.chain_ns.into_iter().for_each(|chain_ns| share.add_chain(chain_ns, &sum.start, &sum.end));
        Some(share)
    }

    /// Keeps what the spans got from the part of a chief, which has ended.
    pub(crate) fn keep_part(&mut self, chief: usize) {
        self.by_domain.get_mut(chief).into_iter().for_each(|sum| sum.share = None);
    }
}

impl DomainSum {
    /// Adds the bounds of the present chain, from and until these instants, to those of the complete ones.
    fn end_chain(&mut self, chain_ns: Option<[u64; 2]>) {
        if let (Some(share), Some(chain_ns)) = (&mut self.share, chain_ns) {
            share.add_chain(chain_ns, &self.start, &self.end);
        }
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

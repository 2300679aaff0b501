//! Gaps: stretches whose energy no counter shows. Without a power limit they are unbounded, with one they are capped.

use std::collections::VecDeque;

use crate::knot::Edge;
use crate::units::uj_at_power;
use crate::{Gap, GapReason};

/// Gaps listed in full; older ones only count.
const LISTED: usize = 512;

/// The gaps of one domain.
#[derive(Debug, Clone)]
pub(crate) struct Slack {
    max_uw: Option<u64>,
    /// Quantisation error added at each gap, because the counter restarts at an unknown phase.
    quantum: u64,
    open: VecDeque<OpenGap>,
    folded: GapSums,
    /// As reports list them: what adjoins for one reason is one gap.
    listed: VecDeque<Gap>,
    older_ns: u64,
}

/// A stretch whose energy is in no total: a gap and what the readings around it leave open.
#[derive(Debug, Clone, Copy)]
struct OpenGap {
    from_ns: u64,
    to_ns: u64,
    capped: bool,
}

/// What the open gaps before an instant amount to.
#[derive(Debug, Clone, Copy, Default)]
struct GapSums {
    count: u32,
    /// Those of them that no power limit caps.
    uncapped: u32,
    /// Length of the others.
    ns: u64,
}

impl Slack {
    pub(crate) fn new(max_uw: Option<u64>, quantum: u64) -> Self {
        let (open, listed) = (VecDeque::new(), VecDeque::new());
        Self { max_uw, quantum, open, folded: GapSums::default(), listed, older_ns: 0 }
    }

    /// A gap whose energy between the instants `open` is not in the counter's total.
    pub(crate) fn add(&mut self, gap: Gap, (from_ns, to_ns): (u64, u64)) {
        self.mark(gap);
        if self.open.len() == LISTED
            && let Some(old) = self.open.pop_front()
        {
            self.folded = self.folded.and(old, u64::MAX, true);
        }
        // The counter may have wrapped any number of times: the energy is at least what was counted, whatever the limit
        // is.
        let capped = self.max_uw.is_some() && gap.reason != GapReason::WrapAmbiguous;
        self.open.push_back(OpenGap { from_ns, to_ns, capped });
    }

    /// A gap in time only: its energy was counted.
    pub(crate) fn mark(&mut self, gap: Gap) {
        let last = self.listed.back_mut().filter(|last| last.reason == gap.reason && gap.from_ns <= last.to_ns);
        if let Some(last) = last {
            last.to_ns = last.to_ns.max(gap.to_ns);
            return;
        }
        if self.listed.len() == LISTED
            && let Some(old) = self.listed.pop_front()
        {
            self.older_ns = self.older_ns.saturating_add(old.to_ns.saturating_sub(old.from_ns));
        }
        self.listed.push_back(gap);
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.listed.iter().copied()
    }

    /// Length of the gaps of a run from `begin_ns` that are too old to be listed.
    pub(crate) fn older_ns(&self, begin_ns: u64) -> u64 {
        let first_ns = self.listed.front().map_or(begin_ns, |gap| gap.from_ns);
        self.older_ns.min(first_ns.saturating_sub(begin_ns))
    }

    /// Adds to an edge's bounds what the gaps before it may have held.
    pub(crate) fn widen(&self, edge: &mut Edge, early_ns: u64, late_ns: u64) {
        if self.folded.count == 0 && self.open.is_empty() {
            return;
        }
        let (start, end) = (self.before(early_ns, false), self.before(late_ns, true));
        for side in [&mut edge.free, &mut edge.limited] {
            let hidden = |held: GapSums| self.quantum.saturating_mul(held.count.into());
            side.loosen(hidden(start), hidden(end));
        }
        edge.free.open_start += start.count;
        edge.free.open_end += end.count;
        edge.limited.open_start += start.uncapped;
        edge.limited.open_end += end.uncapped;
        let most = |held: GapSums| uj_at_power(self.max_uw.unwrap_or(0), held.ns);
        edge.limited.ceil_start = edge.limited.ceil_start.saturating_add(most(start));
        edge.limited.ceil_end = edge.limited.ceil_end.saturating_add(most(end));
    }

    /// Open gaps before `t_ns`: those touched, or else those that are over.
    fn before(&self, t_ns: u64, touched: bool) -> GapSums {
        self.open.iter().fold(self.folded, |held, open| held.and(*open, t_ns, touched))
    }
}

impl GapSums {
    fn and(self, open: OpenGap, t_ns: u64, touched: bool) -> Self {
        let counts = u32::from(if touched { open.from_ns < t_ns } else { open.to_ns <= t_ns });
        let ns = if open.capped { open.to_ns.min(t_ns).saturating_sub(open.from_ns) } else { 0 };
        let uncapped = if open.capped { 0 } else { counts };
        Self { count: self.count + counts, uncapped: self.uncapped + uncapped, ns: self.ns.saturating_add(ns) }
    }
}

/// Total length of the union of `gaps` within `[from_ns, to_ns]`.
pub(crate) fn covered_by(gaps: impl Iterator<Item = Gap>, from_ns: u64, to_ns: u64) -> u64 {
    let mut clipped: Vec<_> =
        gaps.map(|gap| (gap.from_ns.max(from_ns), gap.to_ns.min(to_ns))).filter(|(from, to)| from < to).collect();
    clipped.sort_unstable();
    let mut reached = from_ns;
    let mut total = 0;
    for (from, to) in clipped {
        total += to.saturating_sub(from.max(reached));
        reached = reached.max(to);
    }
    total
}

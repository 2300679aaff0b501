//! Gaps: stretches whose energy no counter tells. Without a power limit they are unbounded, with one they are capped.

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
    /// What one count may hide: behind a gap it begins anew, off by up to so much against the one before.
    quantum: u64,
    gaps: VecDeque<Listed>,
    folded: Held,
}

/// A gap as it is reported, and the stretch whose energy is in no total: wider by what readings leave open.
#[derive(Debug, Clone, Copy)]
struct Listed {
    gap: Gap,
    open: Option<(u64, u64)>,
    capped: bool,
}

/// What the open gaps before an instant amount to.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    count: u32,
    /// Those of them that no power limit caps.
    uncapped: u32,
    /// Length of the others.
    ns: u64,
}

impl Slack {
    pub(crate) fn new(max_uw: Option<u64>, quantum: u64) -> Self {
        Self { max_uw, quantum, gaps: VecDeque::new(), folded: Held::default() }
    }

    /// A gap whose energy between the instants `open` is not in the counter's total.
    pub(crate) fn add(&mut self, gap: Gap, open: (u64, u64)) {
        // The counter may have gone round any number of times: at least what was counted, whatever the limit says.
        let capped = self.max_uw.is_some() && gap.reason != GapReason::WrapAmbiguous;
        self.push(Listed { gap, open: Some(open), capped });
    }

    /// A gap in time only: its energy was counted.
    pub(crate) fn mark(&mut self, gap: Gap) {
        self.push(Listed { gap, open: None, capped: true });
    }

    fn push(&mut self, listed: Listed) {
        if self.gaps.len() == LISTED
            && let Some(old) = self.gaps.pop_front()
        {
            self.folded = self.folded.and(&old, u64::MAX, true);
        }
        self.gaps.push_back(listed);
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.gaps.iter().map(|listed| listed.gap)
    }

    /// Adds to an edge's bounds what the gaps before it may have held.
    pub(crate) fn widen(&self, edge: &mut Edge, early_ns: u64, late_ns: u64) {
        if self.folded.count == 0 && self.gaps.is_empty() {
            return;
        }
        let (start, end) = (self.before(early_ns, false), self.before(late_ns, true));
        for side in [&mut edge.free, &mut edge.limited] {
            let hidden = |held: Held| self.quantum.saturating_mul(held.count.into());
            side.loosen(hidden(start), hidden(end));
        }
        edge.free.open_start += start.count;
        edge.free.open_end += end.count;
        edge.limited.open_start += start.uncapped;
        edge.limited.open_end += end.uncapped;
        let most = |held: Held| uj_at_power(self.max_uw.unwrap_or(0), held.ns);
        edge.limited.ceil_start = edge.limited.ceil_start.saturating_add(most(start));
        edge.limited.ceil_end = edge.limited.ceil_end.saturating_add(most(end));
    }

    /// Open gaps before `t_ns`: those touched, or else those that are over.
    fn before(&self, t_ns: u64, touched: bool) -> Held {
        self.gaps.iter().fold(self.folded, |held, listed| held.and(listed, t_ns, touched))
    }
}

impl Held {
    fn and(self, listed: &Listed, t_ns: u64, touched: bool) -> Self {
        let Some((from_ns, to_ns)) = listed.open else { return self };
        let counts = u32::from(if touched { from_ns < t_ns } else { to_ns <= t_ns });
        let ns = if listed.capped { to_ns.min(t_ns).saturating_sub(from_ns) } else { 0 };
        let uncapped = if listed.capped { 0 } else { counts };
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

/// A gap's reason as reports print it.
pub(crate) fn reason_text(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Reset => "reset",
        GapReason::WrapAmbiguous => "wrap-ambiguous",
        GapReason::Frozen => "frozen",
        GapReason::Suspend => "suspend",
        GapReason::Failed => "failed",
        GapReason::Lost => "lost",
        GapReason::Hung => "hung",
        GapReason::Uncovered => "uncovered",
        GapReason::Implausible => "implausible",
    }
}

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
    gaps: VecDeque<(Gap, bool)>,
    folded: u32,
    folded_ns: u64,
}

impl Slack {
    pub(crate) fn new(max_uw: Option<u64>, quantum: u64) -> Self {
        Self { max_uw, quantum, gaps: VecDeque::new(), folded: 0, folded_ns: 0 }
    }

    /// A gap whose energy is not in the counter's total.
    pub(crate) fn add(&mut self, gap: Gap) {
        self.push(gap, true);
    }

    /// A gap in time only: its energy was counted.
    pub(crate) fn mark(&mut self, gap: Gap) {
        self.push(gap, false);
    }

    fn push(&mut self, gap: Gap, open: bool) {
        if gap.to_ns < gap.from_ns {
            return;
        }
        if self.gaps.len() == LISTED
            && let Some((old, open)) = self.gaps.pop_front()
        {
            self.folded += u32::from(open);
            self.folded_ns += if open { old.to_ns - old.from_ns } else { 0 };
        }
        self.gaps.push_back((gap, open));
    }

    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.gaps.iter().map(|(gap, _)| *gap)
    }

    /// Adds to an edge's bounds what the gaps before it may have held.
    pub(crate) fn widen(&self, edge: &mut Edge, early_ns: u64, late_ns: u64) {
        if self.folded == 0 && self.gaps.is_empty() {
            return;
        }
        let (start, end) = (self.before(early_ns, false), self.before(late_ns, true));
        for side in [&mut edge.free, &mut edge.limited] {
            side.loosen(self.quantum.saturating_mul(start.0.into()), self.quantum.saturating_mul(end.0.into()));
        }
        edge.free.open_start += start.0;
        edge.free.open_end += end.0;
        match self.max_uw {
            Some(max_uw) => {
                edge.limited.ceil_start = edge.limited.ceil_start.saturating_add(uj_at_power(max_uw, start.1));
                edge.limited.ceil_end = edge.limited.ceil_end.saturating_add(uj_at_power(max_uw, end.1));
            }
            None => {
                edge.limited.open_start += start.0;
                edge.limited.open_end += end.0;
            }
        }
    }

    /// Number of open gaps before `t_ns` (touched, or else over) and how long they were until then.
    fn before(&self, t_ns: u64, touched: bool) -> (u32, u64) {
        let open = self.gaps.iter().filter(|(_, open)| *open).map(|(gap, _)| gap);
        open.fold((self.folded, self.folded_ns), |(count, ns), gap| {
            let counts = if touched { gap.from_ns < t_ns } else { gap.to_ns <= t_ns };
            (count + u32::from(counts), ns + gap.to_ns.min(t_ns).saturating_sub(gap.from_ns))
        })
    }
}

/// Total length of the union of `gaps` within `[from_ns, to_ns]`.
pub(crate) fn covered_by(gaps: impl Iterator<Item = Gap>, from_ns: u64, to_ns: u64) -> u64 {
    let mut clipped: Vec<_> = gaps
        .map(|gap| (gap.from_ns.max(from_ns), gap.to_ns.min(to_ns)))
        .filter(|(from, to)| from < to)
        .collect();
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

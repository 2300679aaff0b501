//! Keeps the gaps of one domain (one sensor or counter), and widens the bounds of energies by what they may hide.
//!
//! A *gap* is a time in which no reading shows when energy was drawn. The energy of an *open* gap is in no total, so it
//! may be anything up to the device's power limit, or unbounded where no limit is known. An *edge* is the energy
//! counted until an instant, with its bounds; the energy of a span is the difference of two edges.

use std::collections::VecDeque;

use crate::knot::Edge;
use crate::units::uj_at_power;
use crate::{Gap, GapReason};

/// Gaps that are kept one by one. Of older ones only sums are kept, so that memory is bounded.
const MAX_LISTED: usize = 512;

/// The gaps of one domain, and what they add to the bounds of its energy.
#[derive(Debug, Clone)]
pub(crate) struct Slack {
    /// Power limit of the device, microwatts.
    max_uw: Option<u64>,
    /// Quantisation error added at each gap, because the counter restarts at an unknown phase, microjoules.
    quantum: u64,
    /// The last open gaps, oldest first.
    open: VecDeque<OpenGap>,
    /// Sums of the open gaps that are too old to be kept.
    dropped: GapSums,
    /// All gaps as reports list them: adjoining ones with one reason are joined.
    listed: VecDeque<Gap>,
    /// Length of the gaps that are too old to be listed, nanoseconds.
    dropped_ns: u64,
}

/// A time whose energy is in no total: a gap, with the time before and after it that readings do not determine.
#[derive(Debug, Clone, Copy)]
struct OpenGap {
    from_ns: u64,
    to_ns: u64,
    /// Whether the power limit bounds its energy.
    capped: bool,
}

/// Sums over the open gaps before an instant.
#[derive(Debug, Clone, Copy, Default)]
struct GapSums {
    count: u32,
    /// Number of those whose energy no power limit bounds.
    uncapped: u32,
    /// Length of the others before the instant, nanoseconds.
    capped_ns: u64,
}

impl Slack {
    /// Returns an empty list of gaps.
    pub(crate) fn new(max_uw: Option<u64>, quantum: u64) -> Self {
        let (open, listed) = (VecDeque::new(), VecDeque::new());
        Self { max_uw, quantum, open, dropped: GapSums::default(), listed, dropped_ns: 0 }
    }

    /// Adds a gap whose energy is not in the counter's total. `open`: the instants between which that energy may have
    /// been drawn, nanoseconds.
    pub(crate) fn add(&mut self, gap: Gap, open: (u64, u64)) {
        let (from_ns, to_ns) = open;
        self.mark(gap);
        let is_full = self.open.len() == MAX_LISTED;
        if let Some(old) = is_full.then(|| self.open.pop_front()).flatten() {
            self.dropped = self.dropped.plus(old, u64::MAX, GapPart::Started);
        }
        // Any number of wraps may be missing, so no upper bound is claimed, whatever the limit is.
        let capped = self.max_uw.is_some() && gap.reason != GapReason::WrapAmbiguous;
        self.open.push_back(OpenGap { from_ns, to_ns, capped });
    }

    /// Adds a gap in time only: its energy was counted, but not when it was drawn.
    pub(crate) fn mark(&mut self, gap: Gap) {
        let last = self.listed.back_mut().filter(|last| last.reason == gap.reason && gap.from_ns <= last.to_ns);
        if let Some(last) = last {
            last.to_ns = last.to_ns.max(gap.to_ns);
            return;
        }
        let is_full = self.listed.len() == MAX_LISTED;
        if let Some(old) = is_full.then(|| self.listed.pop_front()).flatten() {
            self.dropped_ns = self.dropped_ns.saturating_add(old.to_ns.saturating_sub(old.from_ns));
        }
        self.listed.push_back(gap);
    }

    /// Returns the gaps that are listed, oldest first.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.listed.iter().copied()
    }

    /// Returns the length of the gaps since `begin_ns` that are too old to be listed, nanoseconds.
    pub(crate) fn older_ns(&self, begin_ns: u64) -> u64 {
        let first_ns = self.listed.front().map_or(begin_ns, |gap| gap.from_ns);
        self.dropped_ns.min(first_ns.saturating_sub(begin_ns))
    }

    /// Widens an edge's bounds by the energy that the gaps before it may hide. `early_ns` and `late_ns`: the earliest
    /// and latest instant that is meant.
    ///
    /// A span's energy is at least `end.floor_end - start.floor_start` and at most `end.ceil_end - start.ceil_start`,
    /// and unbounded unless `end.open_end` equals `start.open_start`. So what is added at both edges cancels: only gaps
    /// within the span widen its bounds.
    pub(crate) fn widen(&self, edge: &mut Edge, early_ns: u64, late_ns: u64) {
        if self.dropped.count == 0 && self.open.is_empty() {
            return;
        }
        let start = self.sums_until(early_ns, GapPart::Ended);
        let end = self.sums_until(late_ns, GapPart::Started);
        for side in [&mut edge.free, &mut edge.limited] {
            let rounding_uj = |sums: GapSums| self.quantum.saturating_mul(sums.count.into());
            side.loosen(rounding_uj(start), rounding_uj(end));
        }
        edge.free.open_start += start.count;
        edge.free.open_end += end.count;
        edge.limited.open_start += start.uncapped;
        edge.limited.open_end += end.uncapped;
        let most_uj = |sums: GapSums| uj_at_power(self.max_uw.unwrap_or(0), sums.capped_ns);
        edge.limited.ceil_start = edge.limited.ceil_start.saturating_add(most_uj(start));
        edge.limited.ceil_end = edge.limited.ceil_end.saturating_add(most_uj(end));
    }

    /// Returns the sums over the open gaps before `t_ns`.
    fn sums_until(&self, t_ns: u64, part: GapPart) -> GapSums {
        self.open.iter().fold(self.dropped, |sums, gap| sums.plus(*gap, t_ns, part))
    }
}

/// Which gaps count as before an instant.
#[derive(Debug, Clone, Copy)]
enum GapPart {
    /// Those that started before it: for a span that ends there.
    Started,
    /// Those that ended before it: for a span that starts there.
    Ended,
}

impl GapSums {
    /// Adds the part of a gap that is before `t_ns`.
    fn plus(self, gap: OpenGap, t_ns: u64, part: GapPart) -> Self {
        let is_counted = match part {
            GapPart::Started => gap.from_ns < t_ns,
            GapPart::Ended => gap.to_ns <= t_ns,
        };
        let added_ns = if gap.capped { gap.to_ns.min(t_ns).saturating_sub(gap.from_ns) } else { 0 };
        Self {
            count: self.count + u32::from(is_counted),
            uncapped: self.uncapped + u32::from(is_counted && !gap.capped),
            capped_ns: self.capped_ns.saturating_add(added_ns),
        }
    }
}

/// Returns the total length of the union of `gaps` within `[from_ns, to_ns]`, nanoseconds.
pub(crate) fn covered_by(gaps: impl Iterator<Item = Gap>, from_ns: u64, to_ns: u64) -> u64 {
    let mut clipped: Vec<_> =
        gaps.map(|gap| (gap.from_ns.max(from_ns), gap.to_ns.min(to_ns))).filter(|(from, to)| from < to).collect();
    clipped.sort_unstable();
    let (mut reached_ns, mut total_ns) = (from_ns, 0);
    for (from, to) in clipped {
        total_ns += to.saturating_sub(from.max(reached_ns));
        reached_ns = reached_ns.max(to);
    }
    total_ns
}

//! Knots (counter changes, each with the time bracket in which it happened) and edges (the energy known at an instant).

use crate::scatter::Scatter;

/// One observed update of a counter: it reached `uj` somewhere within `[lo_ns, hi_ns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knot {
    /// The update happened no earlier, monotonic nanoseconds; 0 for the very first value, whose age is unknown.
    pub lo_ns: u64,
    /// The update happened no later, monotonic nanoseconds.
    pub hi_ns: u64,
    /// Best guess of the instant, monotonic nanoseconds.
    pub at_ns: u64,
    /// Energy counted until then, microjoules since the first reading.
    pub uj: u64,
    /// First value of a segment.
    pub first: bool,
    /// Whether all energy since the knot before is in `uj`; not after a reset or a wrap that may be several.
    pub whole: bool,
}

impl Knot {
    /// A change seen between two readings: the middle of the bracket is the best guess.
    ///
    /// ```
    /// let knot = eco2_core::Knot::change(1_000, 2_000, 42); // changed between two readings, 1 µs between them
    /// assert_eq!((knot.lo_ns, knot.at_ns, knot.hi_ns), (1_000, 1_500, 2_000));
    /// ```
    #[must_use]
    pub fn change(lo_ns: u64, hi_ns: u64, uj: u64) -> Self {
        let at_ns = lo_ns + hi_ns.saturating_sub(lo_ns) / 2;
        Self { lo_ns, hi_ns, at_ns, uj, first: false, whole: true }
    }

    /// First value of a segment: seen at `hi_ns`, of an age that the next two changes determine.
    #[must_use]
    pub fn first(lo_ns: u64, hi_ns: u64, uj: u64) -> Self {
        Self { lo_ns, hi_ns, at_ns: hi_ns, uj, first: true, whole: false }
    }
}

/// What is known of the energy between two edges, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At least this much.
    pub low_uj: u64,
    /// At most this much; `None`: unbounded.
    pub high_uj: Option<u64>,
}

impl Bounds {
    /// Of both stretches together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            low_uj: self.low_uj.saturating_add(other.low_uj),
            high_uj: self.high_uj.zip(other.high_uj).map(|(one, two)| one.saturating_add(two)),
        }
    }
}

/// One side of an edge's knowledge: what bounds the energy of spans that start or end there.
///
/// A span's energy is at least `end.floor_end - start.floor_start` and at most `end.ceil_end - start.ceil_start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Side {
    pub(crate) floor_start: u64,
    pub(crate) floor_end: u64,
    pub(crate) ceil_start: u64,
    pub(crate) ceil_end: u64,
    /// Unbounded stretches wholly before the edge.
    pub(crate) open_start: u32,
    /// Unbounded stretches that start before the edge.
    pub(crate) open_end: u32,
}

impl Side {
    /// From what is known of the energy until the edge: at least `low` at its earliest, at most `high` at its latest.
    pub(crate) fn counted(low: u64, high: Option<u64>) -> Self {
        let (floor_start, ceil_end) = (high.unwrap_or(u64::MAX), high.unwrap_or(0));
        let open_end = u32::from(high.is_none());
        Self { floor_start, floor_end: low, ceil_start: low, ceil_end, open_start: 0, open_end }
    }

    /// Nothing known but that energy is not negative.
    pub(crate) fn unknown() -> Self {
        Self::counted(0, None)
    }

    /// Moves lower bounds down and upper ones up, by this much where a span starts at the edge, or ends there.
    pub(crate) fn loosen(&mut self, start_uj: u64, end_uj: u64) {
        self.floor_start = self.floor_start.saturating_sub(start_uj);
        self.floor_end = self.floor_end.saturating_sub(end_uj);
        self.ceil_start = self.ceil_start.saturating_add(start_uj);
        self.ceil_end = self.ceil_end.saturating_add(end_uj);
    }

    pub(crate) fn between(start: &Self, end: &Self) -> Bounds {
        let low_uj = end.floor_end.saturating_sub(start.floor_start);
        let bounded = end.open_end == start.open_start;
        let high_uj = bounded.then(|| end.ceil_end.saturating_sub(start.ceil_start));
        Bounds { low_uj, high_uj }
    }
}

/// One instant seen by one domain.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Edge {
    /// The estimate of the energy until this instant, microjoules; spans are differences of these.
    pub uj: u64,
    pub(crate) free: Side,
    pub(crate) limited: Side,
    /// Of integrated power: how much the readings until this instant differed; nothing for a counter.
    pub(crate) scatter: Scatter,
    /// Of power that is read as averages: what these may shift over this instant, microjoules.
    pub(crate) blur_uj: u64,
    /// Whether the knots on both sides were there.
    pub settled: bool,
}

impl Edge {
    /// Bounds of the energy from `start` to `end` that need no assumption on the load.
    #[must_use]
    pub fn free_between(start: &Self, end: &Self) -> Bounds {
        Side::between(&start.free, &end.free)
    }

    /// The range that reports give first. A counter's: the same bounds, tightened by the domain's power limits where
    /// they are known. Of integrated power: the 90 % range of readings at random instants, within the bounds of any
    /// load.
    #[must_use]
    pub fn limited_between(start: &Self, end: &Self) -> Bounds {
        let bounds = Side::between(&start.limited, &end.limited);
        let margin_uj = end.scatter.margin_uj(start.scatter, end.uj);
        let margin_uj = margin_uj.saturating_add(start.blur_uj.saturating_add(end.blur_uj));
        if margin_uj == 0 {
            return bounds;
        }
        let free = Self::free_between(start, end);
        let high_uj = bounds.high_uj.map(|high| high.saturating_add(margin_uj));
        let high_uj = high_uj.map(|high| free.high_uj.map_or(high, |most| most.min(high)));
        Bounds { low_uj: bounds.low_uj.saturating_sub(margin_uj).max(free.low_uj), high_uj }
    }
}

/// Learns a counter's update period from the distance between its changes.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    distances: [u64; DISTANCES],
    changes: usize,
    /// Readings per change, smoothed, in 1/256.
    reads: u64,
    since: u64,
    usual: Option<UsualDistance>,
    /// How far updates are off from one period after the last, smoothed, nanoseconds.
    off_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct UsualDistance {
    median_ns: u64,
    mean_ns: u64,
}

/// Distances kept: enough for a mean that a few late polls cannot move.
const DISTANCES: usize = 32;
/// The usual distance is recomputed after this many changes.
const REFRESH: usize = 8;
/// Readings per change, in 1/256, up to which every reading is taken to bring a change: 3 % may fail to.
const OUTRUN: u64 = 264;
/// The most that a guess follows the period, in 1/256: the bracket always has an influence, or errors would add up.
const MOST: u128 = 224;

impl Default for Period {
    fn default() -> Self {
        Self { distances: [0; DISTANCES], changes: 0, reads: 256, since: 0, usual: None, off_ns: 0 }
    }
}

impl Period {
    /// A reading without a change.
    pub(crate) fn same(&mut self) {
        self.since += 1;
    }

    /// A change, this long after the one before.
    pub(crate) fn change(&mut self, distance_ns: u64) {
        let reads = (std::mem::take(&mut self.since) + 1) * 256;
        self.reads = if self.changes == 0 { reads } else { (self.reads * 7 + reads) / 8 };
        self.distances[self.changes % DISTANCES] = distance_ns;
        self.changes += 1;
        if self.changes < REFRESH || self.changes.is_multiple_of(REFRESH) {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        let kept = self.changes.min(DISTANCES);
        let mut sorted = self.distances;
        let sorted = &mut sorted[..kept];
        sorted.sort_unstable();
        let median_ns = sorted[kept / 2];
        // Missed updates show as multiples: they are left out of the mean.
        let single = sorted.iter().filter(|&&ns| ns > median_ns / 2 && ns < (median_ns / 2).saturating_mul(3));
        let (sum, count) = single.fold((0u128, 0u128), |(sum, count), &ns| (sum + u128::from(ns), count + 1));
        let mean_ns = u64::try_from(sum / count.max(1)).unwrap_or(median_ns);
        self.usual = Some(UsualDistance { median_ns, mean_ns });
    }

    /// Mean distance between updates, nanoseconds, once three are known and there are at least 1.5 reads a change:
    /// polled more slowly, only the polling would be learned.
    pub(crate) fn learned_ns(&self) -> Option<u64> {
        let resolved = self.changes >= 3 && self.reads >= 384;
        self.usual.filter(|_| resolved).map(|usual| usual.mean_ns)
    }

    /// The median distance between changes as seen, whatever limits it.
    pub(crate) fn median_ns(&self) -> Option<u64> {
        self.usual.map(|usual| usual.median_ns)
    }

    /// Whether every reading brings a change: the counter moves faster than it is read, so a value is as old as its
    /// reading and no older.
    pub(crate) fn outruns(&self) -> bool {
        self.since == 0 && self.reads <= OUTRUN
    }

    /// The middle of the part of a bracket in which the update that a value shows can have happened: a value is never
    /// older than the usual distance between updates, however long nothing was read.
    pub(crate) fn latest(&self, lo_ns: u64, hi_ns: u64) -> u64 {
        let from_ns = lo_ns.max(hi_ns.saturating_sub(self.median_ns().unwrap_or(u64::MAX))).min(hi_ns);
        from_ns + (hi_ns - from_ns) / 2
    }

    /// Best guess of an update's instant within its bracket: the latest whole number of periods after the last update
    /// that fits, drawn to the middle of the possible part the more, the less the counter keeps time. A punctual one is
    /// thereby dated better than the polls around it.
    pub(crate) fn date(&mut self, last_ns: u64, lo_ns: u64, hi_ns: u64) -> u64 {
        let middle_ns = self.latest(lo_ns, hi_ns);
        let Some(period_ns) = self.learned_ns() else { return middle_ns };
        let width_ns = (hi_ns.max(middle_ns) - middle_ns).saturating_mul(2);
        let periods = (hi_ns.saturating_sub(last_ns) / period_ns.max(1)).max(1);
        let expected_ns = last_ns.saturating_add(period_ns.saturating_mul(periods));
        let off_ns = expected_ns.abs_diff(middle_ns);
        let smoothed_ns = u128::from(self.off_ns) * 7 / 8 + u128::from(off_ns) / 8;
        self.off_ns = u64::try_from(smoothed_ns).unwrap_or(u64::MAX);
        // A punctual counter's updates lie anywhere in the bracket: a quarter of its width off the middle, on average.
        // What they are off beyond that is the counter's own; both add as squares, as independent errors do.
        let (bracket, all) = (u128::from(width_ns / 4).pow(2), u128::from(self.off_ns).pow(2));
        let share = (bracket * 256).checked_div(all).unwrap_or(MOST).min(MOST);
        let drawn = (u128::from(expected_ns) * share + u128::from(middle_ns) * (256 - share)) / 256;
        u64::try_from(drawn).unwrap_or(u64::MAX).clamp(lo_ns, hi_ns.max(lo_ns))
    }
}

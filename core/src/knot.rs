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

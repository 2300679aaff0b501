//! Defines what the account keeps of one domain (one sensor or counter): its knots and its edges.
//!
//! A *knot* is a counter change with the two instants between which it happened. An *edge* is the energy counted until
//! an instant, with bounds; the energy of a *span* (a timed part of the program) is the difference of its two edges. A
//! *segment* is a series of readings without a reset or restart of the counter. A *gap* is a time in which no reading
//! shows when energy was drawn.
//!
//! Each edge has two pairs of bounds: *free* bounds need no assumption on the load, *limited* ones use the power limit
//! of the device.

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
    /// Whether it is the first value of a segment: what was counted before it is not known.
    pub first: bool,
    /// Whether all energy since the knot before is in `uj`. It is not after a reset, nor where the counter may have
    /// wrapped more than once.
    pub whole: bool,
}

impl Knot {
    /// Returns a change seen between two readings. The middle between them is the best guess of its instant.
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

    /// Returns the first value of a segment, seen at `hi_ns`. How old it was then, the next two changes determine.
    #[must_use]
    pub fn first(lo_ns: u64, hi_ns: u64, uj: u64) -> Self {
        Self { lo_ns, hi_ns, at_ns: hi_ns, uj, first: true, whole: false }
    }
}

/// The last knot until an instant, and the first after it.
pub(crate) type Changes = [Option<Knot>; 2];

/// What is known of the energy between two edges, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At least this much.
    pub low_uj: u64,
    /// At most this much; `None`: unbounded.
    pub high_uj: Option<u64>,
}

impl Bounds {
    /// Returns the bounds of both energies together: lower bounds add up, upper ones only if both are known.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            low_uj: self.low_uj.saturating_add(other.low_uj),
            high_uj: self.high_uj.zip(other.high_uj).map(|(one, two)| one.saturating_add(two)),
        }
    }

    /// Returns bounds that are wider by `margin_uj` on both sides, cut to those that hold for any load.
    pub(crate) fn widened(self, margin_uj: u64, free: Self) -> Self {
        if margin_uj == 0 {
            return self;
        }
        let high_uj = self.high_uj.map(|high| high.saturating_add(margin_uj));
        let high_uj = high_uj.map(|high| free.high_uj.map_or(high, |most| most.min(high)));
        Self { low_uj: self.low_uj.saturating_sub(margin_uj).max(free.low_uj), high_uj }
    }
}

/// Sum of bounds, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct BoundsSum {
    low: u64,
    high: u64,
    /// Whether one of them has no upper bound.
    open: bool,
}

impl BoundsSum {
    pub(crate) fn add(&mut self, bounds: Bounds) {
        self.low = self.low.saturating_add(bounds.low_uj);
        self.high = self.high.saturating_add(bounds.high_uj.unwrap_or(0));
        self.open |= bounds.high_uj.is_none();
    }

    /// Returns the sum with one more.
    pub(crate) fn plus(mut self, bounds: Bounds) -> Bounds {
        self.add(bounds);
        Bounds { low_uj: self.low, high_uj: (!self.open).then_some(self.high) }
    }

    /// Adds another sum.
    pub(crate) fn join(&mut self, other: &Self) {
        self.low = self.low.saturating_add(other.low);
        self.high = self.high.saturating_add(other.high);
        self.open |= other.open;
    }
}

/// One pair of bounds of an edge (free or limited), by what a span does there: each bound has one number for spans that
/// start at the edge and one for those that end there. All are microjoules since the first reading.
///
/// A span's energy is at least `end.floor_end - start.floor_start` and at most `end.ceil_end - start.ceil_start`. There
/// is no upper bound unless `end.open_end` equals `start.open_start`: else an unbounded gap lies within the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Side {
    /// The most that may have been counted until the edge; the lower bound of a span that starts here subtracts it.
    pub(crate) floor_start: u64,
    /// The least that was counted until the edge; the lower bound of a span that ends here begins with it.
    pub(crate) floor_end: u64,
    /// The least that was counted until the edge; the upper bound of a span that starts here subtracts it.
    pub(crate) ceil_start: u64,
    /// The most that may have been counted until the edge; the upper bound of a span that ends here begins with it.
    pub(crate) ceil_end: u64,
    /// Number of gaps of unbounded energy that lie wholly before the edge.
    pub(crate) open_start: u32,
    /// Number of gaps of unbounded energy that start before the edge, and may reach over it.
    pub(crate) open_end: u32,
}

impl Side {
    /// Returns the bounds from the energy until the edge: at least `low` microjoules if the instant is taken at its
    /// earliest, at most `high` at its latest. `None`: not bounded.
    pub(crate) fn counted(low: u64, high: Option<u64>) -> Self {
        let (floor_start, ceil_end) = (high.unwrap_or(u64::MAX), high.unwrap_or(0));
        let open_end = u32::from(high.is_none());
        Self { floor_start, floor_end: low, ceil_start: low, ceil_end, open_start: 0, open_end }
    }

    /// Returns the bounds of an edge of which only is known that energy is not negative.
    pub(crate) fn unknown() -> Self {
        Self::counted(0, None)
    }

    /// Lowers the floors and raises the ceilings by an uncertainty that is summed since the first reading: by
    /// `start_uj` where a span starts at the edge, by `end_uj` where one ends there. The difference of two edges then
    /// keeps only what lies between them.
    pub(crate) fn loosen(&mut self, start_uj: u64, end_uj: u64) {
        self.floor_start = self.floor_start.saturating_sub(start_uj);
        self.floor_end = self.floor_end.saturating_sub(end_uj);
        self.ceil_start = self.ceil_start.saturating_add(start_uj);
        self.ceil_end = self.ceil_end.saturating_add(end_uj);
    }

    /// Returns the bounds of a span's energy by the formula above.
    pub(crate) fn between(start: &Self, end: &Self) -> Bounds {
        let low_uj = end.floor_end.saturating_sub(start.floor_start);
        let bounded = end.open_end == start.open_start;
        let high_uj = bounded.then(|| end.ceil_end.saturating_sub(start.ceil_start));
        Bounds { low_uj, high_uj }
    }
}

/// The energy that one domain has counted until one instant, with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Edge {
    /// The estimate of the energy until this instant, microjoules; spans are differences of these.
    pub uj: u64,
    /// Bounds that hold for any load.
    pub(crate) free: Side,
    /// Bounds that hold while the device keeps to its power limit.
    pub(crate) limited: Side,
    /// Of integrated power: how much the readings until this instant differed; nothing for a counter.
    pub(crate) scatter: Scatter,
    /// For a sensor that reports averages over a time: the energy that these may count on the wrong side of this
    /// instant, microjoules; 0 for any other.
    pub(crate) blur_uj: u64,
    /// Of a counter: the time over which the energy between the free bounds was counted, nanoseconds: from the last knot
    /// surely before the instant to the first surely after. [`Edge::OPEN`] without one of them; 0 where it is no counter.
    pub(crate) bracket_ns: u64,
    /// Whether the knots before and after the instant were known, so that later readings do not change the estimate.
    pub settled: bool,
}

impl Edge {
    /// The `bracket_ns` of an instant before or after which a counter has no knot.
    pub(crate) const OPEN: u64 = u64::MAX;

    /// Returns bounds of the energy from `start` to `end` that need no assumption on the load.
    #[must_use]
    pub fn free_between(start: &Self, end: &Self) -> Bounds {
        Side::between(&start.free, &end.free)
    }

    /// Returns the range of the energy from `start` to `end` that reports give first. For a counter these are the free
    /// bounds, tightened by the domain's power limits where they are known. For integrated power it is the 90 % range
    /// of readings at random instants, cut to the free bounds.
    #[must_use]
    pub fn limited_between(start: &Self, end: &Self) -> Bounds {
        let bounds = Side::between(&start.limited, &end.limited);
        bounds.widened(Self::margin_uj(start, end), Self::free_between(start, end))
    }

    /// Returns how far the integral of power from `start` to `end` may be off because power was read at some instants only, and
    /// as averages, microjoules; 0 for a counter.
    pub(crate) fn margin_uj(start: &Self, end: &Self) -> u64 {
        let margin_uj = end.scatter.margin_uj(start.scatter, end.uj);
        margin_uj.saturating_add(start.blur_uj.saturating_add(end.blur_uj))
    }
}

//! Defines one domain's point (the value of one sensor or counter in a snapshot, [`DomainPoint`]), and where the points
//! of a snapshot lie in the words of its slot in the ring of snapshots.
//!
//! A slot consists of *lines* of 16 words. Its first line holds the time of the tick (round of readings), the clock
//! anchor (a reading of the time stamp counter and its rate), the total and the first 3 domains; each further line
//! holds 5 domains. Time and anchor take 3 words together, as a point does. So one line has to be read for the total,
//! and two for 8 domains. A *knot* is a counter change with the two instants between which it happened
//! ([`Knot`](crate::Knot)).

use super::ring::Line;
use crate::sync::{AtomicU64, Ordering};

/// Words of a point: instant, energy, and slope with flags.
const POINT: usize = 3;
/// Points that time and anchor take in a slot's first line.
const HEADER: usize = 1;
/// Domains in a slot's first line: of its 16 words, 3 are time and anchor, 3 the total, and 9 three domains.
pub(super) const FIRST: usize = 3;
/// Domains in each further line: 15 of 16 words.
pub(super) const FURTHER: usize = 5;
/// The most domains of one timeline: 14 lines a slot.
pub const MAX_DOMAINS: usize = FIRST + 13 * FURTHER;

/// What is known of one domain: its last knot and how fast it has been growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainPoint {
    /// When the counter last changed, monotonic ns.
    pub edge_ns: u64,
    /// Energy since the meter opened, at that time, in µJ.
    pub uj: u64,
    /// Recent power in µJ per 2^28 ns (1 W is 268 435), so 32 bits hold up to 16 kW. 0 for a domain that can no longer
    /// be read.
    pub slope_q28: u32,
    /// [`Self::MISSING`], [`Self::PARTIAL`], [`Self::ESTIMATED`]; other bits are carried along.
    pub flags: u32,
}

impl DomainPoint {
    /// There has been no knot yet: the other fields mean nothing.
    pub const MISSING: u32 = 1;
    /// A part of this value is missing: a total without one of its domains.
    pub const PARTIAL: u32 = 1 << 1;
    /// A model's value, not a counter's.
    pub const ESTIMATED: u32 = 1 << 2;
    /// Of a total: its range is plausible, and does not hold whatever the load did.
    pub const PLAUSIBLE: u32 = 1 << 4;

    /// Returns the slope of a power in microwatts, rounded down; `u32::MAX` from 16 kW on.
    ///
    /// ```
    /// use eco2_core::DomainPoint;
    ///
    /// let slope_q28 = DomainPoint::slope_of_uw(1_000_000); // 1 W
    /// assert_eq!(slope_q28, 268_435);
    /// let point = DomainPoint { slope_q28, ..DomainPoint::default() };
    /// assert_eq!(point.power_uw(), 999_998); // to 4 µW
    /// ```
    #[must_use]
    pub fn slope_of_uw(uw: u64) -> u32 {
        u32::try_from((u128::from(uw) << 28) / 1_000_000_000).unwrap_or(u32::MAX)
    }

    /// Returns the power of the slope, microwatts, to 4 µW.
    #[must_use]
    pub fn power_uw(&self) -> u64 {
        (u64::from(self.slope_q28) * 1_000_000_000) >> 28
    }

    /// Whether there is a value.
    #[inline]
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.flags & Self::MISSING == 0
    }

    /// Returns the energy at `now_ns` if the power has stayed what it was, in µJ, rounded down; `None` when missing.
    ///
    /// Extrapolates for at most 2^32 ns (4.3 s) past [`Self::edge_ns`]: the power of a sensor that has shown nothing
    /// for longer is not known. Before `edge_ns` the energy is that at `edge_ns`.
    ///
    /// ```
    /// use eco2_core::DomainPoint;
    ///
    /// let gpu = DomainPoint { edge_ns: 0, uj: 1_000_000, slope_q28: 268_435, flags: 0 }; // 1 W
    /// assert_eq!(gpu.uj_at(1_000_000_000), Some(1_999_998)); // 1 J more, rounded down
    /// assert_eq!(DomainPoint::default().uj_at(5), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn uj_at(&self, now_ns: u64) -> Option<u64> {
        self.is_known().then(|| self.carried_on(now_ns))
    }

    /// Returns the extrapolated energy without a check whether the point is missing.
    #[inline]
    pub(super) fn carried_on(&self, now_ns: u64) -> u64 {
        // Both factors fit 32 bits, so the product cannot overflow.
        let ahead_ns = now_ns.saturating_sub(self.edge_ns).min(u64::from(u32::MAX));
        self.uj.saturating_add((u64::from(self.slope_q28) * ahead_ns) >> 28)
    }

    /// Returns the sum of points at one time: the total of domains of which no two count the same energy.
    ///
    /// Missing points are left out and make the sum [`Self::PARTIAL`]; if all are missing, so is the sum.
    #[must_use]
    pub fn sum<'a>(points: impl IntoIterator<Item = &'a Self>, at_ns: u64) -> Self {
        let mut sum = Self { edge_ns: at_ns, uj: 0, slope_q28: 0, flags: 0 };
        let mut known = false;
        for point in points {
            if let Some(uj) = point.uj_at(at_ns) {
                known = true;
                sum.uj = sum.uj.saturating_add(uj);
                sum.slope_q28 = sum.slope_q28.saturating_add(point.slope_q28);
                sum.flags |= point.flags;
            } else {
                sum.flags |= Self::PARTIAL;
            }
        }
        if known { sum } else { Self::default() }
    }

    /// Writes the point into its words of a slot.
    #[inline]
    pub(super) fn store(&self, words: &[AtomicU64; POINT]) {
        words[0].store(self.edge_ns, Ordering::Relaxed);
        words[1].store(self.uj, Ordering::Relaxed);
        words[2].store(u64::from(self.slope_q28) | u64::from(self.flags) << 32, Ordering::Relaxed);
    }

    /// Reads the point from its words of a slot.
    #[inline]
    fn load(words: &[AtomicU64; POINT]) -> Self {
        let last = words[2].load(Ordering::Relaxed);
        Self {
            edge_ns: words[0].load(Ordering::Relaxed),
            uj: words[1].load(Ordering::Relaxed),
            slope_q28: last as u32,
            flags: (last >> 32) as u32,
        }
    }
}

impl Default for DomainPoint {
    /// Returns a missing point, which is not one of zero energy.
    fn default() -> Self {
        Self { edge_ns: 0, uj: 0, slope_q28: 0, flags: Self::MISSING }
    }
}

/// Splits the words of a line into points; time and anchor, which are as long as one, come first in a slot's first line.
#[inline]
pub(super) fn points(words: &[AtomicU64]) -> impl Iterator<Item = &[AtomicU64; POINT]> {
    words.chunks_exact(POINT).filter_map(<[AtomicU64]>::first_chunk)
}

/// Returns the number of lines of a slot for this many domains.
pub(super) fn lines_for(domains: usize) -> usize {
    1 + domains.saturating_sub(FIRST).div_ceil(FURTHER)
}

/// Reads the total and every domain of a slot, each converted by `make`. All lengths are constants, so the compiler
/// unrolls the loops.
#[inline]
pub(super) fn load_points<T>(
    lines: &[Line],
    total: &mut T,
    domains: &mut [T; MAX_DOMAINS],
    make: impl Fn(DomainPoint) -> T,
) {
    let Some((first, further)) = lines.split_first() else { return };
    let mut places = points(&first.0).skip(HEADER);
    let Some(total_words) = places.next() else { return };
    *total = make(DomainPoint::load(total_words));
    let (domains, more) = domains.split_at_mut(FIRST);
    domains.iter_mut().zip(places).for_each(|(domain, words)| *domain = make(DomainPoint::load(words)));
    for (line, domains) in further.iter().zip(more.chunks_exact_mut(FURTHER)) {
        domains.iter_mut().zip(points(&line.0)).for_each(|(domain, words)| *domain = make(DomainPoint::load(words)));
    }
}

/// Reads the first `count` domains of a slot.
#[inline]
pub(super) fn each_point(lines: &[Line], count: usize, mut take: impl FnMut(usize, DomainPoint)) {
    let Some((first, further)) = lines.split_first() else { return };
    let places = points(&first.0).skip(HEADER + 1);
    places.take(count).enumerate().for_each(|(index, words)| take(index, DomainPoint::load(words)));
    let mut read = FIRST;
    for line in further {
        let Some(left) = count.checked_sub(read).filter(|left| *left > 0) else { return };
        let places = points(&line.0).take(left);
        places.enumerate().for_each(|(index, words)| take(read + index, DomainPoint::load(words)));
        read += FURTHER;
    }
}

/// Reads one point of a slot: the total for column 0, else domain `column - 1`; missing if the slot has no such column.
#[inline]
pub(super) fn load_column(lines: &[Line], column: usize) -> DomainPoint {
    let (line, place) = match column.checked_sub(1 + FIRST) {
        None => (0, 1 + column),
        Some(further) => (1 + further / FURTHER, further % FURTHER),
    };
    let words = lines.get(line).and_then(|line| points(&line.0).nth(place));
    words.map_or_else(DomainPoint::default, DomainPoint::load)
}

//! Snapshots: what the sampling thread knows at one tick, and how it lies in a slot's words.
//!
//! A slot's first line holds the time of the tick, the clock anchor, the total and the first 3 domains; each further
//! line holds 5 domains. Time and anchor take 3 words, as a point does. So the total costs one line to read and 8 domains cost two.

use super::energies::Energies;
use super::ring::Line;
use crate::sync::{AtomicU64, Ordering};

/// Words of a point.
const POINT: usize = 3;
/// Domains in a slot's first line.
const FIRST: usize = 3;
/// Domains in each further line.
const FURTHER: usize = 5;
/// The most domains of one timeline: 14 lines a slot.
pub const MAX_DOMAINS: usize = FIRST + 13 * FURTHER;

/// What is known of one domain: its last knot and how fast it has been growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainPoint {
    /// When the counter last changed, monotonic ns.
    pub edge_ns: u64,
    /// Energy since the meter opened, at that time, in µJ.
    pub uj: u64,
    /// Recent power in µJ per 2^28 ns (1 W is 268 435); at most 16 kW. 0 for a domain that was lost.
    pub slope_q28: u32,
    /// [`Self::MISSING`], [`Self::PARTIAL`], [`Self::ESTIMATED`]; other bits are carried along.
    pub flags: u32,
}

impl DomainPoint {
    /// There has been no knot yet: the other fields mean nothing.
    pub const MISSING: u32 = 1;
    /// Something that belongs to this figure is missing (a total without one of its parts).
    pub const PARTIAL: u32 = 1 << 1;
    /// A model's figure, not a counter's.
    pub const ESTIMATED: u32 = 1 << 2;

    /// Whether there is a figure.
    #[inline]
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.flags & Self::MISSING == 0
    }

    /// The energy at `now_ns` if the power has stayed what it was, in µJ, rounded down; `None` when missing.
    ///
    /// Time is carried on for 2^32 ns (4.3 s) past the edge at most: nobody knows what a sensor that has been silent for
    /// longer would say. Before the edge it is the edge's energy.
    #[inline]
    #[must_use]
    pub fn uj_at(&self, now_ns: u64) -> Option<u64> {
        self.is_known().then(|| self.carried_on(now_ns))
    }

    #[inline]
    pub(super) fn carried_on(&self, now_ns: u64) -> u64 {
        // Both factors fit 32 bits, so the product cannot overflow.
        let ahead_ns = now_ns.saturating_sub(self.edge_ns).min(u64::from(u32::MAX));
        self.uj.saturating_add((u64::from(self.slope_q28) * ahead_ns) >> 28)
    }

    /// The sum of points at one time: the total of the domains that do not overlap.
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

    #[inline]
    fn store(&self, words: &[AtomicU64; POINT]) {
        words[0].store(self.edge_ns, Ordering::Relaxed);
        words[1].store(self.uj, Ordering::Relaxed);
        words[2].store(u64::from(self.slope_q28) | u64::from(self.flags) << 32, Ordering::Relaxed);
    }

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
    /// Missing, which is not zero.
    fn default() -> Self {
        Self { edge_ns: 0, uj: 0, slope_q28: 0, flags: Self::MISSING }
    }
}

/// Every domain at one tick.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was taken, monotonic ns.
    pub at_ns: u64,
    /// The time stamp counter at that moment; 0 while the TSC is not in use.
    pub tsc: u64,
    /// Nanoseconds per 2^32 TSC ticks; 0 while the TSC is not in use.
    pub tsc_mult: u64,
    /// The total over the domains that do not overlap.
    pub total: DomainPoint,
    len: usize,
    points: [DomainPoint; MAX_DOMAINS],
}

impl Snapshot {
    /// A snapshot at `at_ns` without a clock anchor; points beyond [`MAX_DOMAINS`] are left out.
    #[must_use]
    pub fn new(at_ns: u64, total: DomainPoint, points: &[DomainPoint]) -> Self {
        let mut snapshot = Self { at_ns, total, ..Self::default() };
        snapshot.set_len(points.len());
        snapshot.points_mut().iter_mut().zip(points).for_each(|(to, from)| *to = *from);
        snapshot
    }

    /// The same with a clock anchor: the TSC at `at_ns`, and nanoseconds per 2^32 of its ticks.
    #[must_use]
    pub fn anchored(self, tsc: u64, tsc_mult: u64) -> Self {
        Self { tsc, tsc_mult, ..self }
    }

    /// The domains, in the order in which they were published.
    #[inline]
    #[must_use]
    pub fn points(&self) -> &[DomainPoint] {
        &self.points[..self.len.min(MAX_DOMAINS)]
    }

    /// The domains, to be changed in place.
    pub fn points_mut(&mut self) -> &mut [DomainPoint] {
        &mut self.points[..self.len.min(MAX_DOMAINS)]
    }

    /// Sets the number of domains, at most [`MAX_DOMAINS`]; new ones are missing.
    #[inline]
    pub fn set_len(&mut self, len: usize) {
        let (before, len) = (self.len.min(MAX_DOMAINS), len.min(MAX_DOMAINS));
        if before < len {
            self.points[before..len].fill(DomainPoint::default());
        }
        self.len = len;
    }

    /// The monotonic time at a TSC value read after this snapshot was taken; `None` while the TSC is not in use.
    #[inline]
    #[must_use]
    pub fn ns_of_tsc(&self, tsc: u64) -> Option<u64> {
        let ticks = u128::from(tsc.saturating_sub(self.tsc));
        let ahead_ns = (ticks * u128::from(self.tsc_mult)) >> 32;
        (self.tsc_mult != 0).then(|| self.at_ns.saturating_add(ahead_ns as u64))
    }

    /// Carries every domain and the total on to `now_ns`; see [`DomainPoint::uj_at`]. What comes out is provisional.
    #[inline]
    pub fn extrapolate(&self, now_ns: u64, out: &mut Energies) {
        out.carry_on(now_ns, &self.total, self.points());
    }

    pub(super) fn store(&self, lines: &[Line]) {
        let Some((first, further)) = lines.split_first() else { return };
        let [at_ns, tsc, tsc_mult, words @ ..] = &first.0;
        at_ns.store(self.at_ns, Ordering::Relaxed);
        tsc.store(self.tsc, Ordering::Relaxed);
        tsc_mult.store(self.tsc_mult, Ordering::Relaxed);
        // Past the end stand missing points: what the slot held a lap ago must not come back.
        let missing = std::iter::repeat(DomainPoint::default());
        let mut points = std::iter::once(self.total).chain(self.points().iter().copied()).chain(missing);
        words.as_chunks().0.iter().zip(points.by_ref().take(1 + FIRST)).for_each(|(words, point)| point.store(words));
        for line in further {
            let words = line.0.as_chunks().0.iter();
            words.zip(points.by_ref().take(FURTHER)).for_each(|(words, point)| point.store(words));
        }
    }

    #[inline]
    pub(super) fn load(&mut self, lines: &[Line]) {
        let Some((first, _)) = lines.split_first() else { return };
        let [at_ns, tsc, tsc_mult, ..] = &first.0;
        self.at_ns = at_ns.load(Ordering::Relaxed);
        self.tsc = tsc.load(Ordering::Relaxed);
        self.tsc_mult = tsc_mult.load(Ordering::Relaxed);
        load_points(lines, &mut self.total, &mut self.points, |point| point);
    }
}

impl Default for Snapshot {
    /// No domain, nothing known.
    fn default() -> Self {
        let total = DomainPoint::default();
        Self { at_ns: 0, tsc: 0, tsc_mult: 0, total, len: 0, points: [total; MAX_DOMAINS] }
    }
}

/// Lines of a slot for this many domains.
pub(super) fn lines_for(domains: usize) -> usize {
    1 + domains.saturating_sub(FIRST).div_ceil(FURTHER)
}

/// Loads the total and every domain of a slot through `make`. All shapes are arrays, so that the loops unroll.
#[inline]
pub(super) fn load_points<T>(
    lines: &[Line],
    total: &mut T,
    domains: &mut [T; MAX_DOMAINS],
    make: impl Fn(DomainPoint) -> T,
) {
    let Some((first, further)) = lines.split_first() else { return };
    let [_header, total_words, places @ ..] = first.0.as_chunks().0 else { return };
    *total = make(DomainPoint::load(total_words));
    let (domains, more) = domains.split_at_mut(FIRST);
    domains.iter_mut().zip(places).for_each(|(domain, words)| *domain = make(DomainPoint::load(words)));
    for (line, domains) in further.iter().zip(more.as_chunks_mut::<FURTHER>().0) {
        let places = line.0.as_chunks().0;
        domains.iter_mut().zip(places).for_each(|(domain, words)| *domain = make(DomainPoint::load(words)));
    }
}

/// One point of a slot: the total for column 0, domain `column - 1` otherwise; missing if the slot has no such column.
#[inline]
pub(super) fn load_column(lines: &[Line], column: usize) -> DomainPoint {
    let (line, place) = match column.checked_sub(1 + FIRST) {
        None => (0, 1 + column),
        Some(further) => (1 + further / FURTHER, further % FURTHER),
    };
    let words = lines.get(line).and_then(|line| line.0.as_chunks().0.get(place));
    words.map_or_else(DomainPoint::default, DomainPoint::load)
}

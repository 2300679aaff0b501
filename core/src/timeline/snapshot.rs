//! Defines a snapshot, the energies of all domains (sensors and counters) that the sampling thread knows at one tick
//! (round of readings), and how it is written into a slot of the ring of snapshots ([`Snapshot`]).
//!
//! A slot consists of *lines* of 16 words. Its first line holds the time of the tick, the clock anchor (a reading of
//! the time stamp counter, TSC, and its rate), the total and the first 3 domains; each further line holds 5 domains. A
//! domain's *point* (its energy, when that was reached, and its power) takes 3 words. So one line has to be read for
//! the total, and two for 8 domains.

use super::energies::Energies;
use super::point::{self, DomainPoint, FIRST, FURTHER, MAX_DOMAINS, load_points};
use super::ring::Line;
use crate::sync::Ordering;

/// Every domain at one tick.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was taken, monotonic ns.
    pub at_ns: u64,
    /// The time stamp counter at that moment; 0 while the TSC is not in use.
    pub tsc: u64,
    /// Nanoseconds per 2^32 TSC ticks; 0 while the TSC is not in use.
    pub tsc_mult: u64,
    /// The total over domains of which no two count the same energy.
    pub total: DomainPoint,
    len: usize,
    points: [DomainPoint; MAX_DOMAINS],
}

impl Snapshot {
    /// Returns a snapshot at `at_ns` without a clock anchor; points beyond [`MAX_DOMAINS`] are left out.
    #[must_use]
    pub fn new(at_ns: u64, total: DomainPoint, points: &[DomainPoint]) -> Self {
        let mut snapshot = Self { at_ns, total, ..Self::default() };
        snapshot.set_points(points);
        snapshot
    }

    /// Returns the domains, in the order in which they were published.
    #[inline]
    #[must_use]
    pub fn points(&self) -> &[DomainPoint] {
        &self.points[..self.len.min(MAX_DOMAINS)]
    }

    /// Replaces the domains; those beyond [`MAX_DOMAINS`] are left out.
    pub fn set_points(&mut self, points: &[DomainPoint]) {
        self.set_len(points.len());
        self.points[..self.len].iter_mut().zip(points).for_each(|(to, from)| *to = *from);
    }

    /// Sets the number of domains, at most [`MAX_DOMAINS`]; new ones are missing.
    #[inline]
    pub(super) fn set_len(&mut self, len: usize) {
        let (before, len) = (self.len.min(MAX_DOMAINS), len.min(MAX_DOMAINS));
        if before < len {
            self.points[before..len].fill(DomainPoint::default());
        }
        self.len = len;
    }

    /// Returns the monotonic time at a TSC value read after this snapshot was taken; `None` while the TSC is not in
    /// use.
    #[inline]
    #[must_use]
    pub fn ns_of_tsc(&self, tsc: u64) -> Option<u64> {
        let ticks = u128::from(tsc.saturating_sub(self.tsc));
        let ahead_ns = (ticks * u128::from(self.tsc_mult)) >> 32;
        (self.tsc_mult != 0).then(|| self.at_ns.saturating_add(ahead_ns as u64))
    }

    /// Extrapolates every domain and the total to `now_ns`; see [`DomainPoint::uj_at`]. The energies are provisional:
    /// later readings may correct them.
    #[inline]
    pub fn extrapolate(&self, now_ns: u64, out: &mut Energies) {
        out.carry_on(now_ns, &self.total, self.points());
    }

    /// Writes the snapshot into a slot's lines.
    pub(super) fn store(&self, lines: &[Line]) {
        let Some((first, further)) = lines.split_first() else { return };
        let [at_ns, tsc, tsc_mult, words @ ..] = &first.0;
        at_ns.store(self.at_ns, Ordering::Relaxed);
        tsc.store(self.tsc, Ordering::Relaxed);
        tsc_mult.store(self.tsc_mult, Ordering::Relaxed);
        // Missing points fill the rest: values of the slot's earlier snapshot must not remain.
        let missing = std::iter::repeat(DomainPoint::default());
        let mut points = std::iter::once(self.total).chain(self.points().iter().copied()).chain(missing);
        point::points(words).zip(points.by_ref().take(1 + FIRST)).for_each(|(words, point)| point.store(words));
        for line in further {
            point::points(&line.0).zip(points.by_ref().take(FURTHER)).for_each(|(words, point)| point.store(words));
        }
    }

    /// Reads the snapshot from a slot's lines.
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

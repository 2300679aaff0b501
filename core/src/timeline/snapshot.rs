//! Defines a snapshot, the energies of all domains (sensors and counters) that the sampling thread knows at one tick
//! (round of readings), and how it is written into a slot of the ring of snapshots ([`Snapshot`]).
//!
//! A slot consists of *lines* of 16 words. Its first line holds the time of the tick, the clock anchor (a reading of
//! the time stamp counter, TSC, and its rate), the total, the first 3 domains and, in its last word, the margins of the
//! total; each further line holds 5 domains. A domain's *point* (its energy, when that was reached, and its power) takes 3 words. So one line has to be read for
//! the total, and two for 8 domains.

use super::energies::Energies;
use super::point::{self, DomainPoint, FIRST, FURTHER, MAX_DOMAINS, load_points};
use super::ring::Line;
use crate::sync::Ordering;
use crate::{Bounded, RangeKind};

/// Word of a slot's first line that holds the margins of the total.
const MARGINS: usize = 15;

/// How far the truth may be from the total at its last instant, millijoules, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    /// Below it; `u32::MAX`: not known.
    pub below_mj: u32,
    /// Above it; `u32::MAX`: no bound.
    pub above_mj: u32,
}

impl Margins {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { below_mj: u32::MAX, above_mj: u32::MAX };

    /// Returns the margins of a value within its range; both ends are rounded away from it, to `step_mj`.
    ///
    /// ```
    /// use eco2_core::{Bounded, Margins, RangeKind};
    ///
    /// let energy = Bounded { value: Some(5_000_500), low: 4_999_000, high: None, kind: RangeKind::Hard };
    /// assert_eq!(Margins::of(&energy, 1), Margins { below_mj: 2, above_mj: u32::MAX });
    /// ```
    #[must_use]
    pub fn of(energy: &Bounded<u64>, step_mj: u32) -> Self {
        let step_uj = u64::from(step_mj.max(1)) * 1_000;
        let steps = |uj: u64| u32::try_from(uj.div_ceil(step_uj)).ok()?.checked_mul(step_mj.max(1));
        let Some(uj) = energy.value else { return Self::UNKNOWN };
        let below_mj = steps(uj.saturating_sub(energy.low)).unwrap_or(u32::MAX);
        let above_mj = energy.high.and_then(|high| steps(high.saturating_sub(uj))).unwrap_or(u32::MAX);
        Self { below_mj, above_mj }
    }

    /// Returns the range of a total with these margins.
    #[must_use]
    pub fn around(self, total: &DomainPoint) -> Bounded<u64> {
        if !total.is_known() {
            return Bounded::unknown();
        }
        let uj = |mj: u32| (mj < u32::MAX).then_some(u64::from(mj) * 1_000);
        let is_plausible = total.flags & DomainPoint::PLAUSIBLE != 0;
        Bounded {
            value: Some(total.uj),
            low: uj(self.below_mj).map_or(0, |below| total.uj.saturating_sub(below)),
            high: uj(self.above_mj).map(|above| total.uj.saturating_add(above)),
            kind: if is_plausible { RangeKind::Plausible } else { RangeKind::Hard },
        }
    }

    fn store(self, lines: &[Line]) {
        if let Some(word) = lines.first().and_then(|line| line.word(MARGINS)) {
            word.store(u64::from(self.below_mj) | u64::from(self.above_mj) << 32, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn load(lines: &[Line]) -> Self {
        let word = lines.first().map_or(u64::MAX, |line| line.0[MARGINS].load(Ordering::Relaxed));
        Self { below_mj: word as u32, above_mj: (word >> 32) as u32 }
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
    /// The total over domains of which no two count the same energy.
    pub total: DomainPoint,
    /// How far the truth may be from the total; not known unless it was set.
    pub margins: Margins,
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

    /// Returns the snapshot with these margins of its total.
    #[must_use]
    pub fn with_margins(self, margins: Margins) -> Self {
        Self { margins, ..self }
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
        self.margins.store(lines);
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
        self.margins = Margins::load(lines);
        load_points(lines, &mut self.total, &mut self.points, |point| point);
    }
}

impl Default for Snapshot {
    /// No domain, nothing known.
    fn default() -> Self {
        let total = DomainPoint::default();
        let margins = Margins::UNKNOWN;
        Self { at_ns: 0, tsc: 0, tsc_mult: 0, total, margins, len: 0, points: [total; MAX_DOMAINS] }
    }
}

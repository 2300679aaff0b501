//! Holds the energies of all domains (sensors and counters) at one time, as read from the timeline, the ring of the
//! last snapshots ([`Energies`]).
//!
//! A *point* is one domain's value in a snapshot: its energy at its last *knot* (counter change) and how fast it grows.
//! To *carry on* a point is to extrapolate it to a later time.

use super::point::{DomainPoint, MAX_DOMAINS, load_points};
use super::ring::Line;

/// Cumulative energy of every domain, and of the total, at one time. Filled in place so that a read allocates nothing.
#[derive(Debug, Clone)]
pub struct Energies {
    /// The time they are for, monotonic ns.
    pub at_ns: u64,
    /// Whether any of them was extrapolated past its last knot (counter change), so that later readings may correct it.
    pub provisional: bool,
    total: PointEnergy,
    len: usize,
    domains: [PointEnergy; MAX_DOMAINS],
}

/// One domain's energy, with its point's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PointEnergy {
    pub(super) uj: u64,
    pub(super) flags: u32,
}

impl PointEnergy {
    pub(super) const MISSING: Self = Self { uj: 0, flags: DomainPoint::MISSING };

    /// Returns the energy of a point, extrapolated to `now_ns`.
    #[inline]
    pub(super) fn of(point: &DomainPoint, now_ns: u64) -> Self {
        Self { uj: point.carried_on(now_ns), flags: point.flags }
    }

    /// Returns the energy, microjoules; `None` when missing.
    #[inline]
    fn known(self) -> Option<u64> {
        (self.flags & DomainPoint::MISSING == 0).then_some(self.uj)
    }
}

impl Energies {
    /// Returns the total in µJ since the meter opened; `None` when missing.
    #[inline]
    #[must_use]
    pub fn total_uj(&self) -> Option<u64> {
        self.total.known()
    }

    /// Returns the energy of a domain in µJ since the meter opened; `None` when missing or when there is no such
    /// domain.
    #[inline]
    #[must_use]
    pub fn uj(&self, domain: usize) -> Option<u64> {
        self.domains[..self.len.min(MAX_DOMAINS)].get(domain)?.known()
    }

    /// Returns the flags of a domain's point ([`DomainPoint::MISSING`] and so on); `None` when there is no such domain.
    #[must_use]
    pub fn flags(&self, domain: usize) -> Option<u32> {
        self.domains[..self.len.min(MAX_DOMAINS)].get(domain).map(|figure| figure.flags)
    }

    /// Returns the number of domains.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no domain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Prepares for `len` domains at `now_ns`, marked provisional; the values are filled in later.
    #[inline]
    pub(super) fn aim(&mut self, now_ns: u64, len: usize) {
        self.at_ns = now_ns;
        self.provisional = true;
        self.len = len.min(MAX_DOMAINS);
    }

    /// Fills in the total and every domain of a snapshot, extrapolated to `now_ns`.
    #[inline]
    pub(super) fn carry_on(&mut self, now_ns: u64, total: &DomainPoint, points: &[DomainPoint]) {
        self.aim(now_ns, points.len());
        self.total = PointEnergy::of(total, now_ns);
        self.domains.iter_mut().zip(points).for_each(|(figure, point)| *figure = PointEnergy::of(point, now_ns));
    }

    /// Fills in the total and every domain like [`Self::carry_on`], but from the lines of a slot of the ring.
    #[inline]
    pub(super) fn load(&mut self, now_ns: u64, lines: &[Line]) {
        load_points(lines, &mut self.total, &mut self.domains, |point| PointEnergy::of(&point, now_ns));
    }

    /// Starts over with `len` missing domains at `at_ns`.
    pub(super) fn start(&mut self, at_ns: u64, len: usize) {
        self.aim(at_ns, len);
        self.provisional = false;
        self.total = PointEnergy::MISSING;
        self.domains = [PointEnergy::MISSING; MAX_DOMAINS];
    }

    /// Sets one value: column 0 is the total, column `i + 1` is domain `i`.
    pub(super) fn set(&mut self, column: usize, figure: PointEnergy) {
        match column.checked_sub(1) {
            None => self.total = figure,
            Some(domain) => {
                if let Some(place) = self.domains.get_mut(domain) {
                    *place = figure;
                }
            }
        }
    }
}

impl Default for Energies {
    /// No domain, nothing known.
    fn default() -> Self {
        let missing = PointEnergy::MISSING;
        Self { at_ns: 0, provisional: true, total: missing, len: 0, domains: [missing; MAX_DOMAINS] }
    }
}

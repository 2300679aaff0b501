//! Reads the energy at an earlier time from the timeline (the ring of the last snapshots), interpolated between the
//! readings that it still holds ([`TimelineReader::at`]).
//!
//! A *domain* is one sensor or counter, a *knot* one change of its counter. A *column* is one domain's series of values
//! over the snapshots, or that of the total; in each snapshot its `edge_ns` is the instant of the last knot by then.
//! These instants never fall from one snapshot to the next, so the two knots around a time are found by binary search.
//! Each step of the search reads one snapshot and checks that it was still held; snapshots that are held never change.

use super::TimelineReader;
use super::energies::{Energies, PointEnergy};
use super::point::{DomainPoint, load_column};
use super::ring::{Line, Ring};
use crate::curve::straight;
use crate::sync::Sound;

/// The error of a time that the ring no longer holds.
struct Evicted;

/// One column of the ring's snapshots with the numbers `oldest ..= head`; column 0 is the total, `i + 1` domain `i`.
struct Column<'a, M> {
    ring: &'a Ring<Sound, M>,
    column: usize,
    oldest: u64,
    head: u64,
}

impl<M: AsRef<[Line]> + Clone> TimelineReader<M> {
    /// Reads the energies at the earlier time `t_ns`; `false`, and nothing known, if the ring no longer holds that
    /// time.
    ///
    /// Each domain is interpolated between its knots (counter changes) around `t_ns`, rounded down. Where the knot
    /// after `t_ns` has not come yet, the domain is extrapolated from its last one and all energies are marked
    /// provisional. A domain that had no knot before `t_ns` is missing. The total is interpolated between the totals
    /// that were published, and each of those contained extrapolated energies. So it may differ a little from the sum
    /// of the domains; add the domains up where that matters.
    pub fn at(&self, t_ns: u64, out: &mut Energies) -> bool {
        out.start(t_ns, self.domains);
        let held = self.fill(t_ns, out).is_ok();
        if !held {
            *out = Energies::default();
        }
        held
    }

    /// Fills in the total and every domain at `t_ns`.
    fn fill(&self, t_ns: u64, out: &mut Energies) -> Result<(), Evicted> {
        let head = self.ring.head();
        if head == 0 {
            return Err(Evicted);
        }
        for column in 0..=self.domains {
            let column_of = Column { ring: &self.ring, column, oldest: self.ring.oldest(head), head };
            let (figure, provisional) = column_of.at(t_ns)?;
            out.set(column, figure);
            out.provisional |= provisional;
        }
        Ok(())
    }
}

impl<M: AsRef<[Line]>> Column<'_, M> {
    /// Returns the value at `t_ns`, and whether it was extrapolated.
    fn at(&self, t_ns: u64) -> Result<(PointEnergy, bool), Evicted> {
        let after = self.first_at_or_after(t_ns)?;
        if after > self.head {
            let last = self.point(self.head)?;
            return Ok((PointEnergy { uj: last.carried_on(t_ns), flags: last.flags }, last.is_known()));
        }
        let right = self.point(after)?;
        if right.edge_ns == t_ns {
            return Ok((PointEnergy { uj: right.uj, flags: right.flags }, false));
        }
        if after > self.oldest {
            return Ok((between(&self.point(after - 1)?, &right, t_ns), false));
        }
        // The knot before it was evicted, unless there never was one.
        if self.oldest == 1 { Ok((PointEnergy::MISSING, false)) } else { Err(Evicted) }
    }

    /// Returns the number of the first snapshot whose last knot is not before `t_ns`; one past the newest if there is
    /// none.
    fn first_at_or_after(&self, t_ns: u64) -> Result<u64, Evicted> {
        let (mut low, mut high) = (self.oldest, self.head + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let point = self.point(middle)?;
            if point.is_known() && point.edge_ns >= t_ns { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    /// Returns the column's value in snapshot number `index`.
    fn point(&self, index: u64) -> Result<DomainPoint, Evicted> {
        let mut point = DomainPoint::default();
        let good = self.ring.read(index, |lines| point = load_column(lines, self.column));
        if good { Ok(point) } else { Err(Evicted) }
    }
}

/// Returns the energy at a time between two knots, as if the power between them had been constant.
fn between(left: &DomainPoint, right: &DomainPoint, t_ns: u64) -> PointEnergy {
    if !left.is_known() {
        return PointEnergy::MISSING;
    }
    let uj = straight((left.edge_ns, left.uj), (right.edge_ns, right.uj), t_ns);
    PointEnergy { uj, flags: left.flags | right.flags }
}

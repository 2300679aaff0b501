//! Makes what the pages show of the node from its account.

use eco2_core::{Bounded, Domain, DomainPoint, Kind, Margins, Quality, RangeKind, Snapshot};
use eco2_samplers::agent::PagePoint;

use super::Node;
use crate::snapshot::Resolution;

impl Node {
    /// Returns every domain that has appeared and is published in a page, in their order.
    pub(crate) fn domains(&self) -> Vec<Domain> {
        self.ledger.tracks().iter().map(|track| track.domain()).filter(|domain| is_published(domain)).cloned().collect()
    }

    /// Returns what the page of this resolution shows at `now_ns`: the total with its range, and a point per domain.
    pub(crate) fn page(&mut self, resolution: Resolution, now_ns: u64) -> Snapshot {
        self.live.update(&self.ledger);
        let point = |(index, point): (usize, &DomainPoint)| {
            let base_uj = self.bases.get(index).map_or(0, |base| base.uj);
            let uj = resolution.floor_uj(base_uj.saturating_add(point.uj));
            // A power of a coarse view is computed from its energies.
            let slope_q28 = if resolution == Resolution::FULL { point.slope_q28 } else { 0 };
            if point.is_known() { DomainPoint { uj, slope_q28, ..*point } } else { DomainPoint::default() }
        };
        let points: Vec<DomainPoint> = self.live.points().iter().enumerate().map(point).collect();
        let mut total = self.live.total(&points, now_ns);
        let range = self.total_range();
        total.flags |= if range.kind == RangeKind::Plausible { DomainPoint::PLAUSIBLE } else { 0 };
        let margins = Margins::of(&Bounded { value: range.value.map(|_| total.uj), ..range }, 1);
        let is_shown = |(index, _): &(usize, &DomainPoint)| is_published(self.ledger.tracks()[*index].domain());
        let shown = points.iter().enumerate().filter(is_shown).map(|(index, point)| self.page_point(index, point));
        Snapshot::new(now_ns, total, &shown.collect::<Vec<_>>()).with_margins(margins)
    }

    /// Returns the sum of the summed devices' energies, as of the last reading of each.
    fn total_range(&self) -> Bounded<u64> {
        let summed = self.live.summed().iter().enumerate().take(self.live.points().len());
        let total: Bounded<u64> =
            summed.filter(|(_, is_summed)| **is_summed).map(|(index, _)| self.energy(index)).sum();
        Bounded { high: total.high.filter(|_| !self.live.overflows()), ..total }
    }

    /// Returns the point of a domain as it is stored in a page.
    fn page_point(&self, index: usize, point: &DomainPoint) -> DomainPoint {
        if !point.is_known() {
            return *point;
        }
        let DomainPoint { uj, slope_q28, flags, .. } = *point;
        let by = self.shown_by(index);
        let track = &self.ledger.tracks()[by];
        let (before_ns, after_ns) = track.last_good_ns().unwrap_or((point.edge_ns, point.edge_ns));
        let is_silent = track.is_silent() && !track.is_frozen();
        let read = PagePoint { uj, before_ns, after_ns, slope_q28, flags, is_silent };
        let domain = self.ledger.tracks()[index].domain();
        if domain.kind == Kind::Energy {
            return read.store();
        }
        // What counts in place of a sensor of power is no reading of it.
        match self.last[index].filter(|_| by == index) {
            Some(last) => {
                let slope_q28 = DomainPoint::slope_of_uw(domain.scale.micro(last.raw));
                let (before_ns, after_ns) = (last.before_ns, last.after_ns);
                PagePoint { before_ns, after_ns, slope_q28, is_silent: is_silent || slope_q28 == u32::MAX, ..read }
            }
            None => PagePoint { is_silent: true, ..read },
        }
        .store()
    }
}

/// Whether a page has the domain: not the standby estimate of a counter. Where it counts, it does so as that counter.
fn is_published(domain: &Domain) -> bool {
    !(domain.quality == Quality::Estimated && domain.parent.is_some())
}

//! Publishes the ledger's energies in the timeline: one snapshot per tick, for readers that must not wait.

use eco2_core::{DomainPoint, Ledger, Quality, Snapshot, TimelineWriter};

/// Knots that the published slope is taken over: enough to smooth a counter's rounding.
const SLOPE_KNOTS: usize = 8;

/// Publishes what the ledger's tracks know now.
pub(crate) struct Publisher {
    writer: TimelineWriter,
    snapshot: Snapshot,
    points: Vec<DomainPoint>,
    summed: Vec<bool>,
    /// For each device the domain whose energy it shows.
    sources: Vec<usize>,
    /// Whether a domain that is summed has no place in a snapshot.
    overflows: bool,
    capacity: usize,
}

impl Publisher {
    /// For up to `capacity` domains; further ones are accounted, but not published.
    pub(crate) fn new(writer: TimelineWriter, capacity: usize) -> Self {
        Self {
            writer,
            snapshot: Snapshot::default(),
            points: Vec::new(),
            summed: Vec::new(),
            sources: Vec::new(),
            overflows: false,
            capacity,
        }
    }

    /// The list of domains has grown.
    pub(crate) fn domains(&mut self, ledger: &Ledger) {
        let published = ledger.tracks().len().min(self.capacity);
        self.points.resize(published, DomainPoint::default());
        self.choose(ledger, ledger.opened_ns());
    }

    /// Chooses again which domains are summed, and which counter each device uses: a counter may turn out not to count, or to
    /// contradict its device's power.
    pub(crate) fn choose(&mut self, ledger: &Ledger, now_ns: u64) {
        self.summed = eco2_core::summed_now(ledger.tracks().iter());
        self.sources = ledger.sources(now_ns);
        self.overflows = self.summed.iter().skip(self.points.len()).any(|summed| *summed);
    }

    /// Which domains enter the total, in the order of the tracks.
    pub(crate) fn summed(&self) -> &[bool] {
        &self.summed
    }

    /// The domain whose energy a device shows.
    pub(crate) fn source(&self, index: usize) -> usize {
        self.sources.get(index).copied().unwrap_or(index)
    }

    pub(crate) fn publish(&mut self, ledger: &Ledger, now_ns: u64) {
        for index in 0..self.points.len() {
            let next = point_of(ledger, self.source(index));
            let last = &mut self.points[index];
            // Where another counter gives a lower energy, the old value is kept until the new one exceeds it.
            *last = if next.uj < last.uj { DomainPoint { slope_q28: 0, edge_ns: next.edge_ns, ..*last } } else { next };
        }
        let summed = self.points.iter().zip(&self.summed).filter(|(_, summed)| **summed).map(|(point, _)| point);
        let mut total = DomainPoint::sum(summed, now_ns);
        total.flags |= if self.overflows { DomainPoint::PARTIAL } else { 0 };
        (self.snapshot.at_ns, self.snapshot.total) = (now_ns, total);
        self.snapshot.set_points(&self.points);
        self.writer.publish(&self.snapshot);
    }
}

fn point_of(ledger: &Ledger, domain: usize) -> DomainPoint {
    let Some(last) = ledger.last_knot(domain) else { return DomainPoint::default() };
    let track = &ledger.tracks()[ledger.read_by(domain)];
    let estimated = track.domain().quality == Quality::Estimated;
    let flags = if estimated { DomainPoint::ESTIMATED } else { 0 };
    let mut point = DomainPoint { edge_ns: last.at_ns, uj: last.uj, slope_q28: 0, flags };
    // A silent counter is not extrapolated: its energy stays where it was last seen.
    let first = track.recent(SLOPE_KNOTS).find(|knot| !knot.first).filter(|_| !track.is_silent());
    if let (Some(first), Some(latest)) = (first, track.last_knot())
        && let Some(ns) = latest.at_ns.checked_sub(first.at_ns).filter(|ns| *ns > 0)
    {
        let slope = (u128::from(latest.uj.saturating_sub(first.uj)) << 28) / u128::from(ns);
        point.slope_q28 = u32::try_from(slope).unwrap_or(u32::MAX);
    }
    point
}

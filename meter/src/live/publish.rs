//! Publishes the energies of a run for [`Meter::now`](crate::Meter::now) ([`Publisher`]): one snapshot per tick of the sampling
//! thread, in the *timeline*, which other threads read without a lock.
//!
//! A *domain* is one counter or power sensor, and a *knot* a change of its energy. The *slope* is the power by which a reader
//! extrapolates from the last knot. A device may have several domains, of which one is summed into the total.

use eco2_core::{DomainPoint, Ledger, Quality, Snapshot, TimelineWriter};

/// The number of knots over which the slope is computed: enough to smooth the rounding of a counter.
const SLOPE_KNOTS: usize = 8;

/// Publishes the energies of a ledger.
pub(crate) struct Publisher {
    writer: TimelineWriter,
    /// Buffer of [`Publisher::publish`].
    snapshot: Snapshot,
    /// The point of each device that was published last.
    points: Vec<DomainPoint>,
    /// Whether each domain is summed into the total.
    summed: Vec<bool>,
    /// For each device the domain whose energy it shows.
    sources: Vec<usize>,
    /// Whether a domain that is summed has no place in a snapshot.
    overflows: bool,
    capacity: usize,
}

impl Publisher {
    /// Returns a publisher of up to `capacity` domains. Further domains are in the report, but not published.
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

    /// Adds the domains by which the ledger has grown.
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

    /// Whether each domain is summed into the total, in the order of the ledger.
    pub(crate) fn summed(&self) -> &[bool] {
        &self.summed
    }

    /// Returns the domain whose energy a device shows.
    pub(crate) fn source(&self, index: usize) -> usize {
        self.sources.get(index).copied().unwrap_or(index)
    }

    /// Publishes the energies at `now_ns`. A published energy never falls.
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

/// Returns the energy of a domain at its last knot, and the slope from there.
fn point_of(ledger: &Ledger, domain: usize) -> DomainPoint {
    let Some(last) = ledger.last_knot(domain) else { return DomainPoint::default() };
    let track = &ledger.tracks()[ledger.read_by(domain)];
    let estimated = track.domain().quality == Quality::Estimated;
    let flags = if estimated { DomainPoint::ESTIMATED } else { 0 };
    let mut point = DomainPoint { edge_ns: last.at_ns, uj: last.uj, slope_q28: 0, flags };
    // A silent counter is not extrapolated: its energy stays where it was last seen.
    let first = track.recent(SLOPE_KNOTS).find(|knot| !knot.first).filter(|_| !track.is_silent());
    let ends = first.zip(track.last_knot()).filter(|(first, latest)| latest.at_ns > first.at_ns);
    if let Some((first, latest)) = ends {
        let ns = latest.at_ns - first.at_ns;
        // Microjoules per nanosecond with 28 binary digits behind the point, as `slope_q28` is defined.
        let slope = (u128::from(latest.uj.saturating_sub(first.uj)) << 28) / u128::from(ns);
        point.slope_q28 = u32::try_from(slope).unwrap_or(u32::MAX);
    }
    point
}

//! Computes the point of every device for display while readings go on ([`LivePoints`]): its energy at its last *knot* (counter
//! change), and its *slope*, the power by which a reader extrapolates from there.
//!
//! A *domain* is one counter or power sensor. A device may have several domains, of which one is summed into the total.

use crate::{DomainPoint, Ledger, Quality};

/// The number of knots over which the slope is computed: enough to smooth the rounding of a counter.
const SLOPE_KNOTS: usize = 8;

/// The newest point of each device of a ledger. The energy of a point never falls.
///
/// ```
/// use eco2_core::{Component, Domain, Ledger, LivePoints, Reading};
///
/// let mut ledger = Ledger::new(0, 16);
/// let gpu = ledger.add_domain(Domain::counter("gpu-0", Component::Gpu, "board", "example"));
/// let mut live = LivePoints::new(8);
/// live.domains(&ledger);
/// for (at_ns, uj) in [(0, 500), (1_000_000_000, 900)] {
///     ledger.reading(gpu, &Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(uj) });
/// }
/// live.update(&ledger);
/// assert_eq!(live.points()[0].uj, 400);
/// ```
#[derive(Debug)]
pub struct LivePoints {
    /// The point of each device that was computed last.
    points: Vec<DomainPoint>,
    /// Whether each domain is summed into the total.
    summed: Vec<bool>,
    /// For each device the domain whose energy it shows.
    sources: Vec<usize>,
    /// Whether a domain that is summed has no point.
    overflows: bool,
    capacity: usize,
}

impl LivePoints {
    /// Returns the points of up to `capacity` domains; there are none yet.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { points: Vec::new(), summed: Vec::new(), sources: Vec::new(), overflows: false, capacity }
    }

    /// Adds the domains by which the ledger has grown.
    pub fn domains(&mut self, ledger: &Ledger) {
        let shown = ledger.tracks().len().min(self.capacity);
        self.points.resize(shown, DomainPoint::default());
        self.choose(ledger, ledger.opened_ns());
    }

    /// Chooses again which domains are summed, and which counter each device uses: a counter may turn out not to count, or to
    /// contradict its device's power.
    pub fn choose(&mut self, ledger: &Ledger, now_ns: u64) {
        self.summed = crate::summed_now(ledger.tracks().iter());
        self.sources = ledger.sources(now_ns);
        self.overflows = self.summed.iter().skip(self.points.len()).any(|summed| *summed);
    }

    /// Returns whether each domain is summed into the total, in the order of the ledger.
    #[must_use]
    pub fn summed(&self) -> &[bool] {
        &self.summed
    }

    /// Whether a domain that is summed is beyond the capacity, so that the total is at least what the others used.
    #[must_use]
    pub fn overflows(&self) -> bool {
        self.overflows
    }

    /// Returns the domain whose energy a device shows.
    #[must_use]
    pub fn source(&self, index: usize) -> usize {
        self.sources.get(index).copied().unwrap_or(index)
    }

    /// Computes every point from the ledger.
    pub fn update(&mut self, ledger: &Ledger) {
        for index in 0..self.points.len() {
            let next = point_of(ledger, self.source(index));
            let last = &mut self.points[index];
            // Where another counter gives a lower energy, the old value is kept until the new one exceeds it.
            *last = if next.uj < last.uj { DomainPoint { slope_q28: 0, edge_ns: next.edge_ns, ..*last } } else { next };
        }
    }

    /// Returns the points as of the last update, in the order of the ledger.
    #[must_use]
    pub fn points(&self) -> &[DomainPoint] {
        &self.points
    }

    /// Returns the sum of `points` that are summed, extrapolated to `now_ns`; they are in the order of the ledger.
    #[must_use]
    pub fn total(&self, points: &[DomainPoint], now_ns: u64) -> DomainPoint {
        let summed = points.iter().zip(&self.summed).filter(|(_, summed)| **summed).map(|(point, _)| point);
        let mut total = DomainPoint::sum(summed, now_ns);
        total.flags |= if self.overflows { DomainPoint::PARTIAL } else { 0 };
        total
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

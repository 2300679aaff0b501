//! Keeps the energy of a run's own steps over time in at most 512 bins of equal length. When a step ends after the last
//! bin, each two bins become one. A *domain* is one sensor or counter.

use crate::Edge;
use crate::NameId;
use crate::knot::Bounds;
use crate::part_share::{OpenPart, OwnCount, PartShare};
use crate::spans::{NameTotal, SettledSpans};

/// Bins per run: enough for a chart, and little memory.
const MAX_BINS: u64 = 512;
/// Length of a bin at first, nanoseconds: a run of up to 51 s is not binned more coarsely.
const FIRST_WIDTH_NS: u64 = 100_000_000;

/// The steps that ended in one bin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StepBin {
    /// Number of the bin, from 0 at the run's start.
    pub(crate) at: u64,
    /// Number of steps.
    pub(crate) count: u64,
    /// Sum of their durations, nanoseconds.
    pub(crate) duration_ns: u64,
    /// Their energy, by index of the domain.
    pub(crate) by_domain: Vec<StepEnergy>,
}

/// Energy of the steps of one bin from one domain.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StepEnergy {
    pub(crate) uj: u64,
    /// `None`: not known, because the domain was added later.
    pub(crate) bounds: Option<Bounds>,
    /// What of it is from the part that a deputy counts now; `None`: nothing.
    share: Option<Box<PartShare>>,
}

/// The steps of one name, binned by the time at which they ended.
#[derive(Debug)]
pub(crate) struct StepBins {
    pub(crate) name: NameId,
    pub(crate) width_ns: u64,
    begin_ns: u64,
    /// Bins that are complete, in order.
    done: Vec<StepBin>,
    /// Number of the bin in which the last step ended.
    open_at: u64,
    /// The steps of that bin so far; the next adjacent step shares an edge with them.
    open: NameTotal,
}

impl StepBins {
    /// Returns empty bins for the steps of one name in a run that started at `begin_ns`, monotonic nanoseconds.
    pub(crate) fn new(name: NameId, begin_ns: u64) -> Self {
        Self { name, width_ns: FIRST_WIDTH_NS, begin_ns, done: Vec::new(), open_at: 0, open: NameTotal::default() }
    }

    /// Returns the number of the bin of a step that ends at `at_ns`. It may be beyond the last bin.
    pub(crate) fn number(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.begin_ns) / self.width_ns
    }

    /// Adds adjacent steps that end in one bin. Steps come in the order in which they end; one that arrives late counts in the
    /// last bin. `parts` are those that deputies count now.
    pub(crate) fn add(&mut self, step: &SettledSpans<'_>, parts: &[OpenPart]) {
        while self.number(step.to_ns) >= MAX_BINS {
            self.complete_open_bin();
            self.halve();
        }
        let at = self.number(step.to_ns).max(self.open_at);
        if at != self.open_at {
            self.complete_open_bin();
            self.open_at = at;
        }
        self.open.add(step, parts);
    }

    /// Returns all bins in which a step ended, in order.
    pub(crate) fn all(&self) -> Vec<StepBin> {
        let open = (self.open.count > 0).then(|| bin(self.open_at, &self.open));
        let mut all = self.done.clone();
        match (all.last_mut(), open) {
            // A bin that was halved while its steps went on has two parts.
            (Some(last), Some(open)) if last.at == open.at => last.join(&open),
            (_, open) => all.extend(open),
        }
        all
    }

    /// As [`NameTotal::drop_part`], for all bins.
    pub(crate) fn drop_part(&mut self, chief: usize, own: &OwnCount, energy_at: impl Fn(u64) -> Edge) {
        for energy in self.done.iter_mut().filter_map(|bin| bin.by_domain.get_mut(chief)) {
            let Some(share) = energy.share.take() else { continue };
            let uj = i128::from(energy.uj).saturating_add(share.more_uj(own)).max(0);
            energy.uj = u64::try_from(uj).unwrap_or(u64::MAX);
            let [bounds, _] = share.bounds(own);
            energy.bounds = energy.bounds.map(|_| bounds.plus(Bounds { low_uj: 0, high_uj: Some(0) }));
        }
        self.open.drop_part(chief, own, energy_at);
    }

    /// As [`NameTotal::keep_part`], for all bins.
    pub(crate) fn keep_part(&mut self, chief: usize) {
        self.done.iter_mut().filter_map(|bin| bin.by_domain.get_mut(chief)).for_each(|energy| energy.share = None);
        self.open.keep_part(chief);
    }

    /// Moves the open bin to the complete ones.
    fn complete_open_bin(&mut self) {
        let all = self.all();
        self.done = all;
        self.open = NameTotal::default();
    }

    /// Joins each two bins.
    fn halve(&mut self) {
        self.width_ns = self.width_ns.saturating_mul(2);
        self.open_at /= 2;
        let mut halved: Vec<StepBin> = Vec::with_capacity(self.done.len().div_ceil(2));
        for mut bin in self.done.drain(..) {
            bin.at /= 2;
            match halved.last_mut().filter(|last| last.at == bin.at) {
                Some(last) => last.join(&bin),
                None => halved.push(bin),
            }
        }
        self.done = halved;
    }
}

/// Returns the bin with number `at` and these steps.
fn bin(at: u64, total: &NameTotal) -> StepBin {
    let energy = |sum: &crate::spans::DomainSum| StepEnergy {
        uj: sum.energy_uj(),
        bounds: Some(sum.bounds()),
        share: total.share_of(sum),
    };
    let by_domain = total.by_domain.iter().map(energy).collect();
    StepBin { at, count: total.count, duration_ns: total.duration_ns, by_domain }
}

impl StepBin {
    /// Adds the steps of another bin.
    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.duration_ns = self.duration_ns.saturating_add(other.duration_ns);
        let domains = self.by_domain.len().max(other.by_domain.len());
        // The steps before a domain was added have no known energy of it: their sum has no upper bound.
        self.by_domain.resize(domains, StepEnergy::default());
        for (sum, more) in self.by_domain.iter_mut().zip(&other.by_domain) {
            sum.uj = sum.uj.saturating_add(more.uj);
            match (&mut sum.share, &more.share) {
                (Some(share), Some(more)) => share.join(more),
                (Some(share), None) => share.add_bounds(more.bounds),
                (none, Some(more)) => none.insert(more.clone()).add_bounds(sum.bounds),
                (None, None) => {}
            }
            sum.bounds = match (sum.bounds, more.bounds) {
                (Some(one), Some(two)) => Some(one.plus(two)),
                (one, two) => one.or(two).map(|bounds| Bounds { high_uj: None, ..bounds }),
            };
        }
    }
}

//! Energy of a run's own steps over time, in bounded memory: when the bins are used up, each two become one.

use crate::NameId;
use crate::knot::Bounds;
use crate::spans::{NameTotal, SettledSpan};

/// Bins of a run.
const BINS: u64 = 512;
/// Length of a bin at first, nanoseconds.
const SHORTEST_NS: u64 = 100_000_000;

/// The steps that ended in one bin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StepBin {
    pub(crate) at: u64,
    pub(crate) count: u64,
    pub(crate) duration_ns: u64,
    pub(crate) by_domain: Vec<StepEnergy>,
}

/// What they used of one domain.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct StepEnergy {
    pub(crate) uj: u64,
    pub(crate) bounds: Option<Bounds>,
}

/// The steps of one name, binned by the time at which they ended.
#[derive(Debug)]
pub(crate) struct StepBins {
    pub(crate) name: NameId,
    pub(crate) width_ns: u64,
    begin_ns: u64,
    /// Bins that are over, in order.
    done: Vec<StepBin>,
    /// The bin in which the last step ended: its chain of adjacent steps is not broken yet.
    open_at: u64,
    open: NameTotal,
}

impl StepBins {
    /// Steps of that name in a run that began then, monotonic nanoseconds.
    pub(crate) fn new(name: NameId, begin_ns: u64) -> Self {
        Self { name, width_ns: SHORTEST_NS, begin_ns, done: Vec::new(), open_at: 0, open: NameTotal::default() }
    }

    /// Adds a step. Steps come in the order in which they end; one that comes late is taken for one of the last bin.
    pub(crate) fn add(&mut self, step: &SettledSpan<'_>) {
        let since_ns = step.to_ns.saturating_sub(self.begin_ns);
        while since_ns / self.width_ns >= BINS {
            self.close();
            self.halve();
        }
        let at = (since_ns / self.width_ns).max(self.open_at);
        if at != self.open_at {
            self.close();
            self.open_at = at;
        }
        self.open.add(step);
    }

    /// All bins in which a step ended.
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

    fn close(&mut self) {
        let all = self.all();
        self.done = all;
        self.open = NameTotal::default();
    }

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

fn bin(at: u64, total: &NameTotal) -> StepBin {
    let energy = |sum: &crate::spans::DomainSum| StepEnergy { uj: sum.energy_uj(), bounds: Some(sum.bounds()) };
    let by_domain = total.by_domain.iter().map(energy).collect();
    StepBin { at, count: total.count, duration_ns: total.duration_ns, by_domain }
}

impl StepBin {
    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.duration_ns = self.duration_ns.saturating_add(other.duration_ns);
        let domains = self.by_domain.len().max(other.by_domain.len());
        // A domain that was added later has no known energy before.
        self.by_domain.resize(domains, StepEnergy::default());
        for (sum, more) in self.by_domain.iter_mut().zip(&other.by_domain) {
            sum.uj = sum.uj.saturating_add(more.uj);
            sum.bounds = match (sum.bounds, more.bounds) {
                (Some(one), Some(two)) => Some(one.plus(two)),
                (one, two) => one.or(two).map(|bounds| Bounds { high_uj: None, ..bounds }),
            };
        }
    }
}

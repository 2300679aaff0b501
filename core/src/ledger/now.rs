//! What the ledger knows at an instant, settled or not.

use super::{EdgeIndex, Ledger};
use crate::spans::{NameTotal, SettledSpan};
use crate::{Bounds, Edge};

impl Ledger {
    /// Energy of a domain from the run's beginning to `at_ns`, microjoules, as it is known now. Allocates nothing.
    #[must_use]
    pub fn used_uj(&self, domain: usize, at_ns: u64) -> u64 {
        self.since_start(domain, at_ns).map_or(0, |(start, end)| end.uj.saturating_sub(start.uj))
    }

    /// Bounds of that energy, power limits used where they are known. Allocates nothing.
    #[must_use]
    pub fn used_bounds(&self, domain: usize, at_ns: u64) -> Option<Bounds> {
        self.since_start(domain, at_ns).map(|(start, end)| Edge::limited_between(&start, &end))
    }

    fn since_start(&self, domain: usize, at_ns: u64) -> Option<(Edge, Edge)> {
        self.tracks.get(domain)?;
        // The track alone has forgotten the beginning of a long run.
        let seen = self.edges[self.run as usize].seen.get(domain).filter(|edge| edge.settled);
        let start = seen.copied().unwrap_or_else(|| self.level(domain, self.opened_ns, 0));
        // And what is read after the run's end drives that out as well.
        let end = self.end.map(|end| &self.edges[end as usize]).filter(|end| end.at_ns == at_ns);
        let end = end.and_then(|end| end.seen.get(domain)).filter(|edge| edge.settled);
        Some((start, end.copied().unwrap_or_else(|| self.level(domain, at_ns, 0))))
    }

    /// The run's first edge as it is known now.
    pub(crate) fn run_start(&self) -> Vec<Edge> {
        self.seen_now(self.run)
    }

    /// The run's last edge as it is known now: the marked one, or an instant of the last few seconds.
    pub(crate) fn run_end(&self, end_ns: u64) -> Vec<Edge> {
        match self.end.filter(|&end| self.edges[end as usize].at_ns == end_ns) {
            Some(end) => self.seen_now(end),
            None => (0..self.tracks.len()).map(|domain| self.level(domain, end_ns, 0)).collect(),
        }
    }

    /// Totals by name including ended spans that still wait; `true` where some do.
    pub(crate) fn totals_now(&self) -> Vec<(NameTotal, bool)> {
        let mut totals: Vec<_> = self.totals.iter().map(|total| (total.clone(), false)).collect();
        for span in &self.closed {
            let at = span.name.0 as usize;
            if totals.len() <= at {
                totals.resize_with(at + 1, || (NameTotal::default(), false));
            }
            let (starts, ends) = (self.seen_now(span.start), self.seen_now(span.end));
            let (from_ns, to_ns) = (self.edges[span.start as usize].at_ns, self.edges[span.end as usize].at_ns);
            totals[at].0.add(&SettledSpan { from_ns, to_ns, starts: &starts, ends: &ends });
            totals[at].1 = true;
        }
        totals
    }

    fn seen_now(&self, index: EdgeIndex) -> Vec<Edge> {
        let edge = &self.edges[index as usize];
        let now = |domain| self.level(domain, edge.at_ns, edge.error_ns);
        let seen = edge.seen.iter().enumerate();
        seen.map(|(domain, seen)| if seen.settled { *seen } else { now(domain) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Component, Domain, Reading};

    /// 100 000 steps leave nothing behind but one total: memory does not grow with the run.
    #[test]
    fn d22_a_settled_step_leaves_nothing_behind() {
        let mut ledger = Ledger::new(0, 16);
        ledger.add_domain(Domain::counter("package-0", Component::Cpu, "package", "t"));
        let step = ledger.intern("step");
        for tick in 0..100_000u64 {
            let at_ns = tick * 1_000_000;
            ledger.reading(0, &Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(tick * 7) });
            ledger.step(0, step, at_ns + 500, 0);
        }
        assert!(ledger.edges.len() < 10 && ledger.closed.len() < 5, "{} edges", ledger.edges.len());
        assert_eq!(ledger.totals.len(), 1);
    }
}

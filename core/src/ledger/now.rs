//! Energies of the ledger at an instant, including those that are not final yet.
//!
//! A *knot* is a counter change. An *edge* is the energy that a domain (one sensor or counter) had counted until an instant
//! at which a span or the run starts or ends. It is *settled* when the first knot after the instant has arrived.

use super::{EdgeIndex, Ledger};
use crate::knot::Changes;
use crate::spans::{NameTotal, SettledSpans};
use crate::{Bounds, Edge};

/// Total of the spans of one name, as it is known now.
#[derive(Debug, Default)]
pub(crate) struct TotalNow {
    pub(crate) total: NameTotal,
    /// Whether a span in it waits for a knot.
    pub(crate) waits: bool,
}

impl Ledger {
    /// Returns the energy of a domain from the run's start to `at_ns`, microjoules, as it is known now. Allocates nothing.
    #[must_use]
    pub fn used_uj(&self, domain: usize, at_ns: u64) -> u64 {
        self.since_start(domain, at_ns).map_or(0, |(start, end)| end.uj.saturating_sub(start.uj))
    }

    /// Returns the bounds of that energy, with power limits used where they are known. Allocates nothing.
    #[must_use]
    pub fn used_bounds(&self, domain: usize, at_ns: u64) -> Option<Bounds> {
        self.since_start(domain, at_ns).map(|(start, end)| Edge::limited_between(&start, &end))
    }

    /// Returns the edges of a domain at the run's start and at `at_ns`.
    pub(crate) fn since_start(&self, domain: usize, at_ns: u64) -> Option<(Edge, Edge)> {
        self.tracks.get(domain)?;
        // Stored edges first: in a long run the track has dropped the knots of the start.
        let stored_start = self.edges[self.run as usize].seen.get(domain).filter(|edge| edge.settled);
        let start = stored_start.copied().unwrap_or_else(|| self.energy_at(domain, self.opened_ns, 0));
        // And readings after the run's end make it drop those of the end.
        let end = self.end.map(|end| &self.edges[end as usize]).filter(|end| end.at_ns == at_ns);
        let end = end.and_then(|end| end.seen.get(domain)).filter(|edge| edge.settled);
        Some((start, end.copied().unwrap_or_else(|| self.energy_at(domain, at_ns, 0))))
    }

    /// Returns the run's first edge for each domain, as it is known now.
    pub(crate) fn run_start(&self) -> Vec<Edge> {
        self.edges_now(self.run)
    }

    /// Returns the run's last edge for each domain, as it is known now. `end_ns` is the marked end, or in the last seconds.
    pub(crate) fn run_end(&self, end_ns: u64) -> Vec<Edge> {
        match self.end.filter(|&end| self.edges[end as usize].at_ns == end_ns) {
            Some(end) => self.edges_now(end),
            None => (0..self.tracks.len()).map(|domain| self.energy_at(domain, end_ns, 0)).collect(),
        }
    }

    /// Keeps the changes around a settled edge, if it is that of the run's start or end.
    pub(super) fn keep_changes(&mut self, index: EdgeIndex) {
        (0..self.tracks.len()).for_each(|domain| self.keep_changes_of(index, domain));
    }

    /// As [`Self::keep_changes`], of one domain.
    pub(super) fn keep_changes_of(&mut self, index: EdgeIndex, domain: usize) {
        let [start, end] = &mut self.changes;
        let kept = match () {
            () if index == self.run => start,
            () if Some(index) == self.end => end,
            () => return,
        };
        let edge = &self.edges[index as usize];
        let is_settled = edge.seen.get(domain).is_some_and(|seen| seen.settled);
        kept[domain] = is_settled.then(|| self.tracks[domain].changes_around(edge.at_ns));
    }

    /// Returns the changes of a domain around the start of the run.
    pub(crate) fn changes_at_start(&self, domain: usize) -> Changes {
        self.changes[0][domain].unwrap_or_else(|| self.tracks[domain].changes_around(self.opened_ns))
    }

    /// Returns the changes of a domain around `end_ns`, as [`Self::run_end`] uses them.
    pub(crate) fn changes_at_end(&self, domain: usize, end_ns: u64) -> Changes {
        let is_marked = self.end.is_some_and(|end| self.edges[end as usize].at_ns == end_ns);
        let kept = self.changes[1][domain].filter(|_| is_marked);
        kept.unwrap_or_else(|| self.tracks[domain].changes_around(end_ns))
    }

    /// Returns the totals by name, including spans that have ended and are not settled.
    pub(crate) fn totals_now(&self) -> Vec<TotalNow> {
        let mut totals: Vec<TotalNow> =
            self.totals.iter().map(|total| TotalNow { total: total.clone(), waits: false }).collect();
        for span in &self.closed {
            let name_index = span.name.0 as usize;
            if totals.len() <= name_index {
                totals.resize_with(name_index + 1, TotalNow::default);
            }
            let (starts, ends) = (self.edges_now(span.start), self.edges_now(span.end));
            let (from_ns, to_ns) = (self.edges[span.start as usize].at_ns, self.edges[span.end as usize].at_ns);
            let count = span.count;
            totals[name_index].total.add(&SettledSpans { count, from_ns, to_ns, starts: &starts, ends: &ends }, &[]);
            let waits = |(domain, (start, end)): (usize, (&Edge, &Edge))| {
                self.is_waited_for(domain) && !(start.settled && end.settled)
            };
            totals[name_index].waits |= starts.iter().zip(&ends).enumerate().any(waits);
        }
        totals
    }

    /// Returns a stored edge for each domain; where it is not settled, as it is known now.
    pub(super) fn edges_now(&self, index: EdgeIndex) -> Vec<Edge> {
        let edge = &self.edges[index as usize];
        let now = |domain| self.energy_at(domain, edge.at_ns, edge.error_ns);
        let stored = |domain: usize| edge.seen.get(domain).copied().filter(|seen| seen.settled);
        (0..self.tracks.len()).map(|domain| stored(domain).unwrap_or_else(|| now(domain))).collect()
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

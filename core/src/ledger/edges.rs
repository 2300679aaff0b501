//! Stores the edges of the ledger and settles them. An *edge* is an instant at which a span (a named part of the run)
//! starts or ends, with the energy that each domain (sensor or counter) had counted until then. It is settled for a domain
//! when the first knot (counter change) after the instant has arrived.

use super::Ledger;
use super::threads::{EdgeIndex, Pending, settled_span};
use crate::Edge;
use crate::spans::NameTotal;

impl Ledger {
    /// Stops waiting at edges before `since_ns`: they are settled with what is known, and without upper bounds. So a counter
    /// that does not change any more delays nothing, and memory stays bounded.
    pub fn give_up(&mut self, since_ns: u64) {
        for domain in 0..self.tracks.len() {
            while let Some(&index) = self.waiting[domain].front() {
                let Pending { at_ns, error_ns, .. } = self.edges[index as usize];
                if at_ns >= since_ns {
                    break;
                }
                let seen = Edge { settled: true, ..self.energy_at(domain, at_ns, error_ns) };
                self.store(index, domain, seen);
                self.waiting[domain].pop_front();
            }
        }
        self.settle();
    }

    /// Stores the edge of an instant and queues it at the domains where it is not settled. The caller holds one reference.
    pub(super) fn add_edge(&mut self, at_ns: u64, error_ns: u64) -> EdgeIndex {
        let index = self.unused.pop().unwrap_or_else(|| {
            self.edges.push(Pending::default());
            (self.edges.len() - 1) as EdgeIndex
        });
        let mut seen = std::mem::take(&mut self.edges[index as usize].seen);
        seen.clear();
        seen.extend((0..self.tracks.len()).map(|domain| self.energy_at(domain, at_ns, error_ns)));
        for (_, waiting) in seen.iter().zip(&mut self.waiting).filter(|(seen, _)| !seen.settled) {
            waiting.push_back(index);
        }
        let is_missing = |(domain, seen): &(usize, &Edge)| !seen.settled && self.is_waited_for(*domain);
        let missing = seen.iter().enumerate().filter(is_missing).count();
        self.edges[index as usize] = Pending { at_ns, error_ns, missing, references: 1, seen };
        self.sort_back(index, at_ns);
        index
    }

    /// Moves a new edge to its place in the queues, which are in the order of time. Nearly all edges are already there.
    fn sort_back(&mut self, index: EdgeIndex, at_ns: u64) {
        for waiting in &mut self.waiting {
            if waiting.back() != Some(&index) {
                continue;
            }
            let mut place = waiting.len() - 1;
            while place > 0 && self.edges[waiting[place - 1] as usize].at_ns > at_ns {
                waiting.swap(place, place - 1);
                place -= 1;
            }
        }
    }

    /// Settles the edges of a domain for which its knots have arrived.
    pub(super) fn resolve(&mut self, domain: usize) {
        let mut completes_edge = false;
        while let Some(&index) = self.waiting[domain].front() {
            let Pending { at_ns, error_ns, .. } = self.edges[index as usize];
            let seen = self.energy_at(domain, at_ns, error_ns);
            if !seen.settled {
                break;
            }
            completes_edge |= self.store(index, domain, seen);
            self.waiting[domain].pop_front();
        }
        if completes_edge {
            self.settle();
        }
    }

    /// Stores the settled energy of a domain in an edge that waited for it; returns whether the edge waits for nothing more.
    fn store(&mut self, index: EdgeIndex, domain: usize, seen: Edge) -> bool {
        let was_missing = self.is_waited_for(domain);
        let edge = &mut self.edges[index as usize];
        edge.seen[domain] = seen;
        edge.missing -= usize::from(was_missing);
        was_missing && edge.missing == 0
    }

    /// Adds the ended spans to their totals, in order, until one has an edge that is not settled.
    pub(super) fn settle(&mut self) {
        while let Some(&span) = self.closed.front() {
            let (start, end) = (&self.edges[span.start as usize], &self.edges[span.end as usize]);
            if start.missing + end.missing > 0 {
                return;
            }
            let name_index = span.name.0 as usize;
            if self.totals.len() <= name_index {
                self.totals.resize_with(name_index + 1, NameTotal::default);
            }
            let ended = settled_span(start, end);
            self.totals[name_index].add(&ended);
            if let Some(steps) = self.steps.as_mut().filter(|steps| steps.name == span.name) {
                steps.add(&ended);
            }
            self.closed.pop_front();
            self.release(span.start);
            self.release(span.end);
        }
    }

    /// Gives up one reference to an edge, and the edge with the last one.
    pub(super) fn release(&mut self, index: EdgeIndex) {
        let edge = &mut self.edges[index as usize];
        edge.references -= 1;
        if edge.references > 0 {
            return;
        }
        if edge.seen.iter().any(|seen| !seen.settled) {
            for waiting in &mut self.waiting {
                waiting.retain(|&other| other != index);
            }
        }
        self.unused.push(index);
    }
}

//! Stores the edges of the ledger and settles them. An *edge* is an instant at which a span (a named part of the run)
//! starts or ends, with the energy that each domain (sensor or counter) had counted until then. It is settled for a domain
//! when the first knot (counter change) after the instant has arrived.

//!
//! A step ends where the next one of its name starts. What the edge between the two adds to the energy of one it takes from the
//! other, so that their sum does not depend on it. Between two readings a thread may record thousands of steps. They are kept as
//! one entry with a count ([`EndedSpans`](super::EndedSpans)), and the edge at its end moves on with each step
//! ([`Ledger::extend_steps`]) until the next reading or [`Ledger::fix_edges`]: only then are energies computed for it.

use super::Ledger;
use super::threads::{EdgeIndex, Pending, settled_spans};
use crate::spans::NameTotal;
use crate::{Edge, NameId};

/// Threads whose steps are kept as one entry each although they end in turns. The steps of more threads stay single entries.
const MAX_THREADS_IN_TURNS: usize = 16;

impl Ledger {
    /// Ends the recording of a series of steps: computes the energies at the edges that could still move, or lets them wait for
    /// their knots. To be called after the last of several [`Ledger::step`]; each reading does it too.
    pub fn fix_edges(&mut self) {
        if self.movable.is_empty() {
            return;
        }
        let mut movable = std::mem::take(&mut self.movable);
        movable.drain(..).for_each(|index| self.queue(index));
        self.movable = movable;
        self.settle();
    }

    /// Stops waiting at edges before `since_ns`: they are settled with what is known, and without upper bounds. So a counter
    /// that does not change any more delays nothing, and memory stays bounded.
    pub fn give_up(&mut self, since_ns: u64) {
        self.fix_edges();
        for domain in 0..self.tracks.len() {
            if self.dropped[domain].is_some_and(|part| part.now_ns < since_ns) {
                self.correct_spans(domain);
            }
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
        let index = self.unqueued_edge(at_ns, error_ns);
        self.queue(index);
        index
    }

    /// Stores the edge of an instant that later steps may move. The ended and the open step hold one reference each.
    pub(super) fn add_movable_edge(&mut self, at_ns: u64, error_ns: u64) -> EdgeIndex {
        let index = self.unqueued_edge(at_ns, error_ns);
        let edge = &mut self.edges[index as usize];
        (edge.references, edge.is_movable) = (2, true);
        self.movable.push(index);
        index
    }

    /// Adds a step that starts at the edge `start` and ends at `(at_ns, error_ns)` to the steps that end at `start`, by moving
    /// that edge to the end of the step. Returns `false` if the edge cannot be moved.
    pub(super) fn extend_steps(&mut self, name: NameId, start: EdgeIndex, (at_ns, error_ns): (u64, u64)) -> bool {
        let edge = &mut self.edges[start as usize];
        // Another span that starts here needs the edge as it is. And the energy of the run's steps is kept by the time at which
        // they end.
        let steps = self.steps.as_ref().filter(|steps| steps.name == name);
        let is_same_bin = steps.is_none_or(|steps| steps.number(edge.at_ns) == steps.number(at_ns));
        if !edge.is_movable || edge.references != 2 || !is_same_bin {
            return false;
        }
        let Some(ended) = self.closed.iter_mut().rev().take(MAX_THREADS_IN_TURNS).find(|ended| ended.end == start)
        else {
            return false;
        };
        ended.count += 1;
        (edge.at_ns, edge.error_ns) = (at_ns, error_ns);
        true
    }

    /// Stores an edge with one reference, without any energy.
    fn unqueued_edge(&mut self, at_ns: u64, error_ns: u64) -> EdgeIndex {
        let index = self.unused.pop().unwrap_or_else(|| {
            self.edges.push(Pending::default());
            (self.edges.len() - 1) as EdgeIndex
        });
        let edge = &mut self.edges[index as usize];
        edge.seen.clear();
        edge.is_counted = false;
        (edge.at_ns, edge.error_ns, edge.references, edge.missing) = (at_ns, error_ns, 1, 0);
        index
    }

    /// Computes the energies at an edge, and queues it at the domains where it is not settled.
    fn queue(&mut self, index: EdgeIndex) {
        let edge = &mut self.edges[index as usize];
        edge.is_movable = false;
        let (at_ns, error_ns, mut seen) = (edge.at_ns, edge.error_ns, std::mem::take(&mut edge.seen));
        seen.extend((0..self.tracks.len()).map(|domain| match self.is_waited_for(domain) {
            true => self.settled_at(domain, at_ns, error_ns).unwrap_or_default(),
            // Spans are settled without its next reading, with what is known of it now.
            false => self.energy_at(domain, at_ns, error_ns),
        }));
        for (_, waiting) in seen.iter().zip(&mut self.waiting).filter(|(seen, _)| !seen.settled) {
            waiting.push_back(index);
        }
        let is_missing = |(domain, seen): &(usize, &Edge)| !seen.settled && self.is_waited_for(*domain);
        let missing = seen.iter().enumerate().filter(is_missing).count();
        let edge = &mut self.edges[index as usize];
        (edge.missing, edge.seen) = (missing, seen);
        self.sort_back(index, at_ns);
    }

    /// Returns the energy of a domain at an instant; `None` while it is not settled.
    fn settled_at(&self, domain: usize, at_ns: u64, error_ns: u64) -> Option<Edge> {
        // Without deputies the track alone decides, which is less work than the energy.
        if self.parts(domain).is_empty() && !self.tracks[domain].resolvable(at_ns) {
            return None;
        }
        Some(self.energy_at(domain, at_ns, error_ns)).filter(|seen| seen.settled)
    }

    /// Moves a new edge to its place in the queues, which are in the order of time. Nearly all edges are already there.
    pub(super) fn sort_back(&mut self, index: EdgeIndex, at_ns: u64) {
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
            let Some(seen) = self.settled_at(domain, at_ns, error_ns) else { break };
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
        let completes_edge = was_missing && edge.missing == 0;
        self.keep_changes_of(index, domain);
        completes_edge
    }

    /// Adds the ended spans to their totals, in order, until one has an edge that is not settled.
    pub(super) fn settle(&mut self) {
        let parts = self.open_parts();
        while let Some(&span) = self.closed.front() {
            let (start, end) = (&self.edges[span.start as usize], &self.edges[span.end as usize]);
            if start.missing + end.missing > 0 || start.is_movable || end.is_movable {
                return;
            }
            let name_index = span.name.0 as usize;
            if self.totals.len() <= name_index {
                self.totals.resize_with(name_index + 1, NameTotal::default);
            }
            let ended = settled_spans(span.count, start, end);
            self.totals[name_index].add(&ended, &parts);
            // Steps that are kept as one entry end between the same two readings. The start of a step is the end of the one
            // before, which has counted it, or of the run.
            let widths = &mut self.totals[name_index].widths;
            widths.add(ended.ends, span.count);
            if !start.is_counted && span.start != self.run {
                widths.add(ended.starts, 1);
            }
            self.span_times.add(span.name, ended.from_ns, ended.to_ns);
            if let Some(steps) = self.steps.as_mut().filter(|steps| steps.name == span.name) {
                steps.add(&ended, &parts);
            }
            self.edges[span.end as usize].is_counted = true;
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

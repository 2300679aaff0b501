//! The ledger: readings on one side, starts and ends of spans on the other, joined per domain as knots (counter
//! changes) arrive.
//!
//! A span is two edges. An edge waits, domain by domain, for the first knot after it; then its energy is settled, and
//! with both edges settled the span enters the total of its name. Nothing is kept of a settled span but its sums.

mod deputies;
mod now;
mod step_bins;
mod threads;

use std::collections::VecDeque;

use crate::curve::History;
use crate::fold::Outcome;
use crate::spans::NameTotal;
use crate::take_over::{DeputyPart, chiefs};
use crate::{Domain, Edge, GapReason, Knot, NameId, Names, Notice, Reading, Track};
pub(crate) use step_bins::StepBin;
use step_bins::StepBins;
use threads::{EdgeIndex, Pending, SpanPlace, StepStart, Threads, settled};

/// Accounts readings and spans.
///
/// ```
/// use eco2_core::{Component, Domain, Ledger, Reading};
///
/// const S: u64 = 1_000_000_000;
/// let mut ledger = Ledger::new(0, 16);
/// let gpu = ledger.add_domain(Domain::counter("gpu-0", Component::Gpu, "board", "example"));
/// let train = ledger.intern("train");
/// ledger.begin(0, train, 10 * S, 0);
/// ledger.end(0, train, 30 * S, 0);
/// for second in 0..=40 {
///     let at_ns = second * S; // 100 W
///     ledger.reading(gpu, &Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(second * 100_000_000) });
/// }
/// let account = ledger.account(40 * S);
/// let span = &account.spans[0];
/// assert_eq!((span.name.as_str(), span.count), ("train", 1));
/// assert!(span.low_uj <= 2_000_000_000 && span.high_uj.is_some_and(|high_uj| high_uj >= 2_000_000_000)); // 20 s
/// ```
#[derive(Debug)]
pub struct Ledger {
    pub(crate) tracks: Vec<Track>,
    pub(crate) names: Names,
    pub(crate) totals: Vec<NameTotal>,
    pub(crate) opened_ns: u64,
    pub(crate) unmatched: u64,
    histories: Vec<History>,
    pub(crate) steps: Option<StepBins>,
    waiting: Vec<VecDeque<EdgeIndex>>,
    edges: Vec<Pending>,
    unused: Vec<EdgeIndex>,
    threads: Threads,
    closed: VecDeque<EndedSpan>,
    run: EdgeIndex,
    end: Option<EdgeIndex>,
    /// Of each domain the stretches that its deputies counted.
    pub(crate) parts: Vec<Vec<DeputyPart>>,
    /// Of each domain the one that it is a deputy for.
    pub(crate) chiefs: Vec<Option<usize>>,
}

/// A marked instant: the beginning of a span that replay keeps open.
#[derive(Debug)]
pub struct Mark(EdgeIndex);

#[derive(Debug, Clone, Copy)]
struct EndedSpan {
    name: NameId,
    start: EdgeIndex,
    end: EdgeIndex,
}

impl Ledger {
    /// An empty ledger whose run starts at `opened_ns`; `cap` limits the number of names.
    #[must_use]
    pub fn new(opened_ns: u64, cap: usize) -> Self {
        let mut ledger = Self {
            tracks: Vec::new(),
            names: Names::new(cap),
            totals: Vec::new(),
            opened_ns,
            unmatched: 0,
            histories: Vec::new(),
            steps: None,
            waiting: Vec::new(),
            edges: Vec::new(),
            unused: Vec::new(),
            threads: Threads::default(),
            closed: VecDeque::new(),
            run: 0,
            end: None,
            parts: Vec::new(),
            chiefs: Vec::new(),
        };
        ledger.run = ledger.edge(opened_ns, 0);
        ledger
    }

    /// Adds a domain; returns its index. Domains may come at any time, and are uncovered until then.
    pub fn add_domain(&mut self, domain: Domain) -> usize {
        self.tracks.push(Track::new(domain));
        self.histories.push(History::new(self.opened_ns));
        self.parts.push(Vec::new());
        self.chiefs = chiefs(&self.tracks);
        let mut waiting: Vec<EdgeIndex> = Vec::new();
        for (index, edge) in self.edges.iter_mut().enumerate().filter(|(_, edge)| edge.references > 0) {
            edge.seen.push(Edge::default());
            edge.missing += 1;
            waiting.push(index as EdgeIndex);
        }
        waiting.sort_unstable_by_key(|&index| self.edges[index as usize].at_ns);
        self.waiting.push(waiting.into());
        self.tracks.len() - 1
    }

    /// When the run began, monotonic nanoseconds.
    #[must_use]
    pub fn opened_ns(&self) -> u64 {
        self.opened_ns
    }

    /// Ends without a start.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// The domains' tracks, in the order they were added.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The id of a span name.
    pub fn intern(&mut self, name: &str) -> NameId {
        self.names.intern(name)
    }

    /// The table of span names.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Takes a reading; `None` for a domain that was never added.
    pub fn reading(&mut self, domain: usize, reading: &Reading) -> Option<Outcome> {
        let outcome = self.tracks.get_mut(domain)?.push(reading);
        let chief = self.succeed(domain, reading, outcome);
        if let Outcome::Grew { .. } | Outcome::Baseline = outcome {
            // What counts for a sensor that has died goes on with that sensor's history.
            for domain in chief.into_iter().chain([domain]) {
                if let (Some(knot), Some(history)) = (self.last_knot(domain), self.histories.get_mut(domain)) {
                    history.push(&knot);
                }
            }
        }
        if !matches!(outcome, Outcome::Same | Outcome::Failed(_)) {
            self.resolve(domain);
            chief.into_iter().for_each(|chief| self.resolve(chief));
        }
        Some(outcome)
    }

    /// What was unusual in a domain's readings since the last call.
    pub fn take_notices(&mut self, domain: usize) -> Vec<Notice> {
        self.tracks.get_mut(domain).map(Track::take_notices).unwrap_or_default()
    }

    /// Something broke the counters of all domains (suspend) or of one.
    pub fn break_segment(&mut self, domain: Option<usize>, reason: GapReason) {
        match domain {
            Some(index) => self.tracks.get_mut(index).into_iter().for_each(|track| track.break_segment(reason)),
            None => self.tracks.iter_mut().for_each(|track| track.break_segment(reason)),
        }
    }

    /// Moves the run's beginning, before any span: to the instant at which every counter had been read once.
    pub fn restart_at(&mut self, opened_ns: u64) {
        let old = self.run;
        self.run = self.edge(opened_ns, 0);
        self.opened_ns = opened_ns;
        for (history, track) in self.histories.iter_mut().zip(&self.tracks) {
            *history = History::new(opened_ns);
            track.last_knot().into_iter().for_each(|knot| history.push(knot));
        }
        self.steps = self.steps.take().map(|steps| StepBins::new(steps.name, opened_ns));
        self.release(old);
    }

    /// Marks the run's end, so that it is settled by its own knots however much is read after it.
    pub fn end_at(&mut self, end_ns: u64) {
        let edge = self.edge(end_ns.max(self.opened_ns), 0);
        if let Some(old) = self.end.replace(edge) {
            self.release(old);
        }
    }

    /// Keeps the energy of the spans of that name over time, as the run's own steps: from now on, and of one name.
    pub fn bin_steps(&mut self, name: NameId) {
        if self.steps.as_ref().is_none_or(|steps| steps.name != name) {
            self.steps = Some(StepBins::new(name, self.opened_ns));
        }
    }

    /// What was kept of a domain's knots; none for a domain that was never added.
    #[must_use]
    pub fn history(&self, domain: usize) -> &[Knot] {
        self.histories.get(domain).map_or(&[], History::knots)
    }

    /// Whether the marked end has its knots: nothing read from now on changes the run's energy.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.end.is_some_and(|end| self.edges[end as usize].missing == 0)
    }

    /// A span starts on `thread` at an instant known to `±error_ns`.
    pub fn begin(&mut self, thread: usize, name: NameId, at_ns: u64, error_ns: u64) {
        let start = self.edge(at_ns, error_ns);
        self.opened(SpanPlace { thread, name, at_ns }, start, false);
    }

    /// The nearest open span of that name on that thread ends; `false` (and counted) if there is none.
    ///
    /// ```
    /// let mut ledger = eco2_core::Ledger::new(0, 16);
    /// let load = ledger.intern("load");
    /// assert!(!ledger.end(0, load, 1_000, 0)); // no start
    /// ledger.begin(0, load, 1_000, 0);
    /// assert!(ledger.end(0, load, 2_000, 0));
    /// assert_eq!(ledger.unmatched(), 1);
    /// ```
    pub fn end(&mut self, thread: usize, name: NameId, at_ns: u64, error_ns: u64) -> bool {
        let Some(start) = self.threads.end(thread, name) else {
            self.unmatched += 1;
            return false;
        };
        self.threads.heard(thread, at_ns);
        let end = self.edge(self.edges[start as usize].at_ns.max(at_ns), error_ns);
        self.close_span(EndedSpan { name, start, end });
        true
    }

    /// A step ends and the next of that name starts, at one instant and with one edge. The step that ends is the
    /// nearest open span of that name on that thread, or the name's first there, which began with the run. After an
    /// explicit end nothing is open: then the next step only starts. Returns when the ended step began; `None`: none
    /// ended.
    ///
    /// ```
    /// let mut ledger = eco2_core::Ledger::new(0, 16);
    /// let step = ledger.intern("step");
    /// assert_eq!(ledger.step(0, step, 1_000, 0), Some(0)); // the first step began with the run
    /// assert_eq!(ledger.step(0, step, 2_000, 0), Some(1_000));
    /// assert_eq!(ledger.ended_spans(0, step), 2);
    /// ```
    pub fn step(&mut self, thread: usize, name: NameId, at_ns: u64, error_ns: u64) -> Option<u64> {
        let at = SpanPlace { thread, name, at_ns };
        let start = match self.threads.step(at) {
            StepStart::Edge(start) => start,
            StepStart::Run => {
                self.edges[self.run as usize].references += 1;
                self.run
            }
            StepStart::None => {
                let start = self.edge(at_ns, error_ns);
                self.opened(at, start, true);
                return None;
            }
        };
        let begun_ns = self.edges[start as usize].at_ns;
        let edge = self.edge(begun_ns.max(at_ns), error_ns);
        self.edges[edge as usize].references += 1;
        self.opened(at, edge, true);
        self.close_span(EndedSpan { name, start, end: edge });
        Some(begun_ns)
    }

    /// Steps of that name start on `thread`: the next one starts here, and an open one is dropped.
    pub fn start_steps(&mut self, thread: usize, name: NameId, at_ns: u64, error_ns: u64) {
        if let Some(open) = self.threads.give_up(thread, name) {
            self.release(open);
        }
        let start = self.edge(at_ns, error_ns);
        self.opened(SpanPlace { thread, name, at_ns }, start, true);
    }

    /// How many spans of that name have ended on that thread, and on ended threads whose steps it continues.
    #[must_use]
    pub fn ended_spans(&self, thread: usize, name: NameId) -> u64 {
        self.threads.ended(thread, name)
    }

    /// A thread has ended. Spans that it left open never end, but its open steps go on: a thread that uses their names
    /// later continues them.
    pub fn abandon(&mut self, thread: usize) {
        for start in self.threads.leave(thread) {
            self.release(start);
        }
    }

    /// Marks an instant from which a span will be counted; give it back to [`Ledger::close`].
    pub fn mark(&mut self, at_ns: u64) -> Mark {
        Mark(self.edge(at_ns, 0))
    }

    /// Closes a span that began at `start`.
    pub fn close(&mut self, name: NameId, start: Mark, at_ns: u64) {
        let end = self.edge(self.edges[start.0 as usize].at_ns.max(at_ns), 0);
        self.close_span(EndedSpan { name, start: start.0, end });
    }

    /// Whether every edge of an ended span, and `at_ns`, has its knots.
    #[must_use]
    pub fn settled(&self, at_ns: u64) -> bool {
        self.closed.is_empty() && (0..self.tracks.len()).all(|at| self.is_silent(at) || self.resolvable(at, at_ns))
    }

    /// Spans that have ended and still wait for knots.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.closed.len()
    }

    /// Gives up waiting for knots of domains that have been silent since before `since_ns`: their edges are settled as
    /// they are, with open upper bounds, so that a dead counter delays nothing and memory stays bounded.
    pub fn give_up(&mut self, since_ns: u64) {
        for domain in 0..self.tracks.len() {
            while let Some(&index) = self.waiting[domain].front() {
                let (at_ns, error_ns) = self.edges[index as usize].instant();
                if at_ns >= since_ns {
                    break;
                }
                let seen = Edge { settled: true, ..self.level(domain, at_ns, error_ns) };
                let edge = &mut self.edges[index as usize];
                edge.seen[domain] = seen;
                edge.missing -= 1;
                self.waiting[domain].pop_front();
            }
        }
        self.settle();
    }

    fn opened(&mut self, at: SpanPlace, start: EdgeIndex, step: bool) {
        self.threads.heard(at.thread, at.at_ns);
        if let Some(unneeded) = self.threads.open(at, start, step) {
            self.release(unneeded);
        }
    }

    fn close_span(&mut self, span: EndedSpan) {
        self.closed.push_back(span);
        self.settle();
    }

    fn edge(&mut self, at_ns: u64, error_ns: u64) -> EdgeIndex {
        let index = self.unused.pop().unwrap_or_else(|| {
            self.edges.push(Pending::default());
            (self.edges.len() - 1) as EdgeIndex
        });
        let mut seen = std::mem::take(&mut self.edges[index as usize].seen);
        seen.clear();
        seen.extend((0..self.tracks.len()).map(|domain| self.level(domain, at_ns, error_ns)));
        for (_, waiting) in seen.iter().zip(&mut self.waiting).filter(|(seen, _)| !seen.settled) {
            waiting.push_back(index);
        }
        let missing = seen.iter().filter(|seen| !seen.settled).count();
        self.edges[index as usize] = Pending { at_ns, error_ns, missing, references: 1, seen };
        self.sort_back(index, at_ns);
        index
    }

    /// Edges come nearly in order; a late one sinks to its place.
    fn sort_back(&mut self, index: EdgeIndex, at_ns: u64) {
        for waiting in &mut self.waiting {
            let mut at = match waiting.back() {
                Some(&last) if last == index => waiting.len() - 1,
                _ => continue,
            };
            while at > 0 && self.edges[waiting[at - 1] as usize].at_ns > at_ns {
                waiting.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    fn resolve(&mut self, domain: usize) {
        let mut done = false;
        while let Some(&index) = self.waiting[domain].front() {
            let (at_ns, error_ns) = self.edges[index as usize].instant();
            let seen = self.level(domain, at_ns, error_ns);
            if !seen.settled {
                break;
            }
            let edge = &mut self.edges[index as usize];
            edge.seen[domain] = seen;
            edge.missing -= 1;
            done |= edge.missing == 0;
            self.waiting[domain].pop_front();
        }
        if done {
            self.settle();
        }
    }

    fn settle(&mut self) {
        while let Some(&span) = self.closed.front() {
            let (start, end) = (&self.edges[span.start as usize], &self.edges[span.end as usize]);
            if start.missing + end.missing > 0 {
                return;
            }
            let at = span.name.0 as usize;
            if self.totals.len() <= at {
                self.totals.resize_with(at + 1, NameTotal::default);
            }
            let ended = settled(start, end);
            self.totals[at].add(&ended);
            if let Some(steps) = self.steps.as_mut().filter(|steps| steps.name == span.name) {
                steps.add(&ended);
            }
            self.closed.pop_front();
            self.release(span.start);
            self.release(span.end);
        }
    }

    fn release(&mut self, index: EdgeIndex) {
        let edge = &mut self.edges[index as usize];
        edge.references -= 1;
        if edge.references > 0 {
            return;
        }
        if edge.missing > 0 {
            for waiting in &mut self.waiting {
                waiting.retain(|&other| other != index);
            }
        }
        self.unused.push(index);
    }
}

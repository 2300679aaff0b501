//! The ledger ([`Ledger`]) takes the readings of all sensors and the starts and ends of spans, and adds up the energy of
//! the spans by name.
//!
//! A *domain* is one sensor or counter; its [`Track`] processes its readings. A *knot* is a counter change. A *span* is a
//! named part of the run, a *step* a span that starts where the last one of its name ended. An *edge* is the instant at
//! which a span starts or ends, with the energy of every domain until then. That energy is final (*settled*) when the
//! domain's first knot after the instant has arrived; until then the edge waits in a queue of the domain. When both edges
//! of an ended span are settled, the span is added to the total of its name, and only the total is kept.

mod deputies;
mod edges;
mod host_windows;
mod now;
mod span_times;
mod step_bins;
mod threads;
mod window;

use std::collections::VecDeque;

use crate::curve::History;
use crate::fold::Outcome;
use crate::knot::Changes;
use crate::part_share::DroppedPart;
use crate::spans::NameTotal;
use crate::take_over::{DeputyPart, chiefs};
use crate::{Domain, Edge, GapReason, Knot, NameId, Names, Notice, Reading, Track};
pub(crate) use now::TotalNow;
pub(crate) use span_times::NameTimes;
use span_times::SpanTimes;
pub(crate) use step_bins::StepBin;
use step_bins::StepBins;
use threads::{EdgeIndex, Pending, SpanPlace, StepStart, Threads};
use window::HostWindow;

/// Takes readings and spans, and keeps the energy of the run and of its spans.
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
    /// The track of each domain.
    pub(crate) tracks: Vec<Track>,
    pub(crate) names: Names,
    /// Totals of settled spans, by name.
    pub(crate) totals: Vec<NameTotal>,
    /// When the run began, monotonic nanoseconds.
    pub(crate) opened_ns: u64,
    /// Number of ends without a start.
    pub(crate) unmatched: u64,
    /// Thinned knots of each domain over the whole run.
    histories: Vec<History>,
    /// Energy of the run's own steps over time; `None`: no name was declared as that of its steps.
    pub(crate) steps: Option<StepBins>,
    /// When the settled spans of each name ran.
    pub(crate) span_times: SpanTimes,
    /// For each domain the edges that wait for its next knot, in the order of time.
    waiting: Vec<VecDeque<EdgeIndex>>,
    /// All edges; an index is used again after its edge is released.
    edges: Vec<Pending>,
    /// Indices of released edges.
    unused: Vec<EdgeIndex>,
    /// The open spans of each thread.
    threads: Threads,
    /// Edges whose instants later steps may still move.
    movable: Vec<EdgeIndex>,
    /// Ended spans with an edge that is not settled, in the order in which they ended.
    closed: VecDeque<EndedSpans>,
    /// The edge of the run's start.
    run: EdgeIndex,
    /// The edge of the run's end, once it is marked.
    end: Option<EdgeIndex>,
    /// For each domain the changes around the settled edges of the run's start and end: a long run drops those of its start.
    changes: [Vec<Option<Changes>>; 2],
    /// For each domain the parts of its energy that its deputies (sensors that replace it) counted.
    pub(crate) parts: Vec<Vec<DeputyPart>>,
    /// For each domain its last part that was dropped, until the settled spans have the domain's own count.
    dropped: Vec<Option<DroppedPart>>,
    /// For each domain the index of the domain whose deputy it is.
    pub(crate) chiefs: Vec<Option<usize>>,
    /// For each domain the time that its readings cover; set for host totals only.
    host_windows: Vec<HostWindow>,
}

/// The start of a span that is kept open by the caller, as `eco2 replay` does.
#[derive(Debug)]
pub struct Mark(EdgeIndex);

/// Adjacent spans of one name that have ended, with the edges of their outer ends; a single span in most cases.
#[derive(Debug, Clone, Copy)]
struct EndedSpans {
    name: NameId,
    /// Number of spans.
    count: u64,
    start: EdgeIndex,
    end: EdgeIndex,
}

impl Ledger {
    /// Returns an empty ledger whose run starts at `opened_ns`, monotonic nanoseconds. `cap` limits the number of names.
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
            span_times: SpanTimes::default(),
            waiting: Vec::new(),
            edges: Vec::new(),
            unused: Vec::new(),
            movable: Vec::new(),
            threads: Threads::default(),
            closed: VecDeque::new(),
            run: 0,
            end: None,
            changes: Default::default(),
            parts: Vec::new(),
            dropped: Vec::new(),
            chiefs: Vec::new(),
            host_windows: Vec::new(),
        };
        ledger.run = ledger.add_edge(opened_ns, 0);
        ledger
    }

    /// Adds a domain and returns its index. A domain may be added at any time; until then its energy is not known.
    pub fn add_domain(&mut self, domain: Domain) -> usize {
        self.fix_edges();
        let is_waited_for = domain.is_waited_for();
        self.tracks.push(Track::new(domain));
        self.histories.push(History::new(self.opened_ns));
        self.parts.push(Vec::new());
        self.dropped.push(None);
        self.changes.iter_mut().for_each(|changes| changes.push(None));
        self.chiefs = chiefs(&self.tracks);
        let mut waiting: Vec<EdgeIndex> = Vec::new();
        for (index, edge) in self.edges.iter_mut().enumerate().filter(|(_, edge)| edge.references > 0) {
            edge.seen.push(Edge::default());
            edge.missing += usize::from(is_waited_for);
            waiting.push(index as EdgeIndex);
        }
        waiting.sort_unstable_by_key(|&index| self.edges[index as usize].at_ns);
        self.waiting.push(waiting.into());
        self.tracks.len() - 1
    }

    /// Returns when the run began, monotonic nanoseconds.
    #[must_use]
    pub fn opened_ns(&self) -> u64 {
        self.opened_ns
    }

    /// Returns the number of ends of spans that had no start.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// Returns the domains' tracks, in the order in which the domains were added.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Returns the id of a span name.
    pub fn intern(&mut self, name: &str) -> NameId {
        self.names.intern(name)
    }

    /// Returns the table of span names.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Processes a reading of a domain and returns what it meant; `None` for a domain that was never added.
    pub fn reading(&mut self, domain: usize, reading: &Reading) -> Option<Outcome> {
        self.fix_edges();
        let outcome = self.tracks.get_mut(domain)?.push(reading);
        let chief = self.update_deputies(domain, reading, outcome);
        if let Outcome::Grew { .. } | Outcome::Baseline = outcome {
            // A deputy's readings also continue the history of the domain for which it counts.
            for domain in chief.into_iter().chain([domain]) {
                if let (Some(knot), Some(history)) = (self.last_knot(domain), self.histories.get_mut(domain)) {
                    history.push(&knot);
                }
            }
        }
        if !matches!(outcome, Outcome::Implausible | Outcome::Failed(_)) {
            self.note_host_reading(domain, reading);
        }
        if !matches!(outcome, Outcome::Same | Outcome::Failed(_)) {
            self.resolve(domain);
            chief.into_iter().for_each(|chief| self.resolve(chief));
        }
        Some(outcome)
    }

    /// Returns what was unusual in a domain's readings since the last call.
    pub fn take_notices(&mut self, domain: usize) -> Vec<Notice> {
        self.tracks.get_mut(domain).map(Track::take_notices).unwrap_or_default()
    }

    /// Ends the segment of one domain's counter, or of all (`None`, after a suspend): its next value is a new baseline.
    pub fn break_segment(&mut self, domain: Option<usize>, reason: GapReason) {
        match domain {
            Some(index) => self.tracks.get_mut(index).into_iter().for_each(|track| track.break_segment(reason)),
            None => self.tracks.iter_mut().for_each(|track| track.break_segment(reason)),
        }
    }

    /// Moves the run's start to `opened_ns`, the instant at which every counter had been read once. To be called before
    /// any span.
    pub fn restart_at(&mut self, opened_ns: u64) {
        let old = self.run;
        self.run = self.add_edge(opened_ns, 0);
        self.opened_ns = opened_ns;
        for (history, track) in self.histories.iter_mut().zip(&self.tracks) {
            *history = History::new(opened_ns);
            track.last_knot().into_iter().for_each(|knot| history.push(knot));
        }
        self.steps = self.steps.take().map(|steps| StepBins::new(steps.name, opened_ns));
        self.release(old);
        self.keep_changes(self.run);
        self.restart_host_windows();
    }

    /// Marks the run's end. Its energy is then determined by the next knots, however much is read later.
    pub fn end_at(&mut self, end_ns: u64) {
        let edge = self.add_edge(end_ns.max(self.opened_ns), 0);
        if let Some(old) = self.end.replace(edge) {
            self.release(old);
        }
        self.keep_changes(edge);
    }

    /// Declares the name of the run's own steps: from now on their energy is kept over time. A later name replaces it.
    pub fn bin_steps(&mut self, name: NameId) {
        if self.steps.as_ref().is_none_or(|steps| steps.name != name) {
            self.steps = Some(StepBins::new(name, self.opened_ns));
        }
    }

    /// Returns the thinned knots of a domain over the whole run; none for a domain that was never added.
    #[must_use]
    pub fn history(&self, domain: usize) -> &[Knot] {
        self.histories.get(domain).map_or(&[], History::knots)
    }

    /// Whether the energy at the marked end is settled, so that no later reading changes the run's energy.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.end.is_some_and(|end| self.edges[end as usize].missing == 0)
    }

    /// Records that a span starts on `thread` at an instant that is known to `±error_ns`.
    pub fn begin(&mut self, thread: usize, name: NameId, at_ns: u64, error_ns: u64) {
        let start = self.add_edge(at_ns, error_ns);
        self.open_span(SpanPlace { thread, name, at_ns }, start, false);
    }

    /// Records that the last opened span of that name on that thread ends. Without one, counts an unmatched end and returns
    /// `false`.
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
        self.threads.record_time(thread, at_ns);
        let end = self.add_edge(self.edges[start as usize].at_ns.max(at_ns), error_ns);
        self.close_span(EndedSpans { name, count: 1, start, end });
        true
    }

    /// Records that a step ends and the next one of that name starts, at one instant and with one edge.
    ///
    /// The step that ends is the last opened span of that name on that thread. The first step of a name on a thread began
    /// with the run. After an explicit end no span is open, and the next step only starts. Returns when the ended step
    /// began, monotonic nanoseconds; `None`: none ended.
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
                let start = self.add_edge(at_ns, error_ns);
                self.open_span(at, start, true);
                return None;
            }
        };
        let started_ns = self.edges[start as usize].at_ns;
        let ends_ns = started_ns.max(at_ns);
        if self.extend_steps(name, start, (ends_ns, error_ns)) {
            self.open_span(at, start, true);
            return Some(started_ns);
        }
        let end = self.add_movable_edge(ends_ns, error_ns);
        self.open_span(at, end, true);
        self.closed.push_back(EndedSpans { name, count: 1, start, end });
        Some(started_ns)
    }

    /// Records that steps of that name start on `thread`: the next one starts at this instant, and an open one is dropped.
    pub fn start_steps(&mut self, thread: usize, name: NameId, at_ns: u64, error_ns: u64) {
        if let Some(open) = self.threads.drop_open(thread, name) {
            self.release(open);
        }
        let start = self.add_edge(at_ns, error_ns);
        self.open_span(SpanPlace { thread, name, at_ns }, start, true);
    }

    /// Returns the number of spans of that name that have ended on that thread, and on ended threads whose steps it
    /// continues.
    #[must_use]
    pub fn ended_spans(&self, thread: usize, name: NameId) -> u64 {
        self.threads.ended(thread, name)
    }

    /// Records that a thread has ended. Its open spans never end. Its open steps go on: a thread that uses their names later
    /// continues them.
    pub fn abandon(&mut self, thread: usize) {
        for start in self.threads.leave(thread) {
            self.release(start);
        }
    }

    /// Records the start of a span that [`Ledger::close`] ends.
    pub fn mark(&mut self, at_ns: u64) -> Mark {
        Mark(self.add_edge(at_ns, 0))
    }

    /// Records that a span ends that began at `start`.
    pub fn close(&mut self, name: NameId, start: Mark, at_ns: u64) {
        let end = self.add_edge(self.edges[start.0 as usize].at_ns.max(at_ns), 0);
        self.close_span(EndedSpans { name, count: 1, start: start.0, end });
    }

    /// Whether the energies of all ended spans, and at the instant `at_ns`, are settled.
    #[must_use]
    pub fn settled(&self, at_ns: u64) -> bool {
        let is_known = |domain| self.is_silent(domain) || self.resolvable(domain, at_ns);
        self.closed.is_empty() && (0..self.tracks.len()).all(|domain| !self.is_waited_for(domain) || is_known(domain))
    }

    /// Whether ended spans, and the run's end, wait for the next reading of a domain.
    pub(crate) fn is_waited_for(&self, domain: usize) -> bool {
        self.tracks[domain].domain.is_waited_for()
    }

    /// Returns the number of spans that have ended and are not settled. Adjacent steps count once, because they are kept as one.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.closed.len()
    }

    /// Records an open span on its thread.
    fn open_span(&mut self, at: SpanPlace, start: EdgeIndex, is_step: bool) {
        self.threads.record_time(at.thread, at.at_ns);
        if let Some(unneeded) = self.threads.open(at, start, is_step) {
            self.release(unneeded);
        }
    }

    fn close_span(&mut self, span: EndedSpans) {
        self.closed.push_back(span);
        self.settle();
    }
}

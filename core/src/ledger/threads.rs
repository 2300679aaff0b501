//! Keeps for each thread its open spans (named parts of the run), and the number of spans of each name that it has ended.
//!
//! An *edge* is the instant at which a span starts or ends, with the energy that every domain (sensor or counter) had
//! counted until then. Steps of one name on one thread form a *chain*: each starts where the last one ended. When a thread
//! ends, the first thread that uses the name later continues its chain, so that a loop that moves from thread to thread
//! stays one chain. Threads that run at the same time have a chain each.

use crate::Edge;
use crate::NameId;
use crate::spans::SettledSpans;

/// Index of an edge in the ledger's list.
pub(super) type EdgeIndex = u32;

/// One edge. It is pending while a domain has no knot (counter change) after it.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The instant, monotonic nanoseconds.
    pub(super) at_ns: u64,
    /// The instant is known to plus or minus this, nanoseconds.
    pub(super) error_ns: u64,
    /// Whether later steps may move the instant; see `edges.rs`. No energy is computed until then.
    pub(super) is_movable: bool,
    /// Whether [`EdgeWidths`](crate::spans::EdgeWidths) has it, as the end of a span.
    pub(super) is_counted: bool,
    /// Number of domains without a knot after the instant.
    pub(super) missing: usize,
    /// Number of spans and marks that use this edge; 0: it is released.
    pub(super) references: u32,
    /// For each domain its energy until the instant; of no meaning where it is not settled.
    pub(super) seen: Vec<Edge>,
}

/// Returns the `count` adjacent spans between two edges whose knots have all arrived.
pub(super) fn settled_spans<'a>(count: u64, start: &'a Pending, end: &'a Pending) -> SettledSpans<'a> {
    SettledSpans { count, from_ns: start.at_ns, to_ns: end.at_ns, starts: &start.seen, ends: &end.seen }
}

/// Chains of ended threads that are kept, so that memory is bounded; more replace the oldest.
const MAX_LEFT_CHAINS: usize = 1024;

/// The open spans of all threads, and the chains of ended ones.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// By index of the thread.
    threads: Vec<ThreadSpans>,
    /// Chains of ended threads, oldest first.
    left_chains: Vec<Chain>,
}

/// The open spans of one thread.
#[derive(Debug, Default)]
struct ThreadSpans {
    open: Vec<OpenSpan>,
    /// By name, one more than the number of its spans that have ended in the thread's chain; 0: the thread has not used the
    /// name.
    used: Vec<u64>,
    /// Latest event of the thread, monotonic nanoseconds.
    last_ns: u64,
}

/// A span that is open.
#[derive(Debug, Clone, Copy)]
struct OpenSpan {
    name: NameId,
    start: EdgeIndex,
    /// Whether a step opened it.
    is_step: bool,
}

/// The steps of one name of a thread that has ended.
#[derive(Debug, Clone, Copy)]
struct Chain {
    name: NameId,
    /// Number of steps that have ended.
    ended: u64,
    /// The edge at which its open step began; `None`: none is open.
    start: Option<EdgeIndex>,
    /// Latest event of the thread, monotonic nanoseconds. Only a later step continues the chain.
    left_ns: u64,
}

/// The thread that records a span, the span's name, and the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanPlace {
    pub(super) thread: usize,
    pub(super) name: NameId,
    pub(super) at_ns: u64,
}

/// Start of the step that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepStart {
    /// At this edge.
    Edge(EdgeIndex),
    /// With the run: it is the first of its name on its thread.
    Run,
    /// Nowhere: spans of that name have ended explicitly.
    None,
}

impl Threads {
    /// Records the time of an event of a thread.
    pub(super) fn record_time(&mut self, thread: usize, at_ns: u64) {
        let last_ns = &mut self.thread(thread).last_ns;
        *last_ns = at_ns.max(*last_ns);
    }

    /// Opens a span. Returns an edge that is not needed any more.
    pub(super) fn open(&mut self, at: SpanPlace, start: EdgeIndex, is_step: bool) -> Option<EdgeIndex> {
        let SpanPlace { thread, name, .. } = at;
        let is_first_use = !self.uses(thread, name);
        let unneeded = if is_first_use { self.continue_chain(at).and_then(|chain| chain.start) } else { None };
        self.thread(thread).open.push(OpenSpan { name, start, is_step });
        unneeded
    }

    /// Ends the last opened span of that name, and returns the edge of its start; `None`: none is open.
    pub(super) fn end(&mut self, thread: usize, name: NameId) -> Option<EdgeIndex> {
        let start = self.drop_open(thread, name)?;
        self.count(thread, name);
        Some(start)
    }

    /// Removes the last opened span of that name without counting it, and returns the edge of its start.
    pub(super) fn drop_open(&mut self, thread: usize, name: NameId) -> Option<EdgeIndex> {
        let open = &mut self.thread(thread).open;
        let place = open.iter().rposition(|open| open.name == name)?;
        Some(open.remove(place).start)
    }

    /// Ends a step of that name, and returns where it began.
    pub(super) fn step(&mut self, at: SpanPlace) -> StepStart {
        let SpanPlace { thread, name, .. } = at;
        if let Some(start) = self.end(thread, name) {
            return StepStart::Edge(start);
        }
        if self.uses(thread, name) {
            return StepStart::None;
        }
        let start = match self.continue_chain(at) {
            Some(Chain { start: Some(start), .. }) => StepStart::Edge(start),
            Some(_) => return StepStart::None,
            None => StepStart::Run,
        };
        self.count(thread, name);
        start
    }

    /// Returns the number of spans of that name that have ended in the thread's chain.
    pub(super) fn ended(&self, thread: usize, name: NameId) -> u64 {
        let used = self.threads.get(thread).and_then(|thread| thread.used.get(name.0 as usize));
        used.map_or(0, |used| used.saturating_sub(1))
    }

    /// Removes a thread that has ended and keeps its chains for others. Returns the edges that are not needed any more.
    pub(super) fn leave(&mut self, thread: usize) -> Vec<EdgeIndex> {
        let ThreadSpans { mut open, used, last_ns: left_ns } = std::mem::take(self.thread(thread));
        for (name, ended) in used.into_iter().enumerate().filter_map(|(name, used)| Some((name, used.checked_sub(1)?)))
        {
            let name = NameId(name as u32);
            let step = open.iter().rposition(|span| span.is_step && span.name == name);
            self.left_chains.push(Chain { name, ended, start: step.map(|place| open.remove(place).start), left_ns });
        }
        let too_many = self.left_chains.len().saturating_sub(MAX_LEFT_CHAINS);
        let oldest = self.left_chains.drain(..too_many).filter_map(|chain| chain.start);
        oldest.chain(open.into_iter().map(|open| open.start)).collect()
    }

    /// Whether the thread has used the name.
    fn uses(&self, thread: usize, name: NameId) -> bool {
        let used = self.threads.get(thread).and_then(|thread| thread.used.get(name.0 as usize));
        used.is_some_and(|used| *used > 0)
    }

    /// Records that a thread uses a name for the first time. Returns the chain of an ended thread that it continues, if there
    /// is one.
    fn continue_chain(&mut self, SpanPlace { thread, name, at_ns }: SpanPlace) -> Option<Chain> {
        let place = self.left_chains.iter().position(|chain| chain.name == name && chain.left_ns <= at_ns);
        let chain = place.map(|place| self.left_chains.remove(place));
        let used = &mut self.thread(thread).used;
        if used.len() <= name.0 as usize {
            used.resize(name.0 as usize + 1, 0);
        }
        used[name.0 as usize] = 1 + chain.map_or(0, |chain| chain.ended);
        chain
    }

    /// Counts a span of that name as ended.
    fn count(&mut self, thread: usize, name: NameId) {
        if let Some(used) = self.thread(thread).used.get_mut(name.0 as usize) {
            *used += 1;
        }
    }

    /// Returns the state of a thread, which is created on first use.
    fn thread(&mut self, index: usize) -> &mut ThreadSpans {
        if self.threads.len() <= index {
            self.threads.resize_with(index + 1, ThreadSpans::default);
        }
        &mut self.threads[index]
    }
}

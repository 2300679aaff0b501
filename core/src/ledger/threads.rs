//! The ledger's edges (instants at which spans start or end, each with the energy that every domain had counted until
//! then), what each thread has open, and how many spans of each name it has ended.
//!
//! Steps of one name on one thread form a chain: each starts where the last one ended. When a thread ends, its chains
//! are left to threads that use those names later: a loop that moves from thread to thread stays one chain. Threads
//! that run at the same time have a chain each.

use crate::Edge;
use crate::NameId;
use crate::spans::SettledSpan;

/// An edge in the ledger's slab.
pub(super) type EdgeIndex = u32;

/// One edge; it is pending while `missing` domains have no knot (counter change) after it.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) at_ns: u64,
    pub(super) error_ns: u64,
    pub(super) missing: usize,
    pub(super) references: u32,
    pub(super) seen: Vec<Edge>,
}

impl Pending {
    /// When, and known to `±` how much.
    pub(super) fn instant(&self) -> (u64, u64) {
        (self.at_ns, self.error_ns)
    }
}

/// The span between two edges whose knots have all arrived.
pub(super) fn settled<'a>(start: &'a Pending, end: &'a Pending) -> SettledSpan<'a> {
    SettledSpan { from_ns: start.at_ns, to_ns: end.at_ns, starts: &start.seen, ends: &end.seen }
}

/// Chains of ended threads that are kept; more replace the oldest.
const LEFT: usize = 1024;

/// All threads.
#[derive(Debug, Default)]
pub(super) struct Threads {
    threads: Vec<ThreadSpans>,
    left: Vec<Chain>,
}

#[derive(Debug, Default)]
struct ThreadSpans {
    open: Vec<OpenSpan>,
    /// One more than the spans of each name that have ended here; 0: the name was not used here.
    used: Vec<u64>,
    /// When it was last heard of.
    last_ns: u64,
}

/// A span that is open.
#[derive(Debug, Clone, Copy)]
struct OpenSpan {
    name: NameId,
    start: EdgeIndex,
    /// Whether a step opened it.
    step: bool,
}

/// What a thread that has ended leaves of one name.
#[derive(Debug, Clone, Copy)]
struct Chain {
    name: NameId,
    ended: u64,
    /// Where its open step began.
    start: Option<EdgeIndex>,
    /// When the thread was last heard of: only what comes later continues the chain.
    left_ns: u64,
}

/// The thread that records a span, the span's name, and the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpanPlace {
    pub(super) thread: usize,
    pub(super) name: NameId,
    pub(super) at_ns: u64,
}

/// Where the step that ends now began.
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
    /// Something of a thread was heard of at an instant.
    pub(super) fn heard(&mut self, thread: usize, at_ns: u64) {
        let last_ns = &mut self.thread(thread).last_ns;
        *last_ns = at_ns.max(*last_ns);
    }

    /// A span opens. Returns an edge that is not needed any more.
    pub(super) fn open(&mut self, at: SpanPlace, start: EdgeIndex, step: bool) -> Option<EdgeIndex> {
        let SpanPlace { thread, name, .. } = at;
        let unneeded = if self.uses(thread, name) { None } else { self.take_over(at).and_then(|left| left.start) };
        self.thread(thread).open.push(OpenSpan { name, start, step });
        unneeded
    }

    /// The nearest open span of that name ends, if there is one.
    pub(super) fn end(&mut self, thread: usize, name: NameId) -> Option<EdgeIndex> {
        let start = self.give_up(thread, name)?;
        self.count(thread, name);
        Some(start)
    }

    /// The nearest open span of that name, which is open no more and does not count.
    pub(super) fn give_up(&mut self, thread: usize, name: NameId) -> Option<EdgeIndex> {
        let open = &mut self.thread(thread).open;
        let place = open.iter().rposition(|open| open.name == name)?;
        Some(open.remove(place).start)
    }

    /// A step of that name ends.
    pub(super) fn step(&mut self, at: SpanPlace) -> StepStart {
        let SpanPlace { thread, name, .. } = at;
        if let Some(start) = self.end(thread, name) {
            return StepStart::Edge(start);
        }
        if self.uses(thread, name) {
            return StepStart::None;
        }
        let start = match self.take_over(at) {
            Some(Chain { start: Some(start), .. }) => StepStart::Edge(start),
            Some(_) => return StepStart::None,
            None => StepStart::Run,
        };
        self.count(thread, name);
        start
    }

    /// How many spans of that name have ended in the chain that this thread continues.
    pub(super) fn ended(&self, thread: usize, name: NameId) -> u64 {
        let used = self.threads.get(thread).and_then(|thread| thread.used.get(name.0 as usize));
        used.map_or(0, |used| used.saturating_sub(1))
    }

    /// A thread has ended: its chains are left to others. Returns the edges that are not needed any more.
    pub(super) fn leave(&mut self, thread: usize) -> Vec<EdgeIndex> {
        let ThreadSpans { mut open, used, last_ns: left_ns } = std::mem::take(self.thread(thread));
        for (name, ended) in used.into_iter().enumerate().filter_map(|(name, used)| Some((name, used.checked_sub(1)?)))
        {
            let name = NameId(name as u32);
            let step = open.iter().rposition(|open| open.step && open.name == name);
            self.left.push(Chain { name, ended, start: step.map(|place| open.remove(place).start), left_ns });
        }
        let too_many = self.left.len().saturating_sub(LEFT);
        let oldest = self.left.drain(..too_many).filter_map(|chain| chain.start);
        oldest.chain(open.into_iter().map(|open| open.start)).collect()
    }

    fn uses(&self, thread: usize, name: NameId) -> bool {
        let used = self.threads.get(thread).and_then(|thread| thread.used.get(name.0 as usize));
        used.is_some_and(|used| *used > 0)
    }

    /// A thread uses a name for the first time, and continues a chain that was left, if there is one.
    fn take_over(&mut self, SpanPlace { thread, name, at_ns }: SpanPlace) -> Option<Chain> {
        let place = self.left.iter().position(|chain| chain.name == name && chain.left_ns <= at_ns);
        let chain = place.map(|place| self.left.remove(place));
        let used = &mut self.thread(thread).used;
        if used.len() <= name.0 as usize {
            used.resize(name.0 as usize + 1, 0);
        }
        used[name.0 as usize] = 1 + chain.map_or(0, |chain| chain.ended);
        chain
    }

    fn count(&mut self, thread: usize, name: NameId) {
        if let Some(used) = self.thread(thread).used.get_mut(name.0 as usize) {
            *used += 1;
        }
    }

    fn thread(&mut self, index: usize) -> &mut ThreadSpans {
        if self.threads.len() <= index {
            self.threads.resize_with(index + 1, ThreadSpans::default);
        }
        &mut self.threads[index]
    }
}

//! The run's own steps: those of one name, counted on each thread. Steps of other names and of other threads do not add up
//! with them, so a loop within a step, or two threads that train together, leave the count as it is.

use eco2_core::{Ledger, NameId, SpanEventKind};

/// The name of the run's own steps unless another one is declared.
pub(crate) const STEP: &str = "step";

/// How many of the run's own steps have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// When the first step began, monotonic nanoseconds.
    pub(crate) from_ns: u64,
    /// Steps ended: of several threads, on the one with the most.
    pub(crate) done: u64,
    /// When the last of them ended.
    pub(crate) at_ns: u64,
}

/// Counts the run's own steps.
#[derive(Debug)]
pub(crate) struct OwnSteps {
    /// The declared name, or [`STEP`].
    name: String,
    declared: bool,
    id: Option<NameId>,
    own: Option<Progress>,
    /// The name that was stepped first: it counts where none is declared and none is [`STEP`].
    first: Option<NameId>,
    of_first: Option<Progress>,
    late: u64,
    /// The one thread with own steps; `Some(None)`: several.
    thread: Option<Option<usize>>,
}

impl Default for OwnSteps {
    fn default() -> Self {
        Self::of(None)
    }
}

impl OwnSteps {
    /// Steps of the declared name; without one of [`STEP`], or if there are none, of the first name that is stepped.
    pub(crate) fn of(declared: Option<&str>) -> Self {
        Self {
            name: declared.unwrap_or(STEP).to_owned(),
            declared: declared.is_some(),
            id: None,
            own: None,
            first: None,
            of_first: None,
            late: 0,
            thread: None,
        }
    }

    /// Whether spans of that name are the run's own steps.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.name == name
    }

    /// Whether at most one thread has had own steps.
    pub(crate) fn on_one_thread(&self) -> bool {
        self.thread != Some(None)
    }

    /// The count, as soon as a step of the run has started or ended.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.own.or(self.of_first.filter(|_| !self.declared))
    }

    /// The own name's id, once it is there.
    pub(crate) fn id(&mut self, ledger: &Ledger) -> Option<NameId> {
        self.id = self.id.or_else(|| ledger.names().find(&self.name));
        self.id
    }

    /// Whether an event that the ledger has not taken yet is of the spans that count as the run's steps, as far as is known.
    pub(crate) fn counts(&mut self, ledger: &Ledger, name: NameId, kind: SpanEventKind) -> bool {
        let stepped = matches!(kind, SpanEventKind::Step | SpanEventKind::Start);
        let first = self.own.is_none() && !self.declared && stepped && self.first.is_none_or(|first| first == name);
        self.id(ledger) == Some(name) || first
    }

    /// An event that the ledger has taken; whether it is one more own step.
    pub(crate) fn add(
        &mut self,
        ledger: &Ledger,
        (thread, name): (usize, NameId),
        kind: SpanEventKind,
        at_ns: u64,
    ) -> bool {
        let own = self.id(ledger) == Some(name);
        if !own && matches!(kind, SpanEventKind::Step | SpanEventKind::Start) {
            self.first.get_or_insert(name);
        }
        if !own && self.first != Some(name) {
            return false;
        }
        if own {
            let seen = self.thread.get_or_insert(Some(thread));
            *seen = seen.filter(|seen| *seen == thread);
        }
        let progress = if own { &mut self.own } else { &mut self.of_first };
        let opened_ns = ledger.opened_ns();
        match kind {
            SpanEventKind::Begin => false,
            SpanEventKind::Start => {
                if progress.is_none_or(|progress| progress.done == 0) {
                    *progress = Some(Progress { from_ns: at_ns, done: 0, at_ns });
                }
                false
            }
            SpanEventKind::Step | SpanEventKind::End => {
                reach(progress, ledger.ended_spans(thread, name), opened_ns, at_ns) && own
            }
        }
    }

    /// A span that was recorded after the fact; whether it is one more own step.
    pub(crate) fn add_late(&mut self, ledger: &Ledger, name: NameId, end_ns: u64) -> bool {
        if self.id(ledger) != Some(name) {
            return false;
        }
        self.late += 1;
        reach(&mut self.own, self.late, ledger.opened_ns(), end_ns)
    }

    /// The run begins now: what came before does not count.
    pub(crate) fn restart(&mut self) {
        (self.own, self.of_first, self.late) = (None, None, 0);
    }
}

/// Whether a thread that has ended `ended` steps is further than any before.
fn reach(progress: &mut Option<Progress>, ended: u64, opened_ns: u64, at_ns: u64) -> bool {
    let before = progress.unwrap_or(Progress { from_ns: opened_ns, done: 0, at_ns: opened_ns });
    if ended <= before.done {
        return false;
    }
    *progress = Some(Progress { done: ended, at_ns: at_ns.max(before.at_ns), ..before });
    true
}

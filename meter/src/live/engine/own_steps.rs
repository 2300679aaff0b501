//! Counts the own steps of a run, on which budgets, forecasts and `work.steps` of the report are based.
//!
//! The *own steps* are those of one span name: the option `step_name`, else `step`, else the first name that was stepped. Steps
//! of other names do not add to them, so that a loop within a step does not change the count. Each thread counts its own steps; of
//! several threads the one with the most counts, because threads that train together end the same steps.

use eco2_core::{Ledger, NameId, SpanEventKind};

/// The name of the run's own steps, unless the option `step_name` declares another one.
pub(crate) const STEP: &str = "step";

/// The number of own steps that have ended, and their times in monotonic nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// When the first step began.
    pub(crate) from_ns: u64,
    /// The number of ended steps, on the thread with the most.
    pub(crate) done: u64,
    /// When the last of these steps ended.
    pub(crate) at_ns: u64,
}

/// The threads that have recorded own steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepThreads {
    None,
    One(usize),
    Several,
}

/// Counts the run's own steps.
#[derive(Debug)]
pub(crate) struct OwnSteps {
    /// The declared name, or [`STEP`].
    name: String,
    is_declared: bool,
    /// The id of that name; `None` until a span uses the name.
    id: Option<NameId>,
    /// The steps of that name; `None` before the first.
    progress: Option<Progress>,
    /// The other name that was stepped first. It counts where no name is declared and [`STEP`] is not used.
    first_id: Option<NameId>,
    first_progress: Option<Progress>,
    /// The number of own steps that were recorded after their end.
    late_count: u64,
    threads: StepThreads,
}

impl Default for OwnSteps {
    fn default() -> Self {
        Self::named(None)
    }
}

impl OwnSteps {
    /// Returns a counter of the steps of the declared name; without one those of [`STEP`], or else of the first name that is stepped.
    pub(crate) fn named(declared: Option<&str>) -> Self {
        Self {
            name: declared.unwrap_or(STEP).to_owned(),
            is_declared: declared.is_some(),
            id: None,
            progress: None,
            first_id: None,
            first_progress: None,
            late_count: 0,
            threads: StepThreads::None,
        }
    }

    /// Whether spans of that name are the run's own steps.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.name == name
    }

    /// Whether at most one thread has had own steps.
    pub(crate) fn on_one_thread(&self) -> bool {
        self.threads != StepThreads::Several
    }

    /// Returns the progress; `None` before a step of the run has started or ended.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.progress.or(self.first_progress.filter(|_| !self.is_declared))
    }

    /// Returns the id of the own steps' name; `None` until a span uses the name.
    pub(crate) fn id(&mut self, ledger: &Ledger) -> Option<NameId> {
        self.id = self.id.or_else(|| ledger.names().find(&self.name));
        self.id
    }

    /// Whether spans of that name count as the run's steps, as far as is known before the ledger has this event.
    pub(crate) fn counts(&mut self, ledger: &Ledger, name: NameId, kind: SpanEventKind) -> bool {
        let is_step = matches!(kind, SpanEventKind::Step | SpanEventKind::Start);
        let may_be_first = self.progress.is_none() && !self.is_declared;
        let is_first = may_be_first && is_step && self.first_id.is_none_or(|first_id| first_id == name);
        self.id(ledger) == Some(name) || is_first
    }

    /// Counts an event that the ledger has, by its thread and name. Returns whether it ended one more own step.
    pub(crate) fn add(
        &mut self,
        ledger: &Ledger,
        (thread, name): (usize, NameId),
        kind: SpanEventKind,
        at_ns: u64,
    ) -> bool {
        let is_own = self.id(ledger) == Some(name);
        if !is_own && matches!(kind, SpanEventKind::Step | SpanEventKind::Start) {
            self.first_id.get_or_insert(name);
        }
        if !is_own && self.first_id != Some(name) {
            return false;
        }
        if is_own {
            self.threads = match self.threads {
                StepThreads::None => StepThreads::One(thread),
                StepThreads::One(other) if other != thread => StepThreads::Several,
                threads => threads,
            };
        }
        let progress = if is_own { &mut self.progress } else { &mut self.first_progress };
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
                advance(progress, ledger.ended_spans(thread, name), opened_ns, at_ns) && is_own
            }
        }
    }

    /// Counts a span that was recorded after its end. Returns whether it is one more own step.
    pub(crate) fn add_late(&mut self, ledger: &Ledger, name: NameId, end_ns: u64) -> bool {
        if self.id(ledger) != Some(name) {
            return false;
        }
        self.late_count += 1;
        advance(&mut self.progress, self.late_count, ledger.opened_ns(), end_ns)
    }

    /// Discards the steps so far, because the run begins now.
    pub(crate) fn restart(&mut self) {
        (self.progress, self.first_progress, self.late_count) = (None, None, 0);
    }
}

/// Sets the progress to `ended_count` steps at `at_ns`, if that is more than before, and returns whether it is. Without progress
/// the first step began at `opened_ns`, with the run.
fn advance(progress: &mut Option<Progress>, ended_count: u64, opened_ns: u64, at_ns: u64) -> bool {
    let before = progress.unwrap_or(Progress { from_ns: opened_ns, done: 0, at_ns: opened_ns });
    if ended_count <= before.done {
        return false;
    }
    *progress = Some(Progress { done: ended_count, at_ns: at_ns.max(before.at_ns), ..before });
    true
}

//! [`Engine`] collects the data of one run while it goes on. The sampling thread passes readings to it ([`sink`]); the training's
//! threads pass begins and ends of spans through event rings ([`Engine::drain`]).
//!
//! The engine keeps the *ledger* (the account of all counters and spans), publishes the energies in the *timeline* (a table that
//! other threads read without a lock), and writes the log and the trace. A *domain* is one counter or power sensor, and a
//! *track* its readings over time. A *span* is a named stretch of time on one thread. An *edge* is its begin or its end; an edge is
//! *pending* until every counter has changed after it, because its energy is not known before. A counter is *silent* while its
//! reads fail, and *frozen* while it does not change though it should.

mod own_steps;
mod settled;
mod sink;

pub(crate) use own_steps::{OwnSteps, Progress, STEP};
pub(crate) use settled::UnreadUse;

use std::collections::BTreeMap;

use eco2_core::schema::{DeviceSync, EventKind, EventRecord};
use eco2_core::{Account, Drained, EventConsumer, Ledger, NameId, Names, SpanEventKind};
use eco2_samplers::SourceStates;
use eco2_samplers::schedule::SpanEdge;
use eco2_samplers::tsc::{HotClock, Ticks};

use crate::live::episodes::{Begun, RunEpisodes};
use crate::live::gauges::GaugeSums;
use crate::live::journal::Journal;
use crate::live::publish::Publisher;
use crate::live::stored_test::StoredTest;
use crate::live::wall::{BootAxis, WallWatch};

/// Events that the report keeps, so that its size is bounded; further ones are counted in one last event.
const MAX_EVENTS: usize = 1_000;
/// Events of one kind that the readings of one device may cause: enough to see that they recur, and room for other events.
const MAX_EVENTS_PER_DEVICE: u32 = 10;
/// Spans do not wait for a domain that has been silent for this long: three seconds are many periods of any counter, and more
/// than the longest time between two readings.
const SILENT_NS: u64 = 3_000_000_000;
/// Limit of pending spans times domains, which needs about 30 MB. Beyond it the spans are settled at once, without an upper bound.
/// Only more than 100 000 spans per second come near it, or a tenth of that while a counter is silent.
const MAX_PENDING: usize = 1 << 16;
/// Time between two searches for silent and frozen domains.
const CHECK_EVERY_NS: u64 = 1_000_000_000;

/// Called with each event of a run as it happens.
pub(crate) type Observer = Box<dyn Fn(&EventRecord) + Send>;

/// The data of one run, which the sampling thread updates. Times are monotonic nanoseconds.
pub(crate) struct Engine {
    pub(crate) ledger: Ledger,
    pub(crate) gauges: GaugeSums,
    pub(crate) episodes: RunEpisodes,
    /// Events so far, at most [`MAX_EVENTS`], in the order in which they were recorded.
    pub(crate) events: Vec<EventRecord>,
    /// The number of events beyond [`MAX_EVENTS`].
    lost_events: u64,
    pub(crate) sources: SourceStates,
    pub(crate) journal: Journal,
    pub(crate) boot: BootAxis,
    wall_watch: WallWatch,
    /// The number of readings so far.
    pub(crate) samples: u64,
    pub(crate) own_steps: OwnSteps,
    pub(crate) has_begun: bool,
    /// Called with each event under the engine's lock: it must not wait.
    pub(crate) observer: Option<Observer>,
    /// The end of the run; `None` until it is fixed.
    ending_at_ns: Option<u64>,
    /// How the edges of a name's spans wait for GPU work, where that was declared.
    pub(crate) syncs: BTreeMap<String, DeviceSync>,
    /// Indices of sources on threads of their own whose first readings the run waits for.
    pub(crate) awaited_sources: Vec<usize>,
    /// Time at which the run begins even if awaited sources have not answered.
    pub(crate) start_by_ns: u64,
    /// Counters that failed a self-test on this machine.
    pub(crate) self_test: StoredTest,
    /// For each source the ledger's index of each of its domains.
    domains_by_source: Vec<Vec<usize>>,
    rings: EventConsumer,
    /// Buffer of [`Engine::drain`]; empty between two calls.
    drained: Vec<Recorded>,
    /// Edges that were drained since the last look of the sampling thread.
    found_edges: Vec<SpanEdge>,
    clock: HotClock,
    publisher: Publisher,
    /// Time of the last [`Engine::check_each_second`].
    last_check_ns: u64,
    /// Whether each domain of the ledger was frozen at the last check.
    was_frozen: Vec<bool>,
    /// Whether it was reported that spans were settled early.
    settled_early: bool,
    /// The number of events that readings caused, by domain and kind.
    event_counts: BTreeMap<(usize, EventKind), u32>,
    /// Start times of the open spans, for the trace; the latest is last.
    trace_open: BTreeMap<SpanKey, Vec<u64>>,
}

impl Engine {
    pub(crate) fn new(rings: EventConsumer, clock: HotClock, publisher: Publisher) -> Self {
        let now_ns = eco2_samplers::clock::monotonic_ns();
        let mut boot = BootAxis::default();
        boot.add_offset(now_ns, boot_offset_ns());
        Self {
            boot,
            wall_watch: WallWatch::default(),
            ledger: Ledger::new(now_ns, Names::LIVE_CAP),
            gauges: GaugeSums::default(),
            episodes: RunEpisodes::default(),
            events: Vec::new(),
            sources: SourceStates::default(),
            journal: Journal::default(),
            samples: 0,
            own_steps: OwnSteps::default(),
            has_begun: false,
            observer: None,
            ending_at_ns: None,
            syncs: BTreeMap::new(),
            lost_events: 0,
            awaited_sources: Vec::new(),
            start_by_ns: now_ns,
            self_test: StoredTest::default(),
            domains_by_source: Vec::new(),
            rings,
            drained: Vec::new(),
            found_edges: Vec::new(),
            clock,
            publisher,
            last_check_ns: now_ns,
            was_frozen: Vec::new(),
            settled_early: false,
            event_counts: BTreeMap::new(),
            trace_open: BTreeMap::new(),
        }
    }

    /// Whether the run's end is fixed.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending_at_ns.is_some()
    }

    /// Returns the energies of devices and spans until `end_ns`.
    pub(crate) fn account(&self, end_ns: u64) -> Account {
        self.ledger.account(end_ns)
    }

    /// Moves the begins and ends of spans from the event rings into the ledger, in the order of time.
    pub(crate) fn drain(&mut self) {
        let (mut batch, clock) = (std::mem::take(&mut self.drained), &self.clock);
        let mut last: Option<(usize, u64)> = None;
        self.rings.drain(|thread, _, drained| {
            let before_ns = last.filter(|(before, _)| *before == thread).map_or(0, |(_, at_ns)| at_ns);
            let (at_ns, error_ns) = match drained {
                Drained::Event(event) => clock.convert(Ticks { value: event.ticks, tsc: event.tsc }),
                Drained::Over => (before_ns, 0),
            };
            // The order within a thread stays as it is.
            let at_ns = at_ns.max(before_ns);
            last = Some((thread, at_ns));
            batch.push(Recorded { at_ns, error_ns, thread, drained });
        });
        batch.sort_by_key(|recorded| recorded.at_ns);
        batch.drain(..).for_each(|recorded| self.apply(&recorded));
        self.ledger.fix_edges();
        self.drained = batch;
    }

    /// Adds one event of a ring to the ledger: an edge of a span, or the end of a thread.
    fn apply(&mut self, recorded: &Recorded) {
        let Self { ledger, journal, trace_open, episodes, own_steps, found_edges, .. } = self;
        let Recorded { at_ns, error_ns, thread, drained } = *recorded;
        let Drained::Event(event) = drained else {
            ledger.abandon(thread);
            trace_open.retain(|key, _| key.thread != thread);
            return;
        };
        let name = NameId(event.id);
        // One number for the name and the kind of the event, of which there are four.
        found_edges.push(SpanEdge { at_ns, thread, kind: event.id * 4 + event.kind as u32 });
        let (mut ended, mut step_from_ns) = (false, None);
        if own_steps.counts(ledger, name, event.kind) {
            ledger.bin_steps(name);
        }
        match event.kind {
            SpanEventKind::Begin => ledger.begin(thread, name, at_ns, error_ns),
            SpanEventKind::Start => ledger.start_steps(thread, name, at_ns, error_ns),
            SpanEventKind::End => ended = ledger.end(thread, name, at_ns, error_ns),
            SpanEventKind::Step => {
                step_from_ns = ledger.step(thread, name, at_ns, error_ns);
                ended = step_from_ns.is_some();
            }
        }
        if own_steps.add(ledger, (thread, name), event.kind, at_ns) {
            episodes.step(at_ns);
        } else if !ended && own_steps.id(ledger) == Some(name) {
            episodes.step_begins(at_ns, event.kind == SpanEventKind::Start);
        }
        if journal.traces() {
            let edge = TraceEdge { key: SpanKey { thread, name }, kind: event.kind, ended, step_from_ns, at_ns };
            trace_span(journal, trace_open, ledger.names(), &edge);
        }
    }

    /// Writes a span that was recorded after its end to the trace, if there is one.
    pub(crate) fn trace_late_span(&mut self, name: NameId, begin_ns: u64, end_ns: u64) {
        if self.journal.traces() {
            self.journal.span(self.ledger.names().text(name), begin_ns, end_ns);
        }
    }

    /// Records an event at that monotonic time; `device` is empty for the run. Beyond [`MAX_EVENTS`] it is only counted.
    pub(crate) fn record_event(&mut self, at_ns: u64, kind: EventKind, device: &str, text: String) {
        if self.events.len() >= MAX_EVENTS {
            self.lost_events += 1;
            return;
        }
        let at = at_ns.saturating_sub(self.ledger.opened_ns());
        let event = EventRecord::new(at, kind, device, text);
        if let Some(observer) = &self.observer {
            observer(&event);
        }
        self.journal.event(&event);
        self.events.push(event);
    }

    /// Returns the events in the order of time, with a last one that counts those that were not kept.
    pub(crate) fn all_events(&self) -> Vec<EventRecord> {
        let mut events = self.events.clone();
        // A source on a separate thread reports late.
        events.sort_by_key(|event| event.at);
        if self.lost_events > 0 {
            let text = format!("{} more events were not kept", self.lost_events);
            let at = events.last().map_or(0, |last| last.at);
            events.push(EventRecord::new(at, EventKind::EventsDropped, "", text));
        }
        events
    }

    /// Records an event for each unusual reading of a domain since the last call, such as a counter that was reset.
    fn report_notices(&mut self, domain_index: usize) {
        for notice in self.ledger.take_notices(domain_index) {
            let device = self.ledger.tracks()[domain_index].domain().id.clone();
            self.record_event(notice.at_ns, notice.kind.event_kind(), &device, notice.kind.to_string());
        }
    }

    /// Settles pending spans early if they need more memory than [`MAX_PENDING`] allows. They lose their upper bounds.
    fn limit_pending_spans(&mut self, now_ns: u64) {
        if self.ledger.pending() * self.ledger.tracks().len() <= MAX_PENDING {
            return;
        }
        self.ledger.give_up(now_ns);
        if !std::mem::replace(&mut self.settled_early, true) {
            let text = "more spans than memory is kept for waited for a counter: they have no upper bound";
            self.record_event(now_ns, EventKind::SpansSettledEarly, "", text.to_owned());
        }
    }

    /// Once per second: reports stalls and overheating, lets spans stop waiting for silent domains, chooses the counter of each
    /// device again, and reports counters that froze.
    fn check_each_second(&mut self, now_ns: u64) {
        if now_ns < self.last_check_ns + CHECK_EVERY_NS {
            return;
        }
        self.last_check_ns = now_ns;
        if self.has_begun && !self.is_ending() {
            self.report_episodes(now_ns);
        }
        self.ledger.give_up(now_ns.saturating_sub(SILENT_NS));
        self.publisher.live.choose(&self.ledger, now_ns);
        self.report_frozen(now_ns);
    }

    /// Records an event for each counter that has frozen since the last call.
    fn report_frozen(&mut self, now_ns: u64) {
        for domain_index in 0..self.ledger.tracks().len() {
            let track = &self.ledger.tracks()[domain_index];
            let (is_frozen, device) = (track.is_frozen(), track.domain().id.clone());
            if is_frozen && !self.was_frozen[domain_index] {
                let text = "the counter does not change though updates are due".to_owned();
                self.record_event(now_ns, EventKind::Frozen, &device, text);
            }
            self.was_frozen[domain_index] = is_frozen;
        }
    }

    /// Reports stalls and overheating when they begin. The final report replaces these events by the whole episodes.
    fn report_episodes(&mut self, now_ns: u64) {
        for Begun { kind, device, text } in self.episodes.begun(now_ns) {
            // A stall is of no device: its events are counted under an index that no domain has.
            let domain_index = self.ledger.tracks().iter().position(|track| track.domain().id == device);
            if self.is_admitted(domain_index.unwrap_or(usize::MAX), kind) {
                self.record_event(now_ns, kind, &device, text);
            }
        }
    }

    /// Counts one more event of that kind and domain, and returns whether it is kept: at most [`MAX_EVENTS_PER_DEVICE`] are.
    fn is_admitted(&mut self, domain_index: usize, kind: EventKind) -> bool {
        let count = self.event_counts.entry((domain_index, kind)).or_default();
        *count += 1;
        *count <= MAX_EVENTS_PER_DEVICE
    }

    /// Whether the run may begin: every source has been read once, or `start_by_ns` is reached. The report has no energy
    /// before that; a source that is slower has a gap until it answers.
    fn may_begin(&self, now_ns: u64) -> bool {
        self.awaited_sources.is_empty() || now_ns >= self.start_by_ns
    }

    /// Begins the run at `now_ns`: what was counted and recorded before is discarded, except events.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        // Events before the beginning get the time of the beginning.
        let earlier_ns = now_ns.saturating_sub(self.ledger.opened_ns());
        self.events.iter_mut().for_each(|event| event.at = event.at.saturating_sub(earlier_ns));
        self.ledger.restart_at(now_ns);
        self.episodes = RunEpisodes::default();
        self.own_steps.restart();
        self.has_begun = true;
    }

    /// Fixes the end of the run. Later readings only serve to know the energy until then.
    pub(crate) fn end_at(&mut self, end_ns: u64) {
        self.ledger.end_at(end_ns);
        self.ending_at_ns = Some(end_ns);
    }

    /// Returns the ledger's index of a source's domain; `None` for a domain that the source has not announced.
    pub(crate) fn domain_index(&self, source: usize, domain: usize) -> Option<usize> {
        self.domains_by_source.get(source)?.get(domain).copied()
    }
}

/// Returns how far the boot-time clock is ahead of the monotonic clock. Boot time is read first: an interruption between the two
/// reads then cannot make the offset larger than it is.
fn boot_offset_ns() -> u64 {
    let boot_ns = eco2_samplers::clock::boottime_ns();
    boot_ns.saturating_sub(eco2_samplers::clock::monotonic_ns())
}

/// An event of a ring with its time.
#[derive(Debug, Clone, Copy)]
struct Recorded {
    at_ns: u64,
    /// How far `at_ns` may be off: the error of converting clock ticks.
    error_ns: u64,
    thread: usize,
    drained: Drained,
}

/// The thread and the name, which the two edges of a span have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SpanKey {
    thread: usize,
    name: NameId,
}

/// An edge of a span for the trace.
struct TraceEdge {
    key: SpanKey,
    kind: SpanEventKind,
    /// Whether a span ended with it.
    ended: bool,
    /// When the step began that ended with it; `None` where it ended no step. The first step began with the run.
    step_from_ns: Option<u64>,
    at_ns: u64,
}

/// Writes a span to the trace if it ended with this edge, and keeps the start times of open spans.
fn trace_span(journal: &mut Journal, open: &mut BTreeMap<SpanKey, Vec<u64>>, names: &Names, edge: &TraceEdge) {
    let begins = open.entry(edge.key).or_default();
    let latest_begin_ns = if edge.kind == SpanEventKind::Begin { None } else { begins.pop() };
    if let Some(begin_ns) = edge.step_from_ns.or(latest_begin_ns).filter(|_| edge.ended) {
        journal.span(names.text(edge.key.name), begin_ns, edge.at_ns.max(begin_ns));
    }
    if edge.kind.begins() {
        begins.push(edge.at_ns);
    }
}

#[cfg(test)]
mod tests;

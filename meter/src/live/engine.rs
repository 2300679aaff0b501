//! The engine: what the sampling thread feeds. It keeps the ledger, publishes the timeline, writes log and trace.
//!
//! Data enters from two producers: the sampler passes readings, gauges and notes; the event rings pass the edges of spans. Other
//! threads read a snapshot of the timeline, or lock the engine for a moment outside the hot path. The *ledger* is the account
//! of all counters and spans; a *domain* is one counter or power sensor.

mod own_steps;
mod settled;
mod sink;

pub(crate) use own_steps::{OwnSteps, Progress, STEP};
pub(crate) use settled::UnreadUse;

use std::collections::BTreeMap;

use eco2_core::schema::{DeviceSync, EventKind, EventRecord};
use eco2_core::{Account, Drained, EventConsumer, Ledger, NameId, Names, SpanEventKind};
use eco2_samplers::tsc::{HotClock, Ticks};

use crate::live::episodes::{Begun, RunEpisodes};
use crate::live::gauges::GaugeSums;
use crate::live::journal::Journal;
use crate::live::publish::Publisher;
use crate::live::source_states::SourceStates;
use crate::live::stored_test::StoredTest;
use crate::live::wall::{BootAxis, WallWatch};

/// Events that are kept; further ones are counted in one last event.
const EVENTS: usize = 1_000;
/// Events of one kind that a device's gauges may cause.
const EVENTS_PER_DEVICE: u32 = 10;
/// Spans do not wait for a domain that has been silent for this long.
const SILENT_NS: u64 = 2_000_000_000;
/// Spans times domains that may wait for later readings; further spans are settled at once, without an upper bound. About 30 MB: only more than
/// 100 000 spans a second come near it, or a tenth of that while a counter is silent.
const PENDING: usize = 1 << 16;
/// How often silent domains are looked for, and the log's checkpoint is due.
const HOUSEKEEPING_NS: u64 = 1_000_000_000;

/// Called with each event of a run as it happens.
pub(crate) type Observer = Box<dyn Fn(&EventRecord) + Send>;

/// Everything one run has on the sampling thread's side.
pub(crate) struct Engine {
    pub(crate) ledger: Ledger,
    pub(crate) gauges: GaugeSums,
    pub(crate) episodes: RunEpisodes,
    pub(crate) events: Vec<EventRecord>,
    pub(crate) sources: SourceStates,
    pub(crate) journal: Journal,
    pub(crate) boot: BootAxis,
    wall: WallWatch,
    pub(crate) samples: u64,
    pub(crate) own_steps: OwnSteps,
    pub(crate) begun: bool,
    /// Called under the engine's lock: it must not wait.
    pub(crate) observer: Option<Observer>,
    ending_at_ns: Option<u64>,
    pub(crate) syncs: BTreeMap<String, DeviceSync>,
    lost_events: u64,
    /// Sources on threads of their own whose first readings the run waits for.
    pub(crate) awaited: Vec<usize>,
    /// When the run begins without those that have not answered.
    pub(crate) start_by_ns: u64,
    /// Counters that failed a self-test on this machine.
    pub(crate) self_test: StoredTest,
    map: Vec<Vec<usize>>,
    rings: EventConsumer,
    /// Events on their way from the rings; empty between two drains.
    drained: Vec<Recorded>,
    clock: HotClock,
    publisher: Publisher,
    housekeeping_ns: u64,
    frozen: Vec<bool>,
    settled_early: bool,
    /// Events by device and kind that readings caused.
    admitted: BTreeMap<(usize, EventKind), u32>,
    trace_open: BTreeMap<(usize, NameId), Vec<u64>>,
}

impl Engine {
    pub(crate) fn new(rings: EventConsumer, clock: HotClock, publisher: Publisher) -> Self {
        let now_ns = eco2_samplers::clock::monotonic_ns();
        let mut boot = BootAxis::default();
        boot.set(now_ns, boot_offset_ns());
        Self {
            boot,
            wall: WallWatch::default(),
            ledger: Ledger::new(now_ns, Names::LIVE_CAP),
            gauges: GaugeSums::default(),
            episodes: RunEpisodes::default(),
            events: Vec::new(),
            sources: SourceStates::default(),
            journal: Journal::default(),
            samples: 0,
            own_steps: OwnSteps::default(),
            begun: false,
            observer: None,
            ending_at_ns: None,
            syncs: BTreeMap::new(),
            lost_events: 0,
            awaited: Vec::new(),
            start_by_ns: now_ns,
            self_test: StoredTest::default(),
            map: Vec::new(),
            rings,
            drained: Vec::new(),
            clock,
            publisher,
            housekeeping_ns: now_ns,
            frozen: Vec::new(),
            settled_early: false,
            admitted: BTreeMap::new(),
            trace_open: BTreeMap::new(),
        }
    }

    /// Whether the run's end is fixed.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending_at_ns.is_some()
    }

    /// The account until `end_ns`.
    pub(crate) fn account(&self, end_ns: u64) -> Account {
        self.ledger.account(end_ns)
    }

    /// Event rings into the ledger, in the order of time.
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
        batch.drain(..).for_each(|recorded| self.take(&recorded));
        self.drained = batch;
    }

    /// One event, or the end of a thread.
    fn take(&mut self, recorded: &Recorded) {
        let Self { ledger, journal, trace_open, episodes, own_steps, .. } = self;
        let Recorded { at_ns, error_ns, thread, drained } = *recorded;
        let Drained::Event(event) = drained else {
            ledger.abandon(thread);
            trace_open.retain(|(open, _), _| *open != thread);
            return;
        };
        let name = NameId(event.id);
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
            let edge = TraceEdge { key: (thread, name), kind: event.kind, ended, step_from_ns, at_ns };
            trace_span(journal, trace_open, ledger.names(), &edge);
        }
    }

    /// A span of the past into the trace, if one is written.
    pub(crate) fn trace(&mut self, name: NameId, begin_ns: u64, end_ns: u64) {
        if self.journal.traces() {
            self.journal.span(self.ledger.names().text(name), begin_ns, end_ns);
        }
    }

    pub(crate) fn event(&mut self, at_ns: u64, kind: EventKind, device: &str, text: String) {
        if self.events.len() >= EVENTS {
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

    /// The events in the order of time, with a last one for those that were too many.
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

    /// Events of what was unusual in a domain's readings.
    fn notices(&mut self, index: usize) {
        for notice in self.ledger.take_notices(index) {
            let device = self.ledger.tracks()[index].domain().id.clone();
            self.event(notice.at_ns, notice.kind.event_kind(), &device, notice.kind.to_string());
        }
    }

    /// Memory stays bounded, at the cost of upper bounds.
    fn bound_pending(&mut self, now_ns: u64) {
        if self.ledger.pending() * self.ledger.tracks().len() <= PENDING {
            return;
        }
        self.ledger.give_up(now_ns);
        if !std::mem::replace(&mut self.settled_early, true) {
            let text = "more spans than memory is kept for waited for a counter: they have no upper bound";
            self.event(now_ns, EventKind::SpansSettledEarly, "", text.to_owned());
        }
    }

    fn housekeeping(&mut self, now_ns: u64) {
        if now_ns < self.housekeeping_ns + HOUSEKEEPING_NS {
            return;
        }
        self.housekeeping_ns = now_ns;
        if self.begun && !self.is_ending() {
            self.report_episodes(now_ns);
        }
        self.ledger.give_up(now_ns.saturating_sub(SILENT_NS));
        self.publisher.choose(&self.ledger, now_ns);
        for index in 0..self.ledger.tracks().len() {
            let track = &self.ledger.tracks()[index];
            let (frozen, id) = (track.is_frozen(), track.domain().id.clone());
            if frozen && !self.frozen[index] {
                self.event(
                    now_ns,
                    EventKind::Frozen,
                    &id,
                    "the counter does not change though updates are due".to_owned(),
                );
            }
            self.frozen[index] = frozen;
        }
    }

    /// Reports stalls and overheating when they begin. The final report replaces these events by the whole episodes.
    fn report_episodes(&mut self, now_ns: u64) {
        for Begun { kind, device, text } in self.episodes.begun(now_ns) {
            let index = self.ledger.tracks().iter().position(|track| track.domain().id == device).unwrap_or(usize::MAX);
            if self.is_admitted(index, kind) {
                self.event(now_ns, kind, &device, text);
            }
        }
    }

    /// Returns whether another event of that kind and device is kept. The number is limited for events that readings cause.
    fn is_admitted(&mut self, index: usize, kind: EventKind) -> bool {
        let count = self.admitted.entry((index, kind)).or_default();
        *count += 1;
        *count <= EVENTS_PER_DEVICE
    }

    /// The run begins when every source has been read once: no energy before that is claimed, and none is missed. A
    /// source that is slower than that is uncovered until it answers.
    fn ready(&self, now_ns: u64) -> bool {
        self.awaited.is_empty() || now_ns >= self.start_by_ns
    }

    pub(crate) fn begin(&mut self, now_ns: u64) {
        // Events before the beginning get the time of the beginning.
        let earlier_ns = now_ns.saturating_sub(self.ledger.opened_ns());
        self.events.iter_mut().for_each(|event| event.at = event.at.saturating_sub(earlier_ns));
        self.ledger.restart_at(now_ns);
        self.episodes = RunEpisodes::default();
        self.own_steps.restart();
        self.begun = true;
    }

    /// The run ends at `end_ns`: from now on what is read settles that instant.
    pub(crate) fn end_at(&mut self, end_ns: u64) {
        self.ledger.end_at(end_ns);
        self.ending_at_ns = Some(end_ns);
    }

    pub(crate) fn global(&self, source: usize, domain: usize) -> Option<usize> {
        self.map.get(source)?.get(domain).copied()
    }
}

/// How far the boot-time clock is ahead of the monotonic one; read in this order, so that being interrupted adds nothing.
fn boot_offset_ns() -> u64 {
    let boot_ns = eco2_samplers::clock::boottime_ns();
    boot_ns.saturating_sub(eco2_samplers::clock::monotonic_ns())
}

/// What a thread recorded, and when.
#[derive(Debug, Clone, Copy)]
struct Recorded {
    at_ns: u64,
    error_ns: u64,
    thread: usize,
    drained: Drained,
}

/// An edge of a span on its way into the trace.
struct TraceEdge {
    key: (usize, NameId),
    kind: SpanEventKind,
    /// Whether a span ended with it.
    ended: bool,
    /// When it began, if it was a step: the first one began with the run, others perhaps on another thread.
    step_from_ns: Option<u64>,
    at_ns: u64,
}

fn trace_span(journal: &mut Journal, open: &mut BTreeMap<(usize, NameId), Vec<u64>>, names: &Names, edge: &TraceEdge) {
    let stack = open.entry(edge.key).or_default();
    let begun = if edge.kind == SpanEventKind::Begin { None } else { stack.pop() };
    if let Some(begin_ns) = edge.step_from_ns.or(begun).filter(|_| edge.ended) {
        journal.span(names.text(edge.key.1), begin_ns, edge.at_ns.max(begin_ns));
    }
    if edge.kind.begins() {
        stack.push(edge.at_ns);
    }
}

#[cfg(test)]
mod tests;

//! The engine: what the sampling thread feeds. It keeps the ledger, publishes the timeline, writes log and trace.
//!
//! Data comes in on one side only: readings, gauges and notes from the sampler, begin and end from the event rings.
//! Everybody else reads a snapshot, or locks the engine for a moment outside the hot path.

use std::collections::BTreeMap;
use std::sync::Arc;

use eco2_core::attribution::Shares;
use eco2_core::report::{EventRecord, DeviceSync};
use eco2_core::{Account, Domain, EventConsumer, EventKind, Gauge, GapReason, Ledger, NameId, Names, Outcome, Reading};
use eco2_samplers::tsc::{HotClock, Ticks};
use eco2_samplers::{Note, Sink};

use crate::assemble::{self, Ending, Facts};
use crate::gauges::GaugeSums;
use crate::journal::Journal;
use crate::publish::Publisher;
use crate::series::Series;
use crate::sharing::Sharing;

/// Events kept in full; more are counted in one last event.
const EVENTS: usize = 1_000;
/// A domain that has been silent for this long holds no span up.
const SILENT_NS: u64 = 2_000_000_000;
/// How long a source may take for its first reading before the run begins without it.
const SLOW_START_NS: u64 = 200_000_000;
/// How often silent domains are looked for, and the log's checkpoint is due.
const HOUSEKEEPING_NS: u64 = 1_000_000_000;

/// Everything one run has on the sampling thread's side.
pub(crate) struct Engine {
    pub(crate) ledger: Ledger,
    pub(crate) gauges: GaugeSums,
    pub(crate) events: Vec<EventRecord>,
    pub(crate) series: Vec<Series>,
    pub(crate) sharing: Sharing,
    pub(crate) journal: Journal,
    pub(crate) samples: u64,
    pub(crate) begun: bool,
    pub(crate) ending_at_ns: Option<u64>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) syncs: BTreeMap<String, DeviceSync>,
    lost_events: u64,
    /// Domains that the sources had when the run was opened.
    pub(crate) expected: usize,
    map: Vec<Vec<usize>>,
    rings: EventConsumer,
    clock: HotClock,
    publisher: Publisher,
    housekeeping_ns: u64,
    frozen: Vec<bool>,
    generations: Vec<u64>,
    trace_open: BTreeMap<(usize, NameId), Vec<u64>>,
}

impl Engine {
    pub(crate) fn new(rings: EventConsumer, clock: HotClock, publisher: Publisher, facts: Arc<Facts>) -> Self {
        let now_ns = eco2_samplers::clock::monotonic_ns();
        Self {
            ledger: Ledger::new(now_ns, Names::LIVE_CAP),
            gauges: GaugeSums::default(),
            events: Vec::new(),
            series: Vec::new(),
            sharing: Sharing::nobody(),
            journal: Journal::default(),
            samples: 0,
            begun: false,
            ending_at_ns: None,
            facts,
            syncs: BTreeMap::new(),
            lost_events: 0,
            expected: 0,
            map: Vec::new(),
            rings,
            clock,
            publisher,
            housekeeping_ns: now_ns,
            frozen: Vec::new(),
            generations: Vec::new(),
            trace_open: BTreeMap::new(),
        }
    }

    /// The account until `end_ns`.
    pub(crate) fn account(&self, end_ns: u64) -> Account {
        self.ledger.account(end_ns)
    }

    /// Event rings into the ledger.
    pub(crate) fn drain(&mut self) {
        let Self { rings, ledger, clock, journal, trace_open, generations, .. } = self;
        rings.drain(|thread, generation, event| {
            if generations.len() <= thread {
                generations.resize(thread + 1, generation);
            }
            if std::mem::replace(&mut generations[thread], generation) != generation {
                ledger.abandon(thread);
            }
            let (at_ns, error_ns) = clock.convert(Ticks { value: event.ticks, tsc: event.tsc });
            let name = NameId::from_index(event.id);
            match event.kind {
                EventKind::Begin => ledger.begin(thread, name, at_ns, error_ns),
                EventKind::End => {
                    ledger.end(thread, name, at_ns, error_ns);
                }
                _ => ledger.step(thread, name, at_ns, error_ns),
            }
            if journal.traces() {
                trace_span(journal, trace_open, ledger.names(), (thread, name), event.kind, at_ns);
            }
        });
    }

    pub(crate) fn event(&mut self, at_ns: u64, kind: &str, device: &str, text: String) {
        if self.events.len() >= EVENTS {
            self.lost_events += 1;
            return;
        }
        let at = at_ns.saturating_sub(self.ledger.opened_ns());
        let event = EventRecord { at, kind: kind.to_owned(), device: device.to_owned(), text };
        self.journal.event(&event);
        self.events.push(event);
    }

    /// The events, with a last one for those that were too many.
    pub(crate) fn all_events(&self) -> Vec<EventRecord> {
        let mut events = self.events.clone();
        if self.lost_events > 0 {
            let text = format!("{} more events were not kept", self.lost_events);
            let at = events.last().map_or(0, |last| last.at);
            events.push(EventRecord { at, kind: "events-dropped".into(), device: String::new(), text });
        }
        events
    }

    fn outcome(&mut self, index: usize, outcome: Outcome, at_ns: u64) {
        let (kind, text) = match outcome {
            Outcome::Reset if self.ledger.tracks()[index].counts().resets > 0 => {
                ("reset", "the counter began again; energy since its last update is unknown")
            }
            Outcome::AtLeast => ("wrap-ambiguous", "too long without a reading: the counter may have wrapped again"),
            Outcome::Implausible => ("implausible", "a value that the power limit rules out was rejected"),
            _ => return,
        };
        let device = self.ledger.tracks()[index].domain().id.clone();
        self.event(at_ns, kind, &device, text.to_owned());
    }

    fn housekeeping(&mut self, now_ns: u64) {
        if now_ns < self.housekeeping_ns + HOUSEKEEPING_NS {
            return;
        }
        self.housekeeping_ns = now_ns;
        self.ledger.give_up(now_ns.saturating_sub(SILENT_NS));
        for index in 0..self.ledger.tracks().len() {
            let track = &self.ledger.tracks()[index];
            let (frozen, id) = (track.is_frozen(), track.domain().id.clone());
            if frozen && !self.frozen[index] {
                self.event(now_ns, "frozen", &id, "the counter stands still though updates are due".to_owned());
            }
            self.frozen[index] = frozen;
        }
    }

    /// The run begins when every domain has been read once: no energy before that is claimed, and none is missed. A
    /// source that is slower than that is uncovered until it answers.
    fn ready(&self, now_ns: u64) -> bool {
        let tracks = self.ledger.tracks();
        let read = tracks.len() >= self.expected && tracks.iter().all(|track| track.counts().readings > 0);
        read || now_ns.saturating_sub(self.ledger.opened_ns()) > SLOW_START_NS
    }

    fn global(&self, source: usize, domain: usize) -> Option<usize> {
        self.map.get(source)?.get(domain).copied()
    }
}

fn trace_span(
    journal: &mut Journal,
    open: &mut BTreeMap<(usize, NameId), Vec<u64>>,
    names: &Names,
    key: (usize, NameId),
    kind: EventKind,
    at_ns: u64,
) {
    let stack = open.entry(key).or_default();
    if kind.ends()
        && let Some(begin_ns) = stack.pop()
    {
        journal.span(names.text(key.1), begin_ns, at_ns.max(begin_ns));
    }
    if kind.begins() {
        stack.push(at_ns);
    }
}

impl Sink for Engine {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        if self.map.len() <= source {
            self.map.resize_with(source + 1, Vec::new);
        }
        let fresh = &domains[self.map[source].len().min(domains.len())..];
        for domain in fresh {
            let index = self.ledger.add_domain(domain.clone());
            self.map[source].push(index);
            self.series.push(Series::default());
            self.frozen.push(false);
        }
        self.journal.domains(source, domains, fresh);
        self.publisher.domains(self.ledger.tracks());
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)]) {
        self.samples += readings.len() as u64;
        for (domain, reading) in readings {
            let Some(index) = self.global(source, *domain) else { continue };
            let Some(outcome) = self.ledger.reading(index, reading) else { continue };
            match outcome {
                Outcome::Grew { .. } | Outcome::Baseline => {
                    if let Some(knot) = self.ledger.tracks()[index].last_knot() {
                        self.series[index].push(knot, self.ledger.opened_ns());
                    }
                }
                Outcome::Same | Outcome::Failed(_) | Outcome::Glitch => {}
                unusual => self.outcome(index, unusual, reading.after_ns),
            }
        }
        self.journal.readings(source, readings, self.map.get(source).map_or(&[], Vec::as_slice));
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        self.ledger.break_segment(None, GapReason::Suspend);
        let text = format!("the machine slept; {} ms of its clock are a gap", (to_ns.saturating_sub(from_ns)) / 1_000_000);
        self.event(from_ns, "suspend", "", text);
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        for gauge in gauges {
            self.gauges.add(gauge);
        }
        self.sharing.look();
        self.journal.gauges(at_ns, gauges);
    }

    fn note(&mut self, note: Note) {
        self.event(note.at_ns, note.kind, &note.device, note.text);
    }

    fn tick(&mut self, now_ns: u64) {
        if !self.begun && self.ready(now_ns) {
            self.ledger.restart_at(now_ns);
            self.begun = true;
        }
        self.drain();
        self.publisher.publish(&self.ledger, now_ns);
        self.housekeeping(now_ns);
        if self.journal.checkpoint_due(now_ns) {
            let report = assemble::report(self, &Ending::default(), now_ns);
            self.journal.checkpoint(now_ns, &report);
        }
        if let Some(warning) = self.journal.submit() {
            self.event(now_ns, "log-failed", "", warning);
        }
    }

    fn settled(&self) -> bool {
        self.ending_at_ns.is_some_and(|end_ns| self.ledger.settled(end_ns))
    }

    fn period_ns(&self, source: usize, domain: usize) -> Option<u64> {
        self.ledger.tracks().get(self.global(source, domain)?)?.period_ns()
    }

    fn last_change_ns(&self, source: usize, domain: usize) -> Option<(u64, u64)> {
        let knot = self.ledger.tracks().get(self.global(source, domain)?)?.last_knot()?;
        Some((knot.lo_ns, knot.hi_ns))
    }

    fn pids(&mut self, out: &mut Vec<u32>) {
        self.sharing.pids(out);
    }

    fn shares(&mut self, source: usize, shares: &[(usize, f64, f64)]) {
        for &(domain, command, others) in shares {
            if let Some(index) = self.global(source, domain) {
                self.sharing.device(index, command, others);
            }
        }
    }
}

/// What a share of time weighs: parts per million of it.
pub(crate) fn shares_of(command: f64, others: f64) -> Option<Shares> {
    let part = |fraction: f64| (fraction.clamp(0.0, 1.0) * 1e6).round() as u64;
    if !(command.is_finite() && others.is_finite()) {
        return None;
    }
    let command = part(command);
    let others = part(others).min(1_000_000 - command);
    Some(Shares { command, others, idle: 1_000_000 - command - others })
}

//! [`TickLoop`] is the body of the sampling thread: in each tick it reads the sources that are due and hands over the
//! readings. It has no thread and no clock of its own, so that tests can step it.
//!
//! Terms: a tick is one wake-up of the thread. A source reads one interface, such as RAPL or NVML; a domain is one
//! sensor or counter of it. The sink takes readings. A batch holds the readings of one read. A gauge is a value that is
//! not energy, such as utilisation. Users of a device are the processes that run on it. The ring is a buffer in which
//! the recording threads of the measured program leave events; the sink drains it in each tick.

use std::panic::{AssertUnwindSafe, catch_unwind};

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Fault, Gauge, Reading};

use crate::clock::Clock;
use crate::deadline::{Deadline, Standing};
use crate::options::Options;
use crate::schedule::governor::{Governor, Paced};
use crate::schedule::{Demand, Learned, Schedule, SourceAnswer};
use crate::sink_slot::SinkSlot;
use crate::tsc::HotClock;
use crate::{Batch, Change, DeviceUse, Source, SourceEvent, Watched};

/// Least growth of BOOTTIME − MONOTONIC that is taken for sleep of the machine, 0.1 s: less than this may be the jitter
/// of reading two clocks.
const SLEPT_NS: i64 = 100_000_000;

/// Shortest time between two questions for the users of devices, 0.1 s: over less than that a driver's utilisation by
/// process is meaningless.
const USERS_NS: u64 = 100_000_000;

enum SourceReader {
    /// On the sampling thread.
    Inline(Box<dyn Source>),
    /// On a thread of its own, because its calls may hang.
    Threaded(Box<Deadline>),
    /// Not at all: it panicked or could not be started. Its index stays taken, so that the others keep theirs.
    Failed,
}

impl SourceReader {
    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Self::Inline(source) => Some(source.as_mut()),
            Self::Threaded(source) => Some(source.as_mut()),
            Self::Failed => None,
        }
    }
}

/// What a source is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The domains that are wanted.
    Read,
    /// Every domain.
    ReadAll,
    /// What its own thread has read; nothing more.
    Collect,
}

/// The sources and when each is read.
pub(crate) struct TickLoop {
    readers: Vec<SourceReader>,
    /// How many domains of each source the sink knows.
    known: Vec<usize>,
    schedule: Schedule,
    /// Keeps sampling below its limit of CPU time; `None` without a limit.
    governor: Option<Governor>,
    clock: Clock,
    hot: Option<HotClock>,
    /// Memory for the readings of one source, used again for each.
    batch: Batch,
    /// What the sink learned about counters' update periods from the last readings; the schedule uses it.
    learned: Vec<Learned>,
    /// What the sink needs in this tick.
    demand: Demand,
    gauges: Vec<Gauge>,
    /// Events that were not handed over yet.
    notes: Vec<SourceEvent>,
    /// Changes of sources' statuses that were not handed over yet.
    changes: Vec<Change>,
    /// Processes whose use of devices the sink wants.
    watched: Watched,
    users: Vec<DeviceUse>,
    users_ns: u64,
    /// Highest `Now::slept_ns` so far.
    slept_ns: i64,
    ticked_ns: u64,
    ticks: u64,
}

/// The clocks at the start of a tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) ns: u64,
    /// BOOTTIME − MONOTONIC, nanoseconds. Read in this order: an interruption in between makes it smaller, never
    /// larger, so it never looks like sleep.
    pub(crate) slept_ns: i64,
}

impl Now {
    pub(crate) fn of(clock: &Clock) -> Self {
        let slept_ns = crate::clock::boottime_ns().wrapping_sub(crate::clock::monotonic_ns()) as i64;
        Self { ns: clock.now_ns(), slept_ns }
    }
}

impl TickLoop {
    /// Returns a loop over `sources` that has read nothing yet; everything is due at `now`.
    pub(crate) fn new(sources: Vec<Box<dyn Source>>, options: &Options, now: Now) -> Self {
        let mut rounds = Self {
            readers: Vec::with_capacity(sources.len()),
            known: vec![0; sources.len()],
            schedule: Schedule::new(options.pace, now.ns).seeded(options.seed),
            governor: Governor::new(options.max_overhead_percent, options.pace.poll_ns()),
            clock: options.clock.clone(),
            hot: options.hot.clone(),
            batch: Batch::new(options.clock.clone()),
            learned: Vec::with_capacity(64),
            demand: Demand::default(),
            gauges: Vec::with_capacity(64),
            notes: Vec::with_capacity(16),
            changes: Vec::new(),
            watched: Watched::default(),
            users: Vec::new(),
            users_ns: 0,
            slept_ns: now.slept_ns,
            ticked_ns: now.ns,
            ticks: 0,
        };
        for (index, source) in sources.into_iter().enumerate() {
            let reader = rounds.reader(source, options);
            rounds.schedule.domains(index, &[]);
            rounds.readers.push(reader);
        }
        rounds
    }

    /// Decides how a source is read, and starts its thread if it may hang.
    fn reader(&mut self, source: Box<dyn Source>, options: &Options) -> SourceReader {
        if !source.may_hang() {
            return SourceReader::Inline(source);
        }
        let name = source.name().to_owned();
        match Deadline::spawn(source, self.clock.clone(), options.deadline) {
            Ok(threaded) => SourceReader::Threaded(Box::new(threaded)),
            Err(error) => {
                let text = format!("no thread for it: {error}");
                self.silent(&name, Status::Denied, &text, "raise the limit of processes (`ulimit -u`)");
                self.note(EventKind::SourceNotStarted, &name, text);
                SourceReader::Failed
            }
        }
    }

    pub(crate) fn next_ns(&self) -> u64 {
        self.schedule.next_ns()
    }

    /// Returns the number of ticks so far, and how many were missed.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.ticks, self.schedule.missed())
    }

    /// Runs one tick: reads what is due, or everything, and hands it over. Returns `false` once the sink was taken
    /// back.
    pub(crate) fn tick(&mut self, now: Now, everything: bool, sink_slot: &SinkSlot) -> bool {
        self.watch_sleep(now, sink_slot);
        // Just before the rings are drained, so that what they hold lies before the newest anchor.
        if let Some(hot) = &self.hot {
            hot.anchor();
        }
        let demand = &mut self.demand;
        (demand.named, demand.viewed) = (false, false);
        demand.edges.clear();
        sink_slot.with(|sink| sink.look(now.ns, demand));
        // A tick that was asked for is early, and an early tick is not missed.
        self.schedule.wake(now.ns, demand);
        self.ticks += 1;
        let gauges_due = self.schedule.gauges_due();
        let is_first = self.ticks == 1;
        if (everything && now.ns.saturating_sub(self.users_ns) >= USERS_NS) || (gauges_due && !is_first) {
            // Asked for before the readings, they come with them: the end of a run has its last second.
            self.read_users(now.ns, sink_slot);
        }
        if gauges_due && !is_first {
            self.read_gauges(sink_slot);
        }
        for index in 0..self.readers.len() {
            if everything {
                self.schedule.plan_all(index);
                self.read(index, Turn::ReadAll, sink_slot);
                continue;
            }
            if self.schedule.awaits(index) {
                self.read(index, Turn::Collect, sink_slot);
            }
            if self.schedule.plan(index) {
                self.read(index, Turn::Read, sink_slot);
            }
        }
        self.hand_over_notes(sink_slot);
        self.hand_over_decisions(sink_slot);
        let end_ns = self.clock.now_ns();
        let open = sink_slot.with(|sink| sink.tick(end_ns)).is_some();
        // No thread waits for these; the start of a run waits for the rest of its first tick.
        if gauges_due && is_first {
            self.read_gauges(sink_slot);
            self.read_users(now.ns, sink_slot);
        }
        open
    }

    /// Returns the CPU time of the threads that sources have of their own, nanoseconds.
    pub(crate) fn threaded_cpu_ns(&self) -> u64 {
        let cpu_ns =
            |reader: &SourceReader| if let SourceReader::Threaded(source) = reader { source.cpu_ns() } else { 0 };
        self.readers.iter().map(cpu_ns).sum()
    }

    /// Whether any source is read on a thread of its own.
    pub(crate) fn has_threaded(&self) -> bool {
        self.readers.iter().any(|reader| matches!(reader, SourceReader::Threaded(_)))
    }

    /// Asks sources on threads of their own for what they have read; `true` when each has answered what it was asked
    /// at `since_ns` or later.
    pub(crate) fn collect(&mut self, since_ns: u64, sink_slot: &SinkSlot) -> bool {
        let mut all = true;
        for index in 0..self.readers.len() {
            if matches!(self.readers.get(index), Some(SourceReader::Threaded(_))) {
                self.schedule.plan_all(index);
                self.read(index, Turn::ReadAll, sink_slot);
            }
            if let Some(SourceReader::Threaded(source)) = self.readers.get(index) {
                all &= source.answered_ns() >= since_ns;
            }
        }
        all
    }

    /// Waits until each source on a thread of its own has answered what it was asked. Hands nothing over.
    pub(crate) fn settle(&mut self) {
        for reader in &mut self.readers {
            if let SourceReader::Threaded(source) = reader {
                source.settle();
            }
        }
    }

    /// Polls less or more often to keep the limit of CPU time; `cpu_ns` is what sampling has used so far.
    pub(crate) fn govern(&mut self, now_ns: u64, cpu_ns: u64) {
        let Some(governor) = self.governor.as_mut() else { return };
        if let Some(Paced { interval_ns, note }) = governor.look(now_ns, cpu_ns) {
            self.schedule.pace(interval_ns);
            note.into_iter().for_each(|text| self.note(EventKind::Pace, "", text));
        }
    }

    /// Reports at the end of a run whether the limit of CPU time was kept. The next tick hands it over.
    pub(crate) fn judge_limit(&mut self, now_ns: u64, cpu_ns: u64) {
        if let Some(text) = self.governor.as_ref().and_then(|governor| governor.verdict(now_ns, cpu_ns)) {
            self.note(EventKind::Pace, "", text);
        }
    }

    /// Notices that the machine slept since the last tick, and informs the sink and the recording threads' clock.
    fn watch_sleep(&mut self, now: Now, sink_slot: &SinkSlot) {
        let (from_ns, to_ns) = (self.ticked_ns, now.ns);
        self.ticked_ns = now.ns;
        if now.slept_ns.saturating_sub(self.slept_ns) > SLEPT_NS {
            if let Some(hot) = &self.hot {
                hot.jumped(to_ns);
            }
            sink_slot.with(|sink| sink.suspended(from_ns, to_ns));
        }
        self.slept_ns = self.slept_ns.max(now.slept_ns);
    }

    /// Reads source `index`, or collects its answer, and hands over what it returned.
    fn read(&mut self, index: usize, turn: Turn, sink_slot: &SinkSlot) {
        let Some(reader) = self.readers.get_mut(index) else { return };
        let batch = &mut self.batch;
        batch.clear();
        batch.set_wanted(turn == Turn::ReadAll, self.schedule.wanted(index));
        let (notes, changes) = (&mut self.notes, &mut self.changes);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let standing = match reader {
                SourceReader::Inline(source) => {
                    source.read(batch);
                    Standing::Answered
                }
                SourceReader::Threaded(source) if turn == Turn::Collect => source.collect(batch),
                SourceReader::Threaded(source) => source.ask(batch),
                SourceReader::Failed => Standing::Ended,
            };
            let domains = reader.source().map_or(0, |source| {
                source.notes(notes);
                source.changes(changes);
                source.domains().len()
            });
            (standing, domains)
        }));
        let Ok((standing, domains)) = result else { return self.drop_source(index, sink_slot) };
        if self.known.get(index).is_some_and(|known| domains > *known) {
            self.announce(index, sink_slot);
        }
        let (schedule, readings, learned) = (&mut self.schedule, self.batch.readings(), &mut self.learned);
        learned.clear();
        sink_slot.with(|sink| {
            if !readings.is_empty() {
                sink.readings(index, readings, learned);
            }
            let answer = match standing {
                Standing::Awaited => SourceAnswer::Awaited(readings),
                Standing::Answered | Standing::Ended => SourceAnswer::Given(readings),
            };
            if turn == Turn::Collect {
                schedule.was_answered(index, answer, learned);
            } else {
                schedule.was_read(index, answer, learned);
            }
        });
        if standing == Standing::Ended {
            self.schedule.close(index);
        }
        if let Some(SourceReader::Threaded(source)) = self.readers.get_mut(index) {
            self.gauges.clear();
            source.take_gauges(&mut self.gauges);
            let (gauges_ns, gauges) = (self.clock.now_ns(), self.gauges.as_slice());
            if !gauges.is_empty() {
                sink_slot.with(|sink| sink.gauges(gauges_ns, gauges));
            }
            self.users.clear();
            source.take_users(&mut self.users);
            let users = self.users.as_slice();
            if !users.is_empty() {
                sink_slot.with(|sink| sink.users(index, users));
            }
        }
    }

    /// Announces new domains to the sink, before a reading of them.
    fn announce(&mut self, index: usize, sink_slot: &SinkSlot) {
        let (Some(reader), Some(known)) = (self.readers.get_mut(index), self.known.get_mut(index)) else { return };
        let Some(source) = reader.source() else { return };
        let domains = source.domains();
        *known = domains.len();
        self.schedule.domains(index, domains);
        sink_slot.with(|sink| sink.domains(index, domains));
    }

    /// Removes a source that panicked: it is not called again, its domains report that they are gone, and the measured
    /// program (a training, for example) goes on.
    fn drop_source(&mut self, index: usize, sink_slot: &SinkSlot) {
        let Some(reader) = self.readers.get_mut(index) else { return };
        let panicked = std::mem::replace(reader, SourceReader::Failed);
        let name = match &panicked {
            SourceReader::Inline(source) => {
                catch_unwind(AssertUnwindSafe(|| source.name().to_owned())).unwrap_or_default()
            }
            SourceReader::Threaded(source) => source.name().to_owned(),
            SourceReader::Failed => String::new(),
        };
        // A drop that panics, too, must not end the thread.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panicked)));
        self.schedule.close(index);
        let text = "it panicked and is not read any more; the rest is measured on";
        self.silent(&name, Status::Lost, text, "report this fault of the source");
        self.note(EventKind::SourcePanicked, &name, text.to_owned());
        let now_ns = self.clock.now_ns();
        let gone = Reading { before_ns: now_ns, after_ns: now_ns, value: Err(Fault::Gone) };
        self.batch.clear();
        (0..self.known.get(index).copied().unwrap_or(0)).for_each(|domain| self.batch.push(domain, gone));
        let readings = self.batch.readings();
        // The schedule does not use this: the source is closed.
        self.learned.clear();
        sink_slot.with(|sink| sink.readings(index, readings, &mut self.learned));
    }

    fn read_gauges(&mut self, sink_slot: &SinkSlot) {
        self.gauges.clear();
        for index in 0..self.readers.len() {
            let gauges = &mut self.gauges;
            let reader = self.readers.get_mut(index).and_then(SourceReader::source);
            let Some(source) = reader else { continue };
            if catch_unwind(AssertUnwindSafe(|| source.gauges(gauges))).is_err() {
                self.drop_source(index, sink_slot);
            }
        }
        let (now_ns, gauges) = (self.clock.now_ns(), self.gauges.as_slice());
        if !gauges.is_empty() {
            sink_slot.with(|sink| sink.gauges(now_ns, gauges));
        }
    }

    /// Asks for the users of the devices, if the sink wants them.
    fn read_users(&mut self, now_ns: u64, sink_slot: &SinkSlot) {
        self.users_ns = now_ns;
        self.watched.pids.clear();
        self.watched.visible.clear();
        let watched = &mut self.watched;
        sink_slot.with(|sink| sink.watched(watched));
        if self.watched.pids.is_empty() {
            return;
        }
        for index in 0..self.readers.len() {
            let (watched, users) = (&self.watched, &mut self.users);
            users.clear();
            let Some(source) = self.readers.get_mut(index).and_then(SourceReader::source) else { continue };
            if catch_unwind(AssertUnwindSafe(|| source.users(watched, users))).is_err() {
                self.drop_source(index, sink_slot);
            } else if !users.is_empty() {
                sink_slot.with(|sink| sink.users(index, users));
            }
        }
    }

    fn note(&mut self, kind: EventKind, device: &str, text: String) {
        let at_ns = self.clock.now_ns();
        self.notes.push(SourceEvent { at_ns, kind, device: device.to_owned(), text });
    }

    fn silent(&mut self, name: &str, status: Status, reason: &str, remedy: &str) {
        let (name, reason, remedy) = (name.to_owned(), reason.to_owned(), remedy.to_owned());
        self.changes.push(Change::Silent(SourceStatus { name, status, reason, remedy }));
    }

    /// Hands over decisions on how sources are read; in nearly every tick there are none.
    fn hand_over_decisions(&mut self, sink_slot: &SinkSlot) {
        let decided = self.schedule.decided();
        if decided.len() > 0 {
            sink_slot.with(|sink| decided.for_each(|decision| sink.decided(&decision)));
        }
    }

    fn hand_over_notes(&mut self, sink_slot: &SinkSlot) {
        if !self.changes.is_empty() {
            sink_slot.with(|sink| self.changes.drain(..).for_each(|change| sink.changed(change)));
        }
        if !self.notes.is_empty() {
            sink_slot.with(|sink| self.notes.drain(..).for_each(|note| sink.note(note)));
        }
    }
}

//! The meter: opens sources and the sampling thread, hands out the recording calls, and tells how things stand.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use eco2_core::schema::{DeviceSync, Report, SpanRecord as SpanTotal};
use eco2_core::{DomainPoint, Energies, NameId, Producer, Spent, TimelineReader};
use eco2_samplers::tsc::HotClock;
use eco2_samplers::usage::Exited;
use eco2_samplers::{ForkGuard, Roots, Sampler, Source, clock};

use crate::Error;
use crate::live::engine::Engine;
use crate::live::sharing::Sharing;
use crate::live::thread_rings;
use crate::options::Options;
use crate::run::alerts::{self, Alert, Services};
use crate::run::budget::Asks;
use crate::run::open;
use crate::run::pricing::Pricing;
use crate::run::report::{self, Ending};
use crate::run::shared::Shared;
use crate::sync::lock;
use eco2_core::CurvePoint;

static METERS: AtomicU64 = AtomicU64::new(1);

/// One measured run.
///
/// Methods that take `&self` may be called from any thread. In a forked child every call does nothing and returns at
/// once, whatever the parent's threads held at the fork: the child is not measured unless it opens a meter of its own.
pub struct Meter {
    pub(crate) id: u64,
    birthplace: ForkGuard,
    clock: HotClock,
    reader: TimelineReader,
    /// The highest energy that [`Meter::now`] returned, microjoules.
    shown_uj: AtomicU64,
    pub(crate) shared: Arc<Shared>,
    /// Held by whoever ends the run, until it has ended.
    pub(crate) sampler: Mutex<Option<Sampler>>,
    /// The report of a run that has ended.
    pub(crate) over: OnceLock<Report>,
    roots: Roots,
    log: Option<PathBuf>,
}

/// Energy now, extrapolated from the last knots: provisional by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic nanoseconds.
    pub at_ns: u64,
    /// Energy since the first readings, microjoules, over devices that do not overlap.
    pub total_uj: u64,
    /// Whether every device's part is known.
    pub complete: bool,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Step {
    /// Samples processed.
    pub samples: u64,
    /// Tokens processed.
    pub tokens: u64,
    /// Loss, if known.
    pub loss: Option<f64>,
}

/// A span that ends when it is dropped.
#[must_use = "a span ends when it is dropped"]
pub struct Span<'a> {
    meter: &'a Meter,
    name: NameId,
    recorded: bool,
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        if self.recorded {
            self.meter.end(self.name);
        }
    }
}

impl Meter {
    /// Opens a meter with the sources that the options select.
    ///
    /// # Errors
    /// [`Error`] for a wrong option; hardware that is missing is no error, but said in the report.
    pub fn open(options: Options) -> Result<Self, Error> {
        Self::open_for(options, Vec::new(), Vec::new())
    }

    /// The same, with sources of your own beside the others.
    ///
    /// # Errors
    /// As [`Meter::open`].
    pub fn open_with(options: Options, sources: Vec<Box<dyn Source>>) -> Result<Self, Error> {
        Self::open_for(options, sources, Vec::new())
    }

    /// The same, for a command whose words go into the report. Nobody's share of the energy is told until
    /// [`Meter::follow`] says whose; without words it is this process's.
    ///
    /// # Errors
    /// As [`Meter::open`].
    pub fn open_for(options: Options, own: Vec<Box<dyn Source>>, command: Vec<String>) -> Result<Self, Error> {
        let pricing = Pricing::resolve(&options)?;
        let mut services = Services::of(&options)?;
        let mut found = open::find(&options)?;
        let identity = open::identity(&options, command, &found);
        // A program's own sources come first.
        found.sources.splice(..0, own);
        let started = open::start(found, identity, pricing, &options)?;
        for (kind, text) in services.left_out.drain(..) {
            lock(&started.shared.engine).event(0, kind, "", text);
        }
        services.start(&started.shared.alerts, &started.shared.for_alerts());
        if started.shared.rates.is_limited() {
            alerts::start(&started.shared.alerts, started.shared.for_alerts());
        }
        Ok(Self {
            // Relaxed: only uniqueness matters.
            id: METERS.fetch_add(1, Ordering::Relaxed),
            birthplace: ForkGuard::here(),
            clock: started.clock,
            reader: started.reader,
            shown_uj: AtomicU64::new(0),
            shared: started.shared,
            sampler: Mutex::new(Some(started.sampler)),
            over: OnceLock::new(),
            roots: open::roots(&options),
            log: started.log,
        })
    }

    /// The id of a span name; keep it, it is what recording takes. Takes a lock.
    pub fn name(&self, name: &str) -> NameId {
        let Some(mut engine) = self.engine() else { return NameId(0) };
        let id = engine.ledger.intern(name);
        if engine.own_steps.is_own(name) {
            self.shared.work.set_own(id);
        }
        id
    }

    /// The text of a name's id: the one that all further names share where the table was full; empty for an id that
    /// [`Meter::name`] did not give, and in a forked child. Takes a lock.
    #[must_use]
    pub fn name_text(&self, name: NameId) -> String {
        self.engine().map_or_else(String::new, |engine| engine.ledger.names().text(name).to_owned())
    }

    /// Says what the edges of a name's spans do about queued GPU work; nothing, unless this is called. Takes a lock.
    pub fn declare_sync(&self, name: NameId, sync: DeviceSync) {
        let Some(mut engine) = self.engine() else { return };
        let text = engine.ledger.names().text(name).to_owned();
        engine.syncs.insert(text, sync);
    }

    /// Begins a span on this thread. `false` if it could not be recorded (counted in the report).
    #[inline]
    pub fn begin(&self, name: NameId) -> bool {
        self.record(name, Producer::begin)
    }

    /// Ends this thread's nearest open span of that name.
    #[inline]
    pub fn end(&self, name: NameId) -> bool {
        self.record(name, Producer::end)
    }

    /// Ends a step and begins the next at one instant. A loop of ten calls is ten steps: the first began when the meter
    /// opened, or where [`Meter::start_steps`] was called. (Before 0.2 the first call only began a step: ten calls were
    /// nine steps.) After an explicit [`Meter::end`] of that name the next call only begins.
    ///
    /// Steps are counted on each thread. The run's own steps, which budgets, forecasts and `work.steps` count, are those
    /// of the name in [`Options::step_name`].
    #[inline]
    pub fn step(&self, name: NameId) -> bool {
        self.record(name, Producer::step)
    }

    /// Starts the steps of that name on this thread: the next one begins here. For set-up before the first step, and for
    /// pauses between steps; a step that is open is given up and does not count.
    #[inline]
    pub fn start_steps(&self, name: NameId) -> bool {
        self.record(name, Producer::start)
    }

    #[inline(always)]
    fn record(&self, name: NameId, record: impl Fn(&mut Producer, u32, u64, bool) -> bool) -> bool {
        if self.forked() {
            return false;
        }
        // The slower clock stays out of line, so that the usual case keeps its registers.
        let Some(ticks) = self.clock.counted() else { return self.record_by_clock(name, record) };
        thread_rings::with_ring(self.id, &self.shared.pool, move |ring| record(ring, name.0, ticks, true))
    }

    #[cold]
    fn record_by_clock(&self, name: NameId, record: impl Fn(&mut Producer, u32, u64, bool) -> bool) -> bool {
        let ticks = self.clock.ticks();
        thread_rings::with_ring(self.id, &self.shared.pool, move |ring| record(ring, name.0, ticks.value, ticks.tsc))
    }

    /// [`Meter::step`], and counts what the ended step has done. A loss takes a lock.
    pub fn step_work(&self, name: NameId, done: Step) -> bool {
        if self.forked() {
            return false;
        }
        self.shared.work.add(name, done.samples, done.tokens);
        if let Some(loss) = done.loss.filter(|loss| loss.is_finite()) {
            lock(&self.shared.work.figures).loss = Some(loss);
        }
        self.step(name)
    }

    /// A figure of your own for the report; the last value counts. Not a number is ignored. Takes a lock.
    pub fn extra(&self, name: &str, value: f64) {
        if value.is_finite() && !self.forked() {
            lock(&self.shared.work.figures).extra.insert(name.to_owned(), value);
        }
    }

    /// A span that ends when the guard is dropped, on this thread.
    pub fn span(&self, name: NameId) -> Span<'_> {
        Span { meter: self, name, recorded: self.begin(name) }
    }

    /// Energy now; `None` before the first tick, in a forked child, or where nothing is known. It never falls: where an
    /// extrapolation was too high it is held until the counters reach it.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Option<Now> {
        if self.forked() {
            return None;
        }
        // The total alone: one cache line, where all devices would be several.
        let (at_ns, total) = (self.clock.now_ns(), self.reader.total()?);
        let uj = total.uj_at(at_ns)?;
        // Relaxed: the value is all that is exchanged, and its own order of modification makes it rise for every thread.
        let total_uj = self.shown_uj.fetch_max(uj, Ordering::Relaxed).max(uj);
        Some(Now { at_ns, total_uj, complete: total.flags & DomainPoint::PARTIAL == 0 })
    }

    /// Energy now by device, in the order of the report's devices.
    #[inline]
    pub fn now_by_device(&self, out: &mut Energies) -> bool {
        !self.forked() && self.reader.now(self.clock.now_ns(), out)
    }

    /// The total of one span name so far. Takes a lock.
    #[must_use]
    pub fn total(&self, name: NameId) -> Option<SpanTotal> {
        let text = self.engine()?.ledger.names().text(name).to_owned();
        self.report_so_far(true).spans.into_iter().find(|span| span.name == text)
    }

    /// The report so far: provisional; of a run that has ended, its report. Takes a lock.
    #[must_use]
    pub fn snapshot(&self) -> Report {
        self.report_so_far(false)
    }

    /// `lean`: without what only merging needs.
    fn report_so_far(&self, lean: bool) -> Report {
        if let Some(report) = self.over.get() {
            return report.clone();
        }
        // Whoever ends the run holds the sampler: what sampling has cost will be told at the end.
        let cost = self.sampler.try_lock().ok().and_then(|sampler| Some(sampler.as_ref()?.cost())).unwrap_or_default();
        let Some(mut engine) = self.engine() else { return report::blank(&self.shared.identity) };
        engine.drain();
        self.shared.report(&engine, &Ending { cost, lean, ..Ending::default() }, clock::monotonic_ns())
    }

    /// Compares what was spent, and what will be at the end, with every limit of the options. Takes a lock.
    ///
    /// Nothing is stopped: the program decides. A decision graver than those before becomes an event of the run.
    #[must_use]
    pub fn budget(&self) -> Vec<Spent> {
        if let Some(report) = self.over.get() {
            return report.budget.clone().map_or_else(Vec::new, |budget| budget.limits);
        }
        if self.forked() { Vec::new() } else { self.shared.check_budget(clock::monotonic_ns(), false, Asks::Program) }
    }

    /// Calls `listener` with what a person may want to be told at once: decisions of the budget that became graver, devices
    /// that are lost or behave oddly. On a thread of its own, which also looks at the budget every few seconds; closing
    /// waits for it for two seconds at most. The same thing is told once in ten minutes.
    pub fn on_event(&self, mut listener: impl FnMut(&Alert) + Send + 'static) {
        if self.forked() {
            return;
        }
        self.shared.alerts.listen(Box::new(move |event| listener(event)));
        alerts::start(&self.shared.alerts, self.shared.for_alerts());
    }

    /// The knots of a device so far, thinned in long runs; empty for an id that is not measured. Takes a lock.
    #[must_use]
    pub fn series(&self, device: &str) -> Vec<CurvePoint> {
        let Some(engine) = self.engine() else { return Vec::new() };
        let ledger = &engine.ledger;
        let index = ledger.tracks().iter().position(|track| track.domain().id == device);
        let knots = index.map_or(&[][..], |index| ledger.history(index));
        knots.iter().map(|knot| CurvePoint::of_knot(knot, ledger.opened_ns(), 0)).collect()
    }

    /// Attributes energy to a process and its descendants from now on. Reads the process table.
    pub fn follow(&self, pid: u32) {
        if !self.forked() {
            let sharing = Sharing::of(&self.roots, pid);
            *lock(&self.shared.sharing) = sharing;
        }
    }

    /// The same for a command of this process, which adopts its orphans ([`eco2_samplers::usage::adopt_orphans`]): whatever
    /// becomes this process's child from now on is the command's.
    pub fn follow_with_orphans(&self, pid: u32) {
        if !self.forked() {
            let sharing = Sharing::of(&self.roots, pid).with_orphans();
            *lock(&self.shared.sharing) = sharing;
        }
    }

    /// An orphan of the followed command was waited for: its CPU time is exact now.
    pub fn orphan_exited(&self, pid: u32, exited: &Exited) {
        if !self.forked() {
            lock(&self.shared.sharing).orphan_exited(pid, exited);
        }
    }

    /// The followed process was waited for: its CPU time is exact now.
    pub fn exited(&self, exited: &Exited) {
        if !self.forked() {
            lock(&self.shared.sharing).exited(exited);
        }
    }

    /// The file of the run's log.
    #[must_use]
    pub fn log_path(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> String {
        self.shared.identity.id.clone()
    }

    /// The id of this process's record within the run.
    #[must_use]
    pub fn part_id(&self) -> String {
        self.shared.identity.part.clone()
    }

    /// Whether this process is a fork of the one that opened the meter.
    #[inline]
    pub(crate) fn forked(&self) -> bool {
        self.birthplace.forked()
    }

    /// `None` in a forked child, where the lock may be held by a thread that does not exist.
    pub(crate) fn engine(&self) -> Option<MutexGuard<'_, Engine>> {
        (!self.forked()).then(|| lock(&self.shared.engine))
    }
}

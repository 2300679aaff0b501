//! The meter: opens sources and the sampling thread, hands out the recording calls, and closes into a report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eco2_core::report::{Report, SelfCost, Span as SpanTotal, DeviceSync, Work};
use eco2_core::{DomainPoint, Energies, EventPool, NameId, Spent, TimelineReader};
use eco2_samplers::tsc::HotClock;
use eco2_samplers::usage::Exited;
use eco2_samplers::{Birthplace, Cost, Roots, Sampler, Source, clock, host};

use crate::assemble::{self, Ending};
use crate::engine::Engine;
use crate::options::Options;
use crate::pricing::Pricing;
use crate::series::Point;
use crate::{Error, hot, open};

/// The longest that opening waits for the first reading of every source.
const FIRST_TICK: Duration = Duration::from_millis(250);
/// The longest that closing waits for the last knots; less where the counters' periods are short.
const LAST_KNOTS_NS: u64 = 250_000_000;

static METERS: AtomicU64 = AtomicU64::new(1);

/// One measured run.
///
/// All methods take `&self` and may be called from any thread. In a forked child every call does nothing: the child is
/// not measured unless it opens a meter of its own.
pub struct Meter {
    id: u64,
    birthplace: Birthplace,
    clock: HotClock,
    pool: EventPool,
    reader: TimelineReader,
    work: WorkCounters,
    extra: Mutex<(Option<f64>, BTreeMap<String, f64>)>,
    shared: Arc<Shared>,
    sampler: Mutex<Option<Sampler>>,
    roots: Roots,
    log: Option<PathBuf>,
}

#[derive(Default)]
struct WorkCounters {
    steps: AtomicU64,
    samples: AtomicU64,
    tokens: AtomicU64,
}

/// What the meter and its sampling thread share.
pub(crate) struct Shared {
    pub(crate) engine: Mutex<Engine>,
    pub(crate) begun: Condvar,
}

impl Shared {
    /// Waits for the first tick, for a bounded time.
    pub(crate) fn wait_begun(&self) {
        let engine = lock(&self.engine);
        // A poisoned or timed-out wait only means that the run begins a little later.
        let _ = self.begun.wait_timeout_while(engine, FIRST_TICK, |engine| !engine.begun);
    }
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

    /// The same, for a command whose words go into the report.
    ///
    /// # Errors
    /// As [`Meter::open`].
    pub fn open_for(options: Options, own: Vec<Box<dyn Source>>, command: Vec<String>) -> Result<Self, Error> {
        let pricing = Pricing::resolve(&options)?;
        let mut found = open::find(&options)?;
        let facts = open::facts(&options, command, &found, pricing);
        let mut sources = own;
        sources.append(&mut found.sources);
        let started = open::start(sources, std::mem::take(&mut found.cpus), facts, &options)?;
        Ok(Self {
            // Relaxed: only uniqueness matters.
            id: METERS.fetch_add(1, Ordering::Relaxed),
            birthplace: Birthplace::here(),
            clock: started.clock,
            pool: started.pool,
            reader: started.reader,
            work: WorkCounters::default(),
            extra: Mutex::default(),
            shared: started.shared,
            sampler: Mutex::new(Some(started.sampler)),
            roots: open::roots(&options),
            log: started.log,
        })
    }

    /// The id of a span name; keep it, it is what recording takes. Takes a lock.
    pub fn name(&self, name: &str) -> NameId {
        self.engine().ledger.intern(name)
    }

    /// Says what the edges of a name's spans do about queued GPU work; nothing, unless this is called. Takes a lock.
    pub fn declare_sync(&self, name: NameId, sync: DeviceSync) {
        let mut engine = self.engine();
        let text = engine.ledger.names().text(name).to_owned();
        engine.syncs.insert(text, sync);
    }

    /// Begins a span on this thread. `false` if it could not be recorded (counted in the report).
    #[inline]
    pub fn begin(&self, name: NameId) -> bool {
        if self.birthplace.forked() {
            return false;
        }
        let ticks = self.clock.ticks();
        hot::with_ring(self.id, &self.pool, |ring| ring.begin(name.index(), ticks.value, ticks.tsc))
    }

    /// Ends this thread's nearest open span of that name.
    #[inline]
    pub fn end(&self, name: NameId) -> bool {
        if self.birthplace.forked() {
            return false;
        }
        let ticks = self.clock.ticks();
        hot::with_ring(self.id, &self.pool, |ring| ring.end(name.index(), ticks.value, ticks.tsc))
    }

    /// Ends a step and begins the next at one instant; the first call only begins.
    #[inline]
    pub fn step(&self, name: NameId) -> bool {
        if self.birthplace.forked() {
            return false;
        }
        let ticks = self.clock.ticks();
        hot::with_ring(self.id, &self.pool, |ring| ring.step(name.index(), ticks.value, ticks.tsc))
    }

    /// [`Meter::step`], and counts what the step that ends has done. A loss takes a lock.
    pub fn step_work(&self, name: NameId, done: Step) -> bool {
        // Relaxed: counters that only reports read.
        self.work.steps.fetch_add(1, Ordering::Relaxed);
        self.work.samples.fetch_add(done.samples, Ordering::Relaxed);
        self.work.tokens.fetch_add(done.tokens, Ordering::Relaxed);
        if let Some(loss) = done.loss.filter(|loss| loss.is_finite()) {
            lock(&self.extra).0 = Some(loss);
        }
        self.step(name)
    }

    /// A figure of your own for the report; the last value counts. Not a number is ignored. Takes a lock.
    pub fn extra(&self, name: &str, value: f64) {
        if value.is_finite() {
            lock(&self.extra).1.insert(name.to_owned(), value);
        }
    }

    /// A span that ends when the guard is dropped, on this thread.
    pub fn span(&self, name: NameId) -> Span<'_> {
        Span { meter: self, name, recorded: self.begin(name) }
    }

    /// Energy now; `None` before the first tick, in a forked child, or where nothing is known.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Option<Now> {
        let mut energies = Energies::default();
        if self.birthplace.forked() || !self.reader.now(self.clock.now_ns(), &mut energies) {
            return None;
        }
        let complete = energies.total_flags() & DomainPoint::PARTIAL == 0;
        Some(Now { at_ns: energies.at_ns, total_uj: energies.total_uj()?, complete })
    }

    /// Energy now by device, in the order of the report's devices.
    #[inline]
    pub fn now_by_device(&self, out: &mut Energies) -> bool {
        !self.birthplace.forked() && self.reader.now(self.clock.now_ns(), out)
    }

    /// The total of one span name so far. Takes a lock.
    #[must_use]
    pub fn total(&self, name: NameId) -> Option<SpanTotal> {
        let text = self.engine().ledger.names().text(name).to_owned();
        self.snapshot().spans.into_iter().find(|span| span.name == text)
    }

    /// The report so far: provisional. Takes a lock.
    #[must_use]
    pub fn snapshot(&self) -> Report {
        let mut engine = self.engine();
        engine.drain();
        assemble::report(&engine, &self.ending(None, &Cost::default()), clock::monotonic_ns())
    }

    /// Compares what was spent with every limit of the options. Takes a lock.
    #[must_use]
    pub fn budget(&self) -> Vec<Spent> {
        let report = self.snapshot();
        let engine = self.engine();
        report.carbon.map_or_else(Vec::new, |carbon| engine.facts.pricing.check(&report.energy, &carbon))
    }

    /// The knots of a device so far, thinned in long runs; empty for an id that is not measured. Takes a lock.
    #[must_use]
    pub fn series(&self, device: &str) -> Vec<Point> {
        let engine = self.engine();
        let index = engine.ledger.tracks().iter().position(|track| track.domain().id == device);
        index.map_or_else(Vec::new, |index| engine.series[index].points().to_vec())
    }

    /// Attributes energy to a process and its descendants from now on; itself, unless this is called.
    pub fn follow(&self, pid: u32) {
        let roots = &self.roots;
        self.engine().sharing.follow(roots, pid);
    }

    /// The followed process was waited for: its CPU time is exact now.
    pub fn exited(&self, exited: &Exited) {
        self.engine().sharing.exited(exited);
    }

    /// The file of the run's log.
    #[must_use]
    pub fn log_path(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> String {
        self.engine().facts.id.clone()
    }

    /// Ends the run: waits for the counters' next updates (at most 250 ms), writes the log's end, returns the report.
    #[must_use]
    pub fn close(self) -> Report {
        self.close_at(clock::monotonic_ns(), None, false)
    }

    /// Ends the run at `end_ns` with a command's exit code. `hurried`: one more reading and no wait, as on SIGTERM; the
    /// report is then provisional.
    #[must_use]
    pub fn close_at(self, end_ns: u64, exit_code: Option<i32>, hurried: bool) -> Report {
        self.finish(end_ns, exit_code, hurried)
    }

    fn finish(&self, end_ns: u64, exit_code: Option<i32>, hurried: bool) -> Report {
        hot::release(self.id);
        let Some(sampler) = lock(&self.sampler).take() else { return self.snapshot() };
        self.engine().ending_at_ns = Some(end_ns);
        let wait_ns = if hurried { 0 } else { self.patience_ns() };
        let cost = sampler.stop(wait_ns).cost;
        let mut engine = self.engine();
        engine.drain();
        engine.sharing.look();
        let begin_ns = engine.ledger.opened_ns();
        if let Some(failure) = engine.journal.close_trace((begin_ns, end_ns.max(begin_ns))) {
            engine.event(end_ns, "trace-failed", "", failure);
        }
        let ending = Ending { closed: true, ..self.ending(exit_code, &cost) };
        let mut report = assemble::report(&engine, &ending, end_ns);
        if let Some(status) = engine.journal.close_log(&report) {
            report.own.log_lost_bytes = status.lost_bytes;
        }
        report
    }

    /// One and a half periods of the slowest counter that keeps its period.
    fn patience_ns(&self) -> u64 {
        let engine = self.engine();
        let periods = engine.ledger.tracks().iter().filter(|track| !track.is_frozen()).filter_map(|track| track.period_ns());
        let slowest_ns = periods.max().unwrap_or(20_000_000).max(20_000_000);
        (slowest_ns + slowest_ns / 2).min(LAST_KNOTS_NS)
    }

    fn ending(&self, exit_code: Option<i32>, cost: &Cost) -> Ending {
        let (loss, extra) = lock(&self.extra).clone();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let work = Work {
            steps: count(&self.work.steps),
            samples: count(&self.work.samples),
            tokens: count(&self.work.tokens),
            loss,
            extra,
        };
        let own = SelfCost {
            cpu_ns: cost.cpu_ns,
            missed_ticks: cost.missed_ticks,
            max_rss_bytes: host::Usage::now().max_rss_bytes,
            dropped: self.pool.dropped(),
            ..SelfCost::default()
        };
        Ending { exit_code, own, work, closed: false }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.shared.engine)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.birthplace.forked() {
            let _ = self.finish(clock::monotonic_ns(), None, true);
        }
    }
}

/// Locks, whatever became of the last holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held has left plain data behind; measuring goes on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

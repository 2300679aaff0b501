//! The recording calls of a [`Meter`]: names, spans, steps and the work of steps.
//!
//! A *span* is a named time on one thread. It is stored as two timestamps in a ring buffer of its thread. Its energy is
//! computed later, from the counter readings before and after each of its edges (begin and end). A *step* is a span
//! that ends where the next one of its name begins.

use eco2_core::schema::DeviceSync;
use eco2_core::{NameId, Producer};
use eco2_samplers::clock;

use crate::Meter;
use crate::live::engine::Engine;
use crate::live::thread_rings;
use crate::sync::lock;

/// The work of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Step {
    /// Number of samples processed.
    pub samples: u64,
    /// Number of tokens processed.
    pub tokens: u64,
    /// Training loss of the step; `None` if not known.
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

/// Why a span of the past was not recorded by [`Meter::between`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LateSpan {
    /// The end is before the beginning.
    #[error("end_ns is before begin_ns")]
    Reversed,
    /// The beginning is before the run's.
    #[error("begin_ns is before the start of the run")]
    BeforeRun,
    /// The end is later than now.
    #[error("end_ns is in the future; allowed: nanoseconds of the monotonic clock, until now")]
    Future,
    /// The readings around the beginning are not kept any more; they are kept for 5 s at 100 readings a second.
    #[error("begin_ns is too long ago: the readings around it are not kept any more")]
    Forgotten,
    /// The run has ended: its report is written.
    #[error("the run is over")]
    Over,
    /// This process is a fork of the one that opened the meter; it records nothing.
    #[error("the meter was opened before this process was forked")]
    Forked,
}

impl Meter {
    /// Returns the id of a span name, which the recording calls take. Takes a lock: call it once, before the loop.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let forward = meter.name("forward");
    /// assert_eq!(meter.name("forward"), forward);
    /// assert_eq!(meter.name_text(forward), "forward");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn name(&self, name: &str) -> NameId {
        let Some(mut engine) = self.engine() else { return NameId(0) };
        let first = engine.ledger.names().is_empty();
        let id = engine.ledger.intern(name);
        if engine.own_steps.is_own(name) {
            self.shared.work.set_own(id);
        }
        drop(engine);
        if first {
            // Spans may follow at once: the sampling thread learns the counters' periods from here on.
            lock(&self.sampling).wake();
        }
        id
    }

    /// Returns the text of a name's id. Names that found the table full share one text; an id that [`Meter::name`] did
    /// not return, and any id in a forked child, has an empty one. Takes a lock.
    #[must_use]
    pub fn name_text(&self, name: NameId) -> String {
        self.engine().map_or_else(String::new, |engine| engine.ledger.names().text(name).to_owned())
    }

    /// Declares how the edges of a name's spans wait for queued GPU work; the default is that they do not wait. Takes a
    /// lock.
    ///
    /// ```
    /// use eco2::schema::DeviceSync;
    ///
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let step = meter.name("step");
    /// meter.declare_sync(step, DeviceSync::Event); // edges are stamped by CUDA events
    /// drop(meter.span(step));
    /// assert_eq!(meter.close().spans[0].sync, DeviceSync::Event);
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn declare_sync(&self, name: NameId, sync: DeviceSync) {
        let Some(mut engine) = self.engine() else { return };
        let text = engine.ledger.names().text(name).to_owned();
        engine.syncs.insert(text, sync);
    }

    /// Begins a span on this thread. Returns `false` if it was not recorded, which the report counts.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let (epoch, load) = (meter.name("epoch"), meter.name("load"));
    /// meter.begin(epoch);
    /// meter.begin(load); // spans of different names may overlap and nest
    /// meter.end(load);
    /// meter.end(epoch);
    /// assert_eq!(meter.close().spans.len(), 2);
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[inline]
    pub fn begin(&self, name: NameId) -> bool {
        self.record(name, Producer::begin)
    }

    /// Ends the latest open span of that name on this thread.
    #[inline]
    pub fn end(&self, name: NameId) -> bool {
        self.record(name, Producer::end)
    }

    /// Ends a step and begins the next at one instant. A loop of ten calls is ten steps: the first began when the meter
    /// opened, or where [`Meter::start_steps`] was called. (Before 0.2 the first call only began a step: ten calls were
    /// nine steps.) After an explicit [`Meter::end`] of that name the next call only begins.
    ///
    /// Steps are counted on each thread. The run's own steps, which budgets, forecasts and `work.steps` count, are
    /// those of the name in [`Options::step_name`](crate::Options::step_name).
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let step = meter.name("step");
    /// for _ in 0..10 {
    ///     // forward, backward, update
    ///     meter.step(step);
    /// }
    /// let report = meter.close();
    /// assert_eq!((report.work.steps, report.spans[0].count), (Some(10), 10));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[inline]
    pub fn step(&self, name: NameId) -> bool {
        self.record(name, Producer::step)
    }

    /// Starts the steps of that name on this thread: the next one begins here. Call it after set-up and after pauses
    /// between steps; an open step is discarded and does not count.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let step = meter.name("step");
    /// // load the data
    /// meter.start_steps(step);
    /// meter.step(step); // the first step has no part of the loading
    /// # assert_eq!(meter.close().work.steps, Some(1));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[inline]
    pub fn start_steps(&self, name: NameId) -> bool {
        self.record(name, Producer::start)
    }

    #[inline(always)]
    fn record(&self, name: NameId, record: impl Fn(&mut Producer, u32, u64, bool) -> bool) -> bool {
        if self.forked() {
            return false;
        }
        // The slower clock is read in a function that is not inlined, so that the usual case keeps its registers.
        let Some(ticks) = self.clock.counted() else { return self.record_by_clock(name, record) };
        thread_rings::with_ring(self.id, &self.shared.pool, move |ring| record(ring, name.0, ticks, true))
    }

    #[cold]
    fn record_by_clock(&self, name: NameId, record: impl Fn(&mut Producer, u32, u64, bool) -> bool) -> bool {
        let ticks = self.clock.ticks();
        thread_rings::with_ring(self.id, &self.shared.pool, move |ring| record(ring, name.0, ticks.value, ticks.tsc))
    }

    /// Ends a step as [`Meter::step`] does, and counts its work. A loss takes a lock.
    ///
    /// ```
    /// use eco2::Step;
    ///
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let step = meter.name("step");
    /// for loss in [2.1, 1.7, 1.5] {
    ///     meter.step_work(step, Step { samples: 32, tokens: 32 * 512, loss: Some(loss) });
    /// }
    /// let work = meter.close().work;
    /// assert_eq!((work.samples, work.tokens, work.loss), (Some(96), Some(49_152), Some(1.5)));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn step_work(&self, name: NameId, done: Step) -> bool {
        if self.forked() {
            return false;
        }
        self.shared.work.add(name, done.samples, done.tokens);
        if let Some(loss) = done.loss.filter(|loss| loss.is_finite()) {
            lock(&self.shared.work.values).loss = Some(loss);
        }
        self.step(name)
    }

    /// Adds a value of your own to the report; of one name the last value counts. Values that are not finite are
    /// ignored. Takes a lock.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// meter.extra("accuracy", 0.91);
    /// assert_eq!(meter.close().work.extra["accuracy"], 0.91);
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn extra(&self, name: &str, value: f64) {
        if value.is_finite() && !self.forked() {
            lock(&self.shared.work.values).extra.insert(name.to_owned(), value);
        }
    }

    /// Begins a span on this thread that ends when the returned guard is dropped.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let checkpoint = meter.name("checkpoint");
    /// {
    ///     let _span = meter.span(checkpoint);
    ///     // write the checkpoint; an early return or a panic ends the span as well
    /// }
    /// let report = meter.close();
    /// assert_eq!((report.spans[0].name.as_str(), report.spans[0].count), ("checkpoint", 1));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn span(&self, name: NameId) -> Span<'_> {
        Span { meter: self, name, recorded: self.begin(name) }
    }

    /// Records a span that ended shortly before, by its edges on the monotonic clock ([`crate::monotonic_ns`]); for
    /// devices that stamp the edges themselves, such as GPUs with events. Takes a lock.
    ///
    /// # Errors
    /// [`LateSpan`] where nothing was recorded.
    ///
    /// ```
    /// use eco2::{LateSpan, monotonic_ns};
    ///
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let kernel = meter.name("kernel");
    /// let begin_ns = monotonic_ns();
    /// // the GPU works, and stamps when it began and ended
    /// let end_ns = monotonic_ns();
    /// assert_eq!(meter.between(kernel, begin_ns, end_ns), Ok(()));
    /// assert_eq!(meter.between(kernel, 0, end_ns), Err(LateSpan::BeforeRun));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn between(&self, name: NameId, begin_ns: u64, end_ns: u64) -> Result<(), LateSpan> {
        let mut engine = self.engine().ok_or(LateSpan::Forked)?;
        // The last report is made under the same lock, so that no span is accepted too late for it.
        if engine.is_ending() {
            return Err(LateSpan::Over);
        }
        let ledger = &mut engine.ledger;
        if end_ns < begin_ns {
            return Err(LateSpan::Reversed);
        }
        if begin_ns < ledger.opened_ns() {
            return Err(LateSpan::BeforeRun);
        }
        if end_ns > clock::monotonic_ns() {
            return Err(LateSpan::Future);
        }
        if !ledger.tracks().iter().all(|track| track.remembers(begin_ns)) {
            return Err(LateSpan::Forgotten);
        }
        let start = ledger.mark(begin_ns);
        let Engine { ledger, own_steps, .. } = &mut *engine;
        if own_steps.id(ledger) == Some(name) {
            ledger.bin_steps(name);
        }
        ledger.close(name, start, end_ns);
        engine.trace_late_span(name, begin_ns, end_ns);
        let Engine { ledger, own_steps, episodes, .. } = &mut *engine;
        if own_steps.add_late(ledger, name, end_ns) {
            episodes.step(end_ns);
        }
        Ok(())
    }
}

//! The results of a [`Meter`] while its run goes on: energy now, provisional reports, the budget, alerts (events that a
//! person may want to know at once) and the share of a followed process.

use std::sync::atomic::Ordering;

use eco2_core::schema::{Report, SpanRecord as SpanTotal};
use eco2_core::{CurvePoint, DomainPoint, Energies, NameId, Spent};
use eco2_samplers::clock;
use eco2_samplers::usage::Exited;

use crate::Meter;
use crate::live::sharing::Sharing;
use crate::run::alerts::{self, Alert};
use crate::run::budget::BudgetReader;
use crate::run::report::{self, Ending};
use crate::sync::lock;

/// Results of readings that are younger than this are given without a new one, nanoseconds: a caller that asks in a loop then
/// does not raise the cost.
const FRESH_NS: u64 = 10_000_000;

/// Energy now, extrapolated from the last changes of the counters, so that later values may correct it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Instant of the value, nanoseconds of the monotonic clock.
    pub at_ns: u64,
    /// Energy since the first readings, microjoules, summed over devices that do not overlap.
    pub total_uj: u64,
    /// Whether the energy of every device is known.
    pub complete: bool,
}

impl Meter {
    /// Returns the energy now; `None` before the first readings, in a forked child, or where no energy is known. It
    /// never falls: where an extrapolation was too high, its value is kept until the counters reach it.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let before = meter.now();
    /// // one training step
    /// # std::thread::sleep(std::time::Duration::from_millis(20));
    /// match before.zip(meter.now()) {
    ///     Some((before, after)) => {
    ///         let joules = (after.total_uj - before.total_uj) as f64 / 1e6;
    ///         assert!(joules >= 0.0);
    ///     }
    ///     None => println!("energy not known"),
    /// }
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn now(&self) -> Option<Now> {
        let at_ns = self.view_ns()?;
        // Only the total is read: it is in one cache line, while the devices are in several.
        let total = self.reader.total()?;
        let uj = total.uj_at(at_ns)?;
        // Relaxed: only this value is exchanged, and its modification order alone lets it rise for every thread.
        let total_uj = self.shown_uj.fetch_max(uj, Ordering::Relaxed).max(uj);
        Some(Now { at_ns, total_uj, complete: total.flags & DomainPoint::PARTIAL == 0 })
    }

    /// Returns the energy at the last tick of the sampling thread; `None` before the first readings, in a forked child, or
    /// where no energy is known. Unlike [`Meter::now`], the call asks for no reading, so that a display may repeat it.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// # std::thread::sleep(std::time::Duration::from_millis(20));
    /// if let Some(last) = meter.last_published() {
    ///     assert!(last.at_ns <= eco2::monotonic_ns());
    /// }
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn last_published(&self) -> Option<Now> {
        if self.forked() {
            return None;
        }
        let total = self.reader.total().filter(DomainPoint::is_known)?;
        Some(Now { at_ns: total.edge_ns, total_uj: total.uj, complete: total.flags & DomainPoint::PARTIAL == 0 })
    }

    /// Writes the energy now of each device into `out`, in the order of the report's devices. Returns `false` where
    /// none is known.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let mut energies = eco2::Energies::default(); // reuse it: the call allocates nothing
    /// if meter.now_by_device(&mut energies) {
    ///     for (index, device) in meter.snapshot().devices.iter().enumerate() {
    ///         println!("{}: {:?} uJ", device.id, energies.uj(index)); // None: not known
    ///     }
    /// }
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[inline]
    pub fn now_by_device(&self, out: &mut Energies) -> bool {
        self.view_ns().is_some_and(|now_ns| self.reader.now(now_ns, out))
    }

    /// Passes the energy now of each of the first `count` devices to `put`, in the order of the report's devices: its index,
    /// and microjoules, `None` where it is not known. Returns the instant, monotonic nanoseconds; `None` where none is known,
    /// and then what was passed has no meaning.
    ///
    /// The same as [`Meter::now_by_device`] for a caller that has a place for each of them.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let mut energies_uj = [None; 8];
    /// if let Some(at_ns) = meter.now_of_devices(8, |index, uj| energies_uj[index] = uj) {
    ///     println!("{at_ns}: {energies_uj:?}");
    /// }
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[inline]
    pub fn now_of_devices(&self, count: usize, put: impl FnMut(usize, Option<u64>)) -> Option<u64> {
        let now_ns = self.view_ns()?;
        self.reader.each_now(now_ns, count, put).then_some(now_ns)
    }

    /// Returns the total of one span name so far; `None` where no such span has ended. Takes a lock.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let epoch = meter.name("epoch");
    /// drop(meter.span(epoch));
    /// assert_eq!(meter.total(epoch).map(|total| total.count), Some(1));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn total(&self, name: NameId) -> Option<SpanTotal> {
        let text = self.engine()?.ledger.names().text(name).to_owned();
        self.report_so_far(true).spans.into_iter().find(|span| span.name == text)
    }

    /// Returns the report so far, which is provisional; of a run that has ended, its final report. Takes a lock.
    ///
    /// ```
    /// use eco2::schema::State;
    ///
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let report = meter.snapshot();
    /// assert_eq!(report.run.state, State::Provisional);
    /// print!("{}", eco2::render::text(&report, &Default::default()));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Report {
        self.report_so_far(false)
    }

    /// Returns the instant for which current values are read; `None` in a forked child. Every reader of them takes it from here,
    /// because sensors are read more often for them: the first time in a while, the sampling thread is woken up.
    #[inline]
    fn view_ns(&self) -> Option<u64> {
        if self.forked() {
            return None;
        }
        if self.shared.note_view() {
            self.wake_for_view();
        }
        Some(self.clock.now_ns())
    }

    #[cold]
    fn wake_for_view(&self) {
        // A thread that holds the lock has the sampling thread read anyhow.
        if let Ok(sampling) = self.sampling.try_lock() {
            sampling.wake();
        }
    }

    /// Reads everything now if the last reading is older than [`FRESH_NS`]. Call it before the engine is locked, because the
    /// sampling thread locks it, too.
    fn refresh(&self) {
        if self.forked() {
            return;
        }
        let is_fresh = self.reader.age_ns(clock::monotonic_ns()).is_some_and(|age_ns| age_ns < FRESH_NS);
        if !is_fresh {
            lock(&self.sampling).flush();
        }
    }

    /// Returns the report so far; if `lean`, without the parts that only merging needs.
    fn report_so_far(&self, lean: bool) -> Report {
        if let Some(report) = self.over.get() {
            return report.clone();
        }
        if self.forked() {
            return report::blank(&self.shared.identity);
        }
        self.refresh();
        let cost = lock(&self.sampling).cost();
        let Some(mut engine) = self.engine() else { return report::blank(&self.shared.identity) };
        engine.drain();
        self.shared.report(&engine, &Ending { cost, lean, ..Ending::default() }, clock::monotonic_ns())
    }

    /// Compares what was spent, and the forecast for the run's end, with every limit of the options. Takes a lock.
    ///
    /// Nothing is stopped: the program decides. A decision graver than those before becomes an event of the run.
    ///
    /// ```
    /// use eco2::Decision;
    /// use eco2::options::opt;
    ///
    /// # use eco2::options::Log;
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let meter = builder.set(&opt::MAX_CO2_KG, 5.0).set(&opt::TOTAL_STEPS, 10_000.0).open()?;
    /// let step = meter.name("step");
    /// for number in 0..10_000 {
    ///     meter.step(step);
    ///     if number % 100 == 0 && meter.budget().iter().any(|spent| spent.decision == Decision::Stop) {
    ///         // write a checkpoint, then leave the loop
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn budget(&self) -> Vec<Spent> {
        if let Some(report) = self.over.get() {
            return report.budget.clone().map_or_else(Vec::new, |budget| budget.limits);
        }
        if self.forked() {
            Vec::new()
        } else {
            self.refresh();
            self.shared.check_budget(clock::monotonic_ns(), false, BudgetReader::Program)
        }
    }

    /// Calls `listener` with each [`Alert`]: a decision of the budget that is graver than those before, a device that
    /// is lost or behaves oddly, a stall, an overheated GPU. The same alert is repeated once in ten minutes at most.
    ///
    /// Listeners run on a thread of their own, which also checks the budget every few seconds. Closing waits for them
    /// for two seconds at most.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// # use eco2::options::{Log, opt};
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let meter = builder.set(&opt::MAX_ENERGY_KWH, 1e-12).open()?; // a limit that any run exceeds
    /// let (send, alerts) = mpsc::channel();
    /// meter.on_event(move |alert| drop(send.send(alert.line())));
    /// # std::thread::sleep(std::time::Duration::from_millis(300));
    /// drop(meter.close());
    /// assert!(alerts.iter().any(|line| line.contains("budget")));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn on_event(&self, mut listener: impl FnMut(&Alert) + Send + 'static) {
        if self.forked() {
            return;
        }
        self.shared.alerts.listen(Box::new(move |event| listener(event)));
        alerts::start(&self.shared.alerts, self.shared.for_alerts());
    }

    /// Returns the energy of a device over time so far, thinned in long runs; empty for an id that is not measured.
    /// Takes a lock.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// # std::thread::sleep(std::time::Duration::from_millis(250));
    /// for device in meter.snapshot().devices {
    ///     let points = meter.series(&device.id);
    ///     assert!(points.is_sorted_by_key(|point| point.uj), "energy never falls");
    /// }
    /// assert!(meter.series("no such device").is_empty());
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn series(&self, device: &str) -> Vec<CurvePoint> {
        let Some(engine) = self.engine() else { return Vec::new() };
        let ledger = &engine.ledger;
        let index = ledger.tracks().iter().position(|track| track.domain().id == device);
        let knots = index.map_or(&[][..], |index| ledger.history(index));
        knots.iter().map(|knot| CurvePoint::of_knot(knot, ledger.opened_ns(), 0)).collect()
    }

    /// Attributes energy to a process and its descendants from now on. Reads the process table.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// # use eco2::options::{Log, opt};
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let meter = builder.command(["sleep", "0.1"]).open()?;
    /// let mut child = Command::new("sleep").arg("0.1").spawn().unwrap();
    /// meter.follow(child.id());
    /// child.wait().unwrap();
    /// let report = meter.close();
    /// assert_eq!(report.run.name, "sleep");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn follow(&self, pid: u32) {
        if !self.forked() {
            let sharing = Sharing::follow(&self.roots, pid);
            *lock(&self.shared.sharing) = sharing;
        }
    }

    /// Attributes energy to a command of this process, which adopts its orphans
    /// ([`eco2_samplers::usage::adopt_orphans`]): every process that becomes a child of this one from now on is the
    /// command's.
    pub fn follow_with_orphans(&self, pid: u32) {
        if !self.forked() {
            let sharing = Sharing::follow(&self.roots, pid).with_orphans();
            *lock(&self.shared.sharing) = sharing;
        }
    }

    /// Records that an orphan of the followed command was waited for, so that its CPU time is exact.
    pub fn orphan_exited(&self, pid: u32, exited: &Exited) {
        if !self.forked() {
            lock(&self.shared.sharing).orphan_exited(pid, exited);
        }
    }

    /// Records that the followed process was waited for, so that its CPU time is exact.
    pub fn exited(&self, exited: &Exited) {
        if !self.forked() {
            lock(&self.shared.sharing).exited(exited);
        }
    }
}

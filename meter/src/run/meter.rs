//! Defines [`Meter`], the handle of one measured run: how it is opened and which ids it has. Its recording calls are in
//! `record`, its provisional results in `watch`, its end in `closing`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use eco2_core::TimelineReader;
use eco2_core::attribution::Requests;
use eco2_core::schema::{EventKind, Report};
use eco2_samplers::discover::Discovery;
use eco2_samplers::tsc::HotClock;
use eco2_samplers::{ForkGuard, Roots, Sampler, SamplingCost, Source};

use crate::Error;
use crate::live::engine::Engine;
use crate::live::stored_test::StoredTest;
use crate::options::Options;
use crate::run::alerts::{self, Services};
use crate::run::pricing::RunPricing;
use crate::run::push::PushTargets;
use crate::run::shared::Shared;
use crate::run::{machine, open};
use crate::sync::lock;

/// The id of the next meter of this process.
static METERS: AtomicU64 = AtomicU64::new(1);

/// The thread that reads the energy counters of a meter, or its cost once it has stopped.
pub(crate) enum SamplingThread {
    Running(Sampler),
    /// The run is ending or has ended. The value is the cost of sampling by then.
    Stopped(SamplingCost),
}

impl SamplingThread {
    /// Returns the cost of sampling so far.
    pub(crate) fn cost(&self) -> SamplingCost {
        match self {
            Self::Running(sampler) => sampler.cost(),
            Self::Stopped(cost) => *cost,
        }
    }

    /// Makes the sampling thread look at once for what is needed.
    pub(crate) fn wake(&self) {
        if let Self::Running(sampler) = self {
            sampler.wake();
        }
    }

    /// Reads everything now, if sampling goes on; waits for 0.1 s at most.
    pub(crate) fn flush(&self) {
        if let Self::Running(sampler) = self {
            sampler.flush();
        }
    }

    /// Takes the sampler out; returns `None` if that was done before.
    pub(crate) fn take(&mut self) -> Option<Sampler> {
        match std::mem::replace(self, Self::Stopped(self.cost())) {
            Self::Running(sampler) => Some(sampler),
            Self::Stopped(_) => None,
        }
    }
}

/// One measured run.
///
/// Methods that take `&self` may be called from any thread. In a forked child every call does nothing and returns at
/// once, whatever the parent's threads held at the fork: the child is not measured unless it opens a meter of its own.
pub struct Meter {
    pub(crate) id: u64,
    fork_guard: ForkGuard,
    pub(crate) clock: HotClock,
    pub(crate) reader: TimelineReader,
    /// The highest energy that [`Meter::now`] returned, microjoules.
    pub(crate) shown_uj: AtomicU64,
    pub(crate) shared: Arc<Shared>,
    /// The energy of requests of an inference server.
    pub(crate) requests: Mutex<Requests>,
    /// A lock that the thread that ends the run holds until the run has ended.
    pub(crate) ending: Mutex<()>,
    pub(crate) sampling: Mutex<SamplingThread>,
    /// The report of a run that has ended; empty while the run goes on.
    pub(crate) over: OnceLock<Report>,
    pub(crate) roots: Roots,
    log: Option<PathBuf>,
    /// The places that the metrics are pushed to at the end.
    pub(crate) push: Mutex<PushTargets>,
}

impl Meter {
    /// Opens a meter with the sources that the options select.
    ///
    /// # Errors
    /// [`Error`] for a wrong option. Missing hardware is no error: the report names it.
    ///
    /// ```
    /// use eco2::options::{Log, Options};
    ///
    /// let options = Options { zone: Some("FR".to_owned()), log: Log::Off, ..Options::default() };
    /// let meter = eco2::Meter::open(options)?;
    /// let report = meter.close();
    /// assert_eq!(report.carbon.unwrap().zone, "FR");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn open(options: Options) -> Result<Self, Error> {
        Self::open_all(&options, Vec::new(), Vec::new())
    }

    /// Opens a meter with sources of your own in addition to the others; [`crate::MeterBuilder::source`] adds one at a
    /// time.
    ///
    /// # Errors
    /// As [`Meter::open`].
    pub fn open_with(options: Options, sources: Vec<Box<dyn Source>>) -> Result<Self, Error> {
        Self::open_all(&options, sources, Vec::new())
    }

    /// Opens a meter with the program's own sources and a command; both may be empty.
    pub(crate) fn open_all(options: &Options, own: Vec<Box<dyn Source>>, command: Vec<String>) -> Result<Self, Error> {
        let stored = machine::stored(options);
        let found = open::find(options, stored.measured(options))?;
        Self::open_found(options, found, own, command, stored.self_test)
    }

    /// Opens a meter with sources that were found before and the result of an earlier self-test. The program's own
    /// sources come first.
    pub(crate) fn open_found(
        options: &Options,
        mut found: Discovery,
        own: Vec<Box<dyn Source>>,
        command: Vec<String>,
        self_test: StoredTest,
    ) -> Result<Self, Error> {
        let pricing = RunPricing::resolve(options)?;
        let mut services = Services::of(options)?;
        let mut push = PushTargets::open(options, None)?;
        let identity = open::identity(options, command, &found);
        // A program's own sources come first.
        found.sources.splice(..0, own);
        let started = open::start(found, identity, pricing, self_test, options)?;
        for (kind, text) in services.left_out.drain(..) {
            lock(&started.shared.engine).record_event(0, kind, "", text);
        }
        for text in push.left_out.drain(..) {
            lock(&started.shared.engine).record_event(0, EventKind::PushFailed, "", text);
        }
        services.start(&started.shared.alerts, &started.shared.for_alerts());
        if started.shared.rates.is_limited() {
            alerts::start(&started.shared.alerts, started.shared.for_alerts());
        }
        Ok(Self {
            // Relaxed: only uniqueness matters.
            id: METERS.fetch_add(1, Ordering::Relaxed),
            fork_guard: ForkGuard::here(),
            clock: started.clock,
            reader: started.reader,
            shown_uj: AtomicU64::new(0),
            requests: Mutex::default(),
            shared: started.shared,
            ending: Mutex::default(),
            sampling: Mutex::new(SamplingThread::Running(started.sampler)),
            over: OnceLock::new(),
            roots: open::roots(options),
            log: started.log,
            push: Mutex::new(push),
        })
    }

    /// Returns the file of the run's log; `None` where no log is kept.
    #[must_use]
    pub fn log_path(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Returns the run's id, which all processes and restarts of one run share.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let meter = builder.set(&opt::RUN_ID, "bert-2026-11").open()?;
    /// assert_eq!(meter.run_id(), "bert-2026-11");
    /// assert_ne!(meter.part_id(), meter.run_id(), "the record of this process has an id of its own");
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn run_id(&self) -> String {
        self.shared.identity.id.clone()
    }

    /// Returns the id of this process's record within the run.
    #[must_use]
    pub fn part_id(&self) -> String {
        self.shared.identity.part.clone()
    }

    /// Returns this process's rank among those that a launcher started (torchrun, mpirun, srun and others), as in the
    /// report.
    #[must_use]
    pub fn rank(&self) -> Option<u32> {
        self.shared.identity.launch.rank
    }

    /// Whether this process is a fork of the one that opened the meter.
    #[inline]
    #[must_use]
    pub fn forked(&self) -> bool {
        self.fork_guard.forked()
    }

    /// Locks the engine, which holds the state of the run. Returns `None` in a forked child, where a thread that does
    /// not exist there may hold the lock.
    pub(crate) fn engine(&self) -> Option<MutexGuard<'_, Engine>> {
        (!self.forked()).then(|| lock(&self.shared.engine))
    }
}

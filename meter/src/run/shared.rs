//! The data of a run that the callers of its meter, the sampling thread and the threads of alerts share ([`Shared`]).
//!
//! Locks are taken in this order: engine, sharing, the user's own values, the budget; and held for moments, never during a read of
//! hardware or of a disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use eco2_core::schema::{Attribution, Energy, Report, Work};
use eco2_core::{Account, Domain, EventPool, Gauge, NameId, Ranged, Reading, Spent};
use eco2_report::Scope;
use eco2_samplers::schedule::{Demand, VIEWED_NS};
use eco2_samplers::{Change, DeviceUse, Learned, ReadDecision, Sink, SourceEvent, Watched, clock};

use crate::live::engine::{Engine, OwnSteps};
use crate::live::sharing::Sharing;
use crate::run::alerts::{self, Outbox, Rates};
use crate::run::budget::{self, BudgetInput, BudgetMonitor, BudgetReader};
use crate::run::curves::Curves;
use crate::run::identity::Identity;
use crate::run::pricing::RunPricing;
use crate::run::report::{self, Ending, Measured};
use crate::run::scoped::of_scope;
use crate::sync::lock;

/// The longest that opening waits for the sampling thread's first tick: only a source that hangs on that very thread, or
/// a machine that does not let it run, takes as long.
const FIRST_TICK: Duration = Duration::from_millis(250);

/// The data of a run that several threads use.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) pricing: RunPricing,
    pub(crate) engine: Mutex<Engine>,
    pub(crate) begun: Condvar,
    pub(crate) sharing: Mutex<Sharing>,
    pub(crate) pool: EventPool,
    pub(crate) work: WorkCounters,
    pub(crate) budget: BudgetMonitor,
    pub(crate) alerts: Arc<Outbox>,
    /// Limits per hour.
    pub(crate) rates: Rates,
    /// Whether a current value was read since the last look of the sampling thread.
    pub(crate) viewed: AtomicBool,
    /// Whether sensors are read often because of that, or will be.
    pub(crate) viewing: AtomicBool,
}

/// The work of a run so far: steps, samples, tokens and the user's values.
#[derive(Default)]
pub(crate) struct WorkCounters {
    /// Id of the run's own steps' name, plus one; 0 before that name is used.
    own: AtomicU32,
    of_own: WorkOf,
    of_others: WorkOf,
    pub(crate) values: Mutex<UserValues>,
}

/// Work that came with steps.
#[derive(Default)]
struct WorkOf {
    steps: AtomicU64,
    samples: AtomicU64,
    tokens: AtomicU64,
}

/// Values that the user sets: the loss and those of [`Meter::extra`](crate::Meter::extra). The last of a name counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserValues {
    pub(crate) loss: Option<f64>,
    pub(crate) extra: BTreeMap<String, f64>,
}

impl Shared {
    /// Notes that a current value is read, so that sensors are read more often. Returns whether the sampling thread has to be
    /// woken up for that. Relaxed: a late note delays it by one reading.
    #[inline]
    pub(crate) fn note_view(&self) -> bool {
        if self.viewed.load(Ordering::Relaxed) {
            return false;
        }
        self.viewed.store(true, Ordering::Relaxed);
        !self.viewing.load(Ordering::Relaxed) && !self.viewing.swap(true, Ordering::Relaxed)
    }

    /// Waits for the beginning of the run, for a bounded time. A source that holds the sampling thread up does not hold
    /// the run up: what it reads is uncovered until it has answered.
    pub(crate) fn wait_begun(&self) {
        let engine = lock(&self.engine);
        let waited = self.begun.wait_timeout_while(engine, FIRST_TICK, |engine| !engine.has_begun);
        let (mut engine, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !engine.has_begun {
            engine.begin(clock::monotonic_ns());
        }
    }
}

impl Shared {
    /// The report until `end_ns`, of an engine that the caller has locked.
    pub(crate) fn report(&self, engine: &Engine, ending: &Ending, end_ns: u64) -> Report {
        let account = engine.account(end_ns);
        let when = self.identity.when(account.begin_ns, account.end_ns);
        let attribution = self.attribution(&account);
        let input = BudgetInput {
            engine,
            account: &account,
            pricing: &self.pricing,
            when: &when,
            attribution: attribution.clone(),
            closed: ending.closed,
            reader: BudgetReader::Report,
        };
        let budget = self.budget.assess(&input);
        let measured = Measured {
            identity: &self.identity,
            pricing: &self.pricing,
            engine,
            account,
            when,
            budget,
            work: self.work.so_far(&engine.own_steps),
            attribution,
            dropped: self.pool.dropped(),
            unmatched: self.pool.unmatched(),
        };
        report::report(measured, ending)
    }

    /// Returns the command's part of the energy until the last reading of the process table.
    fn attribution(&self, account: &Account) -> Option<Attribution> {
        lock(&self.sharing).split(&account.devices, &self.identity.name)
    }

    /// Compares every limit with what was used until `now_ns`. A decision that is graver than before becomes an event.
    pub(crate) fn check_budget(&self, now_ns: u64, closed: bool, reader: BudgetReader) -> Vec<Spent> {
        if self.pricing.budgets().is_empty() {
            return Vec::new();
        }
        let mut engine = lock(&self.engine);
        engine.drain();
        let account = engine.account(now_ns);
        let when = self.identity.when(account.begin_ns, account.end_ns);
        let (pricing, attribution) = (&self.pricing, self.attribution(&account));
        let input =
            BudgetInput { engine: &engine, account: &account, pricing, when: &when, attribution, closed, reader };
        let limits = self.budget.assess(&input).map_or_else(Vec::new, |budget| budget.limits);
        let age_ns = if closed { u64::MAX } else { now_ns.saturating_sub(engine.ledger.opened_ns()) };
        for spent in self.budget.news(&limits, age_ns) {
            if let Some(kind) = budget::event_kind(spent.decision) {
                let whose = if self.budget.scope == Scope::Command { "; of the command's part" } else { "" };
                engine.record_event(now_ns, kind, "", eco2_report::spent_text(&spent) + whose);
            }
        }
        limits
    }

    /// Compares the means since the start with the limits per hour. One that is exceeded for the first time becomes an event.
    pub(crate) fn check_rates(&self, now_ns: u64, closed: bool) {
        if !self.rates.is_limited() {
            return;
        }
        let mut engine = lock(&self.engine);
        engine.drain();
        let account = engine.account(now_ns);
        let when = self.identity.when(account.begin_ns, account.end_ns);
        let mut energy = account.energy.clone();
        let curve = |energy: &Energy| Curves::of(&engine.ledger, &account).run.with_total(energy.bounded());
        let (carbon, _) = self.pricing.price(&mut energy, &Work::default(), &when, curve);
        let (attribution, read_high_uj) = (self.attribution(&account), account.energy.high_uj);
        let (energy, carbon) = of_scope(self.budget.scope, energy, carbon, attribution, read_high_uj);
        let elapsed = Duration::from_nanos(account.end_ns.saturating_sub(account.begin_ns));
        for (kind, text) in self.rates.exceeded(&self.pricing.usage(&energy, &carbon), elapsed, closed) {
            engine.record_event(now_ns, kind, "", text);
        }
    }

    /// What the threads that send alerts need of this run; they do not keep it alive.
    pub(crate) fn for_alerts(self: &Arc<Self>) -> alerts::Run {
        let (checked, failing) = (Arc::downgrade(self), Arc::downgrade(self));
        let check = move || {
            let Some(run) = checked.upgrade() else { return false };
            let now_ns = clock::monotonic_ns();
            run.check_budget(now_ns, false, BudgetReader::AlertThread);
            run.check_rates(now_ns, false);
            true
        };
        let failed = move |kind, text| {
            if let Some(run) = failing.upgrade() {
                lock(&run.engine).record_event(clock::monotonic_ns(), kind, "", text);
            }
        };
        alerts::Run { check_limits: Arc::new(check), failed: Arc::new(failed) }
    }
}

impl WorkCounters {
    /// Spans of this name are the run's own steps.
    pub(crate) fn set_own(&self, name: NameId) {
        // Relaxed: the name reaches other threads by the caller's own means.
        self.own.store(name.0.wrapping_add(1), Ordering::Relaxed);
    }

    /// Counts a step of that name, its samples and its tokens. Wait-free.
    pub(crate) fn add(&self, name: NameId, samples: u64, tokens: u64) {
        let own = self.own.load(Ordering::Relaxed) == name.0.wrapping_add(1);
        let of = if own { &self.of_own } else { &self.of_others };
        // Relaxed: counters that only reports read.
        of.steps.fetch_add(1, Ordering::Relaxed);
        of.samples.fetch_add(samples, Ordering::Relaxed);
        of.tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    /// The work so far. Steps are the run's own. Samples and tokens are those of the own steps, or of other names where the
    /// own steps had none: what is counted in a loop within a step is not counted twice.
    pub(crate) fn so_far(&self, own: &OwnSteps) -> Work {
        let UserValues { loss, extra } = lock(&self.values).clone();
        // Relaxed: counters that only reports read.
        let counted = |count: u64| Some(count).filter(|count| *count > 0);
        let count = |of: fn(&WorkOf) -> &AtomicU64| {
            let [own, others] = [&self.of_own, &self.of_others].map(|work| of(work).load(Ordering::Relaxed));
            counted(own).or(counted(others))
        };
        let (samples, tokens) = (count(|work| &work.samples), count(|work| &work.tokens));
        // Steps that found no room in a ring are no spans, but they were made.
        let calls = if own.on_one_thread() { self.of_own.steps.load(Ordering::Relaxed) } else { 0 };
        let steps = counted(own.progress().map_or(0, |progress| progress.done).max(calls));
        Work { steps, samples, tokens, loss, extra }
    }
}

/// Passes what the sampling thread reads to one run; and when a current value was read last, monotonic nanoseconds.
pub(crate) struct RunSink(pub(crate) Arc<Shared>, pub(crate) u64);

impl Sink for RunSink {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        lock(&self.0.engine).domains(source, domains);
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>) {
        lock(&self.0.engine).readings(source, readings, learned);
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        lock(&self.0.engine).suspended(from_ns, to_ns);
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        lock(&self.0.engine).gauges(at_ns, gauges);
    }

    fn note(&mut self, note: SourceEvent) {
        lock(&self.0.engine).note(note);
    }

    fn changed(&mut self, change: Change) {
        lock(&self.0.engine).changed(change);
    }

    fn decided(&mut self, decision: &ReadDecision) {
        lock(&self.0.engine).decided(decision);
    }

    fn look(&mut self, now_ns: u64, demand: &mut Demand) {
        lock(&self.0.engine).look(now_ns, demand);
        demand.viewed = self.0.viewed.swap(false, Ordering::Relaxed);
        if demand.viewed {
            self.1 = now_ns;
        } else if now_ns.saturating_sub(self.1) > VIEWED_NS {
            self.0.viewing.store(false, Ordering::Relaxed);
        }
    }

    fn tick(&mut self, now_ns: u64) {
        let mut engine = lock(&self.0.engine);
        let begun = engine.has_begun;
        engine.tick(now_ns);
        if engine.journal.checkpoint_due(now_ns) && engine.has_begun {
            let report = self.0.report(&engine, &Ending::default(), now_ns);
            engine.journal.checkpoint(now_ns, &report);
        }
        if engine.has_begun && !begun {
            self.0.begun.notify_all();
        }
        if engine.has_begun {
            self.0.budget.observe(&engine, now_ns);
        }
    }

    fn settled(&self) -> bool {
        lock(&self.0.engine).settled()
    }

    fn watched(&mut self, out: &mut Watched) {
        lock(&self.0.sharing).watched(out);
    }

    fn users(&mut self, source: usize, uses: &[DeviceUse]) {
        let engine = lock(&self.0.engine);
        let mut sharing = lock(&self.0.sharing);
        let now_ns = clock::monotonic_ns();
        for used in uses {
            if let Some(index) = engine.domain_index(source, used.domain) {
                sharing.add_device_use(index, used, now_ns);
            }
        }
    }
}

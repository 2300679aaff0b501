//! Accounts for the energy of the node ([`Node`]): a pure function of what was read.
//!
//! A *domain* is one sensor or counter, numbered by its source; the ledger numbers the domains of all sources in the order in
//! which they appeared. An *interval* is the time between two calls of [`Node::account`].

mod budgets;
mod consumer;
mod energy;
mod gauges;
mod input;
mod job;
mod page;
mod past_use;
mod restart;
mod show;
mod sources;
mod users;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eco2_core::attribution::Use;
use eco2_core::schema::{EventKind, SourceStatus};
use eco2_core::{
    Bounded, Component, Domain, GapReason, Kind, Ledger, LivePoints, MAX_DOMAINS, Outcome, Quality, Reading,
};
use eco2_grid::provider::Coverage;
use eco2_samplers::usage::JobTimes;
use eco2_samplers::{DeviceUse, SourceStates};

use gauges::Gauges;
pub(crate) use gauges::{TEMPERATURE, UTILIZATION};
pub use input::{Input, IntervalUse};
use past_use::PastUse;
pub(crate) use restart::past_job;

use crate::jobs::JobState;
use crate::journal::{Base, KeptDevice, KeptReading};
use crate::latest::Views;
use crate::prices::{OtherKind, Prices, Rates};
use crate::shares::{JobKey, Present};
use crate::snapshot::{Consumer, Instant, NodeIdentity, Resolution};
use crate::source_counts::SourceCounts;
use crate::view::{DeviceNow, View};

/// A reading that is older than the beginning of an interval by more than this is of a time in which the use may have been another.
const LATE_NS: u64 = 2_000_000_000;
/// Longest period of a sensor for which a driver's list of processes is used: half of the time for which a list is carried on.
const LONGEST_PERIOD_NS: u64 = 5_500_000_000;

/// Use of a device by processes, as its driver listed it last.
#[derive(Debug, Clone)]
struct Listed {
    at_ns: u64,
    processes: Vec<(u32, f64)>,
    unknown: f64,
    is_assumed: bool,
    /// The device's number in the list of its driver, and the UUIDs of its instances.
    number: Option<u32>,
    instances: Vec<String>,
}

/// The account of the node.
///
/// ```
/// use eco2_agent::{Input, Instant, JobTimes, Node, NodeIdentity};
/// use eco2_core::{Component, Domain, Ranged as _, Reading};
///
/// const S: u64 = 1_000_000_000;
/// let mut node = Node::new(NodeIdentity::default(), 0, Vec::new());
/// let package = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
/// node.take(Input::Domains { source: 0, domains: vec![package] });
/// let mut views = None;
/// for second in 0..=3 {
///     let at_ns = second * S; // 50 W
///     let reading = Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(second * 50_000_000) };
///     node.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
///     let half_idle = JobTimes { busy_ns: S, idle_ns: S, ..JobTimes::default() };
///     views = Some(node.account(Instant { ns: at_ns, wall_ns: 0 }, || half_idle.into()));
/// }
/// let snapshot = views.unwrap().full;
/// assert_eq!(snapshot.bounded().value, Some(150_000_000));
/// assert_eq!((snapshot.idle_uj, snapshot.not_attributed_uj), (75_000_000, 75_000_000));
/// ```
#[derive(Debug)]
pub struct Node {
    identity: Arc<NodeIdentity>,
    began_ns: u64,
    found: Vec<SourceStatus>,
    states: SourceStates,
    ledger: Ledger,
    live: LivePoints,
    /// For each source the ledger's number of each of its domains.
    by_source: Vec<Vec<usize>>,
    full: View,
    public: View,
    jobs: BTreeMap<JobKey, JobState>,
    next_key: JobKey,
    listed: BTreeMap<usize, Listed>,
    owners: BTreeMap<u32, JobKey>,
    are_foreign: bool,
    frozen: BTreeSet<usize>,
    /// Whether there are more domains than are accounted for.
    overflows: bool,
    /// For each domain what was counted before this account began.
    bases: Vec<Base>,
    /// For each domain its last reading.
    last: Vec<Option<KeptReading>>,
    /// For each domain its energy, where it was computed since the last reading of any: the pages, the account and the journal need it.
    energies: Vec<Cell<Option<Bounded<u64>>>>,
    /// What was kept of domains that have not appeared yet.
    kept: BTreeMap<String, KeptDevice>,
    /// Whether the kept readings are of this boot.
    is_same_boot: bool,
    /// Domains that were not read since their kept reading: the users of the energy until then are not known.
    unread: BTreeSet<usize>,
    /// Jobs of an earlier boot.
    past: Vec<Consumer>,
    events: BTreeMap<&'static str, u64>,
    /// What happened at each source, by its name.
    counts: BTreeMap<String, SourceCounts>,
    /// For each domain until when its reads have failed since the last good one.
    failing_since: Vec<Option<u64>>,
    gauges: Gauges,
    /// What the energy emits and costs; `None`: not known.
    prices: Option<Prices>,
    readings: u64,
    dropped: u64,
    sampled_ns: Option<u64>,
    /// When the last interval ended, and the views that were made then.
    last_ns: Option<u64>,
    /// The same by the wall clock, nanoseconds since 1970.
    last_wall_ns: Option<i64>,
    views: Option<Views>,
    /// For each domain when it was read last before the present interval, monotonic nanoseconds.
    read_before_ns: Vec<Option<u64>>,
    past_use: PastUse,
    sequence: u64,
}

impl Node {
    /// Returns an account that begins at `began_ns`, monotonic nanoseconds, with the sources that were `found`.
    #[must_use]
    pub fn new(identity: NodeIdentity, began_ns: u64, found: Vec<SourceStatus>) -> Self {
        Self {
            identity: Arc::new(identity),
            began_ns,
            found,
            states: SourceStates::default(),
            ledger: Ledger::new(began_ns, 1),
            live: LivePoints::new(MAX_DOMAINS),
            by_source: Vec::new(),
            full: View::new(Resolution::FULL),
            public: View::new(Resolution::PUBLIC),
            jobs: BTreeMap::new(),
            next_key: 1,
            listed: BTreeMap::new(),
            owners: BTreeMap::new(),
            are_foreign: false,
            frozen: BTreeSet::new(),
            overflows: false,
            bases: Vec::new(),
            last: Vec::new(),
            energies: Vec::new(),
            kept: BTreeMap::new(),
            is_same_boot: false,
            unread: BTreeSet::new(),
            past: Vec::new(),
            events: BTreeMap::new(),
            counts: BTreeMap::new(),
            failing_since: Vec::new(),
            gauges: Gauges::default(),
            prices: None,
            readings: 0,
            dropped: 0,
            sampled_ns: None,
            last_ns: None,
            last_wall_ns: None,
            views: None,
            read_before_ns: Vec::new(),
            past_use: PastUse::default(),
            sequence: 0,
        }
    }

    /// Returns the account with what its energy emits and costs.
    #[must_use]
    pub fn priced(self, rates: Option<Rates>) -> Self {
        Self { prices: rates.map(Prices::fixed), ..self }
    }

    /// Returns the account with intensities over time in the place of one, from the first of [`Self::take_intensities`] on.
    #[must_use]
    pub fn priced_over_time(self) -> Self {
        Self { prices: self.prices.map(Prices::over_time), ..self }
    }

    /// Takes what the sources of intensities answered at `asked_ns`, nanoseconds since 1970, for the time around it. Returns which of it
    /// is not used from now on.
    pub fn take_intensities(&mut self, coverage: Coverage, asked_ns: i64) -> Option<OtherKind> {
        let faults = self.prices.as_mut()?.take(coverage, asked_ns);
        if faults.is_new() {
            self.count(EventKind::IntensityFault);
        }
        faults.other_kind
    }

    /// Takes one input of the sampling thread.
    pub fn take(&mut self, input: Input) {
        if matches!(input, Input::Domains { .. } | Input::Readings { .. } | Input::Suspended { .. }) {
            self.energies_changed();
        }
        match input {
            Input::Domains { source, domains } => self.add_domains(source, &domains),
            Input::Readings { source, readings } => {
                readings.iter().for_each(|(domain, reading)| self.reading(source, *domain, reading));
            }
            Input::Suspended { .. } => {
                self.ledger.break_segment(None, GapReason::Suspend);
                self.count(EventKind::Suspend);
            }
            Input::Gauges { at_ns, gauges } => self.gauges.take(at_ns, gauges),
            Input::Note(note) => self.count(note.kind),
            Input::Changed(change) => self.states.change(change),
            Input::Users { source, uses } => self.users(source, uses),
            Input::Tick { now_ns } => self.sampled_ns = Some(now_ns),
        }
    }

    /// Records how many inputs were dropped so far.
    pub fn dropped(&mut self, dropped: u64) {
        self.dropped = dropped;
    }

    /// Ends the present interval at `now` and returns the views of the node. `used`: how processes used the machine in the
    /// interval.
    ///
    /// Within a second of the last interval's end, the interval goes on: the views are those of before, and `used` is not called.
    /// So nothing that is made from the views changes more often, whatever calls this.
    pub fn account(&mut self, now: Instant, used: impl FnOnce() -> IntervalUse) -> Views {
        let is_early = |last_ns: u64| now.ns < last_ns.saturating_add(Resolution::PUBLIC.step_ns);
        if let Some(views) = self.views.as_ref().filter(|_| self.last_ns.is_some_and(is_early)) {
            return views.clone();
        }
        let IntervalUse { cpu, owners, are_foreign } = used();
        (self.owners, self.are_foreign) = (owners, are_foreign);
        self.choose(now.ns);
        let mut present = self.present();
        if let Some(cpu) = &cpu {
            // One whose processes cannot be seen, such as a group that is not made yet, may have used all or nothing.
            present.iter_mut().for_each(|job| job.throughout &= cpu.jobs.contains_key(&job.key));
        }
        let cpu_use = cpu.as_ref().map(|cpu| cpu_use(cpu, &present));
        self.past_use.add(self.last_ns.unwrap_or(now.ns), cpu);
        let count = self.ledger.tracks().len().min(MAX_DOMAINS);
        let devices: Vec<DeviceNow> =
            (0..count).map(|index| self.device(index, now.ns, cpu_use.as_ref(), &present)).collect();
        let from_wall_ns = self.last_wall_ns.replace(now.wall_ns).unwrap_or(now.wall_ns);
        let changes = self.prices.as_mut().map_or_else(Vec::new, |prices| prices.changes(from_wall_ns, now.wall_ns));
        let energies = |view: &View| view.energies(&self.total(view));
        let before = (!changes.is_empty()).then(|| (energies(&self.full), energies(&self.public)));
        let corrections = self.full.advance(&devices, &present);
        (0..corrections).for_each(|_| self.count(EventKind::EnergyHeld));
        self.public.advance(&devices, &present);
        self.jobs.values_mut().for_each(JobState::interval_ended);
        let (last, began_ns) = (&self.last, self.began_ns);
        self.unread.retain(|index| last[*index].is_none_or(|last| last.after_ns < began_ns));
        self.sequence += 1;
        let from_ns = self.last_ns.replace(now.ns).unwrap_or(0);
        self.read_before_ns = self.ledger.tracks().iter().map(|track| track.last_good_ns().map(|(_, ns)| ns)).collect();
        let totals = [self.total(&self.full), self.total(&self.public)];
        if let Some((full, public)) = before {
            self.full.change_intensity(&changes, &full, &totals[0], &present);
            self.public.change_intensity(&changes, &public, &totals[1], &present);
        }
        self.freeze_ended(&totals);
        self.check_budgets(&totals[0], from_ns);
        let [full, public] = totals;
        let of = |view: &View, total| Arc::new(self.snapshot(view, &total, now));
        let views = Views { full: of(&self.full, full), public: of(&self.public, public) };
        self.views.insert(views).clone()
    }

    /// Returns the number of domains that have appeared.
    pub(crate) fn domain_count(&self) -> usize {
        self.ledger.tracks().len()
    }

    /// Returns the number of domains that are not accounted for.
    fn left_out(&self) -> usize {
        self.ledger.tracks().len().saturating_sub(MAX_DOMAINS)
    }

    fn add_domains(&mut self, source: usize, domains: &[Domain]) {
        if self.by_source.len() <= source {
            self.by_source.resize_with(source + 1, Vec::new);
        }
        // A source passes its whole list each time; the list only grows at its end.
        let known = self.by_source[source].len().min(domains.len());
        for domain in &domains[known..] {
            let index = self.ledger.add_domain(domain.clone());
            self.by_source[source].push(index);
            self.go_on(index, domain);
        }
        self.live.domains(&self.ledger);
    }

    fn index(&self, source: usize, domain: usize) -> Option<usize> {
        self.by_source.get(source)?.get(domain).copied()
    }

    fn reading(&mut self, source: usize, domain: usize, reading: &Reading) {
        let Some(index) = self.index(source, domain) else { return };
        self.readings += 1;
        let outcome = self.count_reading(index, reading);
        // What the ledger refused is no value to go on from after a restart.
        let is_accepted = !matches!(outcome, Some(Outcome::Implausible | Outcome::Glitch | Outcome::Failed(_)) | None);
        if let Some(raw) = reading.value.ok().filter(|_| is_accepted) {
            self.last[index] = Some(KeptReading { before_ns: reading.before_ns, after_ns: reading.after_ns, raw });
        }
        let notices = self.ledger.take_notices(index);
        notices.iter().for_each(|notice| self.count(notice.kind.event_kind()));
    }

    fn users(&mut self, source: usize, uses: Vec<DeviceUse>) {
        let at_ns = self.sampled_ns.unwrap_or(self.began_ns);
        for used in uses {
            if let Some(index) = self.index(source, used.domain) {
                let DeviceUse { processes, unknown, is_assumed, number, instances, .. } = used;
                self.listed.insert(index, Listed { at_ns, processes, unknown, is_assumed, number, instances });
            }
        }
    }

    fn count(&mut self, kind: EventKind) {
        *self.events.entry(kind.name()).or_default() += 1;
    }

    /// Chooses the counter of each device, and counts the counters that froze.
    fn choose(&mut self, now_ns: u64) {
        self.live.choose(&self.ledger, now_ns);
        self.energies_changed();
        let frozen = |(index, track): (usize, &eco2_core::Track)| track.is_frozen().then_some(index);
        let frozen: BTreeSet<usize> = self.ledger.tracks().iter().enumerate().filter_map(frozen).collect();
        let added = frozen.difference(&self.frozen).count();
        (0..added).for_each(|_| self.count(EventKind::Frozen));
        self.frozen = frozen;
        let overflows = self.live.overflows();
        if overflows && !std::mem::replace(&mut self.overflows, overflows) {
            self.count(EventKind::DomainsLeftOut);
        }
    }

    /// Returns the jobs of the present interval.
    fn present(&self) -> Vec<Present> {
        let present = self.jobs.iter().filter(|(_, job)| job.is_present());
        present.map(|(key, job)| Present { key: *key, throughout: job.is_throughout(), parent: job.parent }).collect()
    }

    /// Returns what is known of a device at `now_ns`.
    fn device(&self, index: usize, now_ns: u64, cpu_use: Option<&Use>, present: &[Present]) -> DeviceNow {
        let of = match self.ledger.tracks()[index].domain().component {
            _ if self.unread.contains(&index) => None,
            Component::Cpu | Component::Memory => match self.late_since(index) {
                Some(read_ns) => self.use_since(read_ns, present),
                None => cpu_use.cloned(),
            },
            _ if self.late_since(index).is_some_and(|read_ns| !self.is_due_so_seldom(index, read_ns)) => None,
            _ => self.listed_use(index, now_ns, present),
        };
        let is_summed = self.live.summed().get(index).copied().unwrap_or(false);
        let source = self.live.source(index);
        let changed_ns = self.ledger.last_knot(source).map(|last| last.at_ns);
        let is_silent = self.ledger.tracks()[self.shown_by(index)].is_silent();
        DeviceNow { energy: self.energy(index), changed_ns, is_silent, is_summed, of }
    }

    /// Returns when a device was read before the present interval, if that is more than [`LATE_NS`] before its beginning: the use in
    /// the interval is then not that of the energy which is read in it.
    fn late_since(&self, index: usize) -> Option<u64> {
        let read_ns = self.read_before_ns.get(self.shown_by(index)).copied().flatten()?;
        (self.last_ns?.saturating_sub(read_ns) > LATE_NS).then_some(read_ns)
    }

    /// Whether a device that was read at `read_ns` last changes so seldom that it was not read later than usual.
    fn is_due_so_seldom(&self, index: usize, read_ns: u64) -> bool {
        let period_ns = self.ledger.tracks()[self.shown_by(index)].period_ns().unwrap_or(0);
        self.last_ns.is_some_and(|last_ns| last_ns.saturating_sub(read_ns) <= 2 * period_ns.min(LONGEST_PERIOD_NS))
    }

    /// Returns how the present jobs used the CPUs since `read_ns`.
    fn use_since(&self, read_ns: u64, present: &[Present]) -> Option<Use> {
        let used = cpu_use(&self.past_use.since(read_ns, LATE_NS)?, present);
        let has_begun_since = |job: &Present| self.jobs.get(&job.key).is_some_and(|state| state.began.ns > read_ns);
        // How the energy of the time before compares with that of the rest is not known.
        Some(Use { is_assumed: present.iter().any(has_begun_since), ..used })
    }

    /// Returns the domain whose readings give the energy that a device shows at present.
    fn shown_by(&self, index: usize) -> usize {
        self.ledger.read_by(self.live.source(index))
    }
}

/// Whether a domain counts energy by itself, so that its count goes on while no agent reads it.
fn is_counter(domain: &Domain) -> bool {
    domain.kind == Kind::Energy && domain.quality <= Quality::Derived
}

/// Returns how the present jobs used the CPUs. Time of processes that are of no job is that of others.
fn cpu_use(cpu: &JobTimes, present: &[Present]) -> Use {
    let consumers: Vec<u64> = present.iter().map(|job| cpu.jobs.get(&job.key).copied().unwrap_or(0)).collect();
    let used_ns = consumers.iter().fold(0, |sum: u64, ns| sum.saturating_add(*ns));
    Use { consumers, others: cpu.busy_ns.saturating_sub(used_ns), idle: cpu.idle_ns, ..Use::default() }
}

#[cfg(test)]
mod emission_tests;
#[cfg(test)]
pub(crate) mod random_node;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod tests;

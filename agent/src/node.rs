//! Accounts for the energy of the node ([`Node`]): a pure function of what was read.
//!
//! A *domain* is one sensor or counter, numbered by its source; the ledger numbers the domains of all sources in the order in
//! which they appeared. An *interval* is the time between two calls of [`Node::account`].

mod page;
mod restart;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eco2_core::attribution::Use;
use eco2_core::schema::{EventKind, SourceStatus};
use eco2_core::{Component, Domain, GapReason, Kind, Ledger, LivePoints, MAX_DOMAINS, Quality, RangeKind, Reading};
use eco2_samplers::{Change, DeviceUse, SourceEvent, SourceStates};

use crate::jobs::{Job, JobState};
use crate::journal::{Base, KeptDevice, KeptReading};
use crate::latest::Views;
use crate::shares::{JobKey, Present};
use crate::snapshot::{Instant, NodeIdentity, Resolution};
use crate::view::{DeviceNow, View};

/// The use of a device by processes is carried on for this long: drivers are asked at least every ten seconds.
const USE_HOLDS_NS: u64 = 11_000_000_000;
/// How often each counter is checked for standing still, and each device's best counter is chosen.
const CHOOSE_NS: u64 = 1_000_000_000;

/// What the sampling thread passes on.
#[derive(Debug)]
pub enum Input {
    /// A source has these domains from now on.
    Domains {
        /// Number of the source.
        source: usize,
        /// All of its domains; the list only grows.
        domains: Vec<Domain>,
    },
    /// A source was read.
    Readings {
        /// Number of the source.
        source: usize,
        /// The readings, each with the number of its domain in that source.
        readings: Vec<(usize, Reading)>,
    },
    /// The machine slept.
    Suspended {
        /// Monotonic nanoseconds before.
        from_ns: u64,
        /// And after.
        to_ns: u64,
    },
    /// Something happened in a source.
    Note(SourceEvent),
    /// The status of a source changed.
    Changed(Change),
    /// Which processes used the devices of a source.
    Users {
        /// Number of the source.
        source: usize,
        /// The use of each device since the last such input.
        uses: Vec<DeviceUse>,
    },
    /// A round of readings has ended.
    Tick {
        /// Monotonic nanoseconds.
        now_ns: u64,
    },
}

impl Input {
    /// Returns the number of readings in it.
    pub(crate) fn readings(&self) -> u64 {
        if let Self::Readings { readings, .. } = self { readings.len() as u64 } else { 0 }
    }

    /// Whether only a reading is lost with it, and no later input depends on it.
    pub(crate) fn may_be_dropped(&self) -> bool {
        matches!(self, Self::Readings { .. } | Self::Users { .. } | Self::Tick { .. } | Self::Note(_))
    }
}

/// CPU time of one interval, nanoseconds of one CPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuTimes {
    /// Used by any process, or taken by a hypervisor.
    pub busy_ns: u64,
    /// Not used.
    pub idle_ns: u64,
    /// Used by each job that was looked at.
    pub by_job: Vec<(JobKey, u64)>,
    /// The living processes of each job, for drivers that account by process id.
    pub pids: Vec<(JobKey, u32)>,
}

/// Use of a device by processes, as its driver listed it last.
#[derive(Debug, Clone)]
struct Listed {
    at_ns: u64,
    processes: Vec<(u32, f64)>,
    unknown: f64,
}

/// The account of the node.
///
/// ```
/// use eco2_agent::{CpuTimes, Input, Instant, Node, NodeIdentity};
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
///     let half_idle = CpuTimes { busy_ns: S, idle_ns: S, ..CpuTimes::default() };
///     views = Some(node.account(Instant { ns: at_ns, wall_ns: 0 }, Some(half_idle)));
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
    frozen: BTreeSet<usize>,
    /// For each domain what was counted before this account began.
    bases: Vec<Base>,
    /// For each domain its last reading.
    last: Vec<Option<KeptReading>>,
    /// What was kept of domains that have not appeared yet.
    kept: BTreeMap<String, KeptDevice>,
    /// Whether the kept readings are of this boot.
    is_same_boot: bool,
    /// Domains that were not read since their kept reading: the users of the energy until then are not known.
    unread: BTreeSet<usize>,
    events: BTreeMap<&'static str, u64>,
    readings: u64,
    dropped: u64,
    sampled_ns: Option<u64>,
    chosen_ns: u64,
    last_ns: Option<u64>,
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
            frozen: BTreeSet::new(),
            bases: Vec::new(),
            last: Vec::new(),
            kept: BTreeMap::new(),
            is_same_boot: false,
            unread: BTreeSet::new(),
            events: BTreeMap::new(),
            readings: 0,
            dropped: 0,
            sampled_ns: None,
            chosen_ns: began_ns,
            last_ns: None,
            sequence: 0,
        }
    }

    /// Takes one input of the sampling thread.
    pub fn take(&mut self, input: Input) {
        match input {
            Input::Domains { source, domains } => self.add_domains(source, &domains),
            Input::Readings { source, readings } => {
                readings.iter().for_each(|(domain, reading)| self.reading(source, *domain, reading));
            }
            Input::Suspended { .. } => {
                self.ledger.break_segment(None, GapReason::Suspend);
                self.count(EventKind::Suspend);
            }
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

    /// Ends the present interval at `now` and returns the views of the node. `cpu`: how the CPUs were used in the interval;
    /// `None`: not known.
    pub fn account(&mut self, now: Instant, cpu: Option<CpuTimes>) -> Views {
        self.choose(now.ns);
        self.live.update(&self.ledger);
        let present = self.present();
        let cpu_use = cpu.as_ref().map(|cpu| cpu_use(cpu, &present));
        if let Some(cpu) = cpu {
            self.owners = cpu.pids.iter().map(|(key, pid)| (*pid, *key)).collect();
        }
        let devices: Vec<DeviceNow> =
            (0..self.live.points().len()).map(|index| self.device(index, now.ns, cpu_use.as_ref(), &present)).collect();
        self.full.advance(&devices, &present);
        self.public.advance(&devices, &present);
        self.jobs.values_mut().for_each(JobState::interval_ended);
        let (last, began_ns) = (&self.last, self.began_ns);
        self.unread.retain(|index| last[*index].is_none_or(|last| last.after_ns < began_ns));
        self.sequence += 1;
        let interval_ns = self.last_ns.replace(now.ns).map(|last_ns| now.ns.saturating_sub(last_ns));
        let of = |view: &View| Arc::new(self.snapshot(view, &devices, now, interval_ns));
        Views { full: of(&self.full), public: of(&self.public) }
    }

    /// Begins a job at `now` and returns its key. It is present from the current interval on. `root_started`: when its first
    /// process was started, clock ticks since boot.
    pub(crate) fn begin_job(&mut self, job: Job, now: Instant, root_started: Option<u64>) -> JobKey {
        let key = self.next_key;
        self.next_key += 1;
        self.jobs.insert(key, JobState::new(job, now, root_started));
        key
    }

    /// Ends a job at `now`. `false` where no such job goes on.
    pub(crate) fn end_job(&mut self, key: JobKey, now: Instant, steps: Option<u64>) -> bool {
        self.jobs.get_mut(&key).is_some_and(|job| job.end(now, steps))
    }

    /// Lists a job that has ended no longer.
    pub(crate) fn forget_job(&mut self, key: JobKey) {
        if self.jobs.remove(&key).is_some() {
            self.full.shares.forget(key);
            self.public.shares.forget(key);
        }
    }

    /// Returns every listed job with its key, in the order in which they began.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (JobKey, &JobState)> {
        self.jobs.iter().map(|(key, state)| (*key, state))
    }

    /// Returns the number of domains that have appeared.
    pub(crate) fn domain_count(&self) -> usize {
        self.ledger.tracks().len()
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
        if let Ok(raw) = reading.value {
            self.last[index] = Some(KeptReading { before_ns: reading.before_ns, after_ns: reading.after_ns, raw });
        }
        if self.ledger.reading(index, reading).is_some() {
            let kinds: Vec<EventKind> =
                self.ledger.take_notices(index).iter().map(|notice| notice.kind.event_kind()).collect();
            kinds.into_iter().for_each(|kind| self.count(kind));
        }
    }

    fn users(&mut self, source: usize, uses: Vec<DeviceUse>) {
        let at_ns = self.sampled_ns.unwrap_or(self.began_ns);
        for used in uses {
            if let Some(index) = self.index(source, used.domain) {
                self.listed.insert(index, Listed { at_ns, processes: used.processes, unknown: used.unknown });
            }
        }
    }

    fn count(&mut self, kind: EventKind) {
        *self.events.entry(kind.name()).or_default() += 1;
    }

    /// Once a second: chooses the counter of each device, and counts the counters that froze.
    fn choose(&mut self, now_ns: u64) {
        if now_ns < self.chosen_ns.saturating_add(CHOOSE_NS) && self.sequence > 0 {
            return;
        }
        self.chosen_ns = now_ns;
        self.live.choose(&self.ledger, now_ns);
        let frozen = |(index, track): (usize, &eco2_core::Track)| track.is_frozen().then_some(index);
        let frozen: BTreeSet<usize> = self.ledger.tracks().iter().enumerate().filter_map(frozen).collect();
        let added = frozen.difference(&self.frozen).count();
        (0..added).for_each(|_| self.count(EventKind::Frozen));
        self.frozen = frozen;
    }

    /// Returns the jobs of the present interval.
    fn present(&self) -> Vec<Present> {
        let present = self.jobs.iter().filter(|(_, job)| job.is_present());
        present.map(|(key, job)| Present { key: *key, throughout: job.is_throughout() }).collect()
    }

    /// Returns what is known of a device at `now_ns`.
    fn device(&self, index: usize, now_ns: u64, cpu_use: Option<&Use>, present: &[Present]) -> DeviceNow {
        let point = self.live.points()[index];
        let domain = self.ledger.tracks()[index].domain();
        // As of the instant at which that was the energy: later the bounds widen until the next reading, and would fall then.
        let at_ns = if point.is_known() { point.edge_ns } else { now_ns };
        let bounds = self.ledger.used_bounds(self.live.source(index), at_ns);
        let base = self.bases[index];
        let own_uj = point.is_known().then_some(point.uj);
        let energy_uj = own_uj.or((base.uj > 0).then_some(0)).map(|own_uj| base.uj.saturating_add(own_uj));
        let of = match domain.component {
            _ if self.unread.contains(&index) => None,
            Component::Cpu | Component::Memory => cpu_use.cloned(),
            _ => self.listed_use(index, now_ns, present),
        };
        DeviceNow {
            energy_uj,
            below_uj: base.below_uj.saturating_add(bounds.map_or(0, |bounds| point.uj.saturating_sub(bounds.low_uj))),
            above_uj: bounds
                .and_then(|bounds| bounds.high_uj)
                .zip(base.above_uj)
                .map(|(high, above)| high.saturating_sub(point.uj).saturating_add(above)),
            // Another source that counts in its place is no counter of the same silicon.
            kind: if self.shown_by(index) == index { domain.range_kind() } else { RangeKind::Plausible },
            is_summed: self.live.summed().get(index).copied().unwrap_or(false),
            of,
        }
    }

    /// Returns the domain whose readings give the energy that a device shows at present.
    fn shown_by(&self, index: usize) -> usize {
        self.ledger.read_by(self.live.source(index))
    }

    /// Returns the use of a device by the present jobs, as its driver listed it last; `None` where that is too long ago.
    fn listed_use(&self, index: usize, now_ns: u64, present: &[Present]) -> Option<Use> {
        let listed = self.listed.get(&index).filter(|listed| now_ns.saturating_sub(listed.at_ns) < USE_HOLDS_NS)?;
        let of_job = |job: &Present| {
            let own = listed.processes.iter().filter(|(pid, _)| self.owners.get(pid) == Some(&job.key));
            own.map(|(_, fraction)| fraction).sum::<f64>()
        };
        let consumers: Vec<f64> = present.iter().map(of_job).collect();
        let known: f64 = listed.processes.iter().map(|(_, fraction)| fraction).sum();
        let others = (known - consumers.iter().sum::<f64>()).max(0.0);
        Use::from_fractions(&consumers, others, listed.unknown)
    }
}

/// Whether a domain counts energy by itself, so that its count goes on while no agent reads it.
fn is_counter(domain: &Domain) -> bool {
    domain.kind == Kind::Energy && domain.quality <= Quality::Derived
}

/// Returns how the present jobs used the CPUs. Time of processes that are of no job is that of others.
fn cpu_use(cpu: &CpuTimes, present: &[Present]) -> Use {
    let of_job = |job: &Present| cpu.by_job.iter().filter(|(key, _)| *key == job.key).map(|(_, ns)| ns).sum();
    let consumers: Vec<u64> = present.iter().map(of_job).collect();
    let used_ns = consumers.iter().fold(0, |sum: u64, ns| sum.saturating_add(*ns));
    Use { consumers, others: cpu.busy_ns.saturating_sub(used_ns), idle: cpu.idle_ns, ..Use::default() }
}

#[cfg(test)]
mod tests;

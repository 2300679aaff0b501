//! Defines the traits of sampling: a [`Source`] reads sensors into a [`Batch`], and a [`Sink`] takes the readings.
//!
//! Terms: a source reads one interface, such as RAPL or NVML. A domain is one sensor or counter of it. A batch holds
//! the readings of one read. A gauge is a value that is not energy, such as utilisation. A tick is one wake-up of the
//! sampling thread. An edge is the start or end of a measured span of time; its knots are the counter changes around
//! it, from which the energy at the edge is computed.

use std::path::PathBuf;

use eco2_core::schema::{EventKind, SourceStatus};
use eco2_core::{Domain, Fault, Gauge, Reading};

use crate::clock::Clock;
use crate::decision::{Learned, ReadDecision};
use crate::redfish::bmc::Bmc;
use crate::schedule::Demand;
use crate::visible::Visible;

/// Something that can be read: RAPL, a GPU driver, a power sensor, a model, your own meter.
///
/// A source is read on the sampling thread (or on a thread of its own where a call may hang). It never panics on what
/// hardware shows and never turns a failed read into a value.
///
/// ```
/// use eco2_core::{Component, Domain, Fault};
/// use eco2_samplers::clock::Clock;
/// use eco2_samplers::{Batch, Source};
///
/// /// A plug-in energy meter; `read_mj` represents its protocol.
/// struct Plug {
///     domains: [Domain; 1],
/// }
///
/// impl Source for Plug {
///     fn name(&self) -> &str {
///         "plug"
///     }
///     fn domains(&self) -> &[Domain] {
///         &self.domains
///     }
///     fn read(&mut self, batch: &mut Batch) {
///         batch.one(0, || read_mj().ok_or(Fault::Failed));
///     }
/// }
///
/// fn read_mj() -> Option<u64> {
///     Some(1_234)
/// }
///
/// let mut plug = Plug { domains: [Domain::counter("plug-0", Component::Other, "wall", "plug")] };
/// let mut batch = Batch::new(Clock::Monotonic);
/// plug.read(&mut batch);
/// assert_eq!(batch.readings()[0].1.value, Ok(1_234));
/// ```
pub trait Source: Send {
    /// The source's name in options and reports: `rapl-perf`, `nvml`, …
    fn name(&self) -> &str;

    /// Returns the domains it reads; indices into this list are used in [`Batch`]. The list may grow (hot-plug), and
    /// never shrinks or reorders.
    fn domains(&self) -> &[Domain];

    /// Reads the domains that [`Batch::wants`] into `batch`, or more; every domain if [`Batch::wants_all`].
    fn read(&mut self, batch: &mut Batch);

    /// Reads gauges, every 1 to 10 s. They never enter an energy sum.
    fn gauges(&mut self, _out: &mut Vec<Gauge>) {}

    /// Hands over what happened since the last call (lost device, XID, denied after all).
    fn notes(&mut self, _out: &mut Vec<SourceEvent>) {}

    /// Hands over how the source is now, where that has changed since it was looked for or since the last call.
    fn changes(&mut self, _out: &mut Vec<Change>) {}

    /// Hands over the users (processes) of each device since the last call. The first call only starts the interval.
    fn users(&mut self, _watched: &Watched, _out: &mut Vec<DeviceUse>) {}

    /// Whether a call into this source may never return: it is then read on a thread of its own, with a deadline.
    fn may_hang(&self) -> bool {
        false
    }
}

/// What happened in a source, for the report's events.
///
/// ```
/// use eco2_core::schema::EventKind;
/// use eco2_samplers::SourceEvent;
///
/// let (kind, device) = (EventKind::SourceNote, "meter-1".to_owned());
/// let event = SourceEvent { at_ns: 2_000_000_000, kind, device, text: "its cover was opened".to_owned() };
/// assert_eq!(event.kind.name(), "source-note");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEvent {
    /// Monotonic nanoseconds.
    pub at_ns: u64,
    /// What happened; [`EventKind::SourceNote`] for what no other kind describes.
    pub kind: EventKind,
    /// Device or source.
    pub device: String,
    /// For people.
    pub text: String,
}

/// The processes whose use of devices is wanted.
///
/// ```
/// use eco2_samplers::Watched;
///
/// let watched = Watched { pids: vec![std::process::id()], ..Watched::default() };
/// assert!(watched.visible.is_empty()); // any GPU may be used
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Their ids, as this process sees them.
    pub pids: Vec<u32>,
    /// What their environments let them see of the GPUs; empty: not known, so any of them may use any GPU.
    pub visible: Vec<Visible>,
}

/// The users of a device in an interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceUse {
    /// Index into the source's domains.
    pub domain: usize,
    /// Whether the environment of any watched process lets it use the device.
    pub reachable: bool,
    /// Fraction of the device's time that each process used, by the ids that the driver gives: those of the machine,
    /// which are not those of a container.
    pub processes: Vec<(u32, f64)>,
    /// Fraction that was used by processes that are not known; 1 where nothing is known of its use.
    pub unknown: f64,
    /// Whether the fractions are assumed and not measured: the slices of a divided GPU, or equal parts for all processes that
    /// are present.
    pub is_assumed: bool,
    /// The device's number in the list of its driver, where a device that is lost keeps its place; `None`: it has none.
    pub number: Option<u32>,
    /// UUIDs of the instances into which the device is divided.
    pub instances: Vec<String>,
}

/// What became of a source after it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The source's status changed: devices were added, removed or lost.
    Described(SourceStatus),
    /// The source does not answer. Its description of itself does not hold until [`Change::Answers`].
    Silent(SourceStatus),
    /// The source of this name answers again.
    Answers(String),
}

/// Readings of one tick, each between two looks at the clock.
///
/// ```
/// use eco2_samplers::{Batch, clock::Clock};
///
/// let mut batch = Batch::new(Clock::Monotonic);
/// batch.one(0, || Ok(42));
/// let (domain, reading) = batch.readings()[0];
/// assert_eq!((domain, reading.value), (0, Ok(42)));
/// assert!(reading.before_ns <= reading.after_ns);
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    clock: Clock,
    readings: Vec<(usize, Reading)>,
    all: bool,
    /// Whether each domain of the source is wanted; domains beyond its end are.
    wanted: Vec<bool>,
}

impl Batch {
    /// Returns an empty batch that takes its time from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, readings: Vec::new(), all: false, wanted: Vec::new() }
    }

    /// Returns the present instant, in nanoseconds of the batch's clock.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Whether every domain is to be read now, due or not: a flush, or the end of the run.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        self.all
    }

    /// Asks for every domain, due or not.
    ///
    /// ```
    /// use eco2_samplers::Batch;
    ///
    /// assert!(!Batch::default().wants_all());
    /// assert!(Batch::default().of_all(true).wants_all()); // at the end of a run
    /// ```
    #[must_use]
    pub fn of_all(self, all: bool) -> Self {
        Self { all, ..self }
    }

    /// Whether a domain (an index into the source's list) is wanted now. A source may read one that is not.
    ///
    /// ```
    /// assert!(eco2_samplers::Batch::default().wants(3)); // every domain, unless the sampler chose some
    /// ```
    #[must_use]
    pub fn wants(&self, domain: usize) -> bool {
        self.all || self.wanted.get(domain).copied().unwrap_or(true)
    }

    /// Asks for every domain, or else for those that are `wanted`.
    pub(crate) fn set_wanted(&mut self, all: bool, wanted: &[bool]) {
        self.all = all;
        self.wanted.clear();
        self.wanted.extend_from_slice(wanted);
    }

    /// Renumbers the domains that are wanted: domain `n` from here on is what was domain `places[n]`.
    pub(crate) fn want_at(&mut self, places: &[usize]) {
        if !self.wanted.is_empty() {
            self.wanted = places.iter().map(|place| self.wanted.get(*place).copied().unwrap_or(true)).collect();
        }
    }

    /// Asks for what `other` asks for.
    pub(crate) fn want_like(&mut self, other: &Self) {
        self.set_wanted(other.all, &other.wanted);
    }

    /// Reads one domain between two looks at the clock.
    pub fn one(&mut self, domain: usize, read: impl FnOnce() -> Result<u64, Fault>) {
        let before_ns = self.now_ns();
        let value = read();
        let after_ns = self.now_ns();
        self.push(domain, Reading { before_ns, after_ns, value });
    }

    /// Reads several domains that share one bracket; `read` calls its argument once a domain.
    ///
    /// ```
    /// use eco2_core::Fault;
    /// use eco2_samplers::Batch;
    ///
    /// let mut batch = Batch::default();
    /// batch.group(|put| {
    ///     put(0, Ok(10)); // one system call read both
    ///     put(1, Err(Fault::NotAvailable));
    /// });
    /// assert_eq!(batch.readings()[0].1.after_ns, batch.readings()[1].1.after_ns);
    /// ```
    pub fn group(&mut self, read: impl FnOnce(&mut dyn FnMut(usize, Result<u64, Fault>))) {
        let before_ns = self.now_ns();
        let first = self.readings.len();
        let readings = &mut self.readings;
        read(&mut |domain, value| readings.push((domain, Reading { before_ns, after_ns: before_ns, value })));
        let after_ns = self.now_ns();
        for (_, reading) in &mut self.readings[first..] {
            reading.after_ns = after_ns;
        }
    }

    /// Adds a reading whose times are known otherwise (a sensor's own timestamp).
    pub fn push(&mut self, domain: usize, reading: Reading) {
        self.readings.push((domain, reading));
    }

    /// Returns what was read, in order: `(index into the source's domains, reading)`.
    #[must_use]
    pub fn readings(&self) -> &[(usize, Reading)] {
        &self.readings
    }

    /// Changes readings from the one at `first` on, by the index of their domain.
    pub(crate) fn edit(&mut self, first: usize, mut change: impl FnMut(usize, &mut Reading)) {
        self.readings.iter_mut().skip(first).for_each(|(domain, reading)| change(*domain, reading));
    }

    /// Renumbers the domains of readings from the one at position `first` on: domain `n` becomes `places[n]`.
    pub(crate) fn renumber(&mut self, first: usize, places: &[usize]) {
        for (domain, _) in self.readings.iter_mut().skip(first) {
            *domain = places.get(*domain).copied().unwrap_or(*domain);
        }
    }

    /// Empties the batch, keeping its memory.
    pub fn clear(&mut self) {
        self.readings.clear();
    }
}

/// Where readings go; implemented by the measured run. Called on the sampling thread only.
pub trait Sink: Send {
    /// `source` (a counted index) has these domains from now on; called at start and when a list has grown.
    fn domains(&mut self, source: usize, domains: &[Domain]);
    /// A source was read. `learned` is empty. The sink adds an entry for each domain of these readings that has ever
    /// changed, from which the schedule predicts the next updates. For a sink that adds nothing, none are predicted.
    fn readings(&mut self, source: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>);
    /// The machine slept: the monotonic clock stopped between these two of its instants.
    fn suspended(&mut self, from_ns: u64, to_ns: u64);
    /// Gauges of all sources, every 1 to 10 s.
    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]);
    /// Something happened.
    fn note(&mut self, note: SourceEvent);
    /// A source is not what it was when it was looked for. Not handed on by default.
    fn changed(&mut self, _change: Change) {}
    /// The schedule reads a source otherwise from here on. Called in the tick of the change, after its readings. Not
    /// handed on by default.
    fn decided(&mut self, _decision: &ReadDecision) {}
    /// A tick begins: find edges of spans, and add to `demand`, which is empty, what is needed. Nothing by default.
    fn look(&mut self, _now_ns: u64, _demand: &mut Demand) {}
    /// Every reading of this tick was handed over: publish, log.
    fn tick(&mut self, now_ns: u64);
    /// While closing: whether every edge has its knots, so that sampling may stop before the deadline.
    fn settled(&self) -> bool;
    /// Processes whose use of the devices is wanted, every 1 to 10 s; none by default.
    fn watched(&mut self, _out: &mut Watched) {}
    /// What [`Source::users`] found.
    fn users(&mut self, _source: usize, _uses: &[DeviceUse]) {}
}

/// Takes nothing in: shows what reading alone costs.
impl Sink for () {
    fn domains(&mut self, _: usize, _: &[Domain]) {}
    fn readings(&mut self, _: usize, _: &[(usize, Reading)], _: &mut Vec<Learned>) {}
    fn suspended(&mut self, _: u64, _: u64) {}
    fn gauges(&mut self, _: u64, _: &[Gauge]) {}
    fn note(&mut self, _: SourceEvent) {}
    fn tick(&mut self, _: u64) {}
    fn settled(&self) -> bool {
        true
    }
}

/// Where the machine's interfaces are; tests and containers point elsewhere.
///
/// ```
/// use eco2_samplers::Roots;
///
/// let host = Roots { sysfs: "/host/sys".into(), procfs: "/host/proc".into(), ..Roots::default() };
/// assert_eq!(Roots::default().procfs, std::path::Path::new("/proc"));
/// assert!(host.nvml.is_none()); // the system's library
/// ```
#[derive(Debug, Clone)]
pub struct Roots {
    /// Normally `/sys`.
    pub sysfs: PathBuf,
    /// Normally `/proc`.
    pub procfs: PathBuf,
    /// A `libnvidia-ml.so.1` to load instead of the system's.
    pub nvml: Option<PathBuf>,
    /// A `libamd_smi.so` to load instead of the system's.
    pub amdsmi: Option<PathBuf>,
    /// The machine's BMC, to read over the network; `None`: no request is sent.
    pub redfish: Option<Bmc>,
    /// The device through which the machine's BMC is read, such as `/dev/ipmi0`; `None`: it is not read.
    pub ipmi: Option<PathBuf>,
    /// The folders in which a node agent may have its page, best first; none: no agent is read.
    pub agent: Vec<PathBuf>,
}

impl Roots {
    /// Returns the folder of device nodes: `dev` next to the root of sysfs, so that a tree of files for tests, or a host's
    /// tree that is mounted in a container, has its own.
    pub(crate) fn dev(&self) -> PathBuf {
        self.sysfs.parent().map_or_else(|| "/dev".into(), |parent| parent.join("dev"))
    }

    /// Returns the folder of the machine's settings: `etc` next to the root of sysfs.
    pub(crate) fn etc(&self) -> PathBuf {
        self.sysfs.parent().map_or_else(|| "/etc".into(), |parent| parent.join("etc"))
    }

    /// Returns the folder in which the kubelet keeps the logs of pods: `var/log/pods` next to the root of sysfs.
    pub(crate) fn pod_logs(&self) -> PathBuf {
        self.sysfs.parent().map_or_else(|| "/var/log/pods".into(), |parent| parent.join("var/log/pods"))
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            sysfs: "/sys".into(),
            procfs: "/proc".into(),
            nvml: None,
            amdsmi: None,
            redfish: None,
            ipmi: None,
            agent: Vec::new(),
        }
    }
}

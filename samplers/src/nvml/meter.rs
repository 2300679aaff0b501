//! [`Probe`] finds out what one NVIDIA GPU offers, energy counter or power, and [`Meter`] reads one of its domains.
//!
//! A domain is one sensor or counter. NVML is the driver's library. A field is a value that NVML returns by number; its
//! scope is the GPU alone or the module (GPU and CPU of a Grace superchip).

use eco2_core::schema::EventKind;
use eco2_core::{Component, Domain, Fault, Kind, Quality, Reading, Scale};
use nvml_wrapper::Device;

use super::fault::{ask, known_u32, known_u64};
use super::power::{ReadMethod, Target, sees_a_quarter};
use super::raw::{self, FieldScope};
use super::status::NAME;
use crate::Batch;

/// What a board can draw, percent of its power limit: the limit is kept only on average, with short excursions above
/// it. An assumption: what exceeds it is counted, not hidden.
const MARGIN_PERCENT: u64 = 150;
/// NVIDIA states ±5 % for the power sensor (NVML API reference, `nvmlDeviceGetPowerUsage`); the counter is fed by it.
const GAIN_PERCENT: f64 = 5.0;
/// Time between two readings of cross-checks and modules: at most 10 Hz.
const SELDOM_NS: u64 = 100_000_000;
/// Time after which a quantity that failed is read again.
const FAULTY_EVERY_NS: u64 = 100_000_000;
/// Time between two reports that a board has no such quantity.
const NOTHING_EVERY_NS: u64 = 1_000_000_000;

/// How a domain's value is read.
#[derive(Debug)]
enum QueryKind {
    /// `nvmlDeviceGetTotalEnergyConsumption`.
    Counter,
    /// Field 191 with its scope.
    ScopedCounter(FieldScope),
    Power(ReadMethod),
    /// Not at all; why, and the board's name.
    Nothing(Fault, String),
}

/// One domain of a GPU.
#[derive(Debug)]
pub(super) struct Meter {
    /// Index into the source's domains.
    pub(super) domain: usize,
    quantity: QueryKind,
    /// Where readings of power go, and which are plausible.
    target: Target,
    /// Shortest time between two readings.
    every_ns: u64,
    /// When the next reading is due.
    next_ns: u64,
}

/// Everything that was found out about a GPU when it was opened.
pub(super) struct Probe {
    pub(super) domains: Vec<Domain>,
    pub(super) meters: Vec<Meter>,
    /// `(kind, text)` of notes.
    pub(super) remarks: Vec<(EventKind, String)>,
    /// Texts for the status: what is less than it should be.
    pub(super) losses: Vec<String>,
}

impl Probe {
    /// Probes a GPU; its domains get indices from `first` on, the board's own first.
    pub(super) fn run(device: &Device<'static>, uuid: &str, name: &str, first: usize) -> Self {
        let mut probe = Self { domains: Vec::new(), meters: Vec::new(), remarks: Vec::new(), losses: Vec::new() };
        let mut prober = Prober { probe: &mut probe, device, uuid, name, first, max_uw: max_uw(device) };
        let module = raw::field(device, raw::POWER_INSTANT, FieldScope::Module);
        if module.is_ok_and(|milliwatts| milliwatts > 0) {
            prober.superchip();
        } else {
            prober.board();
        }
        probe
    }
}

/// Builds a [`Probe`].
struct Prober<'a> {
    probe: &'a mut Probe,
    device: &'a Device<'static>,
    uuid: &'a str,
    name: &'a str,
    first: usize,
    max_uw: Option<u64>,
}

impl Prober<'_> {
    /// An ordinary board: the counter, and power in addition for comparison; else power; else nothing, with the reason.
    fn board(&mut self) {
        match counter(self.device) {
            Ok(_) => self.counted(QueryKind::Counter),
            // Only this time, perhaps: it is asked again, and power replaces it until it answers.
            Err(Fault::Failed) => {
                self.probe.losses.push(format!("{}: {}", self.uuid, reason(Fault::Failed)));
                self.counted(QueryKind::Counter);
            }
            Err(why) => self.uncounted(why),
        }
    }

    /// Adds the board's counter, and its power for comparison.
    fn counted(&mut self, quantity: QueryKind) {
        self.add(self.domain(self.uuid, "board", Kind::Energy), quantity, 0);
        if let Ok(way) = ReadMethod::probe(self.device, self.name) {
            let mut check = self.domain(&format!("{}/power", self.uuid), "power", Kind::Power);
            check.parent = Some(self.uuid.to_owned());
            let every_ns = way.every_ns().max(SELDOM_NS);
            self.powered(check, way, every_ns);
        }
    }

    /// Adds a board whose counter could not be read because of `why`.
    fn uncounted(&mut self, why: Fault) {
        match ReadMethod::probe(self.device, self.name) {
            Ok(way) => {
                self.probe.losses.push(format!("{}: {}; power is integrated instead", self.uuid, reason(why)));
                let every_ns = way.every_ns();
                self.powered(self.domain(self.uuid, "board", Kind::Power), way, every_ns);
            }
            // It was refused for now, or failed: the counter may well be there.
            Err(_) if !matches!(why, Fault::Unsupported | Fault::NotAvailable) => {
                self.probe.losses.push(format!("{}: {}", self.uuid, reason(why)));
                self.add(self.domain(self.uuid, "board", Kind::Energy), QueryKind::Counter, 0);
            }
            Err(fault) => {
                self.probe.losses.push(format!("{}: neither energy nor power can be read", self.uuid));
                let mut board = self.domain(self.uuid, "board", Kind::Power);
                if fault == Fault::Unsupported {
                    board.quality = Quality::Missing;
                }
                self.add(board, QueryKind::Nothing(fault, self.name.to_owned()), NOTHING_EVERY_NS);
            }
        }
    }

    /// Adds a Grace superchip, whose module holds GPU and CPU. The plain counter counts the whole module there
    /// (ml-energy/zeus pull request 172), so the GPU's own share comes from the scoped counter or from scoped power.
    fn superchip(&mut self) {
        let gpu = raw::field(self.device, raw::ENERGY, FieldScope::Gpu);
        let whole = raw::field(self.device, raw::ENERGY, FieldScope::Module);
        let scoped = matches!((gpu, whole), (Ok(gpu), Ok(whole)) if gpu < whole);
        if scoped {
            self.counted(QueryKind::ScopedCounter(FieldScope::Gpu));
        } else if let Ok(way) = ReadMethod::probe(self.device, self.name) {
            let text = "the energy counter is the whole module's; the GPU's power is integrated";
            self.probe.losses.push(format!("{}: {text}", self.uuid));
            let every_ns = way.every_ns();
            self.powered(self.domain(self.uuid, "board", Kind::Power), way, every_ns);
        }
        let (kind, quantity) = match counter(self.device) {
            _ if scoped => (Kind::Energy, QueryKind::ScopedCounter(FieldScope::Module)),
            Ok(_) => (Kind::Energy, QueryKind::Counter),
            Err(_) => (Kind::Power, QueryKind::Power(ReadMethod::Instant(FieldScope::Module))),
        };
        let mut module = self.domain(&format!("{}/module", self.uuid), "module", kind);
        (module.component, module.max_uw) = (Component::Other, None);
        if let Some(board) = self.probe.domains.first_mut() {
            board.parent = Some(module.id.clone());
        }
        self.add(module, quantity, SELDOM_NS);
    }

    /// Adds a domain that is read as power.
    fn powered(&mut self, domain: Domain, way: ReadMethod, every_ns: u64) {
        if domain.parent.is_none() {
            self.remark(&way);
        }
        let average_ns = way.average_ns();
        self.add(Domain { average_ns, ..domain }, QueryKind::Power(way), every_ns);
    }

    /// Adds remarks on what makes energy from power less exact.
    fn remark(&mut self, way: &ReadMethod) {
        self.probe.remarks.extend(way.remark().map(|(kind, text)| (kind, text.to_owned())));
        if sees_a_quarter(self.name) {
            let text = "this board's power sensor looks at a quarter of the time (arXiv 2312.02741)";
            self.probe.remarks.push((EventKind::PowerDuty, text.to_owned()));
        }
    }

    fn domain(&self, id: &str, domain: &str, kind: Kind) -> Domain {
        let make = if kind == Kind::Energy { Domain::counter } else { Domain::power };
        Domain {
            name: self.name.to_owned(),
            scale: Scale::MILLI,
            max_uw: self.max_uw,
            gain_percent: Some(GAIN_PERCENT),
            ..make(id, Component::Gpu, domain, NAME)
        }
    }

    fn add(&mut self, domain: Domain, quantity: QueryKind, every_ns: u64) {
        let index = self.first + self.probe.domains.len();
        let target = Target::new(index, domain.max_uw);
        self.probe.meters.push(Meter { domain: index, quantity, target, every_ns, next_ns: 0 });
        self.probe.domains.push(domain);
    }
}

impl Meter {
    /// Reads the domain if that is due; returns a fault, or how many of the driver's samples were lost.
    pub(super) fn read(&mut self, device: &Device<'static>, batch: &mut Batch) -> Result<u64, Fault> {
        let now_ns = batch.now_ns();
        if !batch.wants(self.domain) || (now_ns < self.next_ns && !batch.wants_all()) {
            return Ok(0);
        }
        let result = match &mut self.quantity {
            QueryKind::Counter => one(self.domain, batch, || counter(device)),
            QueryKind::ScopedCounter(scope) => one(self.domain, batch, || raw::field(device, raw::ENERGY, *scope)),
            QueryKind::Power(way) => way.read(device, self.target, batch),
            QueryKind::Nothing(..) => self.probe_again(device, batch),
        };
        let every_ns = if result.is_err() { self.every_ns.max(FAULTY_EVERY_NS) } else { self.every_ns };
        self.next_ns = now_ns + every_ns;
        result
    }

    /// Power that could not be read when the GPU was opened may be readable by now; what a board does not have, it
    /// never has.
    fn probe_again(&mut self, device: &Device<'static>, batch: &mut Batch) -> Result<u64, Fault> {
        let QueryKind::Nothing(fault, name) = &mut self.quantity else { return Ok(0) };
        if *fault != Fault::Unsupported {
            match ReadMethod::probe(device, name) {
                Ok(mut way) => {
                    let result = way.read(device, self.target, batch);
                    (self.every_ns, self.quantity) = (way.every_ns(), QueryKind::Power(way));
                    return result;
                }
                Err(again) => *fault = again,
            }
        }
        let fault = *fault;
        one(self.domain, batch, || Err(fault))
    }

    /// Reports once why there is nothing to read any more.
    pub(super) fn close(&mut self, fault: Fault, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        batch.push(self.domain, Reading { before_ns: now_ns, after_ns: now_ns, value: Err(fault) });
        self.next_ns = 0;
    }
}

/// Reads one value into `batch`; returns its fault, or 0 lost samples.
fn one(domain: usize, batch: &mut Batch, read: impl FnOnce() -> Result<u64, Fault>) -> Result<u64, Fault> {
    let mut result = Ok(0);
    batch.one(domain, || {
        let value = read();
        result = value.map(|_| 0);
        value
    });
    result
}

/// Reads the energy counter: millijoules since the driver was loaded.
fn counter(device: &Device<'static>) -> Result<u64, Fault> {
    ask(device, Device::total_energy_consumption).and_then(known_u64)
}

/// Returns the most that the board can draw, microwatts: its highest limit, with the margin.
fn max_uw(device: &Device<'static>) -> Option<u64> {
    let limits = ask(device, Device::power_management_limit_constraints).ok()?;
    let max_mw = known_u32(limits.max_limit).ok().filter(|mw| *mw > 0)?;
    Some(max_mw * 1_000 * MARGIN_PERCENT / 100)
}

/// Returns a text for a person: why there is no counter.
fn reason(why: Fault) -> &'static str {
    match why {
        Fault::Denied => "permission to read the energy counter is denied",
        Fault::Unsupported => "it has no energy counter",
        Fault::NotAvailable => "the driver reports its energy counter as \"not available\"",
        _ => "its energy counter cannot be read now",
    }
}

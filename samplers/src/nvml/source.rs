//! [`NvmlSource`] is the source `nvml`: it finds NVIDIA's GPUs through NVML, the driver's library, and reads them.
//!
//! It notices GPUs that are added or removed while measuring (hot-plug), GPUs that are lost, and a driver that goes
//! away and comes back. A look is one comparison of the driver's list of GPUs with the source's. XIDs are the error
//! codes that the driver reports. A fault is the reason why there is no value.

use std::collections::BTreeSet;
use std::path::PathBuf;

use eco2_core::schema::{EventKind, SourceStatus};
use eco2_core::{Domain, Fault, Gauge};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::fault::Retry;
use super::fault::fault;
use super::gpu::{Gpu, GpuState, Round, identify, publish};
use super::raw::{List, Listed};
use super::shares::UserShares;
use super::status::{self, Counted};
use super::visible::{Identity, Visibility, VisibleGpus, select};
use super::{events, library};
use crate::clock::Clock;
use crate::{Batch, Change, DeviceUse, Roots, Source, SourceEvent, Watched};

/// Time between two looks at the driver's list: a look costs a call for each GPU, and people add and remove GPUs by
/// hand.
const LOOK_NS: u64 = 5_000_000_000;
/// Time to the first look after trouble; twice as long after each look that did not end it.
const LOOK_SOON_NS: u64 = 500_000_000;
/// Time between two polls for XIDs: they are events for the report, for which a second is soon enough.
const XID_NS: u64 = 1_000_000_000;

/// GPUs through NVML.
pub(super) struct NvmlSource {
    /// Library to load; `None` for the system's.
    path: Option<PathBuf>,
    /// Where the kernel shows processes.
    procfs: PathBuf,
    /// What `CUDA_VISIBLE_DEVICES` names, and, once there are GPUs, which those are.
    visibility: Visibility,
    selection: Option<VisibleGpus>,
    nvml: Option<&'static Nvml>,
    /// When to try a driver again that does not answer; `None` while it does.
    closed: Option<Retry>,
    domains: Vec<Domain>,
    /// All GPUs of the machine at the first look: what environment variables count.
    identities: Vec<Identity>,
    gpus: Vec<Gpu>,
    notes: Vec<SourceEvent>,
    /// UUIDs and kinds of events that are reported once only, and were.
    noted: BTreeSet<(String, EventKind)>,
    /// Texts for the status: what is less than it should be.
    pub(super) losses: Vec<String>,
    /// The driver's version.
    driver: Option<String>,
    /// GPUs that did not report their UUID at the last look.
    nameless: Nameless,
    /// The status, where it is not what was handed over last.
    changed: Option<SourceStatus>,
    /// When to look at the list next; not known before the first reading gives the time.
    next_look_ns: Option<u64>,
    /// Looks since a GPU went missing that did not find it.
    fruitless: u32,
    next_xid_ns: u64,
}

/// GPUs that the driver counts and that do not report their UUID.
#[derive(Debug, Default, Clone, Copy)]
struct Nameless {
    lost: usize,
    denied: usize,
    unclear: usize,
}

impl NvmlSource {
    /// Loads the library and looks for GPUs. Also returns why that failed, if it did: the source then tries again
    /// later.
    pub(super) fn open(roots: &Roots, visibility: Visibility) -> (Self, Option<NvmlError>) {
        let mut source = Self {
            path: roots.nvml.clone(),
            procfs: roots.procfs.clone(),
            visibility,
            selection: None,
            nvml: None,
            closed: None,
            domains: Vec::new(),
            identities: Vec::new(),
            gpus: Vec::new(),
            notes: Vec::new(),
            noted: BTreeSet::new(),
            losses: Vec::new(),
            driver: None,
            nameless: Nameless::default(),
            changed: None,
            next_look_ns: None,
            fruitless: 0,
            next_xid_ns: 0,
        };
        let trouble = match source.connect() {
            Ok(()) => source.look(0, &mut Batch::new(Clock::default())).err(),
            Err(error) => Some(error),
        };
        // The caller asks for its status.
        (source.next_look_ns, source.changed) = (None, None);
        if trouble.is_some() {
            source.closed = Some(Retry::FIRST);
        }
        (source, trouble)
    }

    /// Returns how many GPUs there are in which state.
    fn counted(&self) -> Counted {
        let known = |state| self.gpus.iter().filter(|gpu| gpu.state == state).count();
        let Nameless { lost, denied, unclear } = self.nameless;
        // A lost GPU that was known is among the nameless ones when the driver still counts it.
        Counted {
            live: known(GpuState::Live),
            lost: lost.max(known(GpuState::Lost)),
            gone: known(GpuState::Gone),
            denied,
            unclear,
        }
    }

    /// Whether the environment hides every GPU.
    pub(super) fn selects_nothing(&self) -> bool {
        self.visibility.devices.is_some() && self.selection == Some(VisibleGpus::Only(Vec::new()))
    }

    /// Returns the source's status.
    pub(super) fn status(&self) -> SourceStatus {
        status::open(self.counted(), self.driver.as_deref(), &self.losses)
    }

    /// Reports its status again, by the next call of [`Source::changes`].
    fn describe(&mut self) {
        self.changed = Some(self.status());
    }

    /// Loads the library, or initialises it again.
    fn connect(&mut self) -> Result<(), NvmlError> {
        match self.nvml {
            // Loaded before: its count may have been taken down to zero by others, or the driver was away.
            Some(nvml) => library::init(nvml),
            None => {
                let nvml = library::load(self.path.as_deref())?;
                (self.nvml, self.driver) = (Some(nvml), nvml.sys_driver_version().ok());
                Ok(())
            }
        }
    }

    /// Compares the driver's list with ours: appends what is new, ends what is gone, takes back what returned.
    fn look(&mut self, now_ns: u64, batch: &mut Batch) -> Result<(), NvmlError> {
        self.next_look_ns = Some(now_ns.saturating_add(LOOK_NS));
        let Some(nvml) = self.nvml else { return Ok(()) };
        let listed = List::ask(nvml)?;
        let nameless = Nameless { lost: listed.lost, denied: listed.denied, unclear: listed.unclear };
        let before = (self.counted(), self.losses.len());
        self.nameless = nameless;
        if self.selection.is_none() && !listed.devices.is_empty() {
            self.choose(&listed);
        }
        self.end_missing(&listed, now_ns, batch);
        for Listed { number, device, uuid } in listed.devices {
            match self.gpus.iter().position(|gpu| gpu.identity.uuid == uuid) {
                Some(known) => {
                    self.gpus[known].number = number;
                    self.take_back(known, device, now_ns);
                }
                None => self.append(number, device, now_ns),
            }
        }
        if (self.counted(), self.losses.len()) != before {
            self.describe();
        }
        let missing = nameless.lost + nameless.unclear > 0 || self.gpus.iter().any(|gpu| gpu.state != GpuState::Live);
        self.fruitless = if missing { self.fruitless.saturating_add(1) } else { 0 };
        self.next_look_ns = Some(now_ns.saturating_add(self.pause_ns(missing)));
        Ok(())
    }

    /// Returns the time to the next look: short at first while a GPU is missing, then longer and longer.
    fn pause_ns(&self, missing: bool) -> u64 {
        if missing { (LOOK_SOON_NS << self.fruitless.min(8)).min(LOOK_NS) } else { LOOK_NS }
    }

    /// Finds out which GPUs the environment leaves visible.
    fn choose(&mut self, listed: &List) {
        self.identities = listed.devices.iter().filter_map(|listed| identify(&listed.device).ok()).collect();
        let (selection, remarks) = select(&self.visibility, &self.identities);
        self.selection = Some(selection);
        self.losses.extend(remarks);
    }

    /// Ends GPUs that the driver no longer lists.
    fn end_missing(&mut self, listed: &List, now_ns: u64, batch: &mut Batch) {
        if listed.unclear > 0 {
            return;
        }
        // A GPU that fell off the bus is counted, but does not report its UUID.
        let (state, kind, text) = match listed.lost {
            0 => (GpuState::Gone, EventKind::GpuGone, "the driver no longer lists this GPU; its energy ends here"),
            _ => (GpuState::Lost, EventKind::GpuLost, "the GPU is lost; its energy ends here"),
        };
        let mut ended = Vec::new();
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.state == GpuState::Live) {
            if !listed.devices.iter().any(|listed| listed.uuid == gpu.identity.uuid) {
                gpu.close(state, batch);
                ended.push(gpu.identity.uuid.clone());
            }
        }
        ended.into_iter().for_each(|uuid| self.note(now_ns, kind, uuid, text.to_owned()));
    }

    /// Reads a GPU again that had ended and is listed again.
    fn take_back(&mut self, known: usize, device: Device<'static>, now_ns: u64) {
        let Some(gpu) = self.gpus.get_mut(known).filter(|gpu| gpu.state != GpuState::Live) else { return };
        gpu.reopen(device);
        let uuid = gpu.identity.uuid.clone();
        self.note(now_ns, EventKind::GpuBack, uuid, "the GPU answers again".into());
    }

    /// Opens a GPU that is new, if it is visible.
    fn append(&mut self, number: u32, device: Device<'static>, now_ns: u64) {
        let Ok(identity) = identify(&device) else { return };
        let uuid = identity.uuid.clone();
        if !self.selection.as_ref().is_some_and(|selection| selection.includes(&uuid)) {
            return;
        }
        let (mut gpu, mut probe) = Gpu::open(device, identity, self.domains.len());
        gpu.number = number;
        publish(&mut probe, &mut self.domains);
        self.gpus.push(gpu);
        self.losses.append(&mut probe.losses);
        probe.remarks.into_iter().for_each(|(kind, text)| self.note(now_ns, kind, uuid.clone(), text));
        if now_ns > 0 {
            self.note(now_ns, EventKind::GpuNew, uuid, "a GPU was added while measuring".into());
        }
    }

    /// Reads every GPU that answers.
    fn read_gpus(&mut self, now_ns: u64, batch: &mut Batch) {
        let mut rounds = Vec::new();
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.state == GpuState::Live) {
            let round = gpu.read(batch);
            match round.fault {
                Some(Fault::Lost) => gpu.state = GpuState::Lost,
                Some(_) => gpu.state = GpuState::Gone,
                None => {}
            }
            if round.is_news() {
                rounds.push((gpu.identity.uuid.clone(), round));
            }
        }
        for (uuid, round) in rounds {
            self.report(now_ns, &uuid, round);
            if round.fault.is_some() {
                self.describe();
                self.fruitless = 0;
                self.next_look_ns = Some(now_ns.saturating_add(LOOK_SOON_NS));
            }
        }
    }

    /// Adds notes on what went wrong in one read of a GPU.
    fn report(&mut self, now_ns: u64, uuid: &str, round: Round) {
        match round.fault {
            Some(Fault::Lost) => {
                self.note(now_ns, EventKind::GpuLost, uuid.into(), "the GPU is lost; its energy ends here".into())
            }
            Some(_) => {
                self.note(now_ns, EventKind::GpuGone, uuid.into(), "the driver does not answer for this GPU".into())
            }
            None => {}
        }
        if round.lost_samples > 0 && self.noted.insert((uuid.into(), EventKind::SamplesOverrun)) {
            let text = format!("the driver's ring was overrun: {} power samples are missing", round.lost_samples);
            self.note(now_ns, EventKind::SamplesOverrun, uuid.into(), text);
        }
        if round.implausible && self.noted.insert((uuid.into(), EventKind::GpuReadFailed)) {
            let text = "a reading failed or was not plausible; it was left out, and so will be others";
            self.note(now_ns, EventKind::GpuReadFailed, uuid.into(), text.into());
        }
    }

    /// Adds a note for each XID, once a second.
    fn read_xids(&mut self, now_ns: u64) {
        if now_ns < self.next_xid_ns {
            return;
        }
        self.next_xid_ns = now_ns + XID_NS;
        let reported: Vec<_> = self.gpus.iter().map(|gpu| (gpu.identity.uuid.clone(), gpu.xids())).collect();
        for (uuid, codes) in reported {
            for code in codes {
                self.note(now_ns, EventKind::Xid, uuid.clone(), format!("XID {code}: {}", events::meaning(code)));
            }
        }
    }

    /// Takes note that the driver went away: every GPU ends, and the driver is tried again later.
    fn disconnect(&mut self, now_ns: u64, error: &NvmlError, batch: &mut Batch) {
        self.closed = Some(Retry::FIRST);
        self.gpus.iter_mut().filter(|gpu| gpu.state == GpuState::Live).for_each(|gpu| gpu.close(GpuState::Gone, batch));
        let text = format!("the NVIDIA driver stopped answering: {error}");
        self.changed = Some(status::gone(&text));
        self.note(now_ns, EventKind::NvmlGone, status::NAME.into(), text);
    }

    /// Tries a closed driver when that is due; `true` when it is open.
    fn is_open(&mut self, now_ns: u64, batch: &mut Batch) -> bool {
        let Some(retry) = &mut self.closed else { return true };
        if !retry.due(now_ns) {
            return false;
        }
        let retry = *retry;
        if self.connect().and_then(|()| self.look(now_ns, batch)).is_err() {
            self.closed = Some(retry.failed(now_ns));
            return false;
        }
        self.closed = None;
        self.describe();
        self.note(now_ns, EventKind::NvmlBack, status::NAME.into(), "the NVIDIA driver answers".into());
        true
    }

    fn note(&mut self, at_ns: u64, kind: EventKind, device: String, text: String) {
        self.notes.push(SourceEvent { at_ns, kind, device, text });
    }
}

impl Round {
    /// Whether there is something to report.
    fn is_news(self) -> bool {
        self.fault.is_some() || self.implausible || self.lost_samples > 0
    }
}

impl Source for NvmlSource {
    fn name(&self) -> &str {
        status::NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        // Notes and the first look were made before any batch gave the time.
        self.notes.iter_mut().filter(|note| note.at_ns == 0).for_each(|note| note.at_ns = now_ns);
        let first_pause_ns = self.pause_ns(self.fruitless > 0);
        let next_look_ns = *self.next_look_ns.get_or_insert(now_ns.saturating_add(first_pause_ns));
        if !self.is_open(now_ns, batch) {
            return;
        }
        let looked = if now_ns >= next_look_ns { self.look(now_ns, batch) } else { Ok(()) };
        if let Some(error) = looked.err().filter(|error| fault(error) == Fault::Gone) {
            return self.disconnect(now_ns, &error, batch);
        }
        self.read_gpus(now_ns, batch);
        self.read_xids(now_ns);
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        self.gpus.iter().filter(|gpu| gpu.state == GpuState::Live).for_each(|gpu| gpu.gauges(out));
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        out.extend(self.changed.take().map(Change::Described));
    }

    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        let seen: Vec<VisibleGpus> =
            watched.visible.iter().map(|visible| select(&visible.cuda, &self.identities).0).collect();
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.state == GpuState::Live) {
            let reachable = seen.is_empty() || seen.iter().any(|selection| selection.includes(&gpu.identity.uuid));
            if let (Some(domain), Some(UserShares { processes, unknown, is_assumed, instances })) =
                (gpu.domain(), gpu.used(&self.procfs))
            {
                let number = Some(gpu.number);
                out.push(DeviceUse { domain, reachable, processes, unknown, is_assumed, number, instances });
            }
        }
    }

    fn may_hang(&self) -> bool {
        true
    }
}

//! [`AgentSource`] reads the energies that the node agent (`eco2 serve`) publishes for every user of the machine, for components
//! whose sensors this process may not read.
//!
//! The agent's *page* is a file that is mapped ([`crate::page`]). Its domains have the ids of the sensors that the agent reads, so
//! that a report that was measured directly and one that was measured through the agent name the same counters. Quality, limits
//! and ranges are those of the sensor. On the page that every user may read, energies are multiples of 0.1 J and change once a
//! second; the unit of the counters here is 0.1 J then, and the bounds are as wide. Of a sensor of power the page shows the last
//! reading, there in steps of 0.1 W: it is integrated here, with the range that its readings allow.

mod lease;

use std::path::{Path, PathBuf};

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Component, Domain, DomainPoint, Fault, Kind, Quality, Reading, Scale, Snapshot};

use crate::backoff::Backoff;
use crate::found::{Found, status};
use crate::page::{self, PageFault, PageReader, PageState};
use crate::{Batch, Change, Roots, Source, SourceEvent, host};
use lease::Lease;
pub use lease::SOCKET;

/// The source's name.
pub const NAME: &str = "agent";
/// What to do where no agent runs.
const REMEDY: &str = "start the agent as root: eco2 serve";
/// Bits of a point's flags that are how long the reading took, microseconds.
const TOOK_SHIFT: u32 = 8;
/// Longest such time.
const MOST_TOOK_US: u64 = (1 << (32 - TOOK_SHIFT)) - 1;
/// Flag of a domain that cannot be read at present.
const SILENT: u32 = 1 << 3;

/// Returns the folders in which an agent may have its page: `/run/eco2`, and `eco2` in the user's own runtime folder.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    [Some(PathBuf::from(page::SYSTEM)), own.map(|path| path.join("eco2"))].into_iter().flatten().collect()
}

/// What the page shows of one domain: its energy when it was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PagePoint {
    /// Energy, microjoules.
    pub uj: u64,
    /// When the reading began, monotonic nanoseconds.
    pub before_ns: u64,
    /// When it ended.
    pub after_ns: u64,
    /// Recent power, as in [`DomainPoint::slope_q28`]; of a sensor of power its last reading.
    pub slope_q28: u32,
    /// [`DomainPoint::PARTIAL`] and [`DomainPoint::ESTIMATED`].
    pub flags: u32,
    /// Whether reads of the domain fail at present.
    pub is_silent: bool,
}

impl PagePoint {
    /// Returns the point as it is stored in the page.
    ///
    /// ```
    /// use eco2_samplers::agent::PagePoint;
    ///
    /// let point = PagePoint { uj: 5, before_ns: 10, after_ns: 7_010, slope_q28: 0, flags: 0, is_silent: false };
    /// assert_eq!(PagePoint::load(&point.store()), Some(point));
    /// ```
    #[must_use]
    pub fn store(&self) -> DomainPoint {
        let took_us = self.after_ns.saturating_sub(self.before_ns).div_ceil(1_000).min(MOST_TOOK_US);
        let silent = if self.is_silent { SILENT } else { 0 };
        let own = self.flags & (DomainPoint::PARTIAL | DomainPoint::ESTIMATED);
        let flags = own | silent | (took_us as u32) << TOOK_SHIFT;
        DomainPoint { edge_ns: self.before_ns, uj: self.uj, slope_q28: self.slope_q28, flags }
    }

    /// Returns a stored point; `None` for a domain that was never read.
    #[must_use]
    pub fn load(point: &DomainPoint) -> Option<Self> {
        let took_ns = u64::from(point.flags >> TOOK_SHIFT) * 1_000;
        point.is_known().then(|| Self {
            uj: point.uj,
            before_ns: point.edge_ns,
            after_ns: point.edge_ns.saturating_add(took_ns),
            slope_q28: point.slope_q28,
            flags: point.flags & (DomainPoint::PARTIAL | DomainPoint::ESTIMATED),
            is_silent: point.flags & SILENT != 0,
        })
    }
}

/// What may be taken from an agent's page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The domains that are read directly.
    pub(crate) known: &'a [Domain],
    /// Whether accelerators are wanted: not if the program sees some of them only, or if a driver may still show its own.
    pub(crate) accelerators: bool,
    /// Whether estimates are.
    pub(crate) estimates: bool,
}

/// Looks for an agent's page in `roots.agent`; takes from it what is `wanted`. There is no status where no agent has a folder and
/// it was not `named`.
pub(crate) fn discover(roots: &Roots, wanted: Wanted<'_>, named: bool) -> Found {
    let boot_id = host::read(roots).boot_id;
    let mut refused: Option<(PathBuf, PageFault)> = None;
    for folder in &roots.agent {
        match attach(folder, &boot_id) {
            Ok(page) => return found(folder, page, wanted, boot_id),
            Err((path, fault)) if !is_absent(&fault) => refused = refused.or(Some((path, fault))),
            Err(_) => {}
        }
    }
    match refused {
        Some((path, fault)) => {
            let reason = format!("{} is not used: {fault}", path.display());
            let word = if matches!(fault, PageFault::Dead) { Status::Lost } else { Status::Denied };
            Found::nothing(status(NAME, word, &reason, remedy(&fault)))
        }
        None if named => Found::nothing(status(NAME, Status::Absent, "no agent runs on this machine", REMEDY)),
        None => Found::default(),
    }
}

/// Returns what to do about a page that is not used, where its fault does not state it.
fn remedy(fault: &PageFault) -> &'static str {
    match fault {
        PageFault::Dead | PageFault::OtherBoot => REMEDY,
        PageFault::NotTrusted(_) => "give the folder and the page to root, and take the right to write from all others",
        PageFault::Version(_) | PageFault::OtherClock | PageFault::Io(_) => "",
        _ => "remove the file and start the agent again, as root: eco2 serve",
    }
}

fn is_absent(fault: &PageFault) -> bool {
    matches!(fault, PageFault::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a file is not for this user, as the fine page is for most.
fn is_forbidden(fault: &PageFault) -> bool {
    matches!(fault, PageFault::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// The finest page in a folder that can be read.
struct FoundPage {
    name: &'static str,
    reader: PageReader,
    /// Why the page of every change is not used, for other reasons than that there is none or that this user may not read it.
    refused: Option<PageFault>,
}

/// Attaches to the finest page in a folder that may be read. The error is that of the page for every user.
fn attach(folder: &Path, boot_id: &str) -> Result<FoundPage, (PathBuf, PageFault)> {
    let open = |name| PageReader::attach(folder, name, boot_id, crate::clock::monotonic_ns());
    let refused = match open(page::FINE) {
        Ok(reader) => return Ok(FoundPage { name: page::FINE, reader, refused: None }),
        Err(fault) => Some(fault).filter(|fault| !is_absent(fault) && !is_forbidden(fault)),
    };
    let public = open(page::PUBLIC).map_err(|fault| (folder.join(page::PUBLIC), fault))?;
    Ok(FoundPage { name: page::PUBLIC, reader: public, refused })
}

fn found(folder: &Path, page: FoundPage, wanted: Wanted<'_>, boot_id: String) -> Found {
    let FoundPage { name, reader, refused } = page;
    let mut source = AgentSource::new(folder, name, reader, wanted, boot_id);
    let path = folder.join(name);
    if source.domains.is_empty() {
        let reason = format!("{}: nothing that is not read directly", path.display());
        return Found::nothing(status(NAME, Status::Off, &reason, ""));
    }
    let steps = if name == page::FINE { "" } else { ", in steps of 1 s and 0.1 J" };
    let reason = format!("{} domains of {}{steps}", source.domains.len(), path.display());
    if let Some(fault) = refused {
        let why = format!("{} is not used: {fault}", folder.join(page::FINE).display());
        source.note(crate::clock::monotonic_ns(), EventKind::SourceNote, why.clone());
        return Found::source(source, status(NAME, Status::Degraded, &format!("{reason}; {why}"), remedy(&fault)));
    }
    let remedy = if name == page::FINE { "" } else { "members of the group eco2 read every change" };
    Found::source(source, status(NAME, Status::Ok, &reason, remedy))
}

/// Reads the page of the agent.
#[derive(Debug)]
pub struct AgentSource {
    folder: PathBuf,
    name: &'static str,
    boot_id: String,
    domains: Vec<Domain>,
    /// Step of the page's energies, microjoules: the unit of the counters.
    step_uj: u64,
    /// Asks the agent for readings; `None` for the page that changes once a second.
    lease: Option<Lease>,
    /// The page; `None` while there is none, or while its writer is dead.
    reader: Option<PageReader>,
    /// For each domain its index in the page; `None`: the present page has no such domain.
    places: Vec<Option<usize>>,
    /// For each domain the end of the last reading that was passed on.
    passed: Vec<Option<u64>>,
    retry: Option<Backoff>,
    snapshot: Snapshot,
    notes: Vec<SourceEvent>,
    changes: Vec<Change>,
}

impl AgentSource {
    fn new(folder: &Path, name: &'static str, reader: PageReader, wanted: Wanted<'_>, boot_id: String) -> Self {
        let step_uj = reader.header().steps.uj;
        let all = reader.header().domains.as_slice();
        let is_wanted = |domain: &&Domain| is_wanted(domain, all, wanted);
        let domains: Vec<Domain> = all.iter().filter(is_wanted).map(|domain| through_agent(domain, step_uj)).collect();
        let mut source = Self {
            folder: folder.to_owned(),
            name,
            boot_id,
            passed: vec![None; domains.len()],
            places: Vec::new(),
            domains,
            step_uj,
            lease: (name == page::FINE).then(|| Lease::new(folder)),
            reader: None,
            retry: None,
            snapshot: Snapshot::default(),
            notes: Vec::new(),
            changes: Vec::new(),
        };
        source.use_page(reader);
        source
    }

    /// Reads from this page from now on.
    fn use_page(&mut self, reader: PageReader) {
        let place = |domain: &Domain| reader.header().domains.iter().position(|other| other.id == domain.id);
        self.places = self.domains.iter().map(place).collect();
        self.reader = Some(reader);
        self.retry = None;
    }

    /// Looks whether the page is still the agent's, and attaches to the one that replaced it.
    fn follow(&mut self, now_ns: u64) {
        let state = self.reader.as_ref().map(|reader| reader.state(now_ns));
        if state == Some(PageState::Live) || self.retry.as_ref().is_some_and(|retry| !retry.due(now_ns)) {
            return;
        }
        match PageReader::attach(&self.folder, self.name, &self.boot_id, now_ns) {
            // The unit of these domains is fixed.
            Ok(reader) if self.step_uj == reader.header().steps.uj => {
                if state != Some(PageState::Replaced) {
                    self.changes.push(Change::Answers(NAME.to_owned()));
                    self.note(now_ns, EventKind::SourceBack, "the agent publishes again".to_owned());
                }
                self.use_page(reader);
            }
            _ => self.lost(now_ns),
        }
    }

    /// Takes note that there is no page to read.
    fn lost(&mut self, now_ns: u64) {
        if self.reader.take().is_some() {
            let reason = "the agent does not publish any more".to_owned();
            let (name, remedy) = (NAME.to_owned(), "start the agent again: eco2 serve".to_owned());
            self.changes.push(Change::Silent(SourceStatus {
                name,
                status: Status::Lost,
                reason: reason.clone(),
                remedy,
            }));
            self.note(now_ns, EventKind::SourceHung, reason);
        }
        Backoff::extend(&mut self.retry, now_ns);
    }

    fn note(&mut self, at_ns: u64, kind: EventKind, text: String) {
        self.notes.push(SourceEvent { at_ns, kind, device: NAME.to_owned(), text });
    }

    /// Returns the new reading of a domain; `None` where there is none since the last call.
    fn reading(&mut self, index: usize, now_ns: u64) -> Option<Reading> {
        let failed = |fault| Some(Reading { before_ns: now_ns, after_ns: now_ns, value: Err(fault) });
        let Some(place) = self.places.get(index).copied().flatten() else { return failed(Fault::Gone) };
        let point = self.snapshot.points().get(place)?;
        let (power, point) = (point.power_uw(), PagePoint::load(point)?);
        let domain = self.domains.get(index)?;
        let replaced = point.flags & DomainPoint::ESTIMATED != 0 && domain.quality != Quality::Estimated;
        if point.is_silent || replaced {
            // An estimate that counts for a sensor is no reading of it.
            return failed(Fault::NotAvailable);
        }
        let before = self.passed.get_mut(index)?.replace(point.after_ns);
        if before.is_some_and(|after_ns| point.after_ns <= after_ns) {
            return None;
        }
        let value = match domain.kind {
            Kind::Energy => point.uj / self.step_uj,
            // To the nearest step, as the page rounds it.
            Kind::Power => (power.saturating_add(self.step_uj / 2)) / self.step_uj,
        };
        Some(Reading { before_ns: point.before_ns, after_ns: point.after_ns, value: Ok(value) })
    }
}

/// Whether a domain of the page is to be read: no sensor of its component is read directly, and it is no power that the agent reads
/// only to check a counter.
fn is_wanted(domain: &Domain, all: &[Domain], wanted: Wanted<'_>) -> bool {
    let Wanted { known, accelerators, estimates } = wanted;
    let is_part = |other: &&Domain| !other.is_host_total();
    let mut others = known.iter().filter(is_part);
    let id_is_known = known.iter().any(|other| other.id == domain.id);
    let is_direct = match domain.component {
        Component::Other if domain.is_host_total() => false,
        Component::Other => others.any(|other| other.component == Component::Cpu),
        component => others.any(|other| other.component == component),
    };
    let is_estimate = domain.quality == Quality::Estimated;
    // A GPU that the agent estimates is one that this process finds unread and estimates as well.
    let is_allowed = match domain.component {
        Component::Gpu => accelerators && !is_estimate,
        _ => estimates || !is_estimate,
    };
    let is_checked = |other: &Domain| {
        let is_parent = domain.parent.as_deref() == Some(other.id.as_str());
        is_parent && other.kind == Kind::Energy && other.component == domain.component
    };
    let is_check = domain.kind == Kind::Power && (domain.quality == Quality::Missing || all.iter().any(is_checked));
    is_allowed && !is_check && !id_is_known && !is_direct
}

/// Returns a domain of the page as a domain of this source. The unit is a step of the page, of energy or of energy per second.
fn through_agent(domain: &Domain, step_uj: u64) -> Domain {
    let method = domain.method.as_ref().map_or(NAME.to_owned(), |method| format!("{NAME}: {method}"));
    let scale = Scale::from_base_per_raw(step_uj as f64 / 1e6).unwrap_or(Scale::MICRO);
    Domain { source: NAME.to_owned(), method: Some(method), range: None, scale, ..domain.clone() }
}

impl Source for AgentSource {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        if let Some(lease) = &mut self.lease {
            lease.read(now_ns, batch.wants_all());
        }
        self.follow(now_ns);
        let mut snapshot = std::mem::take(&mut self.snapshot);
        let is_read = self.reader.as_ref().map(|reader| reader.timeline().latest(&mut snapshot));
        self.snapshot = snapshot;
        for index in 0..self.domains.len() {
            let reading = match is_read {
                // Not one that ends the segment of a counter: an agent that starts again continues its counters.
                None => Some(Reading { before_ns: now_ns, after_ns: now_ns, value: Err(Fault::Failed) }),
                Some(false) => None,
                Some(true) => self.reading(index, now_ns),
            };
            reading.into_iter().for_each(|reading| batch.push(index, reading));
        }
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        out.append(&mut self.changes);
    }
}

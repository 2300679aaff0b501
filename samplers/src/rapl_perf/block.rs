//! Reads the RAPL energy events of one CPU package or die through the kernel's perf interface.
//!
//! Terms: a block is the set of counters of one package or die. A seat is the CPU on which its events are open, with
//! the CPUs that can replace it (siblings). An event is one counter; a group is a set of events that one system call
//! reads. A domain is what the rest of the program calls one counter.
//!
//! When the CPU of the seat goes offline, the events are opened again on a sibling. A new event counts from 0. So each
//! counter keeps the highest value it reported as an offset: what is reported never falls. The move itself is reported
//! as [`Fault::Gone`], which starts a new segment (values before and after it are not subtracted), as the energy
//! between the last reading and the new events is not known.

use std::io;
use std::path::Path;

use eco2_core::schema::EventKind;
use eco2_core::{Domain, Fault, Reading};

use super::event::{Event, Seat};
use super::group::{Group, Miss};
use super::pmu;
use crate::backoff::Backoff;
use crate::still::StillGuard;
use crate::{Batch, SourceEvent, sysfs, topology};

/// Most CPUs that are tried when the seat's went away. Any sibling that is online does; if eight refuse, the cause is
/// another, and each attempt costs several system calls.
const MOST_TRIED: usize = 8;

/// The counters of one package or die, and their state.
#[derive(Debug)]
pub(super) struct Block {
    /// Type number of the perf interface, `perf_event_attr.type`.
    kind: u32,
    /// CPU on which the events are open.
    seat: Seat,
    /// What is read, one for each domain; the domain of the first has index `first` in the source's list.
    counters: Vec<PerfCounter>,
    first: usize,
    state: BlockState,
    /// When to open again after a failure; `None` after a reading in which every counter gave a value.
    backoff: Option<Backoff>,
    /// When to try events again that were refused for a reason that may pass; `None` where there are none.
    retry: Option<Backoff>,
    /// Memory for a group's counts.
    counts: Vec<u64>,
}

/// What a block uses of its source while it reads.
pub(super) struct Site<'a> {
    /// Root of sysfs.
    pub(super) root: &'a Path,
    /// All domains of the source.
    pub(super) domains: &'a [Domain],
    /// Where events for the report are added.
    pub(super) notes: &'a mut Vec<SourceEvent>,
    /// Indices of domains that have just turned out not to count.
    pub(super) dead: Vec<usize>,
}

/// One counter of the block.
#[derive(Debug)]
struct PerfCounter {
    event: Event,
    /// Value reported when its present event was opened: added to the event's count.
    offset: u64,
    /// Highest value reported.
    last: u64,
    /// Finds out whether the counter counts at all.
    guard: StillGuard,
}

/// Whether the events are open; if not, why.
#[derive(Debug)]
enum BlockState {
    Open(Vec<Opened>),
    Shut(Fault),
}

/// An open group, and the index in `Block::counters` of each of its members.
#[derive(Debug)]
struct Opened {
    group: Group,
    members: Vec<usize>,
}

impl Block {
    /// Returns a block of `events` on a seat, not opened yet; `first` is the index of its first domain.
    pub(super) fn new(kind: u32, seat: Seat, events: &[Event], first: usize) -> Self {
        let counter = |event: &Event| PerfCounter {
            event: event.clone(),
            offset: 0,
            last: 0,
            guard: StillGuard::of(event.domain),
        };
        let counters = events.iter().map(counter).collect();
        let state = BlockState::Shut(Fault::Gone);
        Self { kind, seat, counters, first, state, backoff: None, retry: None, counts: Vec::new() }
    }

    /// Returns its seat.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Returns the indices of its domains in the source's list.
    pub(super) fn domains(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.counters.len()
    }

    /// Returns the number of open groups: more than one where the kernel's driver (PMU) does not group its events.
    pub(super) fn groups(&self) -> usize {
        if let BlockState::Open(groups) = &self.state { groups.len() } else { 0 }
    }

    /// Returns the names of events that could not be opened although others of the block are.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let BlockState::Open(groups) = &self.state else { return Vec::new() };
        let open = |index: &usize| groups.iter().any(|group| group.members.contains(index));
        let closed = (0..self.counters.len()).filter(|index| !open(index));
        closed.map(|index| self.counters[index].event.name).collect()
    }

    /// Opens the events on the seat's CPU.
    ///
    /// # Errors
    /// The first event's, when none could be opened.
    pub(super) fn open(&mut self, now_ns: u64) -> io::Result<()> {
        let opened = open_all(self.kind, self.seat.cpu, &self.counters);
        match opened {
            Ok((groups, later)) => {
                self.state = BlockState::Open(groups);
                self.retry = later.then(|| Backoff::start(now_ns));
                Ok(())
            }
            Err(error) => {
                self.state = BlockState::Shut(sysfs::fault_of(&error));
                Backoff::extend(&mut self.backoff, now_ns);
                Err(error)
            }
        }
    }

    /// Reads every domain of the block.
    pub(super) fn read(&mut self, site: &mut Site<'_>, batch: &mut Batch) {
        if let BlockState::Shut(_) = self.state {
            self.move_when_due(site, batch.now_ns());
        }
        let mut groups = match &mut self.state {
            BlockState::Open(groups) => std::mem::take(groups),
            BlockState::Shut(fault) => {
                let fault = *fault;
                return self.push_all(fault, batch);
            }
        };
        self.open_the_rest(&mut groups, batch.now_ns());
        let (mut moved, mut whole) = (false, true);
        for opened in &mut groups {
            let result = self.read_group(opened, site, batch);
            moved |= result == Err(Miss::Moved);
            whole &= result.is_ok();
        }
        self.push_unopened(&groups, batch);
        self.state = BlockState::Open(groups);
        if moved {
            self.left(site, batch.now_ns());
        } else if whole {
            self.backoff = None;
        }
    }

    /// Reads one group into `batch`; on failure every member reports why.
    fn read_group(&mut self, opened: &mut Opened, site: &mut Site<'_>, batch: &mut Batch) -> Result<(), Miss> {
        let before_ns = batch.now_ns();
        let result = opened.group.read(&mut self.counts);
        let after_ns = batch.now_ns();
        for (position, &member) in opened.members.iter().enumerate() {
            let counter = &mut self.counters[member];
            let value = match result {
                Ok(()) => self.counts.get(position).map(|count| counter.raise(*count)).ok_or(Fault::Failed),
                Err(Miss::Moved) => Err(Fault::Gone),
                Err(Miss::Failed) => Err(Fault::Failed),
            };
            let domain = self.first + member;
            if counter.guard.admit(domain, Reading { before_ns, after_ns, value }, batch) {
                site.dead.push(domain);
            }
        }
        result
    }

    /// Tries events again that were refused, when that is due: each in a group of its own, as the others count already.
    fn open_the_rest(&mut self, groups: &mut Vec<Opened>, now_ns: u64) {
        let Some(retry) = self.retry.as_mut().filter(|retry| retry.due(now_ns)) else { return };
        retry.failed(now_ns);
        let mut later = false;
        for (index, counter) in self.counters.iter_mut().enumerate() {
            if groups.iter().any(|opened| opened.members.contains(&index)) {
                continue;
            }
            let started = Group::lead(self.kind, counter.event.config, self.seat.cpu)
                .and_then(|mut group| group.start().map(|()| group));
            match started {
                Ok(group) => {
                    counter.offset = counter.last;
                    groups.push(Opened { group, members: vec![index] });
                }
                Err(error) => later |= may_pass(&error),
            }
        }
        self.retry = self.retry.filter(|_| later);
    }

    /// Reports a fault for each domain whose event could not be opened.
    fn push_unopened(&self, groups: &[Opened], batch: &mut Batch) {
        for index in 0..self.counters.len() {
            if !groups.iter().any(|group| group.members.contains(&index)) {
                batch.one(self.first + index, || Err(Fault::Gone));
            }
        }
    }

    /// Reports `fault` for every domain of the block.
    fn push_all(&self, fault: Fault, batch: &mut Batch) {
        for domain in self.domains() {
            batch.one(domain, || Err(fault));
        }
    }

    /// Takes note that the events stopped counting, and looks for another CPU at once; the energy until then is lost.
    fn left(&mut self, site: &mut Site<'_>, now_ns: u64) {
        self.state = BlockState::Shut(Fault::Gone);
        self.move_when_due(site, now_ns);
    }

    /// Opens the events on the first CPU that lets it, unless it is too soon after the last failure.
    fn move_when_due(&mut self, site: &mut Site<'_>, now_ns: u64) {
        if self.backoff.is_some_and(|backoff| !backoff.due(now_ns)) {
            return;
        }
        let from = self.seat.cpu;
        for cpu in candidates(site.root, &self.seat) {
            if let Ok((groups, later)) = open_all(self.kind, cpu, &self.counters) {
                self.seat.cpu = cpu;
                self.state = BlockState::Open(groups);
                self.retry = later.then(|| Backoff::start(now_ns));
                self.counters.iter_mut().for_each(|counter| counter.offset = counter.last);
                // Kept until a reading succeeds: events that open and never count are not opened at every tick.
                Backoff::extend(&mut self.backoff, now_ns);
                let text = format!("events stopped on CPU {from}, opened again on CPU {cpu}: a new segment starts");
                let device = site.domains.get(self.first).map(|domain| domain.id.clone()).unwrap_or_default();
                site.notes.push(SourceEvent { at_ns: now_ns, kind: EventKind::CpuMoved, device, text });
                return;
            }
        }
        Backoff::extend(&mut self.backoff, now_ns);
    }
}

impl PerfCounter {
    /// Returns the value to report for a count: it goes on from where the last event ended and never falls.
    fn raise(&mut self, count: u64) -> u64 {
        self.last = self.last.max(self.offset.saturating_add(count));
        self.last
    }
}

/// Returns the CPUs to try, best first: those the kernel now names for this block, its siblings, then the one it had.
fn candidates(root: &Path, seat: &Seat) -> Vec<usize> {
    let online = topology::online(root);
    let alive = |cpu: &usize| online.as_ref().is_none_or(|online| online.contains(cpu));
    let named = pmu::cpumask(root).unwrap_or_default();
    let named = named.into_iter().filter(|cpu| seat.siblings.contains(cpu));
    let mut cpus: Vec<usize> = Vec::new();
    for cpu in named.chain(seat.siblings.iter().copied()).chain([seat.cpu]).filter(alive) {
        if !cpus.contains(&cpu) && cpus.len() < MOST_TRIED {
            cpus.push(cpu);
        }
    }
    cpus
}

/// Whether the reason of a refusal may pass: no free descriptor or memory, a counter in use, an interrupted call.
fn may_pass(error: &io::Error) -> bool {
    use libc::{EAGAIN, EBUSY, EINTR, EMFILE, ENFILE, ENOMEM};
    error.raw_os_error().is_some_and(|code| [EAGAIN, EBUSY, EINTR, EMFILE, ENFILE, ENOMEM].contains(&code))
}

/// Opens all events that can be opened: as members of one group, else each in its own. Returns the groups, and whether
/// one of the events that were refused may be opened later.
fn open_all(kind: u32, cpu: usize, counters: &[PerfCounter]) -> io::Result<(Vec<Opened>, bool)> {
    let mut groups: Vec<Opened> = Vec::new();
    let (mut first_error, mut later) = (None, false);
    for (index, counter) in counters.iter().enumerate() {
        let config = counter.event.config;
        if let Some(opened) = groups.first_mut().and_then(|opened| opened.group.join(config).ok().map(|()| opened)) {
            opened.members.push(index);
            continue;
        }
        match Group::lead(kind, config, cpu) {
            Ok(group) => groups.push(Opened { group, members: vec![index] }),
            Err(error) => {
                later |= may_pass(&error);
                first_error.get_or_insert(error);
            }
        }
    }
    for opened in &mut groups {
        opened.group.start()?;
    }
    match (groups.is_empty(), first_error) {
        (true, Some(error)) => Err(error),
        _ => Ok((groups, later)),
    }
}

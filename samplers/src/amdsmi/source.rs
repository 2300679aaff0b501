//! [`AmdSmi`] is the source `amdsmi`: it reads AMD's GPUs (cards) through the library `libamd_smi`.
//!
//! It reads each card's energy counter, with the driver's own timestamp; its power, ten times a second, to check the
//! counter; and looks again for cards that are lost. A domain is one sensor or counter. A mask is an environment
//! variable that hides GPUs.

use eco2_core::schema::EventKind;
use eco2_core::{Domain, Fault, Gauge, Reading};

use super::card::{Card, Cards};
use super::library::{EnergyCount, Library, NAME};
use crate::clock::{boottime_ns, monotonic_ns};
use crate::still::{StillGuard, Verdicts};
use crate::visible::AmdMask;
use crate::{Batch, DeviceUse, Source, SourceEvent, Watched};

/// Time between two readings of power: the check of a counter needs no more than ten a second.
const CHECK_EVERY_NS: u64 = 100_000_000;
/// Time after which a card that failed is read again.
const FAULTY_EVERY_NS: u64 = 100_000_000;
/// Time between two looks for a card that is lost, as in the source `nvml`.
const LOST_EVERY_NS: u64 = 5_000_000_000;

/// Time between two attempts to initialise the library, which takes up to a second on a large machine.
const RESTART_EVERY_NS: u64 = 5_000_000_000;

/// Cards through `libamd_smi`.
pub(super) struct AmdSmi {
    library: Library,
    domains: Vec<Domain>,
    cards: Vec<CardReader>,
    ids: Vec<Option<String>>,
    has_nvidia: bool,
    verdicts: Verdicts,
    notes: Vec<SourceEvent>,
    next_restart_ns: u64,
}

struct CardReader {
    card: Card,
    /// Indices into the source's domains.
    counter: usize,
    check: Option<usize>,
    /// Where power does not check the counter, a counter that never moves is found by itself.
    guard: StillGuard,
    /// Why its last reading failed.
    fault: Option<Fault>,
    next_ns: u64,
    next_check_ns: u64,
}

impl AmdSmi {
    pub(super) fn new(library: Library, found: Cards) -> Self {
        let mut domains: Vec<Domain> = Vec::new();
        let mut cards = Vec::new();
        for card in found.cards {
            let counter = domains.len();
            domains.push(card.counter.clone());
            let check = card.check.clone().map(|check| {
                domains.push(check);
                counter + 1
            });
            let guard = if check.is_some() { StillGuard::off() } else { StillGuard::of(&card.counter.domain) };
            cards.push(CardReader { card, counter, check, guard, fault: None, next_ns: 0, next_check_ns: 0 });
        }
        let Cards { ids, has_nvidia, .. } = found;
        Self {
            library,
            domains,
            cards,
            ids,
            has_nvidia,
            verdicts: Verdicts::default(),
            notes: Vec::new(),
            next_restart_ns: 0,
        }
    }

    /// Takes new handles from a library that another user in this process has shut down.
    fn restart(&mut self) {
        for gpu in self.library.restart().unwrap_or_default() {
            let Ok(address) = self.library.address(gpu) else { continue };
            let own = self.cards.iter_mut().filter(|reader| reader.card.address == address);
            own.for_each(|reader| reader.card.gpu = gpu);
        }
    }
}

impl CardReader {
    /// Reads what is due; returns the event of a card that was lost or is back, and whether its counter has just turned
    /// out not to count.
    fn read(&mut self, library: &Library, batch: &mut Batch) -> (Option<SourceEvent>, bool) {
        let now_ns = batch.now_ns();
        let wants_check = self.check.is_some_and(|check| batch.wants(check));
        let is_due = now_ns >= self.next_ns || (batch.wants_all() && !self.is_lost());
        if !is_due || !(wants_check || batch.wants(self.counter)) {
            return (None, false);
        }
        let before_ns = batch.now_ns();
        let energy = library.energy(self.card.gpu);
        let after_ns = batch.now_ns();
        let fault = energy.err().map(|fault| if self.is_gone() { Fault::Lost } else { fault });
        self.next_ns = match fault {
            None => 0,
            Some(Fault::Lost) => now_ns.saturating_add(LOST_EVERY_NS),
            Some(_) => now_ns.saturating_add(FAULTY_EVERY_NS),
        };
        let was_lost = self.is_lost();
        self.fault = fault;
        let note = |kind, text: &str| SourceEvent {
            at_ns: now_ns,
            kind,
            device: self.card.counter.id.clone(),
            text: text.into(),
        };
        let event = match (was_lost, self.is_lost()) {
            (false, true) => Some(note(EventKind::GpuLost, "the GPU is lost; its energy ends here")),
            (true, false) => Some(note(EventKind::GpuBack, "the GPU answers again")),
            _ => None,
        };
        if self.is_lost() {
            let lost = Reading { before_ns, after_ns, value: Err(Fault::Lost) };
            if !was_lost {
                batch.push(self.counter, lost);
                self.check.iter().for_each(|&check| batch.push(check, lost));
            }
            return (event, false);
        }
        let reading = match (energy, fault) {
            (Ok(energy), _) => self.reading(energy, before_ns, after_ns),
            (Err(fault), None) | (Err(_), Some(fault)) => Reading { before_ns, after_ns, value: Err(fault) },
        };
        let dead = self.guard.admit(self.counter, reading, batch);
        let check_is_due = wants_check && (now_ns >= self.next_check_ns || batch.wants_all());
        if let Some(check) = self.check.filter(|_| check_is_due) {
            self.next_check_ns = now_ns.saturating_add(CHECK_EVERY_NS);
            batch.one(check, || library.power(self.card.gpu));
        }
        (event, dead)
    }

    /// The driver takes the time right after the counter: where its timestamp lies in the bracket, the bracket ends
    /// there.
    fn reading(&self, energy: EnergyCount, before_ns: u64, after_ns: u64) -> Reading {
        let value = if energy.resolution_uj == self.card.resolution_uj { Ok(energy.count) } else { Err(Fault::Failed) };
        let stamp_ns = monotonic(energy.stamp_ns).filter(|stamp_ns| (before_ns..=after_ns).contains(stamp_ns));
        Reading { before_ns, after_ns: stamp_ns.unwrap_or(after_ns), value }
    }

    fn is_lost(&self) -> bool {
        self.fault == Some(Fault::Lost)
    }

    /// Whether the kernel has removed a card that it showed.
    fn is_gone(&self) -> bool {
        self.card.folder.as_ref().is_some_and(|folder| !folder.exists())
    }
}

/// An instant of `CLOCK_BOOTTIME` on the monotonic clock, never too early.
fn monotonic(boot_ns: u64) -> Option<u64> {
    let boot_now_ns = boottime_ns();
    let now_ns = monotonic_ns();
    // What passes between the two readings makes the result later.
    boot_ns.checked_sub(boot_now_ns.saturating_sub(now_ns))
}

impl Source for AmdSmi {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        if now_ns >= self.next_restart_ns && self.cards.iter().any(|card| card.fault == Some(Fault::Gone)) {
            self.next_restart_ns = now_ns.saturating_add(RESTART_EVERY_NS);
            self.restart();
        }
        let mut dead = Vec::new();
        for card in &mut self.cards {
            let (event, is_dead) = card.read(&self.library, batch);
            self.notes.extend(event);
            dead.extend(is_dead.then_some(&self.domains[card.counter]));
        }
        self.notes.extend(self.verdicts.take(NAME, &dead, batch));
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        for card in self.cards.iter().filter(|card| !card.is_lost()).map(|reader| &reader.card) {
            let [used, total] = self.library.memory(card.gpu);
            let values = [
                ("utilization", "1", self.library.utilization(card.gpu)),
                ("memory_used", "By", used),
                ("memory_total", "By", total),
                ("temperature", "Cel", self.library.celsius(card.gpu)),
            ];
            let known = values.into_iter().filter_map(|(name, unit, value)| Some((name, unit, value?)));
            out.extend(known.map(|(name, unit, value)| Gauge {
                device: card.counter.id.clone(),
                name: name.to_owned(),
                unit: unit.to_owned(),
                value,
            }));
        }
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }

    /// The users of a card are not known; the masks of the watched processes show which processes cannot use it.
    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        let masks: Vec<&AmdMask> = watched.visible.iter().map(|visible| &visible.amd).collect();
        let chosen: Vec<Vec<usize>> =
            masks.iter().map(|mask| mask.choose(&self.ids, self.has_nvidia).indices).collect();
        if chosen.is_empty() {
            return;
        }
        for card in &self.cards {
            let reachable = chosen.iter().any(|chosen| card.card.dies.iter().any(|die| chosen.contains(die)));
            out.push(DeviceUse { domain: card.counter, reachable, unknown: 1.0, ..DeviceUse::default() });
        }
    }

    fn may_hang(&self) -> bool {
        true
    }
}

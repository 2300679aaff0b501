//! The energy of the attempts: every counter once, overlapping domains beside the sum.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Device, Energy};
use eco2_core::{Bounded, CounterKey, Merged, Quality, Window};

use super::attempts::Attempts;
use super::devices::{self, Known};
use super::parts::Parts;
use super::windows::{joined, length_ns, without};

/// When a device counts in an attempt.
pub(super) struct Counted {
    /// Place of the attempt.
    pub(super) attempt: usize,
    /// The windows, in order and apart.
    pub(super) windows: Vec<Window>,
    /// The first instant of them at which it may have drawn any power.
    pub(super) blind_ns: Option<u64>,
}

/// What was measured.
pub(super) struct Measured {
    /// One a counter.
    pub(super) devices: Vec<Device>,
    /// Of each device the counter, and when it counted.
    pub(super) counted: Vec<(CounterKey, Vec<Counted>)>,
    /// Summed energy by attempt and machine.
    pub(super) cells: BTreeMap<(usize, String), Merged>,
    /// Summed energy around the attempts; `None` where nothing was measured there.
    pub(super) overhead: Option<Merged>,
    /// Covered time around the attempts by machine, nanoseconds.
    overhead_ns: BTreeMap<String, u64>,
    missing_ns: u64,
}

impl Measured {
    /// The total of the attempts, before PUE.
    pub(super) fn energy(&self) -> Energy {
        let sum = self.cells.values().fold(Merged::default(), |sum, cell| sum + *cell);
        // A device that was not read may have drawn any power, and so may a machine without any.
        let unread = self.devices.iter().any(|device| device.is_summed() && device.energy_uj.is_none());
        let open = unread || self.cells.values().any(|cell| !cell.energy.is_known());
        let (high, free_high) = if open { (None, None) } else { (sum.energy.high, sum.free.high) };
        let [measured_uj, derived_uj, estimated_uj, synthetic_uj] = sum.by_quality;
        Energy {
            free_low_uj: sum.free.low,
            free_high_uj: free_high,
            measured_uj,
            derived_uj,
            estimated_uj,
            synthetic_uj,
            missing_ns: self.missing_ns,
            facility_uj: sum.energy.value,
            pue: 1.0,
            ..Energy::default().with_total(Bounded { high, ..sum.energy })
        }
    }

    /// Covered time around the attempts, summed over machines, nanoseconds.
    pub(super) fn overhead_ns(&self) -> u64 {
        self.overhead_ns.values().fold(0, |sum: u64, ns| sum.saturating_add(*ns))
    }

    /// Summed energy of one attempt on all machines, microjoules; `None`: not known.
    pub(super) fn of_attempt(&self, attempt: usize) -> Option<u64> {
        let cells = self.cells.iter().filter(|((place, _), _)| *place == attempt);
        cells.map(|(_, cell)| cell.energy).sum::<Bounded<u64>>().value
    }
}

/// Measures all devices.
pub(super) fn measure(parts: &Parts, attempts: &Attempts) -> Measured {
    let known = devices::known(&parts.list);
    let names = devices::names(&parts.list, &known);
    let mut measured = Measured {
        devices: Vec::new(),
        counted: Vec::new(),
        cells: BTreeMap::new(),
        overhead: None,
        overhead_ns: BTreeMap::new(),
        missing_ns: 0,
    };
    for machine in attempts.machines() {
        for (place, _) in attempts.on(machine) {
            measured.cells.insert((place, machine.to_owned()), Merged::default());
        }
    }
    for (key, device) in &known {
        let id = names.get(key).map_or(key.device.as_str(), String::as_str);
        one_device(parts, attempts, &known, (key, device, id), &mut measured);
    }
    measured
}

fn one_device(
    parts: &Parts,
    attempts: &Attempts,
    known: &BTreeMap<CounterKey, Known>,
    (key, device, id): (&CounterKey, &Known, &str),
    measured: &mut Measured,
) {
    let (mut whole, mut windows, mut summed_ns) = (Merged::default(), Vec::new(), 0_u64);
    let mut counted = Vec::new();
    for (place, window) in attempts.on(&key.boot_id) {
        let open = open_to(parts, known, key, device, &[window]);
        let (energy, blind_ns) = with_unread(parts, known, (key, device), &open);
        whole = whole + energy;
        counted.push(Counted { attempt: place, windows: open, blind_ns });
        windows.push(window);
        let (summed, _) = with_unread(parts, known, (key, device), &summed_in(parts, known, key, device, &[window]));
        summed_ns = summed_ns.saturating_add(summed.covered_ns);
        if let Some(cell) = measured.cells.get_mut(&(place, key.boot_id.clone())) {
            *cell = *cell + summed;
        }
    }
    around_the_attempts(parts, attempts, known, (key, device), measured);
    if windows.is_empty() {
        return;
    }
    let lasted_ns = length_ns(&joined(windows));
    if device.is_summed() {
        measured.missing_ns = measured.missing_ns.saturating_add(lasted_ns.saturating_sub(whole.covered_ns));
    }
    let mut told = device.report(id, &whole, lasted_ns);
    if summed_ns > 0 && summed_ns == whole.covered_ns {
        told.overlaps.clear();
    }
    measured.devices.push(told);
    measured.counted.push((key.clone(), counted));
}

/// A device's energy within windows. Where a part has the device and nobody read it, it may have drawn any power: the
/// first such instant is the second result.
fn with_unread(
    parts: &Parts,
    known: &BTreeMap<CounterKey, Known>,
    (key, device): (&CounterKey, &Known),
    windows: &[Window],
) -> (Merged, Option<u64>) {
    let energy = parts.union.within(key, windows);
    let (windows, unread) = (joined(windows.to_vec()), device.unread(&parts.list));
    let mut blind = without(&windows, &without(&windows, &unread));
    blind = parts.union.uncovered(key, Quality::Synthetic, &blind);
    for (other, estimate) in known.iter().filter(|(other, _)| other.boot_id == key.boot_id) {
        if estimate.yields_to(device) {
            blind = parts.union.uncovered(other, Quality::Synthetic, &blind);
        }
    }
    match blind.iter().map(|window| window.from_ns).min() {
        Some(blind_ns) => (unbounded(energy), Some(blind_ns)),
        None => (energy, None),
    }
}

/// The energy without upper bounds.
pub(super) fn unbounded(energy: Merged) -> Merged {
    let open = |range: Bounded<u64>| Bounded { high: None, ..range };
    Merged { energy: open(energy.energy), free: open(energy.free), ..energy }
}

fn around_the_attempts(
    parts: &Parts,
    attempts: &Attempts,
    known: &BTreeMap<CounterKey, Known>,
    (key, device): (&CounterKey, &Known),
    measured: &mut Measured,
) {
    let Some(windows) = attempts.around.get(&key.boot_id) else { return };
    let energy = parts.union.within(key, &summed_in(parts, known, key, device, windows));
    if energy.covered_ns > 0 {
        measured.overhead = Some(measured.overhead.unwrap_or_default() + energy);
        let covered = measured.overhead_ns.entry(key.boot_id.clone()).or_default();
        *covered = energy.covered_ns.max(*covered);
    }
}

/// The windows in which a device enters the total: where it counts, and nothing is read that counts the same energy. What
/// overlaps a part of the machine that has no record of its own is never summed.
fn summed_in(
    parts: &Parts,
    known: &BTreeMap<CounterKey, Known>,
    key: &CounterKey,
    device: &Known,
    windows: &[Window],
) -> Vec<Window> {
    let of = |id: &String| CounterKey { device: id.clone(), ..key.clone() };
    if device.overlaps().iter().any(|id| !known.contains_key(&of(id))) {
        return Vec::new();
    }
    let mut open = open_to(parts, known, key, device, windows);
    for id in over(known, key) {
        // Of two that name each other the first is summed.
        let mutual = over(known, &of(&id)).contains(&key.device) && key.device < id;
        if !mutual {
            open = joined(parts.union.uncovered(&of(&id), Quality::Synthetic, &open));
        }
    }
    open
}

/// The devices that a counter overlaps, and those that they overlap in turn.
fn over(known: &BTreeMap<CounterKey, Known>, key: &CounterKey) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![key.device.clone()]);
    while let Some(device) = next.pop() {
        let overlaps = known.get(&CounterKey { device, ..key.clone() }).map(Known::overlaps);
        let new = overlaps.into_iter().flatten().filter(|id| **id != key.device && found.insert((*id).clone()));
        next.extend(new.cloned().collect::<Vec<_>>());
    }
    found
}

/// The windows in which a device counts: an estimate does not where somebody else read the very part it stands in for.
fn open_to(
    parts: &Parts,
    known: &BTreeMap<CounterKey, Known>,
    key: &CounterKey,
    device: &Known,
    windows: &[Window],
) -> Vec<Window> {
    let mut open = windows.to_vec();
    for (other, _) in known.iter().filter(|(other, counter)| other.boot_id == key.boot_id && device.yields_to(counter))
    {
        let unread = parts.union.uncovered(other, Quality::Derived, &open);
        open = without(&open, &without(&open, &unread));
    }
    open
}

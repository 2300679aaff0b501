//! Computes the energy of a merged run. Every counter counts once, within the attempts (starts of the run). A device
//! that overlaps another one includes energy of the other, so it is not added to the sum. A *part* is the report of one
//! process; a *window* is a start and an end time; a *cell* is one attempt on one machine.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Compared, Device, Energy, HostTotal};
use eco2_core::{Bounded, CounterKey, Domain, Merged, Quality, Ranged, Window};

use super::attempts::Attempts;
use super::devices::{self, KnownDevice};
use super::parts::{Parts, joined, length_ns, without};

/// The times in which a device counts in one attempt.
pub(super) struct CountedTime {
    /// Index of the attempt.
    pub(super) attempt: usize,
    /// The windows, in order and disjoint.
    pub(super) windows: Vec<Window>,
    /// The first instant within the windows that no record covers, so that the energy has no upper bound from there on.
    pub(super) unbounded_from_ns: Option<u64>,
}

/// A device of the merged report.
pub(super) struct MeasuredDevice {
    /// Identifies the device's counter: machine and device.
    pub(super) key: CounterKey,
    /// The times in which it counts, one entry per attempt.
    pub(super) counted: Vec<CountedTime>,
    /// Its entry in the report.
    pub(super) device: Device,
}

/// One attempt on one machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    /// Index of the attempt in the order of attempts.
    pub(super) attempt: usize,
    /// Name of the machine.
    pub(super) machine: String,
}

/// The measured energy of all devices, and its sums.
pub(super) struct Measured {
    /// One entry per counter.
    pub(super) devices: Vec<MeasuredDevice>,
    /// The sum of each attempt on each machine.
    pub(super) cells: BTreeMap<Cell, Merged>,
    /// The sum outside the attempts; `None` if nothing was measured there.
    pub(super) overhead: Option<Merged>,
    /// Covered time outside the attempts by machine, nanoseconds.
    overhead_ns: BTreeMap<String, u64>,
    /// Time within the attempts without a reading, summed over the devices in the sum, nanoseconds.
    missing_ns: u64,
}

impl Measured {
    /// Returns the total of the attempts, before PUE.
    pub(super) fn energy(&self) -> Energy {
        let sum = self.cells.values().fold(Merged::default(), |sum, cell| sum + *cell);
        // A device that was not read, and a machine without any device, have no upper bound.
        let is_unread = |device: &Device| device.is_summed() && device.energy_uj.is_none();
        let is_open = self.devices.iter().any(|measured| is_unread(&measured.device))
            || self.cells.values().any(|cell| !cell.energy.is_known());
        let (high, free_high) = if is_open { (None, None) } else { (sum.energy.high, sum.free.high) };
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

    /// Returns the host totals (sensors of a whole machine), each compared with the sum of its machine's parts over all
    /// attempts.
    pub(super) fn host_totals(&self) -> Vec<HostTotal> {
        let totals =
            self.devices.iter().filter(|total| total.device.is_host_total() && total.device.energy_uj.is_some());
        let platforms = |machine: &str| {
            let on = self.devices.iter().filter(|other| other.key.boot_id == machine && other.device.is_host_total());
            on.filter(|other| other.device.domain != Domain::HOST).count()
        };
        let record = |total: &MeasuredDevice| {
            let machine = &total.key.boot_id;
            let cells = self.cells.iter().filter(|(cell, _)| cell.machine == *machine);
            let summed = || self.devices.iter().filter(|part| part.key.boot_id == *machine && part.device.is_summed());
            let is_read = |part: &MeasuredDevice| part.device.energy_uj.is_some() && part.device.coverage >= 1.0;
            let lasted_ns =
                total.counted.iter().map(|counted| length_ns(&counted.windows)).fold(0, u64::saturating_add);
            let parts = cells.map(|(_, merged)| merged.energy).sum::<Bounded<u64>>();
            let is_open = summed().any(|part| part.device.energy_uj.is_none());
            let compared = Compared {
                total: total.device.bounded(),
                parts: if is_open { Bounded { high: None, ..parts } } else { parts },
                is_complete: is_read(total) && summed().all(is_read),
                is_whole: total.device.domain == Domain::HOST || platforms(machine) < 2,
            };
            let quality = summed().map(|part| part.device.quality).fold(total.device.quality, Quality::max);
            HostTotal { to_ns: lasted_ns, quality, ..HostTotal::of(&total.device) }.with_energies(compared)
        };
        totals.map(record).collect()
    }

    /// Returns the covered time outside the attempts, summed over machines, nanoseconds.
    pub(super) fn overhead_ns(&self) -> u64 {
        self.overhead_ns.values().fold(0, |sum: u64, ns| sum.saturating_add(*ns))
    }

    /// Returns the energy of one attempt on all machines, microjoules; `None` if it is not known.
    pub(super) fn attempt_energy_uj(&self, attempt: usize) -> Option<u64> {
        let cells = self.cells.iter().filter(|(cell, _)| cell.attempt == attempt);
        cells.map(|(_, merged)| merged.energy).sum::<Bounded<u64>>().value
    }
}

/// A counter, and the data of the parts about its device.
#[derive(Clone, Copy)]
struct Counter<'a> {
    key: &'a CounterKey,
    device: &'a KnownDevice,
}

/// Measures the devices of all parts.
pub(super) fn measure(parts: &Parts, attempts: &Attempts) -> Measured {
    let known = devices::known(&parts.list);
    let names = devices::names(&parts.list, &known);
    let input = Input { parts, attempts, known: &known };
    let mut measured = Measured {
        devices: Vec::new(),
        cells: BTreeMap::new(),
        overhead: None,
        overhead_ns: BTreeMap::new(),
        missing_ns: 0,
    };
    for machine in attempts.machines() {
        for (attempt, _) in attempts.on(machine) {
            measured.cells.insert(Cell { attempt, machine: machine.to_owned() }, Merged::default());
        }
    }
    for (key, device) in &known {
        let counter = Counter { key, device };
        input.add_attempts(counter, names.get(key).unwrap_or(&key.device), &mut measured);
        input.add_overhead(counter, &mut measured);
    }
    measured
}

/// The data that the energy is computed from.
struct Input<'a> {
    parts: &'a Parts,
    attempts: &'a Attempts,
    known: &'a BTreeMap<CounterKey, KnownDevice>,
}

impl Input<'_> {
    /// Adds a device's energy in all attempts, and its entry of the report under the name `id`.
    fn add_attempts(&self, counter: Counter<'_>, id: &str, measured: &mut Measured) {
        let (mut total, mut windows, mut summed_ns) = (Merged::default(), Vec::new(), 0_u64);
        let mut counted = Vec::new();
        for (attempt, window) in self.attempts.on(&counter.key.boot_id) {
            let open = self.counted_windows(counter, &[window]);
            let (energy, unbounded_from_ns) = self.energy_within(counter, &open);
            total = total + energy;
            counted.push(CountedTime { attempt, windows: open, unbounded_from_ns });
            windows.push(window);
            let (summed, _) = self.energy_within(counter, &self.summed_windows(counter, &[window]));
            summed_ns = summed_ns.saturating_add(summed.covered_ns);
            if let Some(cell) = measured.cells.get_mut(&Cell { attempt, machine: counter.key.boot_id.clone() }) {
                *cell = *cell + summed;
            }
        }
        if windows.is_empty() {
            return;
        }
        let lasted_ns = length_ns(&joined(windows));
        if counter.device.is_summed() {
            measured.missing_ns = measured.missing_ns.saturating_add(lasted_ns.saturating_sub(total.covered_ns));
        }
        let mut device = counter.device.report(id, &total, lasted_ns);
        if summed_ns > 0 && summed_ns == total.covered_ns {
            device.overlaps.clear();
        }
        measured.devices.push(MeasuredDevice { key: counter.key.clone(), counted, device });
    }

    /// Adds a device's energy outside the attempts.
    fn add_overhead(&self, counter: Counter<'_>, measured: &mut Measured) {
        let Some(windows) = self.attempts.around.get(&counter.key.boot_id) else { return };
        let energy = self.parts.union.within(counter.key, &self.summed_windows(counter, windows));
        if energy.covered_ns > 0 {
            measured.overhead = Some(measured.overhead.unwrap_or_default() + energy);
            let covered = measured.overhead_ns.entry(counter.key.boot_id.clone()).or_default();
            *covered = energy.covered_ns.max(*covered);
        }
    }

    /// Returns a device's energy within windows, and the first instant from which it has no upper bound, because a part
    /// lists the device without readings and no other record covers that time.
    fn energy_within(&self, counter: Counter<'_>, windows: &[Window]) -> (Merged, Option<u64>) {
        let union = &self.parts.union;
        let energy = union.within(counter.key, windows);
        let (windows, unread) = (joined(windows.to_vec()), counter.device.unread(&self.parts.list));
        let mut uncovered = without(&windows, &without(&windows, &unread));
        uncovered = union.uncovered(counter.key, Quality::Synthetic, &uncovered);
        for (other, estimate) in self.same_machine(counter) {
            if estimate.yields_to(counter.device) {
                uncovered = union.uncovered(other, Quality::Synthetic, &uncovered);
            }
        }
        match uncovered.iter().map(|window| window.from_ns).min() {
            Some(from_ns) => (unbounded(energy), Some(from_ns)),
            None => (energy, None),
        }
    }

    /// Returns the windows in which a device is summed: those in which it counts, and no other device is read that
    /// includes the same energy. A device that overlaps a device without any record is never summed.
    fn summed_windows(&self, counter: Counter<'_>, windows: &[Window]) -> Vec<Window> {
        let key = |id: &String| CounterKey { device: id.clone(), ..counter.key.clone() };
        if counter.device.overlaps().iter().any(|id| !self.known.contains_key(&key(id))) {
            return Vec::new();
        }
        let mut open = self.counted_windows(counter, windows);
        for id in self.overlaps(counter.key) {
            // Of two devices that overlap each other, the first is summed.
            let is_mutual = self.overlaps(&key(&id)).contains(&counter.key.device) && counter.key.device < id;
            if !is_mutual {
                open = joined(self.parts.union.uncovered(&key(&id), Quality::Synthetic, &open));
            }
        }
        open
    }

    /// Returns the devices that a counter overlaps, directly or through other devices.
    fn overlaps(&self, key: &CounterKey) -> BTreeSet<String> {
        let (mut found, mut next) = (BTreeSet::new(), vec![key.device.clone()]);
        while let Some(device) = next.pop() {
            let overlaps = self.known.get(&CounterKey { device, ..key.clone() }).map(KnownDevice::overlaps);
            let new = overlaps.into_iter().flatten().filter(|id| **id != key.device && found.insert((*id).clone()));
            next.extend(new.cloned().collect::<Vec<_>>());
        }
        found
    }

    /// Returns the windows in which a device counts. An estimate does not count while another process read the real
    /// value.
    fn counted_windows(&self, counter: Counter<'_>, windows: &[Window]) -> Vec<Window> {
        let mut open = windows.to_vec();
        for (other, _) in self.same_machine(counter).filter(|(_, other)| counter.device.yields_to(other)) {
            let unread = self.parts.union.uncovered(other, Quality::Derived, &open);
            open = without(&open, &without(&open, &unread));
        }
        open
    }

    /// Returns all counters of the same machine.
    fn same_machine(&self, counter: Counter<'_>) -> impl Iterator<Item = (&CounterKey, &KnownDevice)> {
        let first = CounterKey { boot_id: counter.key.boot_id.clone(), device: String::new() };
        self.known.range(first..).take_while(move |(other, _)| other.boot_id == counter.key.boot_id)
    }
}

/// Returns the energy without upper bounds.
pub(super) fn unbounded(energy: Merged) -> Merged {
    let open = |range: Bounded<u64>| Bounded { high: None, ..range };
    Merged { energy: open(energy.energy), free: open(energy.free), ..energy }
}

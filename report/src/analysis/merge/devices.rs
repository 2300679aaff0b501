//! Collects the devices of all parts of a merge: which of them are summed, and their entries and names in the merged
//! report. A *part* is the report of one process; `place` is its index in the list of parts. Two devices *overlap* if
//! they count the same energy.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Device, Report, stated};
use eco2_core::units::watts;
use eco2_core::{Bounded, CounterKey, Merged, Quality, Window};

use super::parts::{joined, machine, window};

/// The data of all parts about one counter.
pub(super) struct KnownDevice {
    /// The device in the part that read it best and longest.
    best: Device,
    /// Duration of that part, nanoseconds.
    best_ns: u64,
    /// Ids of the devices that count the same energy, by any part.
    overlaps: BTreeSet<String>,
    /// Indices of the parts that read it.
    readers: BTreeSet<usize>,
    /// Indices of the parts that list it without a reading.
    unread: BTreeSet<usize>,
}

impl KnownDevice {
    /// Whether its energy is added to the total: in no part does it overlap another device.
    pub(super) fn is_summed(&self) -> bool {
        self.overlaps.is_empty()
    }

    /// Returns the devices that count the same energy, by any part.
    pub(super) fn overlaps(&self) -> &BTreeSet<String> {
        &self.overlaps
    }

    /// Returns the times at which parts list the device without a reading, on the clock of their machine.
    pub(super) fn unread(&self, parts: &[Report]) -> Vec<Window> {
        joined(self.unread.iter().filter_map(|place| parts.get(*place)).map(window).collect())
    }

    /// Whether this device is an estimate of the energy that `other` reads: the component is the same, and no part has
    /// both.
    pub(super) fn yields_to(&self, other: &Self) -> bool {
        let is_estimate = self.best.quality == Quality::Estimated && other.best.quality <= Quality::Derived;
        let is_same = self.best.component == other.best.component && other.is_summed();
        is_estimate && is_same && self.readers.is_disjoint(&other.readers)
    }

    /// Returns the device's entry in the merged report, for attempts that lasted `lasted_ns`.
    pub(super) fn report(&self, id: &str, merged: &Merged, lasted_ns: u64) -> Device {
        let is_read = self.best.energy_uj.is_some();
        let energy = if is_read { merged.energy } else { Bounded::unknown() };
        let (range_kind, range_percent) = stated(&energy);
        Device {
            id: id.to_owned(),
            energy_uj: energy.value,
            low_uj: is_read.then_some(energy.low),
            high_uj: energy.high,
            free_low_uj: is_read.then_some(merged.free.low),
            free_high_uj: merged.free.high.filter(|_| is_read),
            range_kind,
            range_percent,
            mean_w: energy.value.and_then(|uj| watts(uj, merged.covered_ns)),
            // Quantiles of several records cannot be merged.
            power_w: None,
            coverage: if lasted_ns > 0 { merged.covered_ns.min(lasted_ns) as f64 / lasted_ns as f64 } else { 1.0 },
            overlaps: self.overlaps.iter().cloned().collect(),
            cross_check: None,
            replaced: Vec::new(),
            // Another record may cover the gap of one record; `coverage` contains what remains uncovered.
            gaps: Vec::new(),
            ..self.best.clone()
        }
    }

    /// Adds the device of one more part.
    fn add(&mut self, place: usize, device: &Device, duration_ns: u64) {
        self.overlaps.extend(device.overlaps.iter().cloned());
        if device.energy_uj.is_some() {
            self.readers.insert(place);
        } else {
            self.unread.insert(place);
        }
        let (wraps, resets) = (self.best.wraps.max(device.wraps), self.best.resets.max(device.resets));
        let peak_w = [self.best.peak_w, device.peak_w].into_iter().flatten().reduce(f64::max);
        let windows_ns = [self.best.peak_window_ns, device.peak_window_ns];
        let rank = |device: &Device, ns: u64| (device.energy_uj.is_none(), device.quality, u64::MAX - ns);
        if rank(device, duration_ns) < rank(&self.best, self.best_ns) {
            (self.best, self.best_ns) = (device.clone(), duration_ns);
        }
        // All readers of one counter see the same wraps and resets; those that started earlier see more.
        (self.best.wraps, self.best.resets, self.best.peak_w) = (wraps, resets, peak_w);
        self.best.peak_window_ns = windows_ns.into_iter().flatten().max();
    }
}

/// Returns the devices of all parts by counter.
pub(super) fn known(parts: &[Report]) -> BTreeMap<CounterKey, KnownDevice> {
    let mut known: BTreeMap<CounterKey, KnownDevice> = BTreeMap::new();
    for (place, part) in parts.iter().enumerate() {
        let machine = machine(part);
        for device in &part.devices {
            let key = CounterKey { boot_id: machine.clone(), device: device.id.clone() };
            let first = || KnownDevice {
                best: device.clone(),
                best_ns: part.run.duration_ns,
                overlaps: BTreeSet::new(),
                readers: BTreeSet::new(),
                unread: BTreeSet::new(),
            };
            known.entry(key).or_insert_with(first).add(place, device, part.run.duration_ns);
        }
    }
    known
}

/// Returns names for the devices whose id occurs on several machines: `<host name>/<id>`.
pub(super) fn names(parts: &[Report], known: &BTreeMap<CounterKey, KnownDevice>) -> BTreeMap<CounterKey, String> {
    let mut machines: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for key in known.keys() {
        machines.entry(&key.device).or_default().insert(&key.boot_id);
    }
    let hosts = hosts(parts);
    let named = |key: &&CounterKey| machines.get(key.device.as_str()).is_some_and(|machines| machines.len() > 1);
    let name = |key: &CounterKey| {
        let host = hosts.get(&key.boot_id).map_or(key.boot_id.as_str(), String::as_str);
        (key.clone(), format!("{host}/{}", key.device))
    };
    known.keys().filter(named).map(name).collect()
}

/// Returns a name for each machine: its host name, with the start of its boot id if several machines have that name.
fn hosts(parts: &[Report]) -> BTreeMap<String, String> {
    let mut hosts: BTreeMap<String, &str> = BTreeMap::new();
    for part in parts {
        hosts.entry(machine(part)).or_insert(&part.run.host.hostname);
    }
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    hosts.values().for_each(|name| *count.entry(name).or_default() += 1);
    let shared = |name: &str| name.is_empty() || count.get(name).is_some_and(|count| *count > 1);
    // 13 characters are the first two groups of a boot id.
    let short = |boot: &str| boot.chars().take(13).collect::<String>();
    let named = hosts.iter().map(|(boot, name)| {
        let name = if shared(name) { format!("{name}@{}", short(boot)) } else { (*name).to_owned() };
        (boot.clone(), name)
    });
    named.collect()
}

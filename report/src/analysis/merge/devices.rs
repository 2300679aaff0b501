//! Devices of all parts: which there are, which of them are summed, what they are called in a merged report.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Device, Report, stated};
use eco2_core::units::watts;
use eco2_core::{Bounded, CounterKey, Merged, Quality, Window};

use super::parts::{machine, window};
use super::windows::joined;

/// What the parts say of one counter.
pub(super) struct Known {
    /// As the part has it that read it best, and longest.
    best: Device,
    best_ns: u64,
    overlaps: BTreeSet<String>,
    /// Places of the parts that read it.
    readers: BTreeSet<usize>,
    /// Places of the parts that have it and did not read it.
    unread: BTreeSet<usize>,
}

impl Known {
    /// Whether its energy enters the total: no part says that another counts the same.
    pub(super) fn is_summed(&self) -> bool {
        self.overlaps.is_empty()
    }

    /// The devices that count the same energy, as far as any part says so.
    pub(super) fn overlaps(&self) -> &BTreeSet<String> {
        &self.overlaps
    }

    /// When parts had the device and did not read it, on the clock of their machine.
    pub(super) fn unread(&self, parts: &[Report]) -> Vec<Window> {
        joined(self.unread.iter().filter_map(|place| parts.get(*place)).map(window).collect())
    }

    /// Whether this is an estimate of what `other` reads: the same kind of part, and nobody who read that needed this.
    pub(super) fn yields_to(&self, other: &Self) -> bool {
        let estimate = self.best.quality == Quality::Estimated && other.best.quality <= Quality::Derived;
        let same = self.best.component == other.best.component && other.is_summed();
        estimate && same && self.readers.is_disjoint(&other.readers)
    }

    /// The merged device: counted over `lasted_ns`.
    pub(super) fn report(&self, id: &str, merged: &Merged, lasted_ns: u64) -> Device {
        let read = self.best.energy_uj.is_some();
        let energy = if read { merged.energy } else { Bounded::unknown() };
        let (range_kind, range_percent) = stated(&energy);
        Device {
            id: id.to_owned(),
            energy_uj: energy.value,
            low_uj: read.then_some(energy.low),
            high_uj: energy.high,
            free_low_uj: read.then_some(merged.free.low),
            free_high_uj: merged.free.high.filter(|_| read),
            range_kind,
            range_percent,
            mean_w: energy.value.and_then(|uj| watts(uj, merged.covered_ns)),
            // Quantiles of several records cannot be merged.
            power_w: None,
            coverage: if lasted_ns > 0 { merged.covered_ns.min(lasted_ns) as f64 / lasted_ns as f64 } else { 1.0 },
            overlaps: self.overlaps.iter().cloned().collect(),
            cross_check: None,
            replaced: Vec::new(),
            // A gap of one record may be covered by another; `coverage` tells what is left of them.
            gaps: Vec::new(),
            ..self.best.clone()
        }
    }

    fn take(&mut self, place: usize, device: &Device, duration_ns: u64) {
        self.overlaps.extend(device.overlaps.iter().cloned());
        if device.energy_uj.is_some() {
            self.readers.insert(place);
        } else {
            self.unread.insert(place);
        }
        let (wraps, resets) = (self.best.wraps.max(device.wraps), self.best.resets.max(device.resets));
        let peak_w = [self.best.peak_w, device.peak_w].into_iter().flatten().reduce(f64::max);
        let rank = |device: &Device, ns: u64| (device.energy_uj.is_none(), device.quality, u64::MAX - ns);
        if rank(device, duration_ns) < rank(&self.best, self.best_ns) {
            (self.best, self.best_ns) = (device.clone(), duration_ns);
        }
        // Readers of one counter saw the same wraps and resets, those that began early more of them.
        (self.best.wraps, self.best.resets, self.best.peak_w) = (wraps, resets, peak_w);
    }
}

/// All counters of all parts.
pub(super) fn known(parts: &[Report]) -> BTreeMap<CounterKey, Known> {
    let mut known: BTreeMap<CounterKey, Known> = BTreeMap::new();
    for (place, part) in parts.iter().enumerate() {
        for device in &part.devices {
            let key = CounterKey { boot_id: machine(part), device: device.id.clone() };
            let first = || Known {
                best: device.clone(),
                best_ns: part.run.duration_ns,
                overlaps: BTreeSet::new(),
                readers: BTreeSet::new(),
                unread: BTreeSet::new(),
            };
            known.entry(key).or_insert_with(first).take(place, device, part.run.duration_ns);
        }
    }
    known
}

/// Names of the devices of several machines: with the host's name in front where one id stands for several of them.
pub(super) fn names(parts: &[Report], known: &BTreeMap<CounterKey, Known>) -> BTreeMap<CounterKey, String> {
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

/// A name for each machine: its host name, with the beginning of its boot id where several share one.
fn hosts(parts: &[Report]) -> BTreeMap<String, String> {
    let mut hosts: BTreeMap<String, &str> = BTreeMap::new();
    for part in parts {
        hosts.entry(machine(part)).or_insert(&part.run.host.hostname);
    }
    let shared = |name: &str| name.is_empty() || hosts.values().filter(|other| **other == name).count() > 1;
    let short = |boot: &str| boot.chars().take(13).collect::<String>();
    let named = hosts.iter().map(|(boot, name)| {
        let name = if shared(name) { format!("{name}@{}", short(boot)) } else { (*name).to_owned() };
        (boot.clone(), name)
    });
    named.collect()
}

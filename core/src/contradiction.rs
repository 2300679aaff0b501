//! A counter against the integrated power of the same device: where they contradict each other, neither is trusted alone.
//!
//! A device's second sensor has the id `<id>/power` and the device as its parent. It is in no sum. A counter that does not
//! move while power does, or that is far off it, loses its place as the value: the device then reports the integrated
//! power, with bounds that hold both, and the quality *derived* (rocm_smi_lib#180 and DCGM#171 report counters that stand
//! still, zeus#181 one that counts 57 % of the power).

use crate::report::{CrossCheck, Device, stated};
use crate::{Bounded, Domain, Quality, RangeKind, Track};

/// A counter that has not moved for this long while power did is dead: ten updates of the slowest boards.
const DEAD_NS: u64 = 1_000_000_000;
/// Over this time an averaging power sensor, which lags by a second, may be held against a counter.
const COMPARABLE_NS: u64 = 5_000_000_000;
/// More than sensor gain (5 %) and the lag together explain over that time.
const CONTRADICTION_PERCENT: f64 = 20.0;

/// Compares each counter with the power of its device; returns for each device the domain whose energy it reports.
pub(crate) fn settle(devices: &mut [Device], tracks: &[Track], duration_ns: u64) -> Vec<usize> {
    let mut sources: Vec<usize> = (0..devices.len()).collect();
    for power in 0..devices.len() {
        let Some(counter) = counter_of(power, tracks) else { continue };
        let Some(by_power) = devices[power].energy_uj.filter(|&uj| uj > 0) else { continue };
        let Some(counted) = devices[counter].energy_uj else { continue };
        let difference_percent = (counted as f64 - by_power as f64) / by_power as f64 * 100.0;
        devices[counter].cross_check =
            Some(CrossCheck { method: "integrated power".to_owned(), energy_uj: by_power, difference_percent });
        let dead = counted == 0 && duration_ns >= DEAD_NS;
        let contradicted = difference_percent.abs() > CONTRADICTION_PERCENT && duration_ns >= COMPARABLE_NS;
        let whole = devices[power].coverage >= devices[counter].coverage / 2.0;
        if whole && (dead || contradicted) {
            let check = devices[power].clone();
            take(&mut devices[counter], &check);
            sources[counter] = power;
        }
    }
    sources
}

/// The range that holds two values of one energy, with the second as the value.
pub(crate) fn around(counted: Bounded<u64>, by_power: Bounded<u64>) -> Bounded<u64> {
    Bounded {
        value: by_power.value,
        low: counted.low.min(by_power.low),
        high: counted.high.zip(by_power.high).map(|(one, two)| one.max(two)),
        kind: RangeKind::Plausible,
    }
    .around_value()
}

/// The counter that a device's second sensor checks.
fn counter_of(power: usize, tracks: &[Track]) -> Option<usize> {
    let domain: &Domain = tracks[power].domain();
    let parent = domain.parent.as_deref().filter(|parent| domain.id == format!("{parent}/power"))?;
    tracks.iter().position(|track| track.domain().id == parent)
}

fn take(device: &mut Device, check: &Device) {
    // A counter that stands still bounds nothing from above, and from below no more than 0.
    let counted = if device.energy_uj == Some(0) { check.bounded() } else { device.bounded() };
    let energy = around(counted, check.bounded());
    let free = around(Bounded { high: None, ..device.free() }, check.free());
    (device.energy_uj, device.low_uj, device.high_uj) = (energy.value, Some(energy.low), energy.high);
    (device.free_low_uj, device.free_high_uj) = (Some(free.low), free.high);
    (device.range_kind, device.range_percent) = stated(&energy);
    device.quality = Quality::Derived;
    (device.mean_w, device.peak_w, device.power_w) = (check.mean_w, check.peak_w, check.power_w);
}

//! A counter against the integrated power of the same device: where they contradict each other, neither is trusted
//! alone.
//!
//! A device's second sensor has the id `<id>/power` and the device as its parent. It is in no sum. A counter that does
//! not move while power does, or that is far off it, loses its place as the value: the device then reports the
//! integrated power, with bounds that hold both, and the quality *derived* (rocm_smi_lib#180 and DCGM#171 report
//! counters that stay still, zeus#181 one that counts 57 % of the power).

use crate::report::{CrossCheck, Device, EventRecord, stated};
use crate::{Bounded, Domain, Ledger, Quality, RangeKind, Track};

/// Over this time an averaging power sensor, which lags by a second, may be held against a counter.
const COMPARABLE_NS: u64 = 5_000_000_000;
/// More than sensor gain (5 %) and the lag together explain over that time: the counter is not trusted.
const CONTRADICTION_PERCENT: f64 = 20.0;
/// More than sensor gain alone explains over twice that time, in which the lag no longer matters: worth reporting.
const DISAGREEMENT_PERCENT: f64 = 10.0;

/// What a counter's difference from the integrated power of its device means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing: sensors differ by as much.
    Agrees,
    /// The counter stays the value, and the difference is reported.
    Differs,
    /// The power is the value.
    Contradicts,
}

impl Verdict {
    fn of(difference_percent: f64, duration_ns: u64) -> Self {
        let off = difference_percent.abs();
        match (off > CONTRADICTION_PERCENT, off > DISAGREEMENT_PERCENT) {
            (true, _) if duration_ns >= COMPARABLE_NS => Self::Contradicts,
            (_, true) if duration_ns >= 2 * COMPARABLE_NS => Self::Differs,
            _ => Self::Agrees,
        }
    }

    /// The text about it in the report.
    fn event(self, device: &str, check: &CrossCheck, at: u64) -> Option<EventRecord> {
        let found = format!("the counter is {:+.1} % off the {}", check.difference_percent, check.method);
        let text = match self {
            Self::Agrees => return None,
            Self::Differs => found,
            Self::Contradicts => format!("{found}, which is reported instead, with bounds around both"),
        };
        Some(EventRecord { at, kind: "counter-disagrees".to_owned(), device: device.to_owned(), text })
    }
}

/// What came of comparing counters with the power of their devices.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Settled {
    /// For each device the domain whose energy it reports.
    pub(crate) sources: Vec<usize>,
    pub(crate) events: Vec<EventRecord>,
}

/// Compares each counter with the power of its device.
pub(crate) fn settle(devices: &mut [Device], tracks: &[Track], duration_ns: u64) -> Settled {
    let mut settled = Settled { sources: (0..devices.len()).collect(), events: Vec::new() };
    for power in 0..devices.len() {
        let Some(counter) = counter_of(power, tracks) else { continue };
        let Some(by_power) = devices[power].energy_uj.filter(|&uj| uj > 0) else { continue };
        let Some(counted) = devices[counter].energy_uj else { continue };
        let difference_percent = difference_percent(counted, by_power);
        let check = CrossCheck { method: "integrated power".to_owned(), energy_uj: by_power, difference_percent };
        let whole = devices[power].coverage >= devices[counter].coverage / 2.0;
        let verdict = if whole { Verdict::of(difference_percent, duration_ns) } else { Verdict::Agrees };
        settled.events.extend(verdict.event(&devices[counter].id, &check, duration_ns));
        devices[counter].cross_check = Some(check);
        if verdict == Verdict::Contradicts {
            let check = devices[power].clone();
            take(&mut devices[counter], &check);
            settled.sources[counter] = power;
        }
    }
    settled
}

impl Ledger {
    /// For each domain the one whose energy is used for its device at an instant: itself, or the device's power sensor
    /// where that contradicts it. The rule of the account, on what is known now.
    #[must_use]
    pub fn sources(&self, now_ns: u64) -> Vec<usize> {
        let mut sources: Vec<usize> = (0..self.tracks.len()).collect();
        let lasted_ns = now_ns.saturating_sub(self.opened_ns);
        for power in 0..self.tracks.len() {
            let Some(counter) = counter_of(power, &self.tracks) else { continue };
            let (counted, by_power) = (self.used_uj(counter, now_ns), self.used_uj(power, now_ns));
            let known = by_power > 0 && self.tracks[counter].last_knot().is_some() && !self.tracks[power].is_silent();
            if known && Verdict::of(difference_percent(counted, by_power), lasted_ns) == Verdict::Contradicts {
                sources[counter] = power;
            }
        }
        sources
    }
}

fn difference_percent(counted: u64, by_power: u64) -> f64 {
    (counted as f64 - by_power as f64) / by_power as f64 * 100.0
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
    // A frozen counter bounds nothing from above, and from below no more than 0.
    let counted = if device.energy_uj == Some(0) { check.bounded() } else { device.bounded() };
    let energy = around(counted, check.bounded());
    let free = around(Bounded { high: None, ..device.free() }, check.free());
    (device.energy_uj, device.low_uj, device.high_uj) = (energy.value, Some(energy.low), energy.high);
    (device.free_low_uj, device.free_high_uj) = (Some(free.low), free.high);
    (device.range_kind, device.range_percent) = stated(&energy);
    device.quality = Quality::Derived;
    (device.mean_w, device.peak_w, device.power_w) = (check.mean_w, check.peak_w, check.power_w);
    device.coverage = check.coverage;
    device.gaps.clone_from(&check.gaps);
    device.replaced.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m30_a_counter_that_disagrees_with_integrated_power_is_an_event() {
        const S: u64 = 1_000_000_000;
        let told = |difference_percent, duration_ns| {
            let check = CrossCheck { method: "integrated power".to_owned(), energy_uj: 1, difference_percent };
            Verdict::of(difference_percent, duration_ns).event("GPU-1", &check, duration_ns).map(|event| event.text)
        };
        // 187 J by the counter against 327 J of integrated power, as reported for idle GPUs.
        let instead =
            "the counter is -42.8 % off the integrated power, which is reported instead, with bounds around both";
        assert_eq!(told(-42.8, 5 * S).as_deref(), Some(instead));
        assert_eq!(told(-42.8, 5 * S - 1), None);
        assert_eq!(told(-14.0, 10 * S).as_deref(), Some("the counter is -14.0 % off the integrated power"));
        assert_eq!(told(-14.0, 10 * S - 1), None);
        assert_eq!(told(4.0, 100 * S), None);
    }
}

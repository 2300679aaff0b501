//! A counter against the integrated power of the same device: where they contradict each other, neither is trusted
//! alone.
//!
//! A device's second sensor has the id `<id>/power` and the device as its parent. It is in no sum. A counter that does
//! not move while power does, or that is far off it, loses its place as the value: the device then reports the
//! integrated power, with bounds that hold both, and the quality *derived* (rocm_smi_lib#180 and DCGM#171 report
//! counters that stay still, zeus#181 one that counts 57 % of the power). A counter that failed a self-test of this machine
//! loses its place from the start of a run until there is enough to judge it again.

use crate::overlap::Shown;
use crate::schema::{CrossCheck, Device, EventKind, EventRecord, stated};
use crate::{Bounded, CounterFault, Domain, Ledger, Quality, RangeKind, Ranged, Track};

/// Over this time an averaging power sensor, which lags by a second, may be held against a counter.
const COMPARABLE_NS: u64 = 5_000_000_000;
/// More than sensor gain (5 %) and the lag together explain over that time: the counter is not trusted.
const CONTRADICTION_PERCENT: f64 = 20.0;
/// More than sensor gain alone explains over twice that time, in which the lag no longer matters: worth reporting.
const DISAGREEMENT_PERCENT: f64 = 10.0;

/// A sensor may be this far behind: power is averaged over up to a second, and counters are updated as slowly.
const LAG_NS: u64 = 1_000_000_000;
/// Of the counter's time the power may be unread for one part in this many: 5 %, as much as sensor gain.
const UNREAD: u64 = 20;

/// What a counter's difference from the integrated power of its device means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing: sensors differ by as much.
    Agrees,
    /// The counter stays the value, and the difference is reported.
    Differs,
    /// The power is the value.
    Contradicts,
    /// The power is the value: the counter failed a self-test, and this run is too short to judge it again.
    FailedBefore,
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

    /// Whether the power is the value.
    fn takes_power(self) -> bool {
        matches!(self, Self::Contradicts | Self::FailedBefore)
    }

    /// The text about it in the report.
    fn event(self, device: &str, check: &CrossCheck, at: u64) -> Option<EventRecord> {
        let found = format!("the counter is {:+.1} % off the {}", check.difference_percent, check.method);
        let text = match self {
            Self::Agrees | Self::FailedBefore => return None,
            Self::Differs => found,
            Self::Contradicts => format!("{found}, which is reported instead, with bounds around both"),
        };
        Some(EventRecord::new(at, EventKind::CounterDisagrees, device, text))
    }
}

/// What came of comparing counters with the power of their devices.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct CrossCheckResult {
    /// For each device the domain whose energy it reports.
    pub(crate) sources: Vec<usize>,
    pub(crate) events: Vec<EventRecord>,
}

impl Ledger {
    /// Compares each counter with the power of its device.
    pub(crate) fn cross_check(&self, devices: &mut [Device], end_ns: u64) -> CrossCheckResult {
        let duration_ns = end_ns.saturating_sub(self.opened_ns);
        let mut settled = CrossCheckResult { sources: (0..devices.len()).collect(), events: Vec::new() };
        for power in 0..devices.len() {
            let Some(counter) = counter_of(power, &self.tracks) else { continue };
            let Some(energy_uj) = devices[power].energy_uj.filter(|_| devices[counter].energy_uj.is_some()) else {
                continue;
            };
            let Some((difference_percent, verdict)) = self.compare(counter, power, end_ns) else { continue };
            let check = CrossCheck { method: "integrated power".to_owned(), energy_uj, difference_percent };
            settled.events.extend(verdict.event(&devices[counter].id, &check, duration_ns));
            devices[counter].cross_check = Some(check);
            if verdict.takes_power() {
                let check = devices[power].clone();
                take(&mut devices[counter], &check);
                settled.sources[counter] = power;
            }
        }
        settled
    }

    /// For each domain the one whose energy is used for its device at an instant: itself, or the device's power sensor
    /// where that contradicts it. The rule of the account, on what is known now.
    #[must_use]
    pub fn sources(&self, now_ns: u64) -> Vec<usize> {
        let mut sources: Vec<usize> = (0..self.tracks.len()).collect();
        for power in 0..self.tracks.len() {
            let Some(counter) = counter_of(power, &self.tracks) else { continue };
            if self.compare(counter, power, now_ns).is_some_and(|(_, verdict)| verdict.takes_power()) {
                sources[counter] = power;
            }
        }
        sources
    }

    /// How far a counter is off the power of its device in percent, and what that means; `None` where nothing was
    /// integrated, or over less time than the counter counted.
    fn compare(&self, counter: usize, power: usize, end_ns: u64) -> Option<(f64, Verdict)> {
        let (at_ns, lasted_ns) = (self.known_ns(counter, power, end_ns)?, end_ns.saturating_sub(self.opened_ns));
        let (counted, by_power) = (self.used_uj(counter, at_ns), self.used_uj(power, at_ns));
        let allowed_ns = (lasted_ns.saturating_sub(self.uncovered_ns(counter, end_ns)) / UNREAD).max(LAG_NS);
        if by_power == 0 || self.unread_ns(counter, power, end_ns) > allowed_ns {
            return None;
        }
        // The mean power over the time that was read, for as long as the counter counted.
        let (known_ns, unread_ns) = (at_ns.saturating_sub(self.opened_ns), self.unread_ns(counter, power, at_ns));
        let by_power = by_power as f64 * (1.0 + unread_ns as f64 / known_ns.saturating_sub(unread_ns).max(1) as f64);
        let difference_percent = (counted as f64 - by_power) / by_power * 100.0;
        let failed = self.tracks[counter].domain().self_test.is_some();
        let verdict = match Verdict::of(difference_percent, lasted_ns) {
            Verdict::Agrees if failed && lasted_ns < COMPARABLE_NS => Verdict::FailedBefore,
            verdict => verdict,
        };
        Some((difference_percent, verdict))
    }

    /// What a domain has shown so far. A counter that failed a self-test and has not moved since shows nothing, unless the
    /// power of its device can be used instead.
    pub(crate) fn shown(&self, index: usize) -> Shown {
        let track = &self.tracks[index];
        let failed = track.domain().self_test == Some(CounterFault::Still);
        let has_power = || (0..self.tracks.len()).any(|power| counter_of(power, &self.tracks) == Some(index));
        match track.shown() {
            Shown::Still if failed && !has_power() => Shown::Nothing,
            shown => shown,
        }
    }

    /// How much longer than its counter a device's power was not read, nanoseconds.
    fn unread_ns(&self, counter: usize, power: usize, end_ns: u64) -> u64 {
        self.uncovered_ns(power, end_ns).saturating_sub(self.uncovered_ns(counter, end_ns))
    }

    /// The last instant until which both are known: the last reading of the power, or the counter's last update where
    /// that is only late.
    fn known_ns(&self, counter: usize, power: usize, end_ns: u64) -> Option<u64> {
        let read_ns = self.tracks[power].last_knot()?.at_ns.min(end_ns);
        let updated_ns = self.last_knot(counter)?.at_ns;
        // A counter that is known not to move is not late.
        let is_still = self.tracks[counter].domain().self_test == Some(CounterFault::Still);
        let lag_ns = if is_still { 0 } else { LAG_NS };
        let at_ns = if updated_ns.saturating_add(lag_ns) < read_ns { read_ns } else { updated_ns.min(read_ns) };
        let remembered = [counter, power].iter().all(|&domain| self.tracks[domain].remembers(at_ns));
        Some(if remembered { at_ns } else { end_ns })
    }
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
        let text = |difference_percent, duration_ns| {
            let check = CrossCheck { method: "integrated power".to_owned(), energy_uj: 1, difference_percent };
            Verdict::of(difference_percent, duration_ns).event("GPU-1", &check, duration_ns).map(|event| event.text)
        };
        // 187 J by the counter against 327 J of integrated power, as reported for idle GPUs.
        let instead =
            "the counter is -42.8 % off the integrated power, which is reported instead, with bounds around both";
        assert_eq!(text(-42.8, 5 * S).as_deref(), Some(instead));
        assert_eq!(text(-42.8, 5 * S - 1), None);
        assert_eq!(text(-14.0, 10 * S).as_deref(), Some("the counter is -14.0 % off the integrated power"));
        assert_eq!(text(-14.0, 10 * S - 1), None);
        assert_eq!(text(4.0, 100 * S), None);
    }
}

//! Compares a device's energy counter with the integrated power of its second sensor, and decides which of the two the
//! report shows.
//!
//! The second sensor is a domain (one sensor of one device) with the id `<id>/power` and the device as its parent. Its
//! energy is in no sum. Where the counter contradicts it, because the counter is frozen or far off, the device reports
//! the integrated power, with bounds that hold both values and the quality *derived*. Such counters exist:
//! rocm_smi_lib#180 and DCGM#171 report ones that stay still, zeus#181 one that counts 57 % of the power.
//!
//! A counter may also have failed a self-test of this machine (`eco2 doctor`) before. Then the integrated power is reported
//! from the start of a run until there are enough readings to judge the counter again.

use crate::overlap::Shown;
use crate::schema::{CrossCheck, Device, EventKind, EventRecord, stated};
use crate::{CounterFault, DeviceEnergy, Domain, Ledger, Quality, Ranged, Track};

/// The two sensors must have been read together for at least this long, nanoseconds, before they can contradict each
/// other. A power sensor that averages over 1 s loses half of that at the start of a load: 10 % of this time.
const MIN_COMPARED_NS: u64 = 5_000_000_000;
/// A larger difference is a contradiction: 10 % lag, and 5 % gain error of each of the two sensors.
const MAX_EXPLAINED_PERCENT: f64 = 20.0;
/// After twice [`MIN_COMPARED_NS`] a larger difference is reported: 5 % lag, and 5 % gain error of one sensor.
const MAX_UNREPORTED_PERCENT: f64 = 10.0;

/// A sensor may be this far behind, nanoseconds: power is averaged over up to a second, and counters are updated as
/// slowly.
const MAX_LAG_NS: u64 = 1_000_000_000;
/// The power may be unread for this long, nanoseconds: there are up to two seconds between two readings of it, and some lag.
const MAX_UNREAD_NS: u64 = 2_500_000_000;
/// Or for one part in this many of the time that the counter counted: 5 %, as much as the gain
/// error of a sensor.
const UNREAD_PART: u64 = 20;

/// What a counter's difference from the integrated power of its device means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Gain error and lag of the sensors explain the difference.
    Agrees,
    /// The counter stays the value, and the difference is reported.
    Differs,
    /// The integrated power becomes the value.
    Contradicts,
    /// The integrated power is the value, because the counter failed a self-test before and too little was read to judge
    /// it again.
    FailedBefore,
}

/// Result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Comparison {
    /// The counter's energy minus the integrated power, in percent of the integrated power.
    difference_percent: f64,
    verdict: Verdict,
}

impl Verdict {
    /// Returns the verdict on a difference that sampling does not explain, over the time in which both sensors were read.
    fn new(difference_percent: f64, compared_ns: u64) -> Self {
        let size_percent = difference_percent.abs();
        if size_percent > MAX_EXPLAINED_PERCENT && compared_ns >= MIN_COMPARED_NS {
            Self::Contradicts
        } else if size_percent > MAX_UNREPORTED_PERCENT && compared_ns >= 2 * MIN_COMPARED_NS {
            Self::Differs
        } else {
            Self::Agrees
        }
    }

    /// Whether the integrated power is the value.
    fn takes_power(self) -> bool {
        matches!(self, Self::Contradicts | Self::FailedBefore)
    }

    /// Returns the report's event `at` nanoseconds after the start of the run; `None` where there is nothing to report.
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

/// Result of comparing the counters of all devices with their power.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct CrossCheckResult {
    /// For each device the index of the domain whose energy it reports.
    pub(crate) sources: Vec<usize>,
    pub(crate) events: Vec<EventRecord>,
}

impl Ledger {
    /// Compares each counter with the power of its device, and changes the devices whose counter is contradicted.
    pub(crate) fn cross_check(&self, devices: &mut [Device], end_ns: u64) -> CrossCheckResult {
        let duration_ns = end_ns.saturating_sub(self.opened_ns);
        let mut result = CrossCheckResult { sources: (0..devices.len()).collect(), events: Vec::new() };
        for power_index in 0..devices.len() {
            let Some(counter_index) = counter_index_of(power_index, &self.tracks) else { continue };
            let Some(energy_uj) = devices[power_index].energy_uj else { continue };
            if devices[counter_index].energy_uj.is_none() {
                continue;
            }
            let Some(comparison) = self.compare(counter_index, power_index, end_ns) else { continue };
            let Comparison { difference_percent, verdict } = comparison;
            let check = CrossCheck { method: "integrated power".to_owned(), energy_uj, difference_percent };
            result.events.extend(verdict.event(&devices[counter_index].id, &check, duration_ns));
            devices[counter_index].cross_check = Some(check);
            if verdict.takes_power() {
                let power_device = devices[power_index].clone();
                report_power(&mut devices[counter_index], &power_device);
                result.sources[counter_index] = power_index;
            }
        }
        result
    }

    /// Returns for each domain the index of the domain whose energy its device reports at an instant: its own, or that
    /// of the device's power sensor where that contradicts it. The account applies the same rule.
    #[must_use]
    pub fn sources(&self, now_ns: u64) -> Vec<usize> {
        let mut sources: Vec<usize> = (0..self.tracks.len()).collect();
        for power_index in 0..self.tracks.len() {
            let Some(counter_index) = counter_index_of(power_index, &self.tracks) else { continue };
            let comparison = self.compare(counter_index, power_index, now_ns);
            if comparison.is_some_and(|comparison| comparison.verdict.takes_power()) {
                sources[counter_index] = power_index;
            }
        }
        sources
    }

    /// Compares a counter with the power of its device. `None` where no power was integrated, or over clearly less time
    /// than the counter counted.
    fn compare(&self, counter_index: usize, power_index: usize, end_ns: u64) -> Option<Comparison> {
        let run_ns = end_ns.saturating_sub(self.opened_ns);
        let counted_ns = run_ns.saturating_sub(self.uncovered_ns(counter_index, end_ns));
        let max_unread_ns = (counted_ns / UNREAD_PART).max(MAX_UNREAD_NS);
        if self.unread_ns(counter_index, power_index, end_ns) > max_unread_ns {
            return None;
        }
        let known_at_ns = self.known_until_ns(counter_index, power_index, end_ns)?;
        let counter_uj = self.used_uj(counter_index, known_at_ns) as f64;
        let read_uj = self.used_uj(power_index, known_at_ns);
        if read_uj == 0 {
            return None;
        }
        // The mean power over the time that was read, for as long as the counter counted.
        let known_ns = known_at_ns.saturating_sub(self.opened_ns);
        let unread_ns = self.unread_ns(counter_index, power_index, known_at_ns);
        let read_ns = known_ns.saturating_sub(unread_ns).max(1);
        let power_uj = read_uj as f64 * (1.0 + unread_ns as f64 / read_ns as f64);
        let difference_percent = (counter_uj - power_uj) / power_uj * 100.0;
        // The time that was compared, not the time since the start: sensors found late in a run have a lag too. The
        // power's time, because a frozen counter is not covered, and its difference shall count.
        let compared_ns = run_ns.saturating_sub(self.uncovered_ns(power_index, end_ns));
        let has_failed = self.tracks[counter_index].domain().self_test.is_some();
        let unexplained_percent = (difference_percent.abs() - self.sampling_percent(power_index, known_at_ns)).max(0.0);
        let verdict = match Verdict::new(unexplained_percent, compared_ns) {
            Verdict::Agrees if has_failed && compared_ns < MIN_COMPARED_NS => Verdict::FailedBefore,
            verdict => verdict,
        };
        Some(Comparison { difference_percent, verdict })
    }

    /// Returns how far the integral of a power from the start of the run may be off because power was read at some instants
    /// only, percent of the integral: half of its 90 % range. Power that is read once a second is off by this much more often
    /// than a counter is wrong.
    fn sampling_percent(&self, power_index: usize, end_ns: u64) -> f64 {
        let Some((start, end)) = self.since_start(power_index, end_ns) else { return 0.0 };
        let uj = end.uj.saturating_sub(start.uj).max(1);
        end.scatter.margin_uj(start.scatter, uj) as f64 / uj as f64 * 100.0
    }

    /// Returns what a domain has shown so far. A counter that failed a self-test because it did not move, and has not moved
    /// in this run, has shown nothing, unless the power of its device can be used instead.
    pub(crate) fn shown(&self, index: usize) -> Shown {
        let track = &self.tracks[index];
        let has_failed = track.domain().self_test == Some(CounterFault::Still);
        let mut power_indices = 0..self.tracks.len();
        let mut has_power =
            || power_indices.any(|power_index| counter_index_of(power_index, &self.tracks) == Some(index));
        match track.shown() {
            Shown::Still if has_failed && !has_power() => Shown::Nothing,
            shown => shown,
        }
    }

    /// Returns how much longer than its counter a device's power was not read, nanoseconds.
    fn unread_ns(&self, counter_index: usize, power_index: usize, end_ns: u64) -> u64 {
        self.uncovered_ns(power_index, end_ns).saturating_sub(self.uncovered_ns(counter_index, end_ns))
    }

    /// Returns the last instant at which both energies are known: the counter's last update, or, where the counter has
    /// not changed for longer than its lag explains, the last reading of the power.
    fn known_until_ns(&self, counter_index: usize, power_index: usize, end_ns: u64) -> Option<u64> {
        let read_ns = self.tracks[power_index].last_knot()?.at_ns.min(end_ns);
        let updated_ns = self.last_knot(counter_index)?.at_ns;
        // A counter that failed a self-test because it does not move is not late.
        let is_still = self.tracks[counter_index].domain().self_test == Some(CounterFault::Still);
        let max_lag_ns = if is_still { 0 } else { MAX_LAG_NS };
        let is_late_only = updated_ns.saturating_add(max_lag_ns) >= read_ns;
        let at_ns = if is_late_only { updated_ns.min(read_ns) } else { read_ns };
        let is_remembered = [counter_index, power_index].iter().all(|&index| self.tracks[index].remembers(at_ns));
        Some(if is_remembered { at_ns } else { end_ns })
    }
}

/// Returns the index of the counter that a device's second sensor checks.
fn counter_index_of(power_index: usize, tracks: &[Track]) -> Option<usize> {
    let domain: &Domain = tracks[power_index].domain();
    let parent = domain.parent.as_deref().filter(|parent| domain.id == format!("{parent}/power"))?;
    tracks.iter().position(|track| track.domain().id == parent)
}

/// Makes a device report the integrated power of its second sensor, `power`.
fn report_power(device: &mut Device, power: &Device) {
    // A counter that froze later than at the start keeps what it counted: from its last update on the power sensor counts for it
    // (see `take_over.rs`).
    let of = |device: &Device| DeviceEnergy { limited: device.bounded(), free: device.free() };
    let DeviceEnergy { limited: energy, free } = of(device).replaced_by(&of(power));
    (device.energy_uj, device.low_uj, device.high_uj) = (energy.value, Some(energy.low), energy.high);
    (device.free_low_uj, device.free_high_uj) = (Some(free.low), free.high);
    (device.range_kind, device.range_percent) = stated(&energy);
    device.quality = Quality::Derived;
    (device.mean_w, device.peak_w, device.power_w) = (power.mean_w, power.peak_w, power.power_w);
    device.peak_window_ns = power.peak_window_ns;
    device.coverage = power.coverage;
    device.gaps.clone_from(&power.gaps);
    device.replaced.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m30_a_counter_that_disagrees_with_integrated_power_is_an_event() {
        const S: u64 = 1_000_000_000;
        let text = |difference_percent, compared_ns| {
            let check = CrossCheck { method: "integrated power".to_owned(), energy_uj: 1, difference_percent };
            Verdict::new(difference_percent, compared_ns).event("GPU-1", &check, compared_ns).map(|event| event.text)
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

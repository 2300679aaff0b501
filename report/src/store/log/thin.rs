//! Thins the readings and gauges of a run log while it is read, so that [`super::LogContents`] stays small: a bounded
//! number of each, spread evenly over the run.

use std::collections::BTreeMap;

use eco2_core::{Kind, Reading};

use super::{GaugeReading, MAX_POINTS};

/// Largest memory of the gauges that are kept, names included, bytes.
const MAX_GAUGE_BYTES: usize = 8 << 20;
/// Memory of a gauge in addition to its text, bytes: three strings of 24 and a number, rounded up.
const GAUGE_OVERHEAD_BYTES: usize = 96;

/// Readings of all domains, at most [`MAX_POINTS`].
///
/// When the limit is reached, every second reading of the domain with the most readings is dropped. Of its later readings
/// only every 2nd, then every 4th, 8th and so on is kept. The first and the last reading stay. So do the two readings around
/// each fall of a counter, because a wrap would otherwise look like a reset.
#[derive(Debug, Default)]
pub(super) struct Readings {
    domains: BTreeMap<u32, KeptReadings>,
    /// Number of kept readings of all domains.
    count: usize,
    /// Whether any reading was dropped.
    thinned: bool,
}

/// The kept readings of one domain.
#[derive(Debug)]
struct KeptReadings {
    kind: Kind,
    readings: Vec<Reading>,
    /// The latest reading if it is not in `readings`.
    latest: Option<Reading>,
    /// After thinning, one in `stride` readings is kept.
    stride: u64,
    /// Number of readings offered so far.
    offered: u64,
}

impl Readings {
    /// Adds a reading of a domain and thins the domains if there are too many readings.
    pub(super) fn push(&mut self, domain: u32, kind: Kind, reading: Reading) {
        let new = || KeptReadings { kind, readings: Vec::new(), latest: None, stride: 1, offered: 0 };
        self.count += self.domains.entry(domain).or_insert_with(new).push(reading);
        while self.count > MAX_POINTS {
            let largest = self.domains.values_mut().max_by_key(|kept| kept.readings.len());
            self.count -= largest.map_or(self.count, KeptReadings::halve);
            self.thinned = true;
        }
    }

    /// Whether any reading was dropped.
    pub(super) fn thinned(&self) -> bool {
        self.thinned
    }

    /// Returns the kept readings with the index of their domain, in the order of time.
    pub(super) fn into_sorted(self) -> Vec<(u32, Reading)> {
        let mut all = Vec::with_capacity(self.count + self.domains.len());
        for (domain, kept) in self.domains {
            all.extend(kept.readings.into_iter().chain(kept.latest).map(|reading| (domain, reading)));
        }
        all.sort_by_key(|(_, reading)| reading.before_ns);
        all
    }
}

impl KeptReadings {
    /// Adds a reading. Returns the number of readings that were added to those kept: 0, 1 or 2.
    fn push(&mut self, reading: Reading) -> usize {
        let old_count = self.readings.len();
        let step_down = self.steps_down(self.latest.as_ref().or(self.readings.last()), &reading);
        if step_down || self.offered % self.stride == 0 {
            let before_fall = self.latest.take().filter(|_| step_down);
            self.readings.extend(before_fall);
            self.readings.push(reading);
        } else {
            self.latest = Some(reading);
        }
        self.offered += 1;
        self.readings.len() - old_count
    }

    /// Whether the value of a counter fell between two readings.
    fn steps_down(&self, earlier: Option<&Reading>, later: &Reading) -> bool {
        let values = earlier.and_then(|earlier| Some((earlier.value.ok()?, later.value.ok()?)));
        self.kind == Kind::Energy && values.is_some_and(|(earlier, later)| later < earlier)
    }

    /// Drops every second reading except the last, and doubles the stride. Returns the number of dropped readings.
    fn halve(&mut self) -> usize {
        let old_count = self.readings.len();
        let falls_at = |index: usize| {
            let earlier = index.checked_sub(1).and_then(|earlier| self.readings.get(earlier));
            self.readings.get(index).is_some_and(|later| self.steps_down(earlier, later))
        };
        let every_second: Vec<bool> = (0..old_count).map(|index| index % 2 == 1 && index + 1 < old_count).collect();
        let without_falls: Vec<bool> =
            (0..old_count).map(|index| every_second[index] && !falls_at(index) && !falls_at(index + 1)).collect();
        // Normally half of the readings can be dropped. If less than an eighth can, the values are not those of a counter,
        // and falls need no protection.
        let can_drop_enough = without_falls.iter().filter(|can_drop| **can_drop).count() > old_count / 8;
        let mut dropped = if can_drop_enough { without_falls } else { every_second }.into_iter();
        self.readings.retain(|_| !dropped.next().unwrap_or(false));
        self.stride = self.stride.saturating_mul(2);
        old_count - self.readings.len()
    }
}

/// The gauges of a run, of as many moments as fit into [`MAX_GAUGE_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Gauges {
    moments: Vec<GaugeReading>,
    /// Memory of `moments`.
    bytes: usize,
    /// One in `stride` moments is kept; 0 counts as 1.
    stride: u64,
    /// Number of moments offered so far.
    offered: u64,
}

impl Gauges {
    /// Adds the gauges of a moment. A moment that alone needs a quarter of the memory is left out.
    pub(super) fn push(&mut self, reading: GaugeReading) {
        let bytes = memory_bytes(&reading);
        let wanted = self.offered % self.stride.max(1) == 0 && bytes <= MAX_GAUGE_BYTES / 4;
        self.offered += 1;
        if !wanted {
            return;
        }
        self.moments.push(reading);
        self.bytes += bytes;
        while self.bytes > MAX_GAUGE_BYTES {
            let mut is_kept = false;
            self.moments.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.bytes = self.moments.iter().map(memory_bytes).sum();
            self.stride = self.stride.max(1).saturating_mul(2);
        }
    }

    /// Returns the kept moments.
    pub(super) fn into_moments(self) -> Vec<GaugeReading> {
        self.moments
    }
}

/// Returns the memory of the gauges of a moment, bytes.
fn memory_bytes(reading: &GaugeReading) -> usize {
    let text =
        |gauge: &eco2_core::Gauge| gauge.device.len() + gauge.name.len() + gauge.unit.len() + GAUGE_OVERHEAD_BYTES;
    reading.gauges.iter().map(text).sum::<usize>() + GAUGE_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_ns: u64, value: u64) -> Reading {
        Reading { before_ns: at_ns, after_ns: at_ns + 1, value: Ok(value) }
    }

    #[test]
    fn k18_history_is_thinned_evenly_and_keeps_its_ends_and_its_wraps() {
        let mut readings = Readings::default();
        let total = 3 * MAX_POINTS as u64 + 3;
        // A counter that wraps at 2^16, read a thousand times between two wraps, and a failed one read seldom.
        for at in 0..total {
            readings.push(0, Kind::Energy, reading(at, at * 65 % 65_536));
            if at % 10_000 == 0 {
                readings.push(1, Kind::Energy, Reading { value: Err(eco2_core::Fault::Failed), ..reading(at, 0) });
            }
        }
        assert!(readings.thinned());
        let kept = readings.into_sorted();
        assert!(kept.len() <= MAX_POINTS + 2, "{}", kept.len());
        let seldom = kept.iter().filter(|(domain, _)| *domain == 1).count() as u64;
        assert_eq!(seldom, total.div_ceil(10_000), "a domain that is read seldom is not thinned");
        let counter: Vec<Reading> = kept.iter().filter(|(domain, _)| *domain == 0).map(|(_, one)| *one).collect();
        assert_eq!((counter[0].before_ns, counter[counter.len() - 1].before_ns), (0, total - 1));
        let raw: Vec<u64> = counter.iter().map(|one| one.value.unwrap()).collect();
        let grown: u64 = raw.windows(2).map(|pair| (pair[1] + 65_536 - pair[0]) % 65_536).sum();
        assert_eq!(grown, (total - 1) * 65, "unwrapping what is kept gives the energy of all of it");
    }

    #[test]
    fn k18_readings_that_only_fall_are_thinned_too() {
        let mut readings = Readings::default();
        for at in 0..2 * MAX_POINTS as u64 {
            readings.push(0, Kind::Energy, reading(at, (at + 1) % 2));
        }
        assert!(readings.into_sorted().len() <= MAX_POINTS + 1);
    }

    #[test]
    fn k18_gauges_are_bounded_by_their_bytes() {
        let mut gauges = Gauges::default();
        let gauge =
            |text: usize| eco2_core::Gauge { device: "d".repeat(text), name: "n".into(), unit: "u".into(), value: 1.0 };
        for at_ns in 0..200_000 {
            gauges.push(GaugeReading { at_ns, gauges: vec![gauge(10)] });
        }
        gauges.push(GaugeReading { at_ns: 0, gauges: vec![gauge(MAX_GAUGE_BYTES)] });
        let list = gauges.into_moments();
        assert!(list.iter().map(memory_bytes).sum::<usize>() <= MAX_GAUGE_BYTES);
        assert!(list.len() > 10_000 && list[list.len() - 1].at_ns > 190_000, "{}", list.len());
    }
}

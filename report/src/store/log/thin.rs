//! What a log's contents keep of its history: a bounded number of readings and gauges, spread over the whole run.

use std::collections::BTreeMap;

use eco2_core::{Kind, Reading};

use super::{GaugeReading, MAX_POINTS};

/// Bytes of gauges that are kept, names included.
const GAUGE_BYTES: usize = 8 << 20;
/// Memory of a gauge in addition to its text: three strings and a number.
const GAUGE_COST: usize = 96;

/// Readings of all domains, at most [`MAX_POINTS`].
///
/// When the bound is reached, the domain with the most readings loses every second one, and of what it gets from then on
/// only every 2nd, 4th, 8th … is kept. The first and the last reading stay, and so does each step down of a counter with
/// the reading in front of it, or a wrap would be taken for a reset.
#[derive(Debug, Default)]
pub(super) struct Readings {
    domains: BTreeMap<u32, Kept>,
    count: usize,
    thinned: bool,
}

#[derive(Debug)]
struct Kept {
    kind: Kind,
    readings: Vec<Reading>,
    /// The latest reading, while it is not kept.
    latest: Option<Reading>,
    /// Of how many readings one is kept.
    stride: u64,
    offered: u64,
}

impl Readings {
    /// Takes a reading of a domain.
    pub(super) fn push(&mut self, domain: u32, kind: Kind, reading: Reading) {
        let new = || Kept { kind, readings: Vec::new(), latest: None, stride: 1, offered: 0 };
        self.count += self.domains.entry(domain).or_insert_with(new).push(reading);
        while self.count > MAX_POINTS {
            let largest = self.domains.values_mut().max_by_key(|kept| kept.readings.len());
            self.count -= largest.map_or(self.count, Kept::halve);
            self.thinned = true;
        }
    }

    /// Whether any reading was left out.
    pub(super) fn thinned(&self) -> bool {
        self.thinned
    }

    /// All that is kept, in the order of time.
    pub(super) fn sorted(self) -> Vec<(u32, Reading)> {
        let mut all = Vec::with_capacity(self.count + self.domains.len());
        for (domain, kept) in self.domains {
            all.extend(kept.readings.into_iter().chain(kept.latest).map(|reading| (domain, reading)));
        }
        all.sort_by_key(|(_, reading)| reading.before_ns);
        all
    }
}

impl Kept {
    /// Takes a reading; by how many the number of those kept has grown.
    fn push(&mut self, reading: Reading) -> usize {
        let before = self.readings.len();
        let step_down = self.steps_down(self.latest.as_ref().or(self.readings.last()), &reading);
        if step_down || self.offered.is_multiple_of(self.stride) {
            let in_front = self.latest.take().filter(|_| step_down);
            self.readings.extend(in_front);
            self.readings.push(reading);
        } else {
            self.latest = Some(reading);
        }
        self.offered += 1;
        self.readings.len() - before
    }

    /// Whether a counter fell between two readings.
    fn steps_down(&self, earlier: Option<&Reading>, later: &Reading) -> bool {
        let values = earlier.and_then(|earlier| Some((earlier.value.ok()?, later.value.ok()?)));
        self.kind == Kind::Energy && values.is_some_and(|(earlier, later)| later < earlier)
    }

    /// Keeps every second reading, and the last; how many went.
    fn halve(&mut self) -> usize {
        let before = self.readings.len();
        let falls = |at: usize| {
            let pair = (at.checked_sub(1).and_then(|earlier| self.readings.get(earlier)), self.readings.get(at));
            pair.1.is_some_and(|later| self.steps_down(pair.0, later))
        };
        let second: Vec<bool> = (0..before).map(|at| at % 2 == 1 && at + 1 < before).collect();
        let spare: Vec<bool> = (0..before).map(|at| second[at] && !falls(at) && !falls(at + 1)).collect();
        // Where most of the values fall there is no counter to protect.
        let enough = spare.iter().filter(|spare| **spare).count() > before / 8;
        let mut drop = if enough { spare } else { second }.into_iter();
        self.readings.retain(|_| !drop.next().unwrap_or(false));
        self.stride = self.stride.saturating_mul(2);
        before - self.readings.len()
    }
}

/// Gauges of as many moments as fit into [`GAUGE_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Gauges {
    moments: Vec<GaugeReading>,
    bytes: usize,
    stride: u64,
    offered: u64,
}

impl Gauges {
    /// Takes the gauges of a moment; what is too large by itself is left out.
    pub(super) fn push(&mut self, reading: GaugeReading) {
        let bytes = cost(&reading);
        let wanted = self.offered.is_multiple_of(self.stride.max(1)) && bytes <= GAUGE_BYTES / 4;
        self.offered += 1;
        if !wanted {
            return;
        }
        self.moments.push(reading);
        self.bytes += bytes;
        while self.bytes > GAUGE_BYTES {
            let mut at = 0;
            self.moments.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.bytes = self.moments.iter().map(cost).sum();
            self.stride = self.stride.max(1).saturating_mul(2);
        }
    }

    /// All that is kept.
    pub(super) fn list(self) -> Vec<GaugeReading> {
        self.moments
    }
}

fn cost(reading: &GaugeReading) -> usize {
    let text = |gauge: &eco2_core::Gauge| gauge.device.len() + gauge.name.len() + gauge.unit.len() + GAUGE_COST;
    reading.gauges.iter().map(text).sum::<usize>() + GAUGE_COST
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
        let kept = readings.sorted();
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
        assert!(readings.sorted().len() <= MAX_POINTS + 1);
    }

    #[test]
    fn k18_gauges_are_bounded_by_their_bytes() {
        let mut gauges = Gauges::default();
        let gauge =
            |text: usize| eco2_core::Gauge { device: "d".repeat(text), name: "n".into(), unit: "u".into(), value: 1.0 };
        for at_ns in 0..200_000 {
            gauges.push(GaugeReading { at_ns, gauges: vec![gauge(10)] });
        }
        gauges.push(GaugeReading { at_ns: 0, gauges: vec![gauge(GAUGE_BYTES)] });
        let list = gauges.list();
        assert!(list.iter().map(cost).sum::<usize>() <= GAUGE_BYTES);
        assert!(list.len() > 10_000 && list[list.len() - 1].at_ns > 190_000, "{}", list.len());
    }
}

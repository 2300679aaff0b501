//! Keeps the energy of each device over the last half hour, as everyone may see it, for the Firefox Profiler ([`PowerTracks`]).
//!
//! Where its setting `devtools.performance.recording.power.external-url` has the address of `/power`, the profiler asks for
//! `?start=MS&end=MS`, milliseconds since 1970, when a recording ends, and adds the power tracks of the answer to the profile: a list
//! of counters of the category `power`, whose samples are the energy since the sample before, in picowatt-hours, at times from the
//! start.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::snapshot::Snapshot;

/// Seconds that are kept.
const KEPT: usize = 1_800;
/// Picowatt-hours per microjoule.
const PWH_PER_UJ: f64 = 1e6 / 3.6e3;

/// The energy of the devices over the last half hour.
#[derive(Debug, Default)]
pub(crate) struct PowerTracks {
    /// Id and name of each device that is part of the total.
    devices: Vec<(String, String)>,
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    /// Nanoseconds since 1970.
    wall_ns: i64,
    /// Energy of each device, microjoules, in the order of the devices; `None`: not known.
    energy_uj: Vec<Option<u64>>,
}

impl PowerTracks {
    /// Adds a snapshot of the public view. Where the wall clock was set back, what came before has no place any more.
    pub(crate) fn push(&mut self, public: &Snapshot) {
        if self.samples.back().is_some_and(|last| last.wall_ns >= public.wall_ns) {
            self.samples.clear();
        }
        let mut energy_uj = vec![None; self.devices.len()];
        for device in public.devices.iter().filter(|device| device.is_summed) {
            match self.devices.iter().position(|(id, _)| *id == device.id) {
                Some(at) => energy_uj[at] = device.energy_uj,
                None => {
                    self.devices.push((device.id.clone(), device.name.clone()));
                    energy_uj.push(device.energy_uj);
                }
            }
        }
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { wall_ns: public.wall_ns, energy_uj });
    }

    /// Moves all times.
    pub(crate) fn shift(&mut self, by_ns: i64) {
        self.samples.iter_mut().for_each(|sample| sample.wall_ns = sample.wall_ns.saturating_add(by_ns));
    }

    /// Returns the counters of the devices between two times, milliseconds since 1970. Times without a value belong to the next
    /// sample, whose power is then the mean over them.
    pub(crate) fn counters(&self, start_ms: f64, end_ms: f64) -> Value {
        let tracks = self.devices.iter().enumerate().filter_map(|(at, (id, name))| {
            let mut before = None;
            let mut data: Vec<(f64, f64)> = Vec::new();
            for sample in &self.samples {
                let ms = sample.wall_ns as f64 / 1e6;
                let Some(uj) = sample.energy_uj.get(at).copied().flatten() else { continue };
                if (start_ms..=end_ms).contains(&ms) {
                    let used = before.map_or(0, |before: u64| uj.saturating_sub(before));
                    // The first sample has no energy: the time that it belongs to began before the recording.
                    let used = if data.is_empty() { 0 } else { used };
                    data.push(((ms - start_ms).round(), (used as f64 * PWH_PER_UJ).round()));
                }
                before = Some(uj);
            }
            let samples = json!({"schema": {"time": 0, "count": 1}, "data": data});
            (data.len() > 1).then(|| json!({"name": name, "category": "power", "description": id, "samples": samples}))
        });
        tracks.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Resolution;
    use crate::fixture::snapshot;

    const START_MS: f64 = 1_700_000_000_000.0;

    fn tracks(seconds: impl Iterator<Item = u64>) -> PowerTracks {
        let mut tracks = PowerTracks::default();
        seconds.for_each(|second| tracks.push(&snapshot(second, Resolution::PUBLIC)));
        tracks
    }

    #[test]
    fn energy_between_two_times_is_that_of_the_public_view() {
        let found = tracks(1..=60).counters(START_MS + 10_000.0, START_MS + 20_000.0);
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 12, "summed devices");
        let data: Vec<(f64, f64)> = serde_json::from_value(found[0]["samples"]["data"].clone()).unwrap();
        assert_eq!((data.len(), data[0], data[10].0), (11, (0.0, 0.0), 10_000.0));
        let pwh: f64 = data.iter().map(|(_, count)| count).sum();
        let energy = |second| snapshot(second, Resolution::PUBLIC).devices[0].energy_uj.unwrap();
        let truth = (energy(20) - energy(10)) as f64 * PWH_PER_UJ;
        assert!((pwh - truth).abs() <= 10.0, "{pwh} and {truth}");
        // PLATYPUS: a multiple of 0.1 J.
        assert!(data.iter().all(|(_, count)| ((count / PWH_PER_UJ) as u64 + 1) % 100_000 <= 2), "{data:?}");
    }

    #[test]
    fn missing_second_belongs_to_the_next_sample_and_memory_is_bounded() {
        let gap = tracks((1..=5).chain(8..=9)).counters(START_MS, START_MS + 9_000.0);
        let data: Vec<(f64, f64)> = serde_json::from_value(gap[0]["samples"]["data"].clone()).unwrap();
        assert_eq!(data.len(), 7);
        assert!((data[5].1 / data[6].1 - 3.0).abs() < 0.01, "three seconds: {data:?}");
        let long = tracks(1..=10_000);
        assert_eq!(long.samples.len(), KEPT);
        for (start, end) in [(f64::NAN, 1.0), (f64::INFINITY, 0.0), (0.0, -1.0), (0.0, START_MS)] {
            assert_eq!(long.counters(start, end), json!([]), "{start} to {end}");
        }
        let mut back = long;
        back.push(&snapshot(3, Resolution::PUBLIC));
        assert_eq!(back.samples.len(), 1, "the clock was set back");
    }
}

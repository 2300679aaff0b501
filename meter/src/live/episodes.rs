//! Finds the episodes of a run ([`RunEpisodes`]): stretches of time in which steps stall, or a GPU is idle, hot or power-capped. The
//! report lists them, and alerts report some of them when they begin. Their energy is computed in `run/episodes.rs`.
//!
//! A *gauge* is a value that a sensor shows, such as a temperature; the gauges of one GPU are read together, about once per second.

use eco2_core::schema::{EpisodeRecord, EventKind};
use eco2_core::{Episodes, Gauge, Stalls};

/// A GPU that is busy for less of a sampling interval than this share is idle. NVML shows 0 where no kernel runs.
const IDLE_BELOW: f64 = 0.01;
/// `nvmlClocksEventReasonSwThermalSlowdown` and `…HwThermalSlowdown` of `nvml.h`.
const THERMAL: u64 = 0x20 | 0x40;
/// `nvmlClocksEventReasonSwPowerCap` of `nvml.h`.
const POWER_CAP: u64 = 0x4;

/// Gauges are read once a second (`Schedule::gauges_due` of the samplers): an episode may have begun, and may go on, for this
/// long without a reading.
pub(crate) const READ_EVERY_NS: u64 = 1_000_000_000;
/// Between two readings with more time than this between them the state is unknown, so that an episode ends at the first. One
/// reading may be late without a gap.
const GAP_NS: u64 = 2 * READ_EVERY_NS;

/// The episodes of one GPU.
#[derive(Debug, Clone, Default)]
struct DeviceEpisodes {
    id: String,
    /// Whether it was reported that it is hot now.
    hot_reported: bool,
    /// The temperature that was read last and waits for its limit.
    celsius: Option<f64>,
    /// Heat at the time of the last gauges, of which some may still follow.
    latest_heat: Option<HeatReading>,
    idle: StateEpisodes,
    hot: StateEpisodes,
    power_capped: StateEpisodes,
}

/// Whether any gauge of one time shows heat.
#[derive(Debug, Clone, Copy)]
struct HeatReading {
    at_ns: u64,
    is_hot: bool,
}

/// The episodes in which one state holds.
#[derive(Debug, Clone, Default)]
struct StateEpisodes {
    spells: Episodes,
    /// Time of the last reading.
    last_ns: Option<u64>,
}

impl StateEpisodes {
    /// Adds a reading: whether the state holds at `at_ns`. A gap before it ends an open episode.
    fn add_reading(&mut self, at_ns: u64, holds: bool) {
        if self.last_ns.replace(at_ns).is_some_and(|last_ns| at_ns.saturating_sub(last_ns) > GAP_NS) {
            self.spells.end();
        }
        self.spells.see(at_ns, holds);
    }

    /// Returns the episodes, with one that goes on until its last reading.
    fn so_far(&self) -> Episodes {
        self.spells.so_far()
    }
}

impl DeviceEpisodes {
    /// Adds what one gauge shows. Several gauges of one time can show heat; the GPU is hot if any of them does.
    fn add_heat(&mut self, at_ns: u64, is_hot: bool) {
        if let Some(latest) = self.latest_heat.as_mut().filter(|latest| latest.at_ns == at_ns) {
            latest.is_hot |= is_hot;
            return;
        }
        if let Some(complete) = self.latest_heat.replace(HeatReading { at_ns, is_hot }) {
            self.hot.add_reading(complete.at_ns, complete.is_hot);
        }
    }

    /// Returns the hot episodes, including the latest reading.
    fn hot_so_far(&self) -> Episodes {
        let mut hot = self.hot.clone();
        if let Some(latest) = self.latest_heat {
            hot.add_reading(latest.at_ns, latest.is_hot);
        }
        hot.so_far()
    }
}

/// The episodes of one run; times are monotonic nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunEpisodes {
    /// Finds stalls by the times of steps.
    pub(crate) stalls: Stalls,
    /// The stalls that have ended.
    stalled: Episodes,
    devices: Vec<DeviceEpisodes>,
    /// Whether it was reported that steps stall now.
    stall_reported: bool,
}

/// An episode that has begun, for alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) kind: EventKind,
    /// Device; empty for the run.
    pub(crate) device: String,
    pub(crate) text: String,
}

impl RunEpisodes {
    /// Records that a step ended.
    pub(crate) fn step(&mut self, at_ns: u64) {
        if let Some((from_ns, to_ns)) = self.stalls.step(at_ns) {
            self.stalled.add(from_ns, to_ns);
        }
    }

    /// Returns the episodes that began since the last call and go on at `now_ns`: a stall, or a hot GPU. Each is returned once.
    pub(crate) fn begun(&mut self, now_ns: u64) -> Vec<Begun> {
        let mut begun = Vec::new();
        let stall = self.stalls.waiting(now_ns);
        if let Some((from_ns, _)) = stall.filter(|_| !self.stall_reported) {
            let text = self.stall_text(from_ns, now_ns);
            begun.push(Begun { kind: EventKind::Stalled, device: String::new(), text });
        }
        self.stall_reported = stall.is_some();
        for device in &mut self.devices {
            let is_current = |heat: &HeatReading| now_ns.saturating_sub(heat.at_ns) <= GAP_NS;
            let is_hot = device.latest_heat.filter(is_current).is_some_and(|heat| heat.is_hot);
            if is_hot && !device.hot_reported {
                let text = "at its highest temperature, or slowed down by it".to_owned();
                begun.push(Begun { kind: EventKind::Hot, device: device.id.clone(), text });
            }
            device.hot_reported = is_hot;
        }
        begun
    }

    fn stall_text(&self, from_ns: u64, now_ns: u64) -> String {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let usual_ns = self.stalls.usual_ns().unwrap_or(0);
        let late = seconds(now_ns.saturating_sub(from_ns));
        format!("no step has ended for {late:.1} s longer than the usual {:.3} s", seconds(usual_ns))
    }

    /// Records that a step began. The time before it is no stall if the step is the first one, or if `after_pause`.
    pub(crate) fn step_begins(&mut self, at_ns: u64, after_pause: bool) {
        if after_pause || !self.stalls.has_begun() {
            self.stalls.start(at_ns);
        }
    }

    /// Adds one gauge. Those of a GPU have one time, and its temperature comes before the limit that it is compared with.
    pub(crate) fn gauge(&mut self, at_ns: u64, gauge: &Gauge) {
        if !matches!(gauge.name.as_str(), "utilization" | "temperature" | "temperature_limit" | "throttle_reasons")
            || gauge.device == "host"
            || !gauge.value.is_finite()
        {
            return;
        }
        let device = self.device(&gauge.device);
        match gauge.name.as_str() {
            "utilization" => device.idle.add_reading(at_ns, gauge.value < IDLE_BELOW),
            "temperature" => device.celsius = Some(gauge.value),
            "temperature_limit" => {
                let reached = device.celsius.take().is_some_and(|celsius| celsius >= gauge.value);
                device.add_heat(at_ns, reached);
            }
            _ => {
                let reasons = gauge.value as u64;
                device.power_capped.add_reading(at_ns, reasons & POWER_CAP != 0);
                device.add_heat(at_ns, reasons & THERMAL != 0);
            }
        }
    }

    /// Returns the episodes of a device, which is added if it is new.
    fn device(&mut self, id: &str) -> &mut DeviceEpisodes {
        let index = self.devices.iter().position(|device| device.id == id).unwrap_or_else(|| {
            self.devices.push(DeviceEpisodes { id: id.to_owned(), ..DeviceEpisodes::default() });
            self.devices.len() - 1
        });
        &mut self.devices[index]
    }

    /// Returns the episodes until `end_ns` by kind and device; the device is empty for the run. If `going_on`, the run has not ended
    /// successfully, so that a step that does not come is a stall. After a successful end no further step is due.
    pub(crate) fn all(&self, end_ns: u64, going_on: bool) -> Vec<(&'static str, &str, Episodes)> {
        let mut stalled = self.stalled.clone();
        if let Some((from_ns, to_ns)) = self.stalls.waiting(end_ns).filter(|_| going_on) {
            stalled.add(from_ns, to_ns);
        }
        let mut all = vec![(EpisodeRecord::STALLED, "", stalled)];
        for device in &self.devices {
            all.push((EpisodeRecord::IDLE, &device.id, device.idle.so_far()));
            all.push((EpisodeRecord::HOT, &device.id, device.hot_so_far()));
            all.push((EpisodeRecord::POWER_CAPPED, &device.id, device.power_capped.so_far()));
        }
        all.retain(|(.., spells)| spells.count > 0);
        all
    }
}

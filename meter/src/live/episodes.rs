//! Episodes of a run: stretches of time in which steps stall, or a GPU is idle, hot or power-capped. Their energy is computed in
//! `run/episodes.rs`.

use eco2_core::schema::{EpisodeRecord, EventKind};
use eco2_core::{Episodes, Gauge, Stalls};

/// A GPU that is busy for less of a sampling interval than this is idle: what NVML shows where no kernel runs is 0.
const IDLE_BELOW: f64 = 0.01;
/// `nvmlClocksEventReasonSwThermalSlowdown` and `…HwThermalSlowdown` of `nvml.h`.
const THERMAL: u64 = 0x20 | 0x40;
/// `nvmlClocksEventReasonSwPowerCap` of `nvml.h`.
const POWER_CAP: u64 = 0x4;

/// Gauges are read once a second (`Schedule::gauges_due` of the samplers): an episode may have begun, and may go on, for this
/// long without a reading.
pub(crate) const READ_EVERY_NS: u64 = 1_000_000_000;
/// Two readings with more time than this between them have a gap, whose state is unknown.
const GAP_NS: u64 = 2 * READ_EVERY_NS;

/// The gauges of one GPU.
#[derive(Debug, Clone, Default)]
struct OfDevice {
    id: String,
    /// Whether it was reported that it is hot now.
    hot_reported: bool,
    celsius: Option<f64>,
    /// Whether it was hot at the instant of its last gauges, as far as they have come.
    round: Option<(u64, bool)>,
    idle: Seen,
    hot: Seen,
    power_capped: Seen,
}

/// The episodes of one gauge, and the time of its last reading.
#[derive(Debug, Clone, Default)]
struct Seen {
    spells: Episodes,
    last_ns: Option<u64>,
}

impl Seen {
    fn see(&mut self, at_ns: u64, holds: bool) {
        if self.last_ns.replace(at_ns).is_some_and(|last_ns| at_ns.saturating_sub(last_ns) > GAP_NS) {
            self.spells.end();
        }
        self.spells.see(at_ns, holds);
    }

    fn so_far(&self) -> Episodes {
        self.spells.so_far()
    }
}

impl OfDevice {
    /// Takes one sign of heat or its absence; of several signs at one instant any counts.
    fn is_hot(&mut self, at_ns: u64, hot: bool) {
        match &mut self.round {
            Some((of_ns, any)) if *of_ns == at_ns => *any |= hot,
            round => {
                if let Some((of_ns, any)) = round.replace((at_ns, hot)) {
                    self.hot.see(of_ns, any);
                }
            }
        }
    }

    /// Its hot times so far.
    fn hot(&self) -> Seen {
        let mut hot = self.hot.clone();
        if let Some((of_ns, any)) = self.round {
            hot.see(of_ns, any);
        }
        hot
    }
}

/// Everything of one run; times are monotonic nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunEpisodes {
    pub(crate) stalls: Stalls,
    stalled: Episodes,
    devices: Vec<OfDevice>,
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
    /// A step ended.
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
            let hot = device.round.is_some_and(|(at_ns, hot)| hot && now_ns.saturating_sub(at_ns) <= GAP_NS);
            if hot && !device.hot_reported {
                let text = "at its highest temperature, or slowed down by it".to_owned();
                begun.push(Begun { kind: EventKind::Hot, device: device.id.clone(), text });
            }
            device.hot_reported = hot;
        }
        begun
    }

    fn stall_text(&self, from_ns: u64, now_ns: u64) -> String {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let usual_ns = self.stalls.usual_ns().unwrap_or(0);
        let late = seconds(now_ns.saturating_sub(from_ns));
        format!("no step has ended for {late:.1} s longer than the usual {:.3} s", seconds(usual_ns))
    }

    /// A step began: the first one, or with `started` the first after a pause, which is no stall.
    pub(crate) fn step_begins(&mut self, at_ns: u64, started: bool) {
        if started || !self.stalls.has_begun() {
            self.stalls.start(at_ns);
        }
    }

    /// One gauge; those of a device come at one instant, its temperature before what it is compared with.
    pub(crate) fn gauge(&mut self, at_ns: u64, gauge: &Gauge) {
        if !matches!(gauge.name.as_str(), "utilization" | "temperature" | "temperature_limit" | "throttle_reasons")
            || gauge.device == "host"
            || !gauge.value.is_finite()
        {
            return;
        }
        let device = self.device(&gauge.device);
        match gauge.name.as_str() {
            "utilization" => device.idle.see(at_ns, gauge.value < IDLE_BELOW),
            "temperature" => device.celsius = Some(gauge.value),
            "temperature_limit" => {
                let reached = device.celsius.take().is_some_and(|celsius| celsius >= gauge.value);
                device.is_hot(at_ns, reached);
            }
            _ => {
                let reasons = gauge.value as u64;
                device.power_capped.see(at_ns, reasons & POWER_CAP != 0);
                device.is_hot(at_ns, reasons & THERMAL != 0);
            }
        }
    }

    fn device(&mut self, id: &str) -> &mut OfDevice {
        let place = self.devices.iter().position(|device| device.id == id).unwrap_or_else(|| {
            self.devices.push(OfDevice { id: id.to_owned(), ..OfDevice::default() });
            self.devices.len() - 1
        });
        &mut self.devices[place]
    }

    /// Returns the episodes until `end_ns` by kind and device; the device is empty for the run. `going_on`: the run has not ended
    /// successfully (yet), so that a missing step is a stall; after a successful end no step is missing.
    pub(crate) fn all(&self, end_ns: u64, going_on: bool) -> Vec<(&'static str, &str, Episodes)> {
        let mut stalled = self.stalled.clone();
        if let Some((from_ns, to_ns)) = self.stalls.waiting(end_ns).filter(|_| going_on) {
            stalled.add(from_ns, to_ns);
        }
        let mut all = vec![(EpisodeRecord::STALLED, "", stalled)];
        for device in &self.devices {
            all.push((EpisodeRecord::IDLE, &device.id, device.idle.so_far()));
            all.push((EpisodeRecord::HOT, &device.id, device.hot().so_far()));
            all.push((EpisodeRecord::POWER_CAPPED, &device.id, device.power_capped.so_far()));
        }
        all.retain(|(.., spells)| spells.count > 0);
        all
    }
}

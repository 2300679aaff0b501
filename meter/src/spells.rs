//! What a run shows besides its energy: stalls, idle, hot and held-back GPUs, and the energy that went into them.

use eco2_core::report::{Device, Energy, EventRecord, SpellRecord};
use eco2_core::{Gauge, Spells, Stalls};

use crate::intensity::Curve;
use crate::series::Point;

/// Spans of this name are steps; that they stop coming is a stall.
pub(crate) const STEP: &str = "step";
/// A GPU that is busy for less of a sampling interval than this is idle: what NVML shows where no kernel runs is 0.
const IDLE_BELOW: f64 = 0.01;
/// `nvmlClocksEventReasonSwThermalSlowdown` and `…HwThermalSlowdown` of `nvml.h`.
const THERMAL: u64 = 0x20 | 0x40;
/// `nvmlClocksEventReasonSwPowerCap` of `nvml.h`.
const POWER_CAP: u64 = 0x4;
/// Events of one kind and device; the longest spells are told, all are counted.
const EVENTS: usize = 10;

/// What one GPU said in its gauges.
#[derive(Debug, Clone, Default)]
struct OfDevice {
    id: String,
    celsius: Option<f64>,
    /// Whether it was hot at the instant of its last gauges, as far as they have come.
    round: Option<(u64, bool)>,
    idle: Spells,
    hot: Spells,
    power_capped: Spells,
}

impl OfDevice {
    /// One sign of heat or its absence; of several at one instant any counts.
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
    fn hot(&self) -> Spells {
        let mut hot = self.hot.clone();
        if let Some((of_ns, any)) = self.round {
            hot.see(of_ns, any);
        }
        hot
    }
}

/// Everything of one run; times are monotonic nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunSpells {
    stalls: Stalls,
    stalled: Spells,
    devices: Vec<OfDevice>,
}

impl RunSpells {
    /// A step ended.
    pub(crate) fn step(&mut self, at_ns: u64) {
        if let Some((from_ns, to_ns)) = self.stalls.step(at_ns) {
            self.stalled.add(from_ns, to_ns);
        }
    }

    /// Whether a step has been seen.
    pub(crate) fn has_begun(&self) -> bool {
        self.stalls.has_begun()
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

    /// The records until `end_ns` of a run that began at `begin_ns`, and the events among them. `going_on`: the run has not
    /// ended well (yet), so that steps that do not come count as a stall; after a good end there were none to come.
    pub(crate) fn told(
        &self,
        time: &Time,
        going_on: bool,
        curves: &Curves<'_>,
    ) -> (Vec<SpellRecord>, Vec<EventRecord>) {
        let mut stalled = self.stalled.clone();
        if let Some((from_ns, to_ns)) = self.stalls.waiting(time.end_ns).filter(|_| going_on) {
            stalled.add(from_ns, to_ns);
        }
        let (mut records, mut events) = (Vec::new(), Vec::new());
        let mut tell = |kind: &str, device: &str, spells: &Spells| {
            let spells = spells.so_far();
            if spells.count() == 0 {
                return;
            }
            let curve = curves.of(device);
            let usual_ns = self.stalls.usual_ns().filter(|_| kind == SpellRecord::STALLED);
            let record = record(kind, device, &spells, usual_ns, time, curve.as_ref());
            if record.is_anomaly() && drew_power(&record) {
                events.extend(told_of(&record, &spells, time, curve.as_ref()));
            }
            records.push(record);
        };
        tell(SpellRecord::STALLED, "", &stalled);
        for device in &self.devices {
            tell(SpellRecord::IDLE, &device.id, &device.idle);
            tell(SpellRecord::HOT, &device.id, &device.hot());
            tell(SpellRecord::POWER_CAPPED, &device.id, &device.power_capped);
        }
        (records, events)
    }
}

/// A run's time, monotonic nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) begin_ns: u64,
    pub(crate) end_ns: u64,
}

/// Where the energy of a run, or of one of its devices, is read off.
pub(crate) struct Curves<'a> {
    pub(crate) devices: &'a [Device],
    pub(crate) energy: &'a Energy,
    pub(crate) lasted_ns: u64,
    /// Points of each device, counted from the run's beginning.
    pub(crate) points: &'a dyn Fn(usize) -> Vec<Point>,
}

impl Curves<'_> {
    /// The run's for no name; `None` for a device that is not measured.
    fn of(&self, id: &str) -> Option<Curve> {
        if id.is_empty() {
            let mut curve = Curve::new(self.energy, self.lasted_ns);
            for (place, device) in self.devices.iter().enumerate() {
                curve.add(device, (self.points)(place).into_iter());
            }
            return Some(curve);
        }
        let place = self.devices.iter().position(|device| device.id == id)?;
        let device = self.devices.get(place)?;
        let (total_uj, low_uj) = (device.energy_uj?, device.low_uj?);
        let energy = Energy { total_uj, low_uj, high_uj: device.high_uj, ..Energy::default() };
        let mut curve = Curve::new(&energy, self.lasted_ns);
        curve.add(&Device { overlaps: Vec::new(), ..device.clone() }, (self.points)(place).into_iter());
        Some(curve)
    }
}

/// A stall while nothing draws power is no loss. Energy that nobody knows may have been drawn.
fn drew_power(record: &SpellRecord) -> bool {
    record.energy_uj != Some(0)
}

/// Least, estimated and most energy of a stretch, microjoules.
fn energy_of(curve: &Curve, (from_ns, to_ns): (u64, u64), time: &Time) -> (u64, u64, Option<u64>) {
    let level = |at_ns: u64| curve.at(at_ns.clamp(time.begin_ns, time.end_ns) - time.begin_ns);
    let (from, to) = (level(from_ns), level(to_ns));
    let low_uj = from.high_uj.map_or(0, |high_uj| to.low_uj.saturating_sub(high_uj));
    let high_uj = to.high_uj.map(|high_uj| high_uj.saturating_sub(from.low_uj));
    let uj = to.energy_uj.saturating_sub(from.energy_uj).max(low_uj);
    (low_uj, high_uj.map_or(uj, |high_uj| uj.min(high_uj)), high_uj)
}

fn record(
    kind: &str,
    device: &str,
    spells: &Spells,
    usual_ns: Option<u64>,
    time: &Time,
    curve: Option<&Curve>,
) -> SpellRecord {
    let nothing = (0, 0, spells.is_whole().then_some(0));
    let sum = |sum: (u64, u64, Option<u64>), more: (u64, u64, Option<u64>)| {
        let high = sum.2.zip(more.2).map(|(sum, more)| sum.saturating_add(more));
        (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1), high)
    };
    let energy = curve.map(|curve| spells.kept().iter().map(|spell| energy_of(curve, *spell, time)).fold(nothing, sum));
    SpellRecord {
        kind: kind.to_owned(),
        device: device.to_owned(),
        count: spells.count(),
        duration_ns: spells.total_ns(),
        longest_ns: spells.longest_ns(),
        usual_ns,
        energy_uj: energy.map(|energy| energy.1),
        low_uj: energy.map_or(0, |energy| energy.0),
        high_uj: energy.and_then(|energy| energy.2),
    }
}

/// The longest spells as events, in the order of time.
fn told_of(record: &SpellRecord, spells: &Spells, time: &Time, curve: Option<&Curve>) -> Vec<EventRecord> {
    let mut longest: Vec<(u64, u64)> = spells.kept().to_vec();
    longest.sort_by_key(|(from_ns, to_ns)| std::cmp::Reverse(to_ns - from_ns));
    longest.truncate(EVENTS);
    longest.sort_unstable();
    let event = |spell: &(u64, u64)| EventRecord {
        at: spell.0.saturating_sub(time.begin_ns),
        kind: record.kind.clone(),
        device: record.device.clone(),
        text: text(record, spell.1 - spell.0, curve.map(|curve| energy_of(curve, *spell, time).1)),
    };
    longest.iter().map(event).collect()
}

fn text(record: &SpellRecord, lasted_ns: u64, energy_uj: Option<u64>) -> String {
    let seconds = |ns: u64| format!("{:.1} s", ns as f64 / 1e9);
    let lasted = seconds(lasted_ns);
    let what = match record.usual_ns {
        Some(usual_ns) => {
            format!("no step ended for {lasted} longer than the usual {:.3} s", usual_ns as f64 / 1e9)
        }
        None => format!("at its highest temperature, or slowed down by it, for {lasted}"),
    };
    match energy_uj {
        Some(uj) => {
            let watts = uj as f64 / (lasted_ns.max(1) as f64 / 1e3);
            format!("{what}; it drew {watts:.1} W meanwhile, {:.1} J", uj as f64 / 1e6)
        }
        None => format!("{what}; what it drew meanwhile is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::{Component, Domain, Ledger};

    const S: u64 = 1_000_000_000;

    fn gpu(energy_uj: u64) -> Device {
        let mut ledger = Ledger::new(0, 1);
        ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "nvml"));
        let device = ledger.account(1).devices.remove(0);
        Device { energy_uj: Some(energy_uj), low_uj: Some(energy_uj), high_uj: Some(energy_uj), ..device }
    }

    /// A run of 100 s at 100 W, its counter seen each second, told from 1000 s on the clock.
    fn told(spells: &RunSpells, going_on: bool) -> (Vec<SpellRecord>, Vec<EventRecord>) {
        let uj = 100 * 100 * 1_000_000;
        let (devices, energy) =
            ([gpu(uj)], Energy { total_uj: uj, low_uj: uj, high_uj: Some(uj), ..Energy::default() });
        let points = |_| (1..100).map(|s| Point { lo_ns: s * S, hi_ns: s * S, uj: s * 100_000_000 }).collect();
        let time = Time { begin_ns: 1_000 * S, end_ns: 1_100 * S };
        let curves = Curves { devices: &devices, energy: &energy, lasted_ns: 100 * S, points: &points };
        spells.told(&time, going_on, &curves)
    }

    fn gauge(name: &str, value: f64) -> Gauge {
        Gauge { device: "GPU-1".into(), name: name.into(), unit: "1".into(), value }
    }

    #[test]
    fn a_stall_is_an_event_with_the_energy_that_went_into_it() {
        let mut spells = RunSpells::default();
        (0..=10).for_each(|step| spells.step((1_000 + step) * S));
        spells.step(1_050 * S);
        let (records, events) = told(&spells, false);
        let [stalled] = &records[..] else { panic!("{records:?}") };
        // The step was due at 11 s: 39 s at 100 W.
        assert_eq!((stalled.kind.as_str(), stalled.count, stalled.duration_ns), ("stalled", 1, 39 * S));
        assert_eq!(
            (stalled.energy_uj, stalled.low_uj, stalled.high_uj),
            (Some(3_900_000_000), 3_800_000_000, Some(4_000_000_000))
        );
        assert_eq!((stalled.usual_ns, events[0].at), (Some(S), 11 * S));
        assert_eq!(
            events[0].text,
            "no step ended for 39.0 s longer than the usual 1.000 s; it drew 100.0 W meanwhile, 3900.0 J"
        );
        // From 51 s on nothing comes: a run that ended well had no more steps to do.
        assert_eq!(told(&spells, true).0[0].count, 2);
    }

    #[test]
    fn idle_hot_and_capped_times_come_from_the_gauges() {
        let mut spells = RunSpells::default();
        for second in 0..=99 {
            let at_ns = (1_000 + second) * S;
            let idle = (20..=30).contains(&second) || second == 60;
            spells.gauge(at_ns, &gauge("utilization", if idle { 0.0 } else { 0.9 }));
            spells.gauge(at_ns, &gauge("temperature", if (40..=45).contains(&second) { 87.0 } else { 60.0 }));
            spells.gauge(at_ns, &gauge("temperature_limit", 87.0));
            spells.gauge(at_ns, &gauge("throttle_reasons", if second < 10 { 4.0 } else { 0.0 }));
        }
        let (records, events) = told(&spells, false);
        let of = |kind: &str| records.iter().find(|record| record.kind == kind).unwrap();
        assert_eq!((of("idle").duration_ns, of("idle").energy_uj), (10 * S, Some(1_000_000_000)));
        assert_eq!((of("hot").duration_ns, of("power-capped").duration_ns), (5 * S, 9 * S));
        assert_eq!(events.len(), 1, "that a GPU is idle or capped is no anomaly");
        assert!(events[0].text.starts_with("at its highest temperature") && events[0].text.contains("500.0 J"));
    }

    #[test]
    fn a_gpu_that_slows_down_for_heat_is_hot_whatever_its_thermometer_says() {
        let mut spells = RunSpells::default();
        for second in 1_000..=1_004 {
            spells.gauge(second * S, &gauge("temperature", 60.0));
            spells.gauge(second * S, &gauge("temperature_limit", 87.0));
            spells.gauge(second * S, &gauge("throttle_reasons", 64.0));
        }
        assert_eq!(told(&spells, false).0[0].duration_ns, 4 * S);
    }
}

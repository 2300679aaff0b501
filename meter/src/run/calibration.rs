//! The calibration of `eco2 doctor --calibrate`: measures the machine's power when it is idle and under two loads of its
//! own, by its counters, and compares the estimate (source `model`) over the same time.
//!
//! The result is stored in the machine's file. Later runs on this machine use it for estimates when the counters cannot
//! be read. Each phase of the calibration is recorded and accounted like a run of its own. Time and load are behind
//! [`Conditions`], which tests script.

use std::io;
use std::thread;
use std::time::Duration;

use eco2_core::schema::Device;
use eco2_core::{Component, Quality};
use eco2_report::{CalibratedLoad, CalibratedPart, Calibration, MachineState, Trace};
use eco2_samplers::clock::Clock;
use eco2_samplers::discover::{self, OF_CPUS, Selection};
use eco2_samplers::hardware::Hardware;
use eco2_samplers::host_gauges::HostGauges;
use eco2_samplers::model::{self, ModelOptions};
use eco2_samplers::visible::Visible;
use eco2_samplers::{Batch, Source};

use crate::Error;
use crate::live::stored_test::StoredTest;
use crate::live::wall;
use crate::options::Options;
use crate::run::cpu_load::{CpuLoad, LoadKind};
use crate::run::{machine, open};

/// Time from one reading to the next: every counter of a CPU changes within it, and reading leaves the CPUs idle.
const INTERVAL_NS: u64 = 100_000_000;
/// Readings after the end of a phase: a counter that has changed since then has a closed range.
const READINGS_AFTER: u64 = 2;
/// How long each phase is measured, seconds.
const MEASURED_S: u64 = 10;
/// Utilisation up to which the machine is idle.
const IDLE_TO: f64 = 0.05;
/// Utilisation with half of the CPUs busy.
const HALF: [f64; 2] = [0.25, 0.75];
/// Utilisation from which all CPUs are busy.
const FULL_FROM: f64 = 0.9;

/// How many CPUs are busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    None,
    Half,
    All,
}

/// One part of the calibration.
#[derive(Debug, Clone, Copy)]
struct Phase {
    name: &'static str,
    busy: Busy,
    kind: LoadKind,
    /// Time before it is measured, seconds.
    settle_s: u64,
}

/// In this order. Client processors exceed their sustained power for up to 28 s (Intel's `tau`, the time constant of the
/// power limit PL1), so the first full load settles longer than that. The second idle phase shows what a warm machine
/// draws.
const PHASES: [Phase; 6] = [
    Phase { name: "idle", busy: Busy::None, kind: LoadKind::Waits, settle_s: 5 },
    Phase { name: "half of the CPUs waiting", busy: Busy::Half, kind: LoadKind::Waits, settle_s: 5 },
    Phase { name: "half of the CPUs computing", busy: Busy::Half, kind: LoadKind::Streams, settle_s: 5 },
    Phase { name: "all CPUs computing", busy: Busy::All, kind: LoadKind::Streams, settle_s: 30 },
    Phase { name: "all CPUs waiting", busy: Busy::All, kind: LoadKind::Waits, settle_s: 5 },
    Phase { name: "idle again", busy: Busy::None, kind: LoadKind::Waits, settle_s: 10 },
];

/// A phase that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalibrationStep {
    /// Its number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What the CPUs do.
    pub name: &'static str,
    /// How long it takes, seconds.
    pub seconds: u64,
}

/// Why a machine was not calibrated; nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum NotCalibrated {
    /// No counter shows the power of the CPUs.
    #[error(
        "no energy counter of the CPUs can be read here, so that there is nothing to calibrate against; the table above \
         has the remedies"
    )]
    NoCounter,
    /// A virtual machine.
    #[error("this is a virtual machine: a counter that it sees is that of its host, which other machines use too")]
    Guest,
    /// One CPU has no half.
    #[error("calibration needs at least two CPUs")]
    OneCpu,
    /// The threads of the load cannot be started.
    #[error("cannot start the threads that load the CPUs ({0}); raise the limit on processes (`ulimit -u`)")]
    NoLoad(io::Error),
    /// A counter failed.
    #[error("the counter {id} had no complete values while the phase '{phase}' was measured; see the table above")]
    Lost {
        /// Its id.
        id: String,
        /// What the CPUs did.
        phase: &'static str,
    },
    /// The machine had another load than the calibration's.
    #[error("the CPUs were {percent:.0} % busy in the phase '{phase}': {remedy}, and try again")]
    OtherLoad {
        /// What the CPUs were to do.
        phase: &'static str,
        /// Their utilisation.
        percent: f64,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The counters do not follow the load.
    #[error("the counters showed {full_w:.1} W under full load and {idle_w:.1} W idle: they do not follow the load")]
    NoRise {
        /// Mean power when idle.
        idle_w: f64,
        /// Mean power under full load.
        full_w: f64,
    },
    /// Wrong options, or the result cannot be stored.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Time and load of a calibration.
trait Conditions {
    /// Returns the clock by which the counters are read.
    fn clock(&self) -> Clock;
    /// Lets time pass.
    fn pass(&mut self, ns: u64);
    /// Replaces the load by this many threads.
    fn load(&mut self, kind: LoadKind, threads: usize) -> io::Result<()>;
}

/// The machine itself.
#[derive(Default)]
struct ThisMachine {
    load: Option<CpuLoad>,
}

impl Conditions for ThisMachine {
    fn clock(&self) -> Clock {
        Clock::Monotonic
    }

    fn pass(&mut self, ns: u64) {
        thread::sleep(Duration::from_nanos(ns));
    }

    fn load(&mut self, kind: LoadKind, threads: usize) -> io::Result<()> {
        // The old load ends before another begins.
        self.load = None;
        let load = self.load.insert(CpuLoad::start(kind, threads));
        load.failure.take().map_or(Ok(()), Err)
    }
}

/// Calibrates this machine, about two minutes long, and stores the result. `progress` is called as each phase begins.
///
/// # Errors
/// [`NotCalibrated`]; nothing was stored then.
///
/// ```no_run
/// let calibration = eco2::calibrate(&eco2::Options::default(), &mut |step| println!("{}", step.name))?;
/// println!("idle {:.1} W, at full load {:.1} W", calibration.cpu.idle.watts, calibration.cpu.full.watts);
/// # Ok::<(), eco2::NotCalibrated>(())
/// ```
pub fn calibrate(options: &Options, progress: &mut dyn FnMut(CalibrationStep)) -> Result<Calibration, NotCalibrated> {
    calibrate_under(&mut ThisMachine::default(), options, progress)
}

fn calibrate_under(
    conditions: &mut dyn Conditions,
    options: &Options,
    progress: &mut dyn FnMut(CalibrationStep),
) -> Result<Calibration, NotCalibrated> {
    let calibration = measure(conditions, options, progress)?;
    let (name, path) = machine::file(options)?;
    // A damaged file is written again.
    let mut state = MachineState::load(&path, &name).unwrap_or_else(|_| MachineState::new(&name));
    state.calibration = Some(calibration.clone());
    state.save(&path).map_err(Error::from)?;
    Ok(calibration)
}

/// Measures all phases.
fn measure(
    conditions: &mut dyn Conditions,
    options: &Options,
    progress: &mut dyn FnMut(CalibrationStep),
) -> Result<Calibration, NotCalibrated> {
    let hardware = Hardware::read(&open::roots(options));
    let mut recorder = Recorder::new(options, machine::stored(options).self_test, conditions.clock());
    match hardware {
        _ if !recorder.has_counter() => return Err(NotCalibrated::NoCounter),
        Hardware { is_guest: true, .. } => return Err(NotCalibrated::Guest),
        Hardware { cpus: 0 | 1, .. } => return Err(NotCalibrated::OneCpu),
        _ => {}
    }
    let cpus = usize::try_from(hardware.cpus).unwrap_or(usize::MAX);
    let mut measured = Vec::new();
    for (at, phase) in PHASES.into_iter().enumerate() {
        let seconds = phase.settle_s + MEASURED_S;
        progress(CalibrationStep { number: at + 1, of: PHASES.len(), name: phase.name, seconds });
        let threads = match phase.busy {
            Busy::None => 0,
            Busy::Half => cpus / 2,
            Busy::All => cpus,
        };
        conditions.load(phase.kind, threads).map_err(NotCalibrated::NoLoad)?;
        measured.push(recorder.phase(conditions, phase)?);
    }
    let cpu = part(&measured, |phase| Some(&phase.cpu)).ok_or(NotCalibrated::NoCounter)?;
    let (idle_w, full_w) = (cpu.idle.watts, cpu.full.watts);
    if full_w <= idle_w || cpu.fault().is_some() {
        return Err(NotCalibrated::NoRise { idle_w, full_w });
    }
    Ok(Calibration {
        measured_at: wall::now().to_string(),
        processor: hardware.processor,
        cpus: hardware.cpus,
        firmware: hardware.firmware,
        estimated_from: recorder.estimated_from,
        cpu,
        memory: part(&measured, |phase| phase.memory.as_ref()).filter(|memory| memory.fault().is_none()),
    })
}

/// Power in one phase.
struct PhasePower {
    busy: Busy,
    utilization: f64,
    cpu: PartPower,
    memory: Option<PartPower>,
}

/// Power of a part in one phase, watts: value and bounds.
struct PartPower {
    source: String,
    counted_w: [f64; 3],
    estimated_w: [f64; 3],
}

/// Returns a part at the three loads, each over its phases; `None` if the part is not known in all of them.
fn part(phases: &[PhasePower], of: impl Fn(&PhasePower) -> Option<&PartPower>) -> Option<CalibratedPart> {
    let load = |busy: Busy| {
        let phases: Vec<_> = phases.iter().filter(|phase| phase.busy == busy).collect();
        let parts: Vec<&PartPower> = phases.iter().map(|phase| of(phase)).collect::<Option<_>>()?;
        let count = phases.len() as f64;
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
        let estimated = |at: usize| mean(&mut parts.iter().map(|part| part.estimated_w[at]));
        Some(CalibratedLoad {
            utilization: mean(&mut phases.iter().map(|phase| phase.utilization)),
            watts: mean(&mut parts.iter().map(|part| part.counted_w[0])),
            low_w: parts.iter().map(|part| part.counted_w[1]).fold(f64::INFINITY, f64::min),
            high_w: parts.iter().map(|part| part.counted_w[2]).fold(0.0, f64::max),
            estimate_w: estimated(0),
            estimate_low_w: estimated(1),
            estimate_high_w: estimated(2),
        })
    };
    let source = of(phases.first()?)?.source.clone();
    Some(CalibratedPart { source, idle: load(Busy::None)?, half: load(Busy::Half)?, full: load(Busy::All)? })
}

/// Reads the counters and the estimate of the CPUs and of memory.
struct Recorder {
    /// Each with the index of its first domain.
    sources: Vec<(u32, Box<dyn Source>)>,
    /// Domains of all sources, and the readings of one phase.
    trace: Trace,
    gauges: HostGauges,
    clock: Clock,
    estimated_from: String,
}

impl Recorder {
    /// Finds the sources of the CPUs that the options select, and adds the estimate as if there were none.
    fn new(options: &Options, self_test: StoredTest, clock: Clock) -> Self {
        let roots = open::roots(options);
        let is_wanted =
            |name: &&str| options.sources.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one == name));
        let names = OF_CPUS.into_iter().filter(is_wanted).collect();
        let refused = ModelOptions { enabled: false, ..ModelOptions::default() };
        let found = discover::discover_visible(&roots, &Selection::Named(names), &refused, &Visible::default());
        let estimate = model::discover(&roots, false, true, &open::model_options(options, None));
        let estimated_from = estimate.statuses.into_iter().map(|status| status.reason).collect();
        let gauges = HostGauges::new(&roots);
        let mut recorder = Self { sources: Vec::new(), trace: Trace::default(), gauges, clock, estimated_from };
        for source in found.sources.into_iter().filter(|source| !source.may_hang()).chain(estimate.source) {
            let first = u32::try_from(recorder.trace.domains.len()).unwrap_or(u32::MAX);
            recorder.trace.domains.extend(source.domains().iter().cloned());
            recorder.sources.push((first, source));
        }
        recorder.trace.domains.iter_mut().for_each(|domain| drop(self_test.mark(domain)));
        recorder
    }

    fn has_counter(&self) -> bool {
        let is_measured = |quality| matches!(quality, Quality::Measured | Quality::Derived);
        let is_cpu = |component| component == Component::Cpu;
        let mut domains = self.trace.domains.iter().filter(|domain| domain.self_test.is_none());
        domains.any(|domain| is_cpu(domain.component) && domain.parent.is_none() && is_measured(domain.quality))
    }

    /// Reads everything once.
    fn read(&mut self) {
        for (first, source) in &mut self.sources {
            let mut batch = Batch::new(self.clock.clone()).of_all(true);
            source.read(&mut batch);
            let index = |domain: usize| u32::try_from(domain).map_or(u32::MAX, |domain| first.saturating_add(domain));
            self.trace.readings.extend(batch.readings().iter().map(|(domain, reading)| (index(*domain), *reading)));
        }
    }

    /// Reads regularly for `ns` nanoseconds, at the end too.
    fn record(&mut self, conditions: &mut dyn Conditions, ns: u64) {
        let end_ns = self.clock.now_ns().saturating_add(ns);
        while self.clock.now_ns() < end_ns {
            conditions.pass(INTERVAL_NS.min(end_ns - self.clock.now_ns()));
            self.read();
        }
    }

    /// Returns the CPUs' utilisation since the last call.
    fn utilization(&mut self) -> Option<f64> {
        let mut gauges = Vec::new();
        self.gauges.gauges(&mut gauges);
        gauges.iter().find(|gauge| gauge.name == "cpu_utilization").map(|gauge| gauge.value)
    }

    /// Measures one phase under the load that there is.
    fn phase(&mut self, conditions: &mut dyn Conditions, phase: Phase) -> Result<PhasePower, NotCalibrated> {
        self.record(conditions, phase.settle_s * 1_000_000_000);
        self.trace.readings.clear();
        self.utilization();
        self.read();
        let begin_ns = self.clock.now_ns();
        self.record(conditions, MEASURED_S * 1_000_000_000);
        let end_ns = self.clock.now_ns();
        let utilization = self.utilization().unwrap_or(f64::NAN);
        self.record(conditions, READINGS_AFTER * INTERVAL_NS);
        self.trace.run = Some((begin_ns, end_ns));
        phase.check(utilization)?;
        let report = crate::replay(&self.trace, None, &Options::default())?;
        let seconds = end_ns.saturating_sub(begin_ns) as f64 / 1e9;
        let power = |component: Component| part_power(&report.devices, component, seconds);
        let lost = |id: &str| NotCalibrated::Lost { id: id.to_owned(), phase: phase.name };
        let cpu = power(Component::Cpu).map_err(lost)?.ok_or(NotCalibrated::NoCounter)?;
        // Memory without a complete counter is not calibrated; the CPUs are.
        let memory = power(Component::Memory).ok().flatten();
        Ok(PhasePower { busy: phase.busy, utilization, cpu, memory })
    }
}

impl Phase {
    /// Whether the machine had the load of this phase.
    fn check(&self, utilization: f64) -> Result<(), NotCalibrated> {
        let [from, to] = match self.busy {
            Busy::None => [0.0, IDLE_TO],
            Busy::Half => HALF,
            Busy::All => [FULL_FROM, 1.0],
        };
        let remedy = match self.busy {
            _ if utilization.is_nan() => "make /proc/stat readable",
            _ if utilization < from => "let this command use all CPUs (see taskset and limits of the control group)",
            _ => "end other programs",
        };
        let other = NotCalibrated::OtherLoad { phase: self.name, percent: utilization * 100.0, remedy };
        if (from..=to).contains(&utilization) { Ok(()) } else { Err(other) }
    }
}

/// Returns the power of a part; `Ok(None)` where it has no counter or no estimate.
///
/// # Errors
/// The id of a counter whose energy is not fully known.
fn part_power(devices: &[Device], component: Component, seconds: f64) -> Result<Option<PartPower>, &str> {
    let counters = Readers { devices, component, are_estimates: false };
    let estimates = Readers { are_estimates: true, ..counters };
    let (counted_w, estimated_w) = (counters.watts(seconds)?, estimates.watts(seconds)?);
    let source = counters.summed().next().map(|device| device.source.clone());
    Ok(source.filter(|_| estimates.summed().next().is_some()).map(|source| PartPower {
        source,
        counted_w,
        estimated_w,
    }))
}

/// The counters of a part, or its estimates.
#[derive(Clone, Copy)]
struct Readers<'a> {
    devices: &'a [Device],
    component: Component,
    are_estimates: bool,
}

impl<'a> Readers<'a> {
    fn summed(self) -> impl Iterator<Item = &'a Device> {
        let is_one = move |device: &&Device| {
            let is_estimate = device.source == model::NAME;
            device.component == self.component && is_estimate == self.are_estimates && device.is_summed()
        };
        self.devices.iter().filter(is_one)
    }

    /// Returns their power: value and bounds.
    ///
    /// # Errors
    /// The id of the first whose energy is not fully known.
    fn watts(self, seconds: f64) -> Result<[f64; 3], &'a str> {
        let mut sum = [0.0; 3];
        for device in self.summed() {
            let known = [device.energy_uj, device.low_uj, device.high_uj];
            for (watts, uj) in sum.iter_mut().zip(known) {
                *watts += uj.ok_or(device.id.as_str())? as f64 / 1e6 / seconds;
            }
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests;

//! Shared by several subjects: clocks, a timeline, a meter, and sources that cost nothing to read.

use std::hint::black_box;
use std::time::Duration;

use crate::generator::Generator;
use eco2::options::Log;
use eco2::{Meter, Options};
use eco2_core::{Domain, DomainPoint, Snapshot, Timeline};
use eco2_samplers::clock::{Clock, monotonic_ns};
use eco2_samplers::tsc::HotClock;
use eco2_samplers::{Batch, Roots, Source};

use crate::measure::Failure;

/// Domains of the snapshots that are measured.
pub(crate) const DOMAINS: usize = 8;

/// One `clock_gettime(CLOCK_MONOTONIC)` through the vDSO: the reference of most ratios.
#[inline]
pub(crate) fn one_clock() {
    black_box(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic));
}

/// The recording threads' clock, calibrated; reads the time-stamp counter where the kernel trusts it.
#[must_use]
pub fn hot_clock() -> HotClock {
    let clock = HotClock::new(Clock::Monotonic, &Roots::default());
    clock.anchor();
    // Calibration takes 50 ms.
    std::thread::sleep(Duration::from_millis(80));
    clock.anchor();
    clock
}

/// The clock of machines whose time-stamp counter cannot be used.
pub(crate) fn slow_clock() -> HotClock {
    HotClock::new(Clock::Monotonic, &Roots { procfs: "/nonexistent".into(), ..Roots::default() })
}

/// A snapshot of [`DOMAINS`] domains at 100 W each.
pub(crate) fn snapshot(at_ns: u64) -> Snapshot {
    let point = |uj| DomainPoint { edge_ns: at_ns, uj, slope_q28: 26_843_545, flags: 0 };
    Snapshot::new(at_ns, point(at_ns / 1_000), &[point(at_ns / 8_000); DOMAINS])
}

/// A timeline of [`DOMAINS`] domains whose ring is full.
///
/// # Errors
/// None, for so few domains.
pub(crate) fn timeline() -> Result<Timeline, Failure> {
    let mut timeline = Timeline::new(DOMAINS, 64)?;
    let now_ns = monotonic_ns();
    (0..100).for_each(|tick| timeline.writer.publish(&snapshot(now_ns - 100 + tick)));
    Ok(timeline)
}

/// Options of a meter that reads no hardware and keeps no log.
#[must_use]
pub fn quiet_options() -> Options {
    // This source never exists live, so only our own sources are read.
    Options { sources: Some(vec!["replay".to_owned()]), log: Log::Off, ..Options::default() }
}

/// A meter over [`noop_sources`].
///
/// # Errors
/// Where the meter cannot be opened.
pub fn meter(interval: Option<Duration>) -> Result<Meter, Failure> {
    let options = Options { interval, ..quiet_options() };
    Ok(Meter::open_with(options, noop_sources())?)
}

/// Waits until the meter's clock is calibrated and its counters have moved.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(150));
}

/// RAPL updates every millisecond, a GPU's energy counter every 100 ms.
const RAPL_NS: u64 = 1_000_000;
const GPU_NS: u64 = 100_000_000;

/// Both sources: four RAPL domains and eight GPUs.
#[must_use]
pub fn noop_sources() -> Vec<Box<dyn Source>> {
    vec![Box::new(Noop::rapl()), Box::new(Noop::gpus())]
}

/// A source whose counters move in steps of a fixed period and cost nothing to read.
#[derive(Debug)]
pub(crate) struct Noop {
    name: &'static str,
    domains: Vec<Domain>,
    step_ns: u64,
    grouped: bool,
    read_cost: ReadCost,
}

/// CPU time that a read of one domain takes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadCost(u64);

impl ReadCost {
    fn spend(self) {
        let until_ns = monotonic_ns() + self.0;
        while self.0 > 0 && monotonic_ns() < until_ns {}
    }
}

impl Noop {
    /// Two packages and two DRAM domains, read as one group.
    pub(crate) fn rapl() -> Self {
        let [domains, _] = Generator::domains();
        Self { name: "rapl-perf", domains, step_ns: RAPL_NS, grouped: true, read_cost: ReadCost(0) }
    }

    /// Eight GPUs, read one by one.
    pub(crate) fn gpus() -> Self {
        let [_, domains] = Generator::domains();
        Self { name: "nvml", domains, step_ns: GPU_NS, grouped: false, read_cost: ReadCost(0) }
    }

    /// The source whose reads take that many nanoseconds of CPU time each, as a driver's do.
    pub(crate) fn costing(self, ns: u64) -> Self {
        Self { read_cost: ReadCost(ns), ..self }
    }

    /// The source with counters that change at every reading.
    pub(crate) fn restless(self) -> Self {
        Self { step_ns: 1, ..self }
    }
}

impl Source for Noop {
    fn name(&self) -> &str {
        self.name
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        // 100 units a millisecond: 100 W for the GPUs' millijoules, 6 W for RAPL's 61 µJ.
        let value = batch.now_ns() / self.step_ns * self.step_ns / 10_000;
        if self.grouped {
            // 32 bits, as wide as RAPL's counters are.
            let value = value & u64::from(u32::MAX);
            return batch.group(|push| (0..self.domains.len()).for_each(|domain| push(domain, Ok(value))));
        }
        let wanted: Vec<usize> = (0..self.domains.len()).filter(|domain| batch.wants(*domain)).collect();
        for domain in wanted {
            batch.one(domain, || {
                self.read_cost.spend();
                Ok(value)
            });
        }
    }
}

//! The self-test of `eco2 doctor`: measures for a short time under load, and judges each energy counter. Later runs
//! read the stored result at their start.
//!
//! A counter fails if it does not change under load, or if it contradicts the power of its device summed over time, by
//! the rule of `eco2_core`'s account. RAPL is the energy counter of a processor. The result is stored per machine
//! ([`MachineState`]).

use std::thread;
use std::time::{Duration, Instant};

use eco2_core::schema::{Report, Status};
use eco2_core::{Component, Quality};
use eco2_report::{CounterResult, CounterTest, MachineState};
use eco2_samplers::counter_check::{CheckedCounter, CheckedCounters, CounterCheck};
use eco2_samplers::discover::Discovery;

use crate::live::stored_test::StoredTest;
use crate::live::wall;
use crate::options::{Log, Options};
use crate::run::cpu_load::CpuLoad;
use crate::run::{machine, open};
use crate::{Error, Meter};

/// How long to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestLength {
    /// About a second: enough to see whether counters move.
    Short,
    /// Six seconds: enough to compare counters with the integrated power of their devices, which takes five.
    Full,
}

/// Length of the test if no counter is tested: twenty updates of a GPU's power sensor of 20 ms.
const WITHOUT_COUNTERS: Duration = Duration::from_millis(400);
/// Length of a short test. A RAPL counter that has not changed for a second is not counted; the rest is for the start
/// of the load.
const SHORT: Duration = Duration::from_millis(1_250);
/// Length of a full test. A counter is compared with integrated power from five seconds on; the rest is for the first
/// readings.
const FULL: Duration = Duration::from_secs(6);
/// A counter without a change for this long has stopped, whatever its source; within it, a slow counter may be between
/// two updates.
const STILL: Duration = Duration::from_secs(5);
/// The longest wait for a driver that is starting: without persistence mode it takes seconds on a large machine.
const DRIVER_START: Duration = Duration::from_secs(10);
/// Time from one reading to the next: RAPL updates about every millisecond.
const INTERVAL: Duration = Duration::from_millis(1);
/// Components that draw power while the machine is on.
const ALWAYS_ON: [&str; 4] = ["package", "socket", "dram", "board"];

/// The result of a self-test.
#[derive(Debug)]
pub struct SelfTest {
    /// The report of the time in which counters were tested.
    pub report: Report,
    /// One entry per energy counter.
    pub counters: Vec<CounterTest>,
    /// Reasons why an earlier result was not used, or this one not stored.
    pub warnings: Vec<String>,
}

impl SelfTest {
    /// Tests the counters of the sources that the options select, and stores the result. The CPUs are loaded if one of
    /// their counters is tested; GPUs are only watched.
    ///
    /// # Errors
    /// As [`Meter::open`]. A result that cannot be stored is a warning.
    pub fn run(options: &Options, length: TestLength) -> Result<Self, Error> {
        let interval = options.interval.or(Some(INTERVAL));
        let options = Options { log: Log::Off, trace: None, interval, ..options.clone() };
        let mut found = open::find(&options, machine::stored(&options).measured(&options))?;
        let checks = watch_counters(&mut found);
        let counters = || checks.iter().flat_map(CheckedCounters::counters);
        let is_cpu = |counter: &CheckedCounter| matches!(counter.domain.component, Component::Cpu | Component::Memory);
        let load = counters().any(|counter| is_cpu(&counter)).then(CpuLoad::of_all_cpus);
        let meter = Meter::open_found(&options, found, Vec::new(), Vec::new(), StoredTest::default())?;
        let lasted = sample(&meter, || counters().next().is_some(), length);
        drop(load);
        let report = meter.close();
        let tested_at = wall::now().to_string();
        let judged = counters().map(|counter| judge(&counter, &report, lasted, &tested_at));
        let mut test = Self { counters: judged.collect(), warnings: Vec::new(), report };
        test.store(&options);
        Ok(test)
    }

    /// Stores the result together with those of counters that were not tested now, and keeps the findings of a longer
    /// test.
    fn store(&mut self, options: &Options) {
        let (name, path) = match machine::file(options) {
            Ok(file) => file,
            Err(error) => return self.warnings.push(error.to_string()),
        };
        if self.counters.is_empty() && !path.exists() {
            return;
        }
        let mut state = MachineState::load(&path, &name).unwrap_or_else(|error| {
            self.warnings.push(error.to_string());
            MachineState::new(&name)
        });
        state.update(&self.counters);
        let stored = |test: &CounterTest| {
            state.counters.iter().find(|other| other.is_of(test)).cloned().unwrap_or_else(|| test.clone())
        };
        self.counters = self.counters.iter().map(stored).collect();
        self.warnings.extend(state.save(&path).err().map(|error| error.to_string()));
    }
}

/// Wraps every source, so that the readings of its counters are recorded.
fn watch_counters(found: &mut Discovery) -> Vec<CheckedCounters> {
    let mut checks = Vec::new();
    for source in &mut found.sources {
        let inner = std::mem::replace(source, Box::new(NoSource));
        let (check, seen) = CounterCheck::new(inner);
        *source = Box::new(check);
        checks.push(seen);
    }
    checks
}

/// A source without counters that replaces a source while it is being wrapped.
struct NoSource;

impl eco2_samplers::Source for NoSource {
    fn name(&self) -> &str {
        ""
    }
    fn domains(&self) -> &[eco2_core::Domain] {
        &[]
    }
    fn read(&mut self, _batch: &mut eco2_samplers::Batch) {}
}

/// Measures, and returns for how long. Waits for a driver that is still starting, because no command is delayed here.
fn sample(meter: &Meter, has_counters: impl Fn() -> bool, length: TestLength) -> Duration {
    let needed = || match length {
        _ if !has_counters() => WITHOUT_COUNTERS,
        TestLength::Short => SHORT,
        TestLength::Full => FULL,
    };
    let mut start = Instant::now();
    let is_hung = || meter.snapshot().sources.iter().any(|source| source.status == Status::Hung);
    thread::sleep(WITHOUT_COUNTERS);
    if is_hung() {
        while is_hung() && start.elapsed() < DRIVER_START {
            thread::sleep(WITHOUT_COUNTERS / 4);
        }
        // Counters that answer late are tested from now on.
        start = Instant::now();
    }
    thread::sleep(needed().saturating_sub(start.elapsed()));
    start.elapsed()
}

/// Judges one counter by its recorded readings and by the report of the test.
fn judge(counter: &CheckedCounter, report: &Report, lasted: Duration, tested_at: &str) -> CounterTest {
    let domain = &counter.domain;
    let device = report.devices.iter().find(|device| device.id == domain.id);
    // In less than five seconds an averaging power sensor may lag behind a counter that is right.
    let check = device.and_then(|device| device.cross_check.as_ref()).filter(|_| lasted >= STILL);
    let is_replaced =
        device.is_some_and(|device| device.quality != domain.quality && device.quality != Quality::Missing);
    let must_move = ALWAYS_ON.contains(&domain.domain.as_str());
    let result = match counter.changes {
        0 if must_move && (counter.is_unsupported || (lasted >= STILL && counter.reads > 0)) => CounterResult::Still,
        0 => CounterResult::Unclear,
        _ if check.is_some() && is_replaced => CounterResult::Contradicted,
        _ => CounterResult::Passed,
    };
    CounterTest {
        id: domain.id.clone(),
        source: domain.source.clone(),
        result,
        reads: counter.reads,
        changes: counter.changes,
        difference_percent: check.map(|check| check.difference_percent),
        update_period_ns: device.and_then(|device| device.update_period_ns).filter(|_| counter.changes > 0),
        smallest_step_uj: counter.smallest_step_uj,
        read_cpu_us: counter.read_cpu_ns.map(|ns| ns as f64 / 1e3),
        tested_at: tested_at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use eco2_core::{Component, Domain, Fault, Reading, Scale};
    use eco2_report::Trace;
    use eco2_samplers::{Batch, Source};

    use super::*;

    const MS: u64 = 1_000_000;

    /// A simulated board at 400 W whose counter shows `percent` of that, in readings every 100 ms, which are returned
    /// one at a time.
    struct Board {
        domains: Vec<Domain>,
        readings: Vec<(u32, Reading)>,
        read: usize,
    }

    impl Board {
        fn new(percent: u64, seconds: u64) -> Self {
            let counter = Domain::counter("GPU-1", Component::Gpu, "board", "nvml");
            let power = Domain::power("GPU-1/power", Component::Gpu, "power", "nvml");
            let domains =
                vec![Domain { scale: Scale::MILLI, ..counter }, Domain { parent: Some("GPU-1".into()), ..power }];
            let at = |tick: u64| {
                let at_ns = tick * 100 * MS;
                let reading = |value| Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) };
                // 400 W are 40,000 mJ in 100 ms.
                [(0, reading(7_000_000 + tick * 400 * percent)), (1, reading(400_000_000))]
            };
            Self { domains, readings: (0..=seconds * 10).flat_map(at).collect(), read: 0 }
        }
    }

    impl Source for Board {
        fn name(&self) -> &str {
            "nvml"
        }
        fn domains(&self) -> &[Domain] {
            &self.domains
        }
        fn read(&mut self, batch: &mut Batch) {
            for (domain, reading) in &self.readings[self.read..self.read + 2] {
                batch.push(*domain as usize, *reading);
            }
            self.read += 2;
        }
    }

    /// Returns the judgement of a test that took `seconds` of scripted time.
    fn judged(percent: u64, seconds: u64) -> CounterTest {
        let board = Board::new(percent, seconds);
        let (domains, readings, reads) = (board.domains.clone(), board.readings.clone(), board.readings.len() / 2);
        let trace = Trace { domains, readings, run: Some((0, seconds * 1_000 * MS)), ..Trace::default() };
        let report = crate::replay(&trace, None, &Options::default()).unwrap();
        let (mut source, seen) = CounterCheck::new(Box::new(board));
        (0..reads).for_each(|_| source.read(&mut Batch::default()));
        judge(&seen.counters()[0], &report, Duration::from_secs(seconds), "2026-11-29T20:00:00Z")
    }

    #[test]
    fn counter_that_agrees_with_its_power_passes() {
        let test = judged(97, 6);
        assert_eq!((test.result, test.changes, test.smallest_step_uj), (CounterResult::Passed, 60, Some(38_800_000)));
        assert!(test.difference_percent.is_some_and(|percent| (percent + 3.0).abs() < 0.5), "{test:?}");
    }

    #[test]
    fn counter_far_off_its_power_is_contradicted_only_by_a_long_test() {
        let test = judged(57, 6);
        assert_eq!(test.result, CounterResult::Contradicted, "{test:?}");
        assert!(test.difference_percent.is_some_and(|percent| percent < -42.0), "{test:?}");
        let short = judged(57, 2);
        assert_eq!((short.result, short.difference_percent), (CounterResult::Passed, None));
    }

    #[test]
    fn slow_counter_is_still_only_after_a_long_test() {
        assert_eq!((judged(0, 1).result, judged(0, 6).result), (CounterResult::Unclear, CounterResult::Still));
        let report = crate::replay(&Trace::default(), None, &Options::default()).unwrap();
        let rapl = |name: &str, value| {
            let domains = vec![Domain::counter("cpu", Component::Cpu, name, "rapl-sysfs")];
            let reading = Reading { before_ns: 1, after_ns: 1, value };
            let (mut source, seen) =
                CounterCheck::new(Box::new(Board { domains, readings: vec![(0, reading); 2], read: 0 }));
            source.read(&mut Batch::default());
            judge(&seen.counters()[0], &report, SHORT, "now").result
        };
        let unsupported = Err(Fault::Unsupported);
        assert_eq!(rapl("package", unsupported), CounterResult::Still, "its source waited long enough");
        assert_eq!(rapl("core", unsupported), CounterResult::Unclear, "it may be switched off");
        assert_eq!(rapl("package", Err(Fault::Denied)), CounterResult::Unclear, "it was not read");
    }
}

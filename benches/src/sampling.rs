//! Cost of sampling: the real sampling thread and accounting with sources that cost nothing to read; and the overhead of a
//! meter on a training loop.
//!
//! The loop is real arithmetic (logistic regression by gradient descent on fixed data). Its steps take about a millisecond,
//! less than most training steps. It is measured in CPU time of the whole process, which includes the sampling thread.

use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use eco2::{Meter, Options as MeterOptions};
use eco2_samplers::clock::{monotonic_ns, thread_cpu_ns};
use eco2_samplers::schedule::Pace;
use eco2_samplers::{Options, Sampler};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::fixture::{Noop, meter, noop_sources, quiet_options, settle};
use crate::measure::{Failure, Place, Samples};
use crate::table::{Limit, Row};

/// Length and number of the windows in which each case is observed.
const WINDOW: Duration = Duration::from_millis(1_200);
const WINDOWS: usize = 5;

/// Share of a core at 100 Hz and at 1 kHz, and of a bare timer loop at the same rates.
///
/// # Errors
/// Where no meter can be opened, or its thread not be found.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let slow = shares(Duration::from_millis(10))?;
    let fast = shares(Duration::from_millis(1))?;
    let name = "sampler, 8 GPUs and 4 RAPL domains";
    Ok(vec![
        Row::of(format!("{name}, 100 Hz, of a core"), &slow.sampler, "%", Limit::AtMost(0.5)).noting(slow.note()),
        Row::of("the same, readings discarded instead of accounted", &slow.discarding, "%", Limit::AtMost(0.5)),
        Row::of("the same, accounted, above a bare timer loop", &slow.above(), "%", Limit::None),
        Row::of(format!("{name}, 1 kHz, above a bare timer loop, of a core"), &fast.above(), "%", Limit::AtMost(0.6))
            .noting(fast.note()),
        Row::of(
            "the same, readings discarded instead of accounted",
            &fast.discarding.minus(&fast.bare),
            "%",
            Limit::AtMost(0.6),
        ),
    ])
}

/// CPU time of a read of one GPU, microseconds: of a driver that asks the board, and of one that keeps the value.
const READS_US: [u64; 2] = [10, 2];
/// Meters of each kind on demand, each observed in a window of its own thread.
const LONG_WINDOWS: usize = 3;
/// Length of a window without spans and with them, and the age of the run at its start: gauges and the process table are read
/// every ten seconds by then.
const QUIET_WINDOW: Duration = Duration::from_secs(300);
const STEPPED_WINDOW: Duration = Duration::from_secs(60);
const AGE: Duration = Duration::from_secs(100);
/// Steps of 0.5 s are as common as any, and shorter than the idle interval.
const STEP_MS: u64 = 500;

/// Share of a core on demand, without spans and with a span per step, and that of fixed 100 Hz in the same run.
///
/// # Errors
/// Where no meter can be opened, or its thread not be found.
pub(crate) fn measure_on_demand(_: &Place) -> Result<Vec<Row>, Failure> {
    let quiet = observe(&READS_US.map(|read_us| Observed { read_us, interval: None, stepping: false }), QUIET_WINDOW)?;
    // Both paces in the same minutes.
    let stepping = READS_US.into_iter().flat_map(|read_us| {
        [None, Some(Duration::from_millis(10))].map(|interval| Observed { read_us, interval, stepping: true })
    });
    let stepped = observe(&stepping.collect::<Vec<_>>(), STEPPED_WINDOW)?;
    let mut rows = Vec::new();
    for (at, read_us) in READS_US.into_iter().enumerate() {
        let (quiet, stepped, fixed) = (&quiet[at], &stepped[2 * at], &stepped[2 * at + 1]);
        let name = format!("8 GPUs at {read_us} us a read and 4 RAPL domains");
        let percent = |windows: &[Window]| Samples::new(windows.iter().map(|window| window.percent).collect());
        let wakes = |windows: &[Window]| Samples::new(windows.iter().map(|window| window.per_s).collect()).median();
        rows.push(
            Row::of(
                format!("sampling on demand without spans, {name}, of a core"),
                &percent(quiet),
                "%",
                Limit::AtMost(0.02),
            )
            .noting(format!("{:.0} wake-ups a minute, over 300 s", wakes(quiet) * 60.0)),
        );
        let (on_demand, every_10_ms) = (percent(stepped), percent(fixed));
        rows.push(
            Row::of(
                format!("a span per step of 0.5 s with 5 % jitter, {name}, of fixed 100 Hz"),
                &on_demand.over(&every_10_ms),
                "x",
                Limit::AtMost(0.125),
            )
            .noting(format!(
                "{:.3} % of {:.3} % of a core; {:.1} and {:.1} wake-ups/s",
                on_demand.median(),
                every_10_ms.median(),
                wakes(stepped),
                wakes(fixed)
            )),
        );
    }
    Ok(rows)
}

/// A meter whose sampling thread is observed.
struct Observed {
    read_us: u64,
    interval: Option<Duration>,
    stepping: bool,
}

/// Observes the sampling threads of meters, [`LONG_WINDOWS`] of each kind, all in the same time, once they are old enough.
fn observe(kinds: &[Observed], length: Duration) -> Result<Vec<Vec<Window>>, Failure> {
    let (mut meters, mut paths): (Vec<(Meter, bool)>, Vec<String>) = (Vec::new(), Vec::new());
    for kind in kinds {
        for _ in 0..LONG_WINDOWS {
            meters.push((on_demand_meter(kind.read_us, kind.interval)?, kind.stepping));
            let new = schedstats_of("eco2-sampler").into_iter().find(|path| !paths.contains(path));
            paths.push(new.ok_or("no sampling thread")?);
        }
    }
    let over = AtomicBool::new(false);
    let read = || paths.iter().map(|path| Ok((ran(path)?, monotonic_ns()))).collect::<Result<Vec<_>, Failure>>();
    let (from, to) = thread::scope(|scope| {
        for (seed, (meter, _)) in meters.iter().enumerate().filter(|(_, (_, stepping))| *stepping) {
            let over = &over;
            scope.spawn(move || steps(meter, seed as u64, over));
        }
        thread::sleep(AGE);
        let from = read();
        thread::sleep(length);
        let to = read();
        over.store(true, Ordering::Relaxed);
        (from, to)
    });
    let windows: Vec<Window> = from?.into_iter().zip(to?).map(|(from, to)| Window::between(from, to)).collect();
    Ok(windows.chunks(LONG_WINDOWS).map(<[Window]>::to_vec).collect())
}

/// Opens a meter on the simulated machine.
fn on_demand_meter(read_us: u64, interval: Option<Duration>) -> Result<Meter, Failure> {
    let gpus = Noop::gpus().costing(read_us * 1_000);
    let options = MeterOptions { interval, ..quiet_options() };
    Ok(Meter::open_with(options, vec![Box::new(Noop::rapl()), Box::new(gpus)])?)
}

/// Limits of CPU time, percent of a core, each with an interval at which sampling without a limit takes more.
const LIMITS: [(f64, Duration); 3] =
    [(0.05, Duration::from_millis(10)), (0.5, Duration::from_millis(10)), (5.0, Duration::from_micros(200))];
/// How long a limit is observed, from the start of the meter: its start is part of what the limit is to hold.
const LIMITED: Duration = Duration::from_secs(60);

/// Share of a core that sampling takes of what `max_overhead_percent` allows, over a minute.
///
/// # Errors
/// Where no meter can be opened, or its thread not be found.
pub(crate) fn measure_limits(_: &Place) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (percent, interval) in LIMITS {
        let gpus = Noop::gpus().costing(READS_US[0] * 1_000);
        let options = MeterOptions { interval: Some(interval), max_overhead_percent: Some(percent), ..quiet_options() };
        let meter = Meter::open_with(options, vec![Box::new(Noop::rapl()), Box::new(gpus)])?;
        let from_ns = monotonic_ns();
        thread::sleep(LIMITED);
        let path = schedstat_of("eco2-sampler").ok_or("no sampling thread")?;
        let (cpu_ns, wakes) = ran(&path)?;
        let share = cpu_ns as f64 / (monotonic_ns() - from_ns) as f64 * 100.0;
        drop(meter);
        let name = format!("sampling every {interval:?} with max_overhead_percent {percent}, of the limit, over 60 s");
        let note = format!("{share:.3} % of a core, {wakes} wake-ups, the start included");
        rows.push(Row::new(name, share / percent, "x", Limit::AtMost(1.1)).noting(note));
    }
    Ok(rows)
}

/// Records steps of about [`STEP_MS`] until `over`.
fn steps(meter: &Meter, seed: u64, over: &AtomicBool) {
    let name = meter.name("step");
    let mut state = seed + 1;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    while !over.load(Ordering::Relaxed) {
        meter.step(name);
        // The sum of twelve uniform numbers has a deviation of 1.
        let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        thread::sleep(Duration::from_secs_f64(STEP_MS as f64 / 1e3 * (1.0 + 0.05 * normal)));
    }
}

/// Percent of a core, window by window, and wake-ups.
#[derive(Default)]
struct Shares {
    sampler: Samples,
    /// The sampling thread without the accounting.
    discarding: Samples,
    bare: Samples,
    wakes_per_s: Samples,
}

impl Shares {
    fn above(&self) -> Samples {
        self.sampler.minus(&self.bare)
    }

    fn note(&self) -> String {
        let (wakes, bare) = (self.wakes_per_s.median(), self.bare.median());
        format!("in all {:.3} %, {wakes:.0} wake-ups/s; a bare clock_nanosleep loop {bare:.3} %", self.sampler.median())
    }
}

/// All three cases in turns.
fn shares(interval: Duration) -> Result<Shares, Failure> {
    let mut shares = Shares::default();
    for _ in 0..WINDOWS {
        shares.bare.push(bare_loop(interval));
        let whole = meter(Some(interval))?;
        let window = one_window()?;
        drop(whole);
        let pace = Pace::Fixed(interval.as_nanos() as u64);
        let alone = Sampler::start(noop_sources(), Box::new(()), Options { pace, ..Options::default() })?;
        shares.discarding.push(one_window()?.percent);
        drop(alone);
        shares.sampler.push(window.percent);
        shares.wakes_per_s.push(window.per_s);
    }
    Ok(shares)
}

/// CPU share and wake-ups of the sampling thread in one window.
#[derive(Clone, Copy)]
struct Window {
    percent: f64,
    per_s: f64,
}

impl Window {
    /// Between two readings of a thread's time and wake-ups, each with its instant.
    fn between((from, from_ns): ((u64, u64), u64), (to, to_ns): ((u64, u64), u64)) -> Self {
        let passed_ns = (to_ns - from_ns) as f64;
        Self { percent: (to.0 - from.0) as f64 / passed_ns * 100.0, per_s: (to.1 - from.1) as f64 / passed_ns * 1e9 }
    }
}

/// Observes the one sampling thread of this process.
fn one_window() -> Result<Window, Failure> {
    // Update periods are learned by then, at least RAPL's.
    settle();
    window(WINDOW)
}

/// Observes the one sampling thread of this process for that time.
fn window(length: Duration) -> Result<Window, Failure> {
    let path = schedstat_of("eco2-sampler").ok_or("no sampling thread")?;
    let (from, from_ns) = (ran(&path)?, monotonic_ns());
    thread::sleep(length);
    Ok(Window::between((from, from_ns), (ran(&path)?, monotonic_ns())))
}

/// The schedstat file of a thread of this process that has that name.
fn schedstat_of(name: &str) -> Option<String> {
    schedstats_of(name).into_iter().next()
}

/// The schedstat files of all threads of this process that have that name.
fn schedstats_of(name: &str) -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named = tasks
        .map(|task| task.path())
        .filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name));
    named.map(|path| path.join("schedstat").to_string_lossy().into_owned()).collect()
}

/// Nanoseconds on a CPU (exact while the thread sleeps) and number of wake-ups: the first and third value of schedstat.
fn ran(schedstat: &str) -> Result<(u64, u64), Failure> {
    let text = fs::read_to_string(schedstat)?;
    let values: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [cpu_ns, _, times] = values[..] else { return Err("schedstat has another form".into()) };
    Ok((cpu_ns, times))
}

/// A thread that only wakes up at the interval; its share of a core in percent.
fn bare_loop(interval: Duration) -> f64 {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looping = scope.spawn(|| {
            let (from_cpu, from_ns) = (thread_cpu_ns(), monotonic_ns());
            let (mut next_ns, interval_ns) = (from_ns, interval.as_nanos() as u64);
            while !over.load(Ordering::Relaxed) {
                next_ns = (next_ns + interval_ns).max(monotonic_ns());
                sleep_until(next_ns);
            }
            (thread_cpu_ns() - from_cpu) as f64 / (monotonic_ns() - from_ns) as f64 * 100.0
        });
        thread::sleep(WINDOW);
        over.store(true, Ordering::Relaxed);
        looping.join().unwrap_or(f64::NAN)
    })
}

/// Sleeps until an instant of the monotonic clock.
pub(crate) fn sleep_until(at_ns: u64) {
    let at = Timespec { tv_sec: (at_ns / 1_000_000_000) as i64, tv_nsec: (at_ns % 1_000_000_000) as i64 };
    // A signal may end the sleep early; nothing here depends on it.
    clock_nanosleep_absolute(ClockId::Monotonic, &at).ok();
}

const FEATURES: usize = 256;
const BATCH: usize = 4_096;
const STEPS: u64 = 60;
/// The 14th smallest and the 14th largest of 40 enclose the median with 96.2 % (binomial).
const PAIRS: usize = 40;
const RANK: usize = 14;

/// The loop's CPU time with a meter over that without, with a confidence interval.
///
/// # Errors
/// Where no meter can be opened.
pub(crate) fn measure_overhead(_: &Place) -> Result<Vec<Row>, Failure> {
    let mut model = Model::new();
    let (mut plain, mut metered) = (Samples::default(), Samples::default());
    train(&mut model, None);
    for _ in 0..PAIRS {
        plain.push(train(&mut model, None));
        let meter = meter(None)?;
        settle();
        metered.push(train(&mut model, Some(&meter)));
    }
    let percent = metered.minus(&plain).over(&plain).divided_by(0.01);
    let sorted = percent.sorted();
    let (low, high) = (sorted[RANK - 1], sorted[PAIRS - RANK]);
    Ok(vec![
        Row::new(
            "training loop with a mark every step, more CPU than without",
            percent.median(),
            "%",
            Limit::AtMost(1.0),
        )
        .within(low, high)
        .noting(format!(
            "96 % confidence interval of the median of {PAIRS} pairs; {:.0} us a step, sampling at 100 Hz included",
            plain.median() / 1e3
        )),
    ])
}

/// Process CPU nanoseconds a step.
fn train(model: &mut Model, meter: Option<&Meter>) -> f64 {
    let name = meter.map(|meter| meter.name("step"));
    let from_ns = process_cpu_ns();
    for _ in 0..STEPS {
        model.step();
        if let (Some(meter), Some(name)) = (meter, name) {
            meter.step(name);
        }
    }
    (process_cpu_ns() - from_ns) as f64 / STEPS as f64
}

fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Logistic regression.
struct Model {
    weights: Vec<f32>,
    samples: Vec<(Vec<f32>, f32)>,
}

impl Model {
    fn new() -> Self {
        let feature = |sample: usize, at: usize| ((sample * 31 + at * 17) % 97) as f32 / 97.0 - 0.5;
        let sample = |sample| ((0..FEATURES).map(|at| feature(sample, at)).collect(), (sample % 2) as f32);
        Self { weights: vec![0.0; FEATURES], samples: (0..BATCH).map(sample).collect() }
    }

    fn step(&mut self) {
        let mut gradient = [0.0f32; FEATURES];
        for (features, label) in &self.samples {
            let score: f32 = features.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
            let error = 1.0 / (1.0 + (-score).exp()) - label;
            gradient.iter_mut().zip(features).for_each(|(sum, x)| *sum += error * x);
        }
        self.weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= 0.1 * g / BATCH as f32);
        black_box(&self.weights);
    }
}

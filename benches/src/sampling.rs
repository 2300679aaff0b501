//! What sampling costs: the real sampling thread and the real accounting behind readers that do nothing.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use eco2_samplers::clock::{monotonic_ns, thread_cpu_ns};
use eco2_samplers::{Options, Sampler};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec};

use crate::fixture::{meter, settle};
use crate::measure::Samples;
use crate::table::{Limit, Row};
use crate::{Failure, Place, noop};

/// How long each is looked at, and how often.
const WINDOW: Duration = Duration::from_millis(1_200);
const WINDOWS: usize = 5;

/// Share of a core at 100 Hz and at 1 kHz, and of a bare timer loop at the same rates.
///
/// # Errors
/// Where no meter can be opened, or its thread not be found.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let slow = shares(Duration::from_millis(10))?;
    let fast = shares(Duration::from_millis(1))?;
    let name = "sampler, 8 GPUs and 4 RAPL domains";
    Ok(vec![
        Row::of(format!("{name}, 100 Hz, of a core"), &slow.sampler, "%", Limit::AtMost(0.5)).noting(slow.note()),
        Row::of("the same, readings thrown away instead of accounted", &slow.deaf, "%", Limit::AtMost(0.5)),
        Row::of("the same, accounted, above a bare timer loop", &slow.above(), "%", Limit::None),
        Row::of(format!("{name}, 1 kHz, above a bare timer loop, of a core"), &fast.above(), "%", Limit::AtMost(0.6))
            .noting(fast.note()),
        Row::of(
            "the same, readings thrown away instead of accounted",
            &fast.deaf.minus(&fast.bare),
            "%",
            Limit::AtMost(0.6),
        ),
    ])
}

/// Percent of a core, window by window, and wake-ups.
#[derive(Default)]
struct Shares {
    sampler: Samples,
    /// The sampling thread without the accounting.
    deaf: Samples,
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

/// All three in turns.
fn shares(interval: Duration) -> Result<Shares, Failure> {
    let mut shares = Shares::default();
    for _ in 0..WINDOWS {
        shares.bare.push(bare_loop(interval));
        let whole = meter(Some(interval))?;
        let window = one_window()?;
        drop(whole);
        let interval_ns = interval.as_nanos() as u64;
        let alone = Sampler::start(noop::all(), Box::new(()), Options { interval_ns, ..Options::default() })?;
        shares.deaf.push(one_window()?.percent);
        drop(alone);
        shares.sampler.push(window.percent);
        shares.wakes_per_s.push(window.per_s);
    }
    Ok(shares)
}

/// What one window showed of the sampling thread.
struct Window {
    percent: f64,
    per_s: f64,
}

/// Looks at the one sampling thread of this process.
fn one_window() -> Result<Window, Failure> {
    // Update periods are learned by then, at least RAPL's.
    settle();
    let path = schedstat_of("eco2-sampler").ok_or("no sampling thread")?;
    let (from, from_ns) = (ran(&path)?, monotonic_ns());
    thread::sleep(WINDOW);
    let (to, to_ns) = (ran(&path)?, monotonic_ns());
    let passed_ns = (to_ns - from_ns) as f64;
    Ok(Window { percent: (to.0 - from.0) as f64 / passed_ns * 100.0, per_s: (to.1 - from.1) as f64 / passed_ns * 1e9 })
}

/// Where the kernel keeps the CPU time of a thread of this process, by the thread's name.
fn schedstat_of(name: &str) -> Option<String> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.flatten();
    let mut named = tasks
        .map(|task| task.path())
        .filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name));
    Some(named.next()?.join("schedstat").to_string_lossy().into_owned())
}

/// Nanoseconds on a CPU, exact while the thread sleeps, and how often it was switched to: schedstat's 1st and 3rd figure.
fn ran(schedstat: &str) -> Result<(u64, u64), Failure> {
    let text = fs::read_to_string(schedstat)?;
    let figures: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [cpu_ns, _, times] = figures[..] else { return Err("schedstat has another form".into()) };
    Ok((cpu_ns, times))
}

/// A thread that does nothing but wake up on time; its share of a core in percent.
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
pub fn sleep_until(at_ns: u64) {
    let at = Timespec { tv_sec: (at_ns / 1_000_000_000).cast_signed(), tv_nsec: (at_ns % 1_000_000_000) as i64 };
    // Woken early by a signal is early; nothing here depends on it.
    clock_nanosleep_absolute(ClockId::Monotonic, &at).ok();
}

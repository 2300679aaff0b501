//! What several subjects measure with: clocks, a timeline, a meter.

use std::hint::black_box;
use std::time::Duration;

use eco2::options::Log;
use eco2::{Meter, Options};
use eco2_core::{DomainPoint, Snapshot, Timeline};
use eco2_samplers::Roots;
use eco2_samplers::clock::{Clock, monotonic_ns};
use eco2_samplers::tsc::HotClock;

use crate::{Failure, noop};

/// Domains of the snapshots that are measured.
pub const DOMAINS: usize = 8;

/// One `clock_gettime(CLOCK_MONOTONIC)` through the vDSO: what everything is compared with.
#[inline]
pub fn one_clock() {
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

/// The same where the time-stamp counter cannot be used.
#[must_use]
pub fn slow_clock() -> HotClock {
    HotClock::new(Clock::Monotonic, &Roots { procfs: "/nonexistent".into(), ..Roots::default() })
}

/// A snapshot of [`DOMAINS`] domains at a time, at 100 W each.
#[must_use]
pub fn snapshot(at_ns: u64) -> Snapshot {
    let point = |uj| DomainPoint { edge_ns: at_ns, uj, slope_q28: 26_843_545, flags: 0 };
    Snapshot::new(at_ns, point(at_ns / 1_000), &[point(at_ns / 8_000); DOMAINS])
}

/// A timeline of [`DOMAINS`] domains that has gone round once.
///
/// # Errors
/// None, for so few domains.
pub fn timeline() -> Result<Timeline, Failure> {
    let mut timeline = Timeline::new(DOMAINS, 64)?;
    let now_ns = monotonic_ns();
    (0..100).for_each(|tick| timeline.writer.publish(&snapshot(now_ns - 100 + tick)));
    Ok(timeline)
}

/// Options of a meter that reads no hardware and keeps no log.
#[must_use]
pub fn quiet_options() -> Options {
    // A source that is never there live, so that only our own are read.
    Options { sources: Some(vec!["replay".to_owned()]), log: Log::Off, ..Options::default() }
}

/// A meter over readers that do nothing: four RAPL domains and eight GPUs.
///
/// # Errors
/// Where the meter cannot be opened.
pub fn meter(interval: Option<Duration>) -> Result<Meter, Failure> {
    let options = Options { interval, ..quiet_options() };
    Ok(Meter::open_with(options, noop::all())?)
}

/// Waits until the meter's clock is calibrated and its counters have moved.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(150));
}

//! The probe: a program that the table runs as a separate process, for its memory (`memory`) and under callgrind (`records`);
//! `sample` is for a profiler.

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use eco2::options::Log;
use eco2::{Meter, NameId, Options};
use eco2_benches::{Failure, RECORDS, hot_clock, meter as noop_meter, noop_sources, quiet_options, settle};
use eco2_core::{EventPool, Producer};
use eco2_samplers::tsc::HotClock;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["memory"] => memory(),
        ["sample"] => sample(),
        ["records", function] => records(function),
        _ => Err("usage: eco2-bench-probe memory | sample | records FUNCTION".into()),
    };
    if let Err(error) = done {
        writeln!(std::io::stderr(), "{error}").ok();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Ten seconds of sampling at 100 Hz and nothing else.
fn sample() -> Result<(), Failure> {
    let meter = noop_meter(None)?;
    std::thread::sleep(Duration::from_secs(10));
    drop(meter);
    Ok(())
}

/// Prints peak resident KiB: before a meter, with one open, after 100 000 steps and the report.
fn memory() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let before = peak_kib()?;
    let state_dir = Some(folder.path().to_owned());
    let options = Options { log: Log::Runs, state_dir, ..quiet_options() };
    let meter = Meter::open_with(options, noop_sources())?;
    let step = meter.name("step");
    let open = peak_kib()?;
    for _ in 0..1_000 {
        // 20 000 steps a second: more than any training, few enough for the event ring.
        (0..100).for_each(|_| _ = meter.step(step));
        std::thread::sleep(Duration::from_millis(5));
    }
    black_box(eco2::render::json(&meter.close())?);
    writeln!(std::io::stdout(), "{before} {open} {}", peak_kib()?)?;
    Ok(())
}

/// `VmHWM` of `/proc/self/status`, proc(5).
fn peak_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(peak.ok_or("no VmHWM")?.trim().parse()?)
}

fn records(function: &str) -> Result<(), Failure> {
    if function.starts_with("meter") {
        return meter_records();
    }
    let (clock, (pool, mut consumer)) = (hot_clock(), EventPool::new(1, 4096));
    let mut ring = pool.claim().ok_or("no event ring")?;
    for at in 0..RECORDS {
        // Hidden from the compiler, which would inline them as constants.
        let (span, step) = black_box((7, 8));
        probe_ring_begin(&clock, &mut ring, span);
        probe_ring_end(&clock, &mut ring, span);
        probe_ring_step(&clock, &mut ring, step);
        if at % 1_000 == 999 {
            consumer.drain(|_, _, event| _ = black_box(event));
        }
    }
    if pool.dropped() > 0 { Err("spans were dropped".into()) } else { Ok(()) }
}

fn meter_records() -> Result<(), Failure> {
    let meter = noop_meter(None)?;
    let (span, step) = (meter.name("span"), meter.name("step"));
    settle();
    let mut lost = 0;
    for at in 0..RECORDS {
        lost += u64::from(!probe_meter_begin(&meter, span)) + u64::from(!meter.end(span));
        lost += u64::from(!probe_meter_step(&meter, step));
        if at % 1_000 == 999 {
            black_box(meter.snapshot());
        }
    }
    if lost > 0 { Err("spans were dropped".into()) } else { Ok(()) }
}

#[inline(never)]
fn probe_ring_begin(clock: &HotClock, ring: &mut Producer, id: u32) -> bool {
    match clock.counted() {
        Some(ticks) => ring.begin(id, ticks, true),
        None => slow(clock, ring, id, Producer::begin),
    }
}

#[inline(never)]
fn probe_ring_end(clock: &HotClock, ring: &mut Producer, id: u32) -> bool {
    match clock.counted() {
        Some(ticks) => ring.end(id, ticks, true),
        None => slow(clock, ring, id, Producer::end),
    }
}

#[inline(never)]
fn probe_ring_step(clock: &HotClock, ring: &mut Producer, id: u32) -> bool {
    match clock.counted() {
        Some(ticks) => ring.step(id, ticks, true),
        None => slow(clock, ring, id, Producer::step),
    }
}

#[inline(never)]
fn probe_meter_begin(meter: &Meter, name: NameId) -> bool {
    meter.begin(name)
}

#[inline(never)]
fn probe_meter_step(meter: &Meter, name: NameId) -> bool {
    meter.step(name)
}

#[cold]
#[inline(never)]
fn slow(clock: &HotClock, ring: &mut Producer, id: u32, record: fn(&mut Producer, u32, u64, bool) -> bool) -> bool {
    let ticks = clock.ticks();
    record(ring, id, ticks.value, ticks.tsc)
}

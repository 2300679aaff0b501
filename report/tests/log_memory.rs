//! Reading a log takes a bounded amount of memory, whatever its size: an allocator that keeps the peak proves it.
#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use eco2_core::schema::{Report, Run};
use eco2_core::{Component, Domain, Reading};
use eco2_report::{BLOCK_TICKS, Error, LogEncoder, LogMeta, read_log, read_run};
use generator::{Brackets, Generator};

#[path = "../../benches/src/generator.rs"]
mod generator;

const MIB: usize = 1 << 20;

thread_local! {
    /// Bytes that this thread holds, and the most it ever held; the test harness's other threads do not disturb it.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Peak;

// SAFETY: every call goes to the system allocator unchanged; counting touches a thread-local that needs no allocation.
unsafe impl GlobalAlloc for Peak {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| {
            let now = held.get().0.saturating_add(layout.size());
            held.set((now, now.max(held.get().1)));
        });
        // SAFETY: the caller's layout, as the caller promised it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.with(|held| held.set((held.get().0.saturating_sub(layout.size()), held.get().1)));
        // SAFETY: the block came from `alloc` above, that is from the system allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Peak = Peak;

/// The most bytes that `run` held at a time beyond those held before.
fn peak<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.with(|held| {
        held.set((held.get().0, held.get().0));
        held.get().0
    });
    let result = run();
    (HELD.with(Cell::get).1 - before, result)
}

fn encoder() -> LogEncoder {
    let mut encoder = LogEncoder::new(&LogMeta::new(Run::default(), 0)).unwrap();
    encoder.keep_every(0);
    for (source, domains) in Generator::domains().iter().enumerate() {
        encoder.domains(source, domains).unwrap();
    }
    encoder
}

/// A log of at least `bytes`: its head, the same frames of history again and again, and `tail`.
fn write(path: &Path, bytes: usize, tail: &[u8]) {
    let mut encoder = encoder();
    let mut file = File::create(path).unwrap();
    file.write_all(&encoder.take(Vec::new())).unwrap();
    let mut generator = Generator::new(Brackets::Shared);
    for _ in 0..20 * BLOCK_TICKS {
        generator.tick().iter().enumerate().for_each(|(source, readings)| encoder.readings(source, readings));
    }
    encoder.flush();
    let frames = encoder.take(Vec::new());
    (0..bytes.div_ceil(frames.len())).for_each(|_| file.write_all(&frames).unwrap());
    file.write_all(tail).unwrap();
}

fn report() -> Report {
    let text = include_str!("it/data/report-v1.json");
    eco2_report::parse_report(text.as_bytes(), Path::new("report-v1.json")).unwrap()
}

#[test]
fn k18_the_report_of_a_100_mib_log_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.eco2log");
    let mut last = encoder();
    drop(last.take(Vec::new()));
    last.finish(&report()).unwrap();
    write(&path, 100 * MIB, &last.take(Vec::new()));
    let (held, read) = peak(|| read_run(&path).unwrap());
    assert_eq!(read, report());
    assert!(held < 2 * MIB, "{held} bytes held");
}

#[test]
fn k18_the_contents_of_a_long_log_without_a_report_take_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.eco2log");
    write(&path, 2 * MIB, &[]);
    assert!(matches!(read_run(&path), Err(Error::NoReport { .. })));
    let (held, log) = peak(|| read_log(&path).unwrap());
    assert!(log.thinned);
    assert!(held < 64 * MIB, "{held} bytes held");
}

#[test]
fn k18_a_small_log_that_claims_millions_of_readings_takes_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.eco2log");
    let domains: Vec<Domain> =
        (0..4096).map(|at| Domain::counter(&format!("d{at}"), Component::Other, "x", "s")).collect();
    let mut encoder = LogEncoder::new(&LogMeta::new(Run::default(), 0)).unwrap();
    encoder.keep_every(0);
    encoder.domains(0, &domains).unwrap();
    for at in 0..BLOCK_TICKS as u64 {
        let one = Reading { before_ns: at << 20, after_ns: at << 20, value: Ok(7) };
        encoder.readings(0, &(0..4096).map(|domain| (domain, one)).collect::<Vec<_>>());
    }
    encoder.flush();
    let frames = encoder.take(Vec::new());
    std::fs::write(&path, frames.repeat(2)).unwrap();
    assert!(frames.len() < 2 * MIB, "{} bytes", frames.len());
    let (held, log) = peak(|| read_log(&path).unwrap());
    assert!(log.thinned);
    assert!(held < 64 * MIB, "{held} bytes held");
}

//! Reads under a preempted writer: the reader wakes on the CPU of a writer that writes without pause at the lowest
//! priority, so that it mostly finds it stopped in the middle of a write. Wall time of one read.
//!
//! Twice: with the two of them alone on the CPU, and with a thread that computes all the time, as training does. In
//! the second the writer also stays stopped, for as long as the scheduler lets the other run.
//!
//! A read during which the reader itself was switched out is counted separately, because its time does not depend on the writer.
//! Waiting for a lock is not counted so: for the kernel the thread leaves the CPU voluntarily.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use eco2_core::{DomainPoint, Snapshot, TimelineReader};
use eco2_samplers::clock::monotonic_ns;
use rustix::process::{Pid, setpriority_process};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::fixture::{DOMAINS, snapshot, timeline};
use crate::measure::Samples;
use crate::switches::Switches;
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const READS: usize = 3_000;
/// The longest that a series of reads may take; those that waited for a lock are then fewer.
const PATIENCE_NS: u64 = 5_000_000_000;
/// Long enough for the writer to be in the middle of something.
const PAUSE: Duration = Duration::from_micros(100);
const LONG_NS: f64 = 100_000.0;

/// Reads of one kind: nanoseconds of those that count, and of those during which the reader was switched out.
#[derive(Default)]
struct Reads {
    counted: Samples,
    apart: Samples,
}

/// The timeline against a `std::sync::Mutex`.
///
/// # Errors
/// Where threads cannot be pinned, or without procfs.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let (alone, busy) = (both(false)?, both(true)?);
    let name = "read under a preempted writer, slowest / std Mutex's slowest";
    let over = |reads: &Reads| reads.counted.sorted().iter().filter(|ns| **ns > LONG_NS).count();
    let long = over(&alone.ring) + over(&busy.ring);
    Ok(vec![
        Row::new(format!("{name}, with a busy thread (wall)"), busy.share(), "%", Limit::AtMost(1.0))
            .noting(busy.summary()),
        Row::new(format!("{name}, alone on the CPU (wall)"), alone.share(), "%", Limit::None).noting(alone.summary()),
        Row::new(
            "reads under a preempted writer that took over 100 us, of both",
            long as f64,
            "reads",
            Limit::AtMost(0.0),
        )
        .noting(format!("of {}", alone.ring.counted.len() + busy.ring.counted.len())),
    ])
}

/// The timeline's reads and the Mutex's.
struct Both {
    ring: Reads,
    mutex: Reads,
}

impl Both {
    /// The slowest of the ring's reads in percent of the Mutex's slowest.
    fn share(&self) -> f64 {
        self.ring.counted.max() / self.mutex.counted.max() * 100.0
    }

    fn summary(&self) -> String {
        format!("{}; Mutex: {}", summary(&self.ring), summary(&self.mutex))
    }
}

fn both(busy: bool) -> Result<Both, Failure> {
    let mut timeline = timeline()?;
    let reader = timeline.reader.clone();
    let published = snapshot(1);
    let ring = duel(busy, || timeline.writer.publish(black_box(&published)), || read_ring(&reader))?;
    // The same data: a snapshot's points.
    let points: [DomainPoint; DOMAINS] = std::array::from_fn(|at| published.points()[at]);
    let shared = Mutex::new(points);
    let locked = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let mutex = duel(busy, || *locked() = *black_box(&points), || _ = black_box(*locked()))?;
    Ok(Both { ring, mutex })
}

fn summary(reads: &Reads) -> String {
    let (counted, apart) = (&reads.counted, &reads.apart);
    format!(
        "p50 {:.0}, p99 {:.0}, max {:.0} ns of {} reads; reader switched out in {} more, max {:.0} ns",
        counted.median(),
        counted.quantile(0.99),
        counted.max(),
        counted.len(),
        apart.len(),
        apart.max(),
    )
}

fn read_ring(reader: &TimelineReader) {
    let mut out = Snapshot::default();
    black_box(reader.latest(black_box(&mut out)));
}

/// A writer without pause and a reader that wakes, on one CPU; and a thread that computes, if `busy`.
fn duel(busy: bool, mut write: impl FnMut() + Send, read: impl Fn() + Sync) -> Result<Reads, Failure> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        if busy {
            scope.spawn(|| {
                let pinned = pin();
                while pinned.is_ok() && !over.load(Ordering::Relaxed) {
                    (0..1_000u64).for_each(|at| _ = black_box(at));
                }
            });
        }
        let writer = scope.spawn(|| {
            let pinned = pin().and_then(|()| yield_to_all());
            while pinned.is_ok() && !over.load(Ordering::Relaxed) {
                write();
            }
            pinned
        });
        let reader = scope.spawn(|| {
            let reads = pin().and_then(|()| wake_and_read(&read));
            over.store(true, Ordering::Relaxed);
            reads
        });
        let reads = reader.join().map_err(|_| "the reader panicked")?;
        writer.join().map_err(|_| "the writer panicked")??;
        reads
    })
}

fn wake_and_read(read: &impl Fn()) -> Result<Reads, Failure> {
    let (switches, mut reads) = (Switches::of_this_thread()?, Reads::default());
    let until_ns = monotonic_ns() + PATIENCE_NS;
    while reads.counted.len() + reads.apart.len() < READS && monotonic_ns() < until_ns {
        let before = switches.involuntary();
        thread::sleep(PAUSE);
        let from_ns = monotonic_ns();
        read();
        let took_ns = (monotonic_ns() - from_ns) as f64;
        let kept = switches.involuntary() == before;
        if kept { reads.counted.push(took_ns) } else { reads.apart.push(took_ns) }
    }
    Ok(reads)
}

/// Pins this thread to the last CPU that it may use.
fn pin() -> Result<(), Failure> {
    let allowed = sched_getaffinity(None)?;
    let cpu = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).ok_or("no CPU")?;
    let mut only = CpuSet::new();
    only.set(cpu);
    Ok(sched_setaffinity(None, &only)?)
}

/// Niceness 19 for this thread alone: on Linux the call takes a thread's id (setpriority(2), "C library/kernel differences").
fn yield_to_all() -> Result<(), Failure> {
    let thread: Pid = gettid();
    Ok(setpriority_process(Some(thread), 19)?)
}

//! Elapsed time of reads under a preempted writer.
//!
//! The writer writes without pause at the lowest priority. The reader wakes on the same CPU, so it mostly interrupts the
//! writer in the middle of a write. This is measured twice: with the two threads alone on the CPU, and with a third thread
//! that computes all the time, as training does; then the writer also stays stopped while the third thread runs.
//!
//! A read during which the kernel switched the reader out shows nothing about the writer, and is counted separately. A wait
//! for a lock is no such read: the kernel counts it as a voluntary switch.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use eco2_core::{DomainPoint, Snapshot, TimelineReader};
use eco2_samplers::clock::monotonic_ns;
use rustix::process::{Pid, setpriority_process};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::fixture::{DOMAINS, snapshot, timeline};
use crate::measure::{Failure, Place, Samples};
use crate::table::{Limit, Row};

const READS: usize = 3_000;
/// Time limit of a series of reads; where reads wait for a lock, fewer fit into it.
const SERIES_LIMIT_NS: u64 = 5_000_000_000;
/// Pause before each read: enough for the writer to start a write.
const PAUSE: Duration = Duration::from_micros(100);
const LONG_NS: f64 = 100_000.0;

/// Times of the reads of one kind, nanoseconds.
#[derive(Default)]
struct Reads {
    /// Reads without an involuntary switch of the reader.
    counted: Samples,
    /// Reads during which the reader was switched out.
    switched_out: Samples,
}

/// The timeline against a `std::sync::Mutex`.
///
/// # Errors
/// Where threads cannot be pinned, or without procfs.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let (alone, busy) = (both(false)?, both(true)?);
    let name = "read under a preempted writer, slowest / std Mutex's slowest";
    let over = |reads: &Reads| reads.counted.sorted().iter().filter(|ns| **ns > LONG_NS).count();
    let long = over(&alone.ring) + over(&busy.ring);
    Ok(vec![
        Row::new(format!("{name}, with a busy thread (wall)"), busy.share(), "%", Limit::AtMost(1.0))
            .noting(busy.note()),
        Row::new(format!("{name}, alone on the CPU (wall)"), alone.share(), "%", Limit::None).noting(alone.note()),
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

    fn note(&self) -> String {
        format!("{}; Mutex: {}", note(&self.ring), note(&self.mutex))
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

fn note(reads: &Reads) -> String {
    let (counted, switched_out) = (&reads.counted, &reads.switched_out);
    format!(
        "p50 {:.0}, p99 {:.0}, max {:.0} ns of {} reads; reader switched out in {} more, max {:.0} ns",
        counted.median(),
        counted.quantile(0.99),
        counted.max(),
        counted.len(),
        switched_out.len(),
        switched_out.max(),
    )
}

fn read_ring(reader: &TimelineReader) {
    let mut out = Snapshot::default();
    black_box(reader.latest(black_box(&mut out)));
}

/// Runs a writer without pause and a reader that wakes on one CPU; with `busy`, also a thread that computes.
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
            let pinned = pin().and_then(|()| lower_priority());
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
    let until_ns = monotonic_ns() + SERIES_LIMIT_NS;
    while reads.counted.len() + reads.switched_out.len() < READS && monotonic_ns() < until_ns {
        let before = switches.involuntary();
        thread::sleep(PAUSE);
        let from_ns = monotonic_ns();
        read();
        let took_ns = (monotonic_ns() - from_ns) as f64;
        let kept = switches.involuntary() == before;
        if kept { reads.counted.push(took_ns) } else { reads.switched_out.push(took_ns) }
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

/// Sets niceness 19 for this thread alone: on Linux the call takes a thread's id (setpriority(2), "C library/kernel differences").
fn lower_priority() -> Result<(), Failure> {
    let thread: Pid = gettid();
    Ok(setpriority_process(Some(thread), 19)?)
}

/// The calling thread's context switches, from `/proc/thread-self/status` (proc(5)).
#[derive(Debug)]
pub(crate) struct Switches(File);

impl Switches {
    /// Opens the file of the calling thread.
    ///
    /// # Errors
    /// Where there is no procfs.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/status")?))
    }

    /// Number of involuntary switches; 0 where the kernel does not count them.
    pub(crate) fn involuntary(&self) -> u64 {
        let mut text = [0; 4096];
        let length = self.0.read_at(&mut text, 0).unwrap_or(0);
        let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

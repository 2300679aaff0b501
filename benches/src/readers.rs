//! Two readers and a busy writer: what reading costs when others use the timeline too.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use eco2_core::{Energies, TimelineReader, TimelineWriter};
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::tsc::HotClock;

use crate::fixture::{hot_clock, snapshot, timeline};
use crate::measure::{Samples, cpu_each};
use crate::sampling::sleep_until;
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const READS: u64 = 20_000;
const ROUNDS: usize = 61;
/// 10 kHz.
const TICK_NS: u64 = 100_000;

/// What the threads share: whether the writer writes, and where a round begins and ends.
struct Stage {
    writes: AtomicBool,
    over: AtomicBool,
    round: Barrier,
}

/// CPU time of a read: one reader alone, then two together with a writer at 10 kHz, in turns.
///
/// # Errors
/// None.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let (timeline, clock) = (timeline()?, hot_clock());
    let stage = Stage { writes: AtomicBool::new(false), over: AtomicBool::new(false), round: Barrier::new(2) };
    let (reader, other) = (timeline.reader.clone(), timeline.reader);
    let writer = timeline.writer;
    let (alone, together) = thread::scope(|scope| {
        scope.spawn(|| write(writer, &stage));
        scope.spawn(|| read_along(&other, &clock, &stage));
        let measured = read(&reader, &clock, &stage);
        stage.over.store(true, Ordering::Relaxed);
        stage.round.wait();
        measured
    });
    let ratio = together.over(&alone);
    Ok(vec![
        Row::of("read with another reader and a 10 kHz writer / read alone", &ratio, "x", Limit::AtMost(1.15))
            .noting(format!("{:.1} and {:.1} ns, interrupts included", together.median(), alone.median())),
    ])
}

fn read(reader: &TimelineReader, clock: &HotClock, stage: &Stage) -> (Samples, Samples) {
    let mut energies = Energies::default();
    let mut batch = || cpu_each(READS, || reader.now(clock.now_ns(), black_box(&mut energies)));
    let (mut alone, mut together) = (Samples::default(), Samples::default());
    batch();
    for _ in 0..ROUNDS {
        alone.push(batch());
        stage.writes.store(true, Ordering::Relaxed);
        stage.round.wait();
        together.push(batch());
        stage.writes.store(false, Ordering::Relaxed);
        stage.round.wait();
    }
    (alone, together)
}

/// The other reader: reads from the beginning of a round until the first one has done its batch.
fn read_along(reader: &TimelineReader, clock: &HotClock, stage: &Stage) {
    let mut energies = Energies::default();
    loop {
        stage.round.wait();
        if stage.over.load(Ordering::Relaxed) {
            return;
        }
        while stage.writes.load(Ordering::Relaxed) {
            (0..100).for_each(|_| _ = black_box(reader.now(clock.now_ns(), black_box(&mut energies))));
        }
        stage.round.wait();
    }
}

fn write(mut writer: TimelineWriter, stage: &Stage) {
    let mut next_ns = monotonic_ns();
    while !stage.over.load(Ordering::Relaxed) {
        next_ns = (next_ns + TICK_NS).max(monotonic_ns());
        sleep_until(next_ns);
        if stage.writes.load(Ordering::Relaxed) {
            writer.publish(&snapshot(monotonic_ns()));
        }
    }
}

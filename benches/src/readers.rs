//! Cost of a read of the timeline while another reader and a writer use it.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use eco2_core::{Energies, TimelineReader, TimelineWriter};
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::tsc::HotClock;

use crate::fixture::{hot_clock, snapshot, timeline};
use crate::measure::{Failure, Place, Samples, cpu_each};
use crate::sampling::sleep_until;
use crate::table::{Limit, Row};

const READS: u64 = 20_000;
const ROUNDS: usize = 61;
/// Period of the writer: 10 kHz.
const TICK_NS: u64 = 100_000;

/// Shared by the threads: whether the writer writes, and the barrier at both ends of a round.
struct RoundBarrier {
    writes: AtomicBool,
    over: AtomicBool,
    round: Barrier,
}

/// CPU time of a read: one reader alone, and two readers with a writer at 10 kHz, in turns.
///
/// # Errors
/// None.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let (timeline, clock) = (timeline()?, hot_clock());
    let rounds = RoundBarrier { writes: AtomicBool::new(false), over: AtomicBool::new(false), round: Barrier::new(2) };
    let (reader, other) = (timeline.reader.clone(), timeline.reader);
    let writer = timeline.writer;
    let (alone, together) = thread::scope(|scope| {
        scope.spawn(|| write(writer, &rounds));
        scope.spawn(|| read_until_round_ends(&other, &clock, &rounds));
        let measured = read(&reader, &clock, &rounds);
        rounds.over.store(true, Ordering::Relaxed);
        rounds.round.wait();
        measured
    });
    let ratio = together.over(&alone);
    Ok(vec![
        Row::of("read with another reader and a 10 kHz writer / read alone", &ratio, "x", Limit::AtMost(1.15))
            .noting(format!("{:.1} and {:.1} ns, interrupts included", together.median(), alone.median())),
    ])
}

fn read(reader: &TimelineReader, clock: &HotClock, rounds: &RoundBarrier) -> (Samples, Samples) {
    let mut energies = Energies::default();
    let mut batch = || cpu_each(READS, || reader.now(clock.now_ns(), black_box(&mut energies)));
    let (mut alone, mut together) = (Samples::default(), Samples::default());
    batch();
    for _ in 0..ROUNDS {
        alone.push(batch());
        rounds.writes.store(true, Ordering::Relaxed);
        rounds.round.wait();
        together.push(batch());
        rounds.writes.store(false, Ordering::Relaxed);
        rounds.round.wait();
    }
    (alone, together)
}

/// The other reader: reads from the start of a round until the first reader has finished its batch.
fn read_until_round_ends(reader: &TimelineReader, clock: &HotClock, rounds: &RoundBarrier) {
    let mut energies = Energies::default();
    loop {
        rounds.round.wait();
        if rounds.over.load(Ordering::Relaxed) {
            return;
        }
        while rounds.writes.load(Ordering::Relaxed) {
            (0..100).for_each(|_| _ = black_box(reader.now(clock.now_ns(), black_box(&mut energies))));
        }
        rounds.round.wait();
    }
}

fn write(mut writer: TimelineWriter, rounds: &RoundBarrier) {
    let mut next_ns = monotonic_ns();
    while !rounds.over.load(Ordering::Relaxed) {
        next_ns = (next_ns + TICK_NS).max(monotonic_ns());
        sleep_until(next_ns);
        if rounds.writes.load(Ordering::Relaxed) {
            writer.publish(&snapshot(monotonic_ns()));
        }
    }
}

//! Calls of a training loop, in CPU time against `clock_gettime`: recording a span, and reading the energy now.
//!
//! *Deferred span*: two timestamps; its energy is computed later. *Immediate span*: the energy is read at both ends and
//! subtracted, over eight domains (measured quantities).

use std::hint::black_box;

use eco2_core::{Energies, EventPool, TimelineReader};
use eco2_samplers::tsc::HotClock;

use crate::fixture::{DOMAINS, hot_clock, meter, one_clock, settle, slow_clock, timeline};
use crate::measure::{Failure, Place, Samples, cpu_each, in_turns};
use crate::table::{Limit, Row};

const ROUNDS: usize = 151;
/// Spans in a batch: their events fit the ring of 4096 without being drained.
const SPANS: u64 = 1_800;

/// Two records through the event ring, and through the meter, against two clock readings.
///
/// # Errors
/// Where no meter can be opened.
pub(crate) fn measure_recording(_: &Place) -> Result<Vec<Row>, Failure> {
    let (fast, slow) = (hot_clock(), slow_clock());
    let meter = meter(None)?;
    let name = meter.name("span");
    settle();
    let mut counted = ring(&fast)?;
    let mut clocked = ring(&slow)?;
    let mut metered = || {
        let each = cpu_each(SPANS, || {
            black_box(meter.begin(name));
            black_box(meter.end(name));
        });
        // Drains the rings, as the sampling thread would.
        black_box(meter.snapshot());
        each
    };
    let [clocks, ticks, counted, clocked, metered] = in_turns(
        ROUNDS,
        [
            &mut || cpu_each(SPANS, || (one_clock(), one_clock())),
            &mut || cpu_each(SPANS, || (fast.ticks(), fast.ticks())),
            &mut counted,
            &mut clocked,
            &mut metered,
        ],
    );
    let limit = Limit::AtMost(if fast.counting() { 0.5 } else { 1.1 });
    let by = if fast.counting() { "time-stamp counter" } else { "no usable time-stamp counter" };
    let row = |name: &str, samples: &Samples, limit| {
        Row::of(name, &samples.over(&clocks), "x", limit).noting(format!("{:.1} ns", samples.median()))
    };
    Ok(vec![
        Row::of("two clock_gettime", &clocks, "ns", Limit::None).noting("the reference for spans"),
        row("two unconverted clock readings / two clock_gettime", &ticks, Limit::None).noting(by),
        row("deferred span, event ring / two clock_gettime", &counted, limit),
        row("deferred span, meter's begin and end / two clock_gettime", &metered, limit),
        row("deferred span without the counter, event ring / two clock_gettime", &clocked, Limit::AtMost(1.1)),
    ])
}

/// A case: spans into a separate ring, which is drained outside the measured time.
fn ring(clock: &HotClock) -> Result<impl FnMut() -> f64 + '_, Failure> {
    let (pool, mut consumer) = EventPool::new(1, 4096);
    let mut ring = pool.claim().ok_or("no event ring")?;
    Ok(move || {
        let each = cpu_each(SPANS, || {
            let ticks = clock.ticks();
            black_box(ring.begin(7, ticks.value, ticks.tsc));
            let ticks = clock.ticks();
            black_box(ring.end(7, ticks.value, ticks.tsc));
        });
        consumer.drain(|_, _, event| _ = black_box(event));
        each
    })
}

const READS: u64 = 2_000;

/// Spans and reads over eight domains against the clock, with the time-stamp counter and without.
///
/// # Errors
/// Where no meter can be opened.
pub(crate) fn measure_reading(_: &Place) -> Result<Vec<Row>, Failure> {
    let (fast, slow) = (hot_clock(), slow_clock());
    let timeline = timeline()?;
    let reader = &timeline.reader;
    let meter = meter(None)?;
    settle();
    let mut energies = Energies::default();
    let [clock, span, slow_span, now, slow_now, metered, by_device] = in_turns(
        ROUNDS,
        [
            &mut || cpu_each(READS, one_clock),
            &mut spans(reader, &fast),
            &mut spans(reader, &slow),
            &mut nows(reader, &fast),
            &mut nows(reader, &slow),
            &mut || cpu_each(READS, || meter.now()),
            &mut || cpu_each(READS, || meter.now_by_device(black_box(&mut energies))),
        ],
    );
    let (two, one) = (Limit::AtMost(1.6), Limit::AtMost(1.5));
    let row = |name: &str, samples: &Samples, clocks: f64, limit| {
        let ratio = samples.over(&clock).divided_by(clocks);
        Row::of(name, &ratio, "x", limit).noting(format!("{:.1} ns", samples.median()))
    };
    Ok(vec![
        row("immediate span, 8 domains / two clock_gettime", &span, 2.0, two),
        row("immediate span, 8 domains, without the counter / two clock_gettime", &slow_span, 2.0, two),
        row("energy now, 8 domains / clock_gettime", &now, 1.0, one),
        row("energy now, 8 domains, without the counter / clock_gettime", &slow_now, 1.0, one),
        row("energy now, meter's total of 12 devices / clock_gettime", &metered, 1.0, one),
        row("energy now, meter's 12 devices one by one / clock_gettime", &by_device, 1.0, Limit::None),
    ])
}

/// A case: a read at begin and end, and each domain's difference added to its sum.
fn spans<'a>(reader: &'a TimelineReader, clock: &'a HotClock) -> impl FnMut() -> f64 + 'a {
    let (mut begin, mut end, mut sums) = (Energies::default(), Energies::default(), [0u64; DOMAINS]);
    move || {
        cpu_each(READS, || {
            let known = reader.now(clock.now_ns(), black_box(&mut begin));
            let known = reader.now(clock.now_ns(), black_box(&mut end)) && known;
            for (domain, sum) in sums.iter_mut().enumerate() {
                if let (true, Some(to_uj), Some(from_uj)) = (known, end.uj(domain), begin.uj(domain)) {
                    *sum = sum.wrapping_add(to_uj.saturating_sub(from_uj));
                }
            }
            black_box(&sums);
        })
    }
}

fn nows<'a>(reader: &'a TimelineReader, clock: &'a HotClock) -> impl FnMut() -> f64 + 'a {
    let mut energies = Energies::default();
    move || cpu_each(READS, || reader.now(clock.now_ns(), black_box(&mut energies)))
}

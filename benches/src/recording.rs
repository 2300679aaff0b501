//! Deferred spans: the cost for a thread to record begin and end of a span.

use std::hint::black_box;

use eco2_core::EventPool;
use eco2_samplers::tsc::HotClock;

use crate::fixture::{hot_clock, meter, one_clock, settle, slow_clock};
use crate::measure::{cpu_each, in_turns};
use crate::table::{Limit, Row};
use crate::{Failure, Place};

/// Spans in a batch: their events fit a ring of 4096 without being drained.
const SPANS: u64 = 1_800;
const ROUNDS: usize = 151;

/// Two records through the event ring, and through the meter, against two clock readings.
///
/// # Errors
/// Where no meter can be opened.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
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
    let row = |name: &str, samples: &crate::measure::Samples, limit| {
        Row::of(name, &samples.over(&clocks), "x", limit).noting(format!("{:.1} ns", samples.median()))
    };
    Ok(vec![
        Row::of("two clock_gettime", &clocks, "ns", Limit::None).noting("what spans are compared with"),
        row("two unconverted clock readings / two clock_gettime", &ticks, Limit::None).noting(by),
        row("deferred span, event ring / two clock_gettime", &counted, limit),
        row("deferred span, meter's begin and end / two clock_gettime", &metered, limit),
        row("deferred span without the counter, event ring / two clock_gettime", &clocked, Limit::AtMost(1.1)),
    ])
}

/// A case: spans into a ring of its own, which is drained outside the time that counts.
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

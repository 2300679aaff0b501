//! Bulk accounting of raw counters that wrap, under an intensity that varies, against the speed of memory and against a
//! Python loop of the same arithmetic.
//!
//! A point is one value of a 32-bit counter: its wrapping difference to the value before is turned into energy and
//! times the grid's intensity of its time.

use std::hint::black_box;

use eco2_core::Scale;
use eco2_core::batch::{grams, guarded_energy, wrapping_energy};

use crate::measure::{Samples, cpu_ms, in_turns};
use crate::python::{self, Looped};
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const POINTS: usize = 16_000_000;
/// Spans of one intensity: a point every 10 ms and an intensity an hour would be 44; every five minutes 533.
const SEGMENTS: usize = 533;
const ROUNDS: usize = 41;
/// What HF Eco2AI publishes for its `DistributedCarbonProcessor`: 500 points through pools of threads and processes.
const PUBLISHED_PER_S: f64 = 82_035.0;
/// 400 W for 10 ms in units of 2^-14 J is 65 536: what the guard lets pass.
const LIMIT_RAW: u32 = 65_536;
const LEAST_RAW: u32 = 20_000;
const SPREAD_RAW: u32 = 40_000;

/// Totals with and without the guard.
///
/// # Errors
/// Where Python comes to another result; without Python its rows are missing.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let raw = counter(POINTS);
    let scale = Scale::from_base_per_raw(1.0 / 16_384.0).ok_or("no scale")?;
    let segments = segments(POINTS);
    let [floor, priced, guarded] = in_turns(
        ROUNDS,
        [
            &mut || cpu_ms(|| floor(black_box(&raw))),
            &mut || cpu_ms(|| grams(black_box(&raw), scale, black_box(&segments))),
            &mut || cpu_ms(|| guarded_energy(black_box(&raw), LIMIT_RAW)),
        ],
    );
    // The best of the rounds, as for Python's loops.
    let per_s = |ms: &Samples| POINTS as f64 / (ms.min() / 1e3);
    let speed = |ms: &Samples| format!("{:.0} Mpoints/s; reading alone {:.0}", per_s(ms) / 1e6, per_s(&floor) / 1e6);
    let mut rows = vec![
        Row::of(
            "bulk accounting, reading the same bytes / accounting",
            &floor.over(&priced),
            "x",
            Limit::AtLeast(0.75),
        )
        .noting(format!("{}; {SEGMENTS} intensities", speed(&priced))),
        Row::of(
            "bulk energy with guard, reading the same bytes / accounting",
            &floor.over(&guarded),
            "x",
            Limit::AtLeast(0.4),
        )
        .noting(speed(&guarded)),
        Row::new(
            "bulk accounting / HF Eco2AI's published 82,035 points/s",
            per_s(&priced) / PUBLISHED_PER_S,
            "x",
            Limit::None,
        )
        .noting("a point: one 32-bit counter value, its wrapping difference times the intensity of its time"),
    ];
    match python::run() {
        Ok(python) => rows.extend(compared_with_python(&raw, scale, (per_s(&priced), per_s(&floor)), &python)?),
        Err(reason) => rows.push(
            Row::new("bulk accounting / Python loop", 0.0, "x", Limit::None).noting(format!("skipped: {reason}")),
        ),
    }
    Ok(rows)
}

/// Rows of the comparison with two loops in Python, which must have the same result.
fn compared_with_python(
    raw: &[u32],
    scale: Scale,
    (per_s, floor_per_s): (f64, f64),
    python: &Looped,
) -> Result<[Row; 2], Failure> {
    let raw = raw.get(..python.points).ok_or("the loop went over more points than there are")?;
    // Python rounds at every point; we once a segment.
    let off = (grams(raw, scale, &segments(python.points)) - python.grams).abs();
    if wrapping_energy(raw) != python.energy_raw || off > 1e-6 * python.grams {
        return Err("the Python loop comes to another result".into());
    }
    let row = |name: &str, python_per_s: f64| {
        let (each, most) = (1e9 / python_per_s, floor_per_s / python_per_s);
        let note = format!(
            "{each:.0} ns a point in {}, same result; reading the bytes alone would be {most:.0} x",
            python.version
        );
        Row::new(name, per_s / python_per_s, "x", Limit::AtLeast(2_500.0)).noting(note)
    };
    Ok([
        row("bulk accounting / Python loop with a record for every point, as published", python.points_per_s),
        row("bulk accounting / leanest Python loop, sums only", python.totals_per_s),
    ])
}

/// Reads every byte and does next to nothing with it: a sum, which the compiler turns into vector code.
fn floor(raw: &[u32]) -> u32 {
    raw.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

/// A counter of a load between 120 and 370 W, read every 10 ms. `benches/python/loop.py` makes the same one.
#[must_use]
pub fn counter(points: usize) -> Vec<u32> {
    let mut value = 0u32;
    let mut next = |at: usize| {
        let mixed = (at as u32).wrapping_mul(2_654_435_761) >> 16;
        value = value.wrapping_add(LEAST_RAW + mixed % SPREAD_RAW);
        value
    };
    (0..points).map(&mut next).collect()
}

/// Stretches of one intensity each: `(end, grams per kilowatt-hour)`.
#[must_use]
pub fn segments(points: usize) -> Vec<(usize, f64)> {
    let of = |at: usize| ((at + 1) * points / SEGMENTS, 100.0 + (at % 24) as f64 * 20.0);
    (0..SEGMENTS).map(of).collect()
}

/// xorshift64, Marsaglia 2003: the same numbers every time.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers of a seed other than 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed)
    }

    /// The next number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

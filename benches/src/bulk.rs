//! Bulk accounting: the emissions of a long series of counter values under a varying carbon intensity, against the speed of
//! memory and a Python loop of the same arithmetic; and the join of spans with a timeline.
//!
//! *Point*: one value of a 32-bit counter. Its wrapping difference to the previous value is converted to energy and
//! multiplied by the carbon intensity of its time.

use std::hint::black_box;
use std::process::Command;

use eco2_core::Scale;
use eco2_core::batch::{grams, guarded_energy, join, wrapping_energy};
use serde_json::Value;

use crate::measure::{Failure, Place, Samples, cpu_ms, in_turns};
use crate::table::{Limit, Row};

const POINTS: usize = 16_000_000;
/// Segments of one intensity: with a point every 10 ms, 533 is one every five minutes (one per hour would be 44).
const SEGMENTS: usize = 533;
const ROUNDS: usize = 41;
/// Points per second that HF Eco2AI publishes for its `DistributedCarbonProcessor`.
const PUBLISHED_PER_S: f64 = 82_035.0;
/// Largest difference that the guard accepts: 400 W for 10 ms in units of 2^-14 J.
const LIMIT_RAW: u32 = 65_536;
const LEAST_RAW: u32 = 20_000;
const SPREAD_RAW: u32 = 40_000;

/// Accounting with and without the guard, against reading the same bytes.
///
/// # Errors
/// Where Python comes to another result; without Python its rows are missing.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
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
    match run_python_loop() {
        Ok(python) => rows.extend(python_rows(&raw, scale, (per_s(&priced), per_s(&floor)), &python)?),
        Err(reason) => rows.push(
            Row::new("bulk accounting / Python loop", 0.0, "x", Limit::None).noting(format!("skipped: {reason}")),
        ),
    }
    Ok(rows)
}

/// Rows that compare with Python's two loops, which must have the same result.
fn python_rows(
    raw: &[u32],
    scale: Scale,
    (per_s, floor_per_s): (f64, f64),
    python: &PythonLoop,
) -> Result<[Row; 2], Failure> {
    let raw = raw.get(..python.points).ok_or("the loop has more points than the counter")?;
    // Python rounds at every point, the library once for each segment.
    let off = (grams(raw, scale, &segments(python.points)) - python.grams).abs();
    if wrapping_energy(raw) != python.energy_raw || off > 1e-6 * python.grams {
        return Err("the Python loop has another result".into());
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

/// Reads every byte and only adds it up; the compiler turns the sum into vector code.
fn floor(raw: &[u32]) -> u32 {
    raw.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

/// A counter of a load between 120 and 370 W, read every 10 ms. `benches/python/loop.py` makes the same one.
pub(crate) fn counter(points: usize) -> Vec<u32> {
    let mut value = 0u32;
    let mut next = |at: usize| {
        let mixed = (at as u32).wrapping_mul(2_654_435_761) >> 16;
        value = value.wrapping_add(LEAST_RAW + mixed % SPREAD_RAW);
        value
    };
    (0..points).map(&mut next).collect()
}

/// Segments of one intensity each: `(end, grams per kilowatt-hour)`.
pub(crate) fn segments(points: usize) -> Vec<(usize, f64)> {
    let segment = |at: usize| ((at + 1) * points / SEGMENTS, 100.0 + (at % 24) as f64 * 20.0);
    (0..SEGMENTS).map(segment).collect()
}

/// xorshift64, Marsaglia 2003: the same numbers every time.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Numbers of a seed other than 0.
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed)
    }

    /// The next number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// Output of the Python loop.
#[derive(Debug)]
struct PythonLoop {
    /// Number of points.
    points: usize,
    /// Points per second of CPU time with a record for every point, best of its rounds.
    points_per_s: f64,
    /// The same with sums only.
    totals_per_s: f64,
    /// Energy in raw units; must equal the library's.
    energy_raw: u64,
    /// Grams; must equal the library's except for rounding.
    grams: f64,
    /// Python's version.
    version: String,
}

/// Runs `benches/python/loop.py` with `python3`.
///
/// # Errors
/// Why there is no result.
fn run_python_loop() -> Result<PythonLoop, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/loop.py");
    let output = Command::new("python3").arg(script).output().map_err(|error| format!("python3: {error}"))?;
    if !output.status.success() {
        return Err(format!("python3 ended with {}", output.status));
    }
    let output: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("the loop's output: {error}"))?;
    let field = |key: &str| output.get(key).cloned().ok_or(format!("the loop did not print {key}"));
    Ok(PythonLoop {
        points: field("points")?.as_u64().and_then(|points| usize::try_from(points).ok()).unwrap_or(0),
        points_per_s: field("points_per_s")?.as_f64().unwrap_or(0.0),
        totals_per_s: field("totals_per_s")?.as_f64().unwrap_or(0.0),
        energy_raw: field("energy_raw")?.as_u64().unwrap_or(0),
        grams: field("grams")?.as_f64().unwrap_or(0.0),
        version: field("version")?.as_str().unwrap_or_default().to_owned(),
    })
}

const JOIN_POINTS: u64 = 10_000_000;
const JOIN_SPANS: u64 = 1_000_000;
/// One point per millisecond, up to 0.3 ms late.
const TICK_NS: u64 = 1_000_000;
const LATE_NS: u64 = 300_000;
const JOIN_ROUNDS: usize = 15;

/// Join of a million spans with ten million points, against one pass over the points.
///
/// # Errors
/// None.
pub(crate) fn measure_join(_: &Place) -> Result<Vec<Row>, Failure> {
    let mut random = Random::new(1);
    let times: Vec<u64> = (0..JOIN_POINTS).map(|at| at * TICK_NS + random.below(LATE_NS)).collect();
    let mut energy = 0;
    let energies: Vec<u64> = (0..JOIN_POINTS).map(|_| energy_after(&mut energy, &mut random)).collect();
    // Spans of ten points; begin and end are up to one point off.
    let step_ns = TICK_NS * (JOIN_POINTS / JOIN_SPANS);
    let begins: Vec<u64> = (0..JOIN_SPANS).map(|at| at * step_ns + random.below(TICK_NS)).collect();
    let ends: Vec<u64> = (1..=JOIN_SPANS).map(|at| at * step_ns - random.below(TICK_NS)).collect();
    let mut out = vec![0; JOIN_SPANS as usize];
    let [pass, joined] = in_turns(
        JOIN_ROUNDS,
        [&mut || cpu_ms(|| pass(black_box(&times), black_box(&energies))), &mut || {
            cpu_ms(|| join(black_box(&times), &energies, &begins, &ends, black_box(&mut out)))
        }],
    );
    let note = format!(
        "{:.1} ms, {:.1} ns a span; a pass {:.1} ms",
        joined.median(),
        joined.median() * 1e6 / JOIN_SPANS as f64,
        pass.median()
    );
    let ratio = joined.over(&pass);
    Ok(vec![
        Row::of("join of 1e6 spans with 1e7 points / one pass over the points", &ratio, "x", Limit::AtMost(6.0))
            .noting(note),
    ])
}

fn energy_after(energy: &mut u64, random: &mut Random) -> u64 {
    // 200 to 500 W for a millisecond, in microjoules.
    *energy += 200_000 + random.below(300_000);
    *energy
}

/// Reads both columns and only adds them up.
fn pass(times: &[u64], energies: &[u64]) -> (u64, u64) {
    let columns = times.iter().zip(energies);
    columns.fold((0, 0), |(a, b), (time, energy)| (a.wrapping_add(*time), b.wrapping_add(*energy)))
}

//! The join of a million spans with a timeline of ten million points, against one pass over that timeline.

use std::hint::black_box;

use eco2_core::batch::join;

use crate::bulk::Random;
use crate::measure::{cpu_ms, in_turns};
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const POINTS: u64 = 10_000_000;
const SPANS: u64 = 1_000_000;
/// A point every millisecond, up to 0.3 ms late.
const TICK_NS: u64 = 1_000_000;
const LATE_NS: u64 = 300_000;
const ROUNDS: usize = 15;

/// Both, in turns.
///
/// # Errors
/// None.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let mut random = Random::new(1);
    let times: Vec<u64> = (0..POINTS).map(|at| at * TICK_NS + random.below(LATE_NS)).collect();
    let mut energy = 0;
    let energies: Vec<u64> = (0..POINTS).map(|_| energy_after(&mut energy, &mut random)).collect();
    // Steps of ten points, each beginning and ending up to a point off.
    let step_ns = TICK_NS * (POINTS / SPANS);
    let begins: Vec<u64> = (0..SPANS).map(|at| at * step_ns + random.below(TICK_NS)).collect();
    let ends: Vec<u64> = (1..=SPANS).map(|at| at * step_ns - random.below(TICK_NS)).collect();
    let mut out = vec![0; SPANS as usize];
    let [pass, joined] = in_turns(
        ROUNDS,
        [&mut || cpu_ms(|| pass(black_box(&times), black_box(&energies))), &mut || {
            cpu_ms(|| join(black_box(&times), &energies, &begins, &ends, black_box(&mut out)))
        }],
    );
    let note = format!(
        "{:.1} ms, {:.1} ns a span; a pass {:.1} ms",
        joined.median(),
        joined.median() * 1e6 / SPANS as f64,
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

/// Reads both columns and does next to nothing with them.
fn pass(times: &[u64], energies: &[u64]) -> (u64, u64) {
    let columns = times.iter().zip(energies);
    columns.fold((0, 0), |(a, b), (time, energy)| (a.wrapping_add(*time), b.wrapping_add(*energy)))
}

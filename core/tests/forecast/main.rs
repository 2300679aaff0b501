//! Back-tests of the forecast of a run's end: how often its intervals hold. Run with `--nocapture` to see the figures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that prints what it found")]

mod runs;
mod score;

use runs::{Noise, recorded, simulated};
use score::{AT, Scores};

/// What a 90 % interval may hold, percent of the forecasts.
const CALIBRATED: std::ops::RangeInclusive<f64> = 85.0..=95.0;

#[test]
fn nine_of_ten_intervals_hold_in_simulated_runs_at_every_progress() {
    let (mut scores, mut noise) = (Scores::default(), Noise::new(7));
    (0..1500).for_each(|_| scores.run(&simulated(&mut noise)));
    scores.print("simulated");
    for (place, percent) in AT.iter().enumerate() {
        assert!(CALIBRATED.contains(&scores.held(place)), "at {percent} %: {:.1} %", scores.held(place));
    }
    assert!(CALIBRATED.contains(&scores.held_in_all()), "{:.1} %", scores.held_in_all());
}

#[test]
fn nine_of_ten_intervals_hold_in_recorded_runs() {
    let mut scores = Scores::default();
    recorded().iter().for_each(|run| scores.run(run));
    scores.print("recorded");
    println!("recorded in all: {:.1} %", scores.held_in_all());
    assert!(CALIBRATED.contains(&scores.held_in_all()), "{:.1} %", scores.held_in_all());
}

#[test]
fn intervals_narrow_as_a_run_goes_on() {
    let (mut scores, mut noise) = (Scores::default(), Noise::new(11));
    (0..300).for_each(|_| scores.run(&simulated(&mut noise)));
    let widths: Vec<f64> = (0..AT.len()).map(|place| scores.width(place)).collect();
    assert!(widths.windows(2).all(|pair| pair[1] < pair[0]), "{widths:?}");
}

//! Back-tests of the forecast of a run's end: how often its intervals hold. Run with `--nocapture` to see the figures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that prints what it found")]

mod runs;
mod score;

use std::ops::RangeInclusive;

use eco2_core::forecast_backtest;
use runs::{FAMILIES, Family, Noise, recorded, simulated};
use score::{AT, Scores, Watch};

/// What a 90 % interval may hold, percent of the forecasts: of all runs from a tenth of them on, and of one kind alone.
const CALIBRATED: RangeInclusive<f64> = 87.0..=93.0;
const OF_ONE_KIND: RangeInclusive<f64> = 83.0..=98.0;

/// Places in [`AT`] for which [`CALIBRATED`] is required: 10, 25, 50 and 75 %.
const REQUIRED: std::ops::Range<usize> = 1..5;

/// How runs are watched: after each step, after several, and within steps as well.
const WATCHED: [Watch; 3] = [Watch::Steps, Watch::Every(7), Watch::Within];

/// Number of runs of each family.
fn scores(families: &[Family], count: usize, seed: u64, watch: Watch) -> Scores {
    let mut scores = Scores::default();
    for (_, family) in families {
        let mut noise = Noise::new(seed);
        (0..count).for_each(|_| scores.run(&family(&mut noise), watch));
    }
    scores
}

fn assert_calibrated(scores: &Scores, what: &str) {
    scores.print(what);
    for place in REQUIRED {
        assert!(CALIBRATED.contains(&scores.held(place)), "{what} at {} %: {:.1} %", AT[place], scores.held(place));
    }
}

#[test]
fn k10_nine_of_ten_intervals_hold_over_all_kinds_of_runs_however_they_are_watched() {
    for watch in WATCHED {
        let mut all = scores(&FAMILIES, 250, 7, watch);
        recorded().iter().for_each(|run| all.run(run, watch));
        assert_calibrated(&all, &format!("all kinds, {watch:?}"));
        assert!((87.0..=95.0).contains(&all.held(0)), "at 5 %: {:.1} %", all.held(0));
    }
}

/// The two constants of the forecast are chosen on every second family; on the others, and on other runs, they hold as
/// well.
#[test]
fn k10_intervals_hold_on_the_families_that_nothing_was_chosen_on() {
    let (chosen, other): (Vec<_>, Vec<_>) = FAMILIES.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    for (half, what) in [(chosen, "families of the choice"), (other, "other families")] {
        let half: Vec<Family> = half.into_iter().map(|(_, family)| family).collect();
        assert_calibrated(&scores(&half, 400, 23, Watch::Steps), what);
    }
}

#[test]
fn intervals_hold_in_simulated_runs_with_everything_at_every_progress() {
    let (mut scores, mut noise) = (Scores::default(), Noise::new(7));
    (0..1500).for_each(|_| scores.run(&simulated(&mut noise), Watch::Steps));
    scores.print("simulated");
    for (place, percent) in AT.iter().enumerate() {
        assert!(OF_ONE_KIND.contains(&scores.held(place)), "at {percent} %: {:.1} %", scores.held(place));
    }
}

#[test]
fn intervals_hold_in_recorded_runs_and_the_reported_back_test_is_theirs() {
    let mut scores = Scores::default();
    recorded().iter().for_each(|run| scores.run(run, Watch::Steps));
    scores.print("recorded");
    println!("recorded in all: {:.1} %", scores.held_in_all());
    assert!(OF_ONE_KIND.contains(&scores.held_in_all()), "{:.1} %", scores.held_in_all());
    for (place, percent) in AT.iter().enumerate() {
        let tested = forecast_backtest(*percent, 100).unwrap();
        assert_eq!(tested.runs, recorded().len() as u32);
        let (error, held) = (scores.median_error(place), scores.held(place));
        assert!((tested.error_percent - error).abs() < 0.006, "at {percent} %: {error:.3} %");
        assert!((tested.held_percent - held).abs() < 0.06, "at {percent} %: held in {held:.2} %");
    }
}

#[test]
fn intervals_narrow_as_a_run_goes_on() {
    let (mut scores, mut noise) = (Scores::default(), Noise::new(11));
    (0..300).for_each(|_| scores.run(&simulated(&mut noise), Watch::Steps));
    let widths: Vec<f64> = (0..AT.len()).map(|place| scores.width(place)).collect();
    assert!(widths.windows(2).all(|pair| pair[1] < pair[0]), "{widths:?}");
}

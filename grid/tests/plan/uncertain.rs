//! Forecast error in, regret out.

use eco2_grid::plan::{HOUR_NS, Job, regret, saving_percent, worst_regret_percent};
use proptest::prelude::*;

use crate::stage::{hourly, uneven};

#[test]
fn regret_by_hand() {
    // Forecast: the first hour is cheapest. It comes otherwise: 100 against 50.
    let (forecast, actual) = (hourly(&[10.0, 20.0, 30.0]), hourly(&[100.0, 50.0, 80.0]));
    let job = Job { duration_ns: HOUR_NS, power_w: 1000.0, interruptible: false };
    let window = |curve| eco2_grid::plan::IntensityCurve::window(curve, 0, 3 * HOUR_NS).unwrap();
    let found = regret(&window(&forecast), &window(&actual), &job).unwrap();
    assert_eq!((found.grams, found.best_grams, found.now_grams), (100.0, 50.0, Some(100.0)));
    assert_eq!(
        (found.grams_lost(), found.percent(), saving_percent(found.grams, found.now_grams)),
        (50.0, Some(100.0), Some(0.0))
    );
    let known = regret(&window(&actual), &window(&actual), &job).unwrap();
    assert_eq!((known.grams_lost(), known.percent()), (0.0, Some(0.0)));
}

#[test]
fn the_worst_regret_of_an_error() {
    assert_eq!(worst_regret_percent(0.0), Ok(0.0));
    assert!((worst_regret_percent(5.0).unwrap() - 10.526_315_789).abs() < 1e-6);
    assert!(worst_regret_percent(100.0).is_err() && worst_regret_percent(-1.0).is_err());
}

proptest! {
    #[test]
    fn regret_stays_within_the_bound_of_the_forecasts_error(
        values in uneven(2..=10),
        errors in proptest::collection::vec(-1.0..1.0f64, 10),
        error_percent in 0.1..60.0f64,
        quarters in 1..8i64,
        interruptible in any::<bool>(),
    ) {
        let forecast: Vec<f64> =
            values.iter().zip(&errors).map(|(value, error)| value * (1.0 + error * error_percent / 100.0)).collect();
        let (forecast, actual) = (hourly(&forecast), hourly(&values));
        let to_ns = values.len() as i64 * HOUR_NS;
        let job = Job { duration_ns: quarters * HOUR_NS / 4, power_w: 700.0, interruptible };
        let found = regret(&forecast.window(0, to_ns).unwrap(), &actual.window(0, to_ns).unwrap(), &job).unwrap();
        let bound = worst_regret_percent(error_percent).unwrap();
        prop_assert!(found.percent().is_none_or(|percent| percent <= bound + 1e-6), "{found:?} {bound}");
    }
}

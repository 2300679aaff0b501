//! What is to come: the forecast's energy, weighed with the intensity of its own time, in every unit.

use eco2_core::report::{Carbon, Energy, ForecastRecord};
use eco2_core::units::kwh;
use eco2_core::{Finish, Forecaster, Outlook, Projection, Usage};

use super::{Keeper, Length};
use crate::pricing::{Pricing, When};

/// Ends of the 90 % interval, and what a soft finding looks at.
const INTERVAL: [f64; 2] = [0.05, 0.95];
const SOFT: f64 = 0.9;

/// The outlook of a run, and the forecast for its report.
pub(super) fn look(
    keeper: &Keeper,
    (forecaster, unseen_uj): (&Forecaster, u64),
    pricing: &Pricing,
    (energy, carbon): (&Energy, &Carbon),
    when: &When,
) -> (Outlook, Option<ForecastRecord>) {
    let step_uj = match keeper.length {
        Some(Length::Milliseconds(_)) => 0,
        _ => forecaster.largest_step_uj().saturating_mul(keeper.check_steps),
    };
    let next_uj = pricing.pue().facility_uj(step_uj.saturating_add(unseen_uj));
    let now = pricing.intensity_ahead(when, 0.0);
    let grams = |uj: f64, g_per_kwh: f64| uj / eco2_core::units::UJ_PER_KWH * g_per_kwh;
    let next = Usage {
        energy_uj: next_uj,
        grams: Some(grams(next_uj as f64, now.g_per_kwh)),
        money: pricing.price_per_kwh().map(|price| kwh(next_uj) * price),
    };
    let total = match keeper.length {
        Some(Length::Steps(total) | Length::Milliseconds(total)) => total,
        None => return (Outlook { next, ..Outlook::default() }, None),
    };
    let Some(projection) = forecaster.project(total, energy.total_uj) else {
        return (Outlook { next, ..Outlook::default() }, None);
    };
    let rest = pricing.intensity_ahead(when, projection.rest_ns);
    let pue = pricing.pue().get();
    let error = rest.error_percent.unwrap_or(0.0) / 100.0;
    let ends = |spent: f64, scale: f64, error: f64| finish(&projection, spent, scale * pue, error);
    let facility_uj = energy.facility_uj as f64;
    let outlook = Outlook {
        next,
        energy: Some(ends(facility_uj, 1.0, 0.0)),
        grams: Some(ends(carbon.grams, grams(1.0, rest.g_per_kwh), error)),
        money: pricing.price_per_kwh().zip(carbon.cost).map(|(price, cost)| ends(cost, grams(1.0, price), 0.0)),
    };
    let progress = if matches!(keeper.length, Some(Length::Steps(_))) { "steps" } else { "milliseconds" };
    let record = ForecastRecord {
        progress: progress.to_owned(),
        done: projection.done,
        total,
        warm_up: projection.warm_up,
        rest_ns: projection.rest_ns as u64,
        energy_uj: ends(facility_uj, 1.0, 0.0),
        g_per_kwh: rest.g_per_kwh,
        intensity: rest.method,
        intensity_error_percent: rest.error_percent,
    };
    (outlook, Some(record))
}

/// Spent and rest in one unit; `scale`: of it to a microjoule. The relative error of the scale is independent of that of
/// the energy, so the two add as squares.
fn finish(projection: &Projection, spent: f64, scale: f64, error: f64) -> Finish {
    let own = projection.rest_error_uj;
    let both = Projection { rest_error_uj: own.hypot(projection.rest_uj * error), ..*projection };
    let at = |p: f64| spent + scale * both.rest_at(p);
    let [low, high] = INTERVAL.map(at);
    Finish { mean: spent + scale * projection.rest_uj, low, high, p90: at(SOFT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_energy_and_intensity_add_as_squares() {
        // 1000 µJ left, sure to 30; the intensity to 4 %: together to 50, at many degrees of freedom.
        let projection = Projection {
            done: 1,
            total: 2,
            warm_up: 0,
            spent_uj: 500,
            rest_uj: 1000.0,
            rest_error_uj: 30.0,
            freedom: 1e9,
            rest_ns: 1.0,
        };
        let found = finish(&projection, 7.0, 2.0, 0.04);
        assert_eq!(found.mean, 2007.0);
        assert!((found.high - (2007.0 + 2.0 * 50.0 * 1.645)).abs() < 0.1, "{found:?}");
        assert!((found.p90 - (2007.0 + 2.0 * 50.0 * 1.2816)).abs() < 0.1, "{found:?}");
    }
}

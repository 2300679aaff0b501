//! Computes the outlook of a run for its budget ([`outlook()`]): the use until the next check of the budget, and the
//! forecast for the end of the run, in energy, grams and money. PUE is the factor of the facility's overhead. A
//! *projection* is the forecaster's estimate of the energy that the rest of the run will use.

use eco2_core::schema::{Carbon, Energy, ForecastRecord};
use eco2_core::units::{UJ_PER_KWH, kwh};
use eco2_core::{Finish, Forecaster, Outlook, PerUnit, Projection, forecast_backtest};

use crate::run::pricing::{RateForecast, RunPricing, When};

/// The planned length of a run, in the unit in which its progress is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Steps(u64),
    Milliseconds(u64),
}

/// Quantiles at the ends of the forecast interval, which holds the result with a probability of 90 %.
const INTERVAL: [f64; 2] = [0.05, 0.95];
/// Quantile of the forecast that a soft limit is compared with: a run exceeds the limit with a probability of 10 % at
/// most.
const SOFT: f64 = 0.9;

/// The data of a run from which its outlook is computed.
pub(super) struct OutlookInput<'a> {
    pub(super) forecaster: &'a Forecaster,
    /// The most that may be used until the next check, including the use since the counters' last updates, microjoules
    /// before PUE.
    pub(super) next_uj: u64,
    /// The machine's energy so far, microjoules, which the forecaster follows.
    pub(super) machine_uj: Option<u64>,
    /// Energy and emissions that the limits are compared with: those of the machine, or the command's part.
    pub(super) energy: &'a Energy,
    pub(super) carbon: &'a Carbon,
    pub(super) when: &'a When,
}

/// Returns the outlook of a run, and the forecast for its report; no forecast without a planned length or a known
/// energy.
pub(super) fn outlook(
    length: Option<Length>,
    pricing: &RunPricing,
    input: &OutlookInput<'_>,
) -> (Outlook, Option<ForecastRecord>) {
    let OutlookInput { energy, carbon, when, .. } = *input;
    let next_uj = pricing.pue().facility_uj(input.next_uj);
    let kwh_so_far = energy.facility_uj.map(kwh).filter(|kwh| *kwh > 0.0);
    let so_far = carbon.cost.zip(kwh_so_far).map(|(cost, kwh)| cost / kwh);
    let next = PerUnit {
        energy_uj: Some(next_uj as f64),
        grams: Some(kwh(next_uj) * pricing.intensity_ahead(when, 0.0).each),
        money: pricing.price_next(when, so_far).map(|price| kwh(next_uj) * price),
    };
    let only_next = || (Outlook { next, ..Outlook::default() }, None);
    let Some(Length::Steps(total) | Length::Milliseconds(total)) = length else { return only_next() };
    let Some((own_uj, facility_uj)) = energy.total_uj.zip(energy.facility_uj) else { return only_next() };
    let machine_uj = input.machine_uj.unwrap_or(own_uj);
    let Some(projection) = input.forecaster.project(total, machine_uj) else { return only_next() };
    let share = if machine_uj > 0 { own_uj as f64 / machine_uj as f64 } else { 1.0 };
    let projection = Projection {
        rest_uj: projection.rest_uj * share,
        rest_error_uj: projection.rest_error_uj * share,
        ..projection
    };
    let rest = pricing.intensity_ahead(when, projection.rest_ns);
    let price = pricing.price_ahead(when, projection.rest_ns, so_far);
    let pue = pricing.pue().get();
    let whole = finish(&projection, facility_uj as f64, pue, 0.0);
    let finish = PerUnit {
        energy_uj: Some(whole),
        grams: carbon.grams.map(|grams| priced(&projection, grams, pue, &rest)),
        money: price.zip(carbon.cost).map(|(price, cost)| priced(&projection, cost, pue, &price)),
    };
    let tested = forecast_backtest(projection.done, total);
    let progress = if matches!(length, Some(Length::Steps(_))) { "steps" } else { "milliseconds" };
    let record = ForecastRecord {
        progress: progress.to_owned(),
        done: projection.done,
        total,
        warm_up: projection.warm_up,
        rest_ns: projection.rest_ns as u64,
        energy_uj: whole,
        g_per_kwh: rest.each,
        intensity: rest.method,
        intensity_error_percent: rest.error_percent,
        grams: finish.grams,
        backtest_error_percent: tested.map(|tested| tested.error_percent),
        backtest_held_percent: tested.map(|tested| tested.held_percent),
        backtest_runs: tested.map(|tested| tested.runs),
    };
    (Outlook { next, finish }, Some(record))
}

/// Returns the use at the end in grams or money: the amount so far, plus the rest at the intensity or price of its
/// time. If past intensities are repeated as a forecast that was never tested, the interval spans the extremes of the
/// past.
fn priced(projection: &Projection, spent: f64, pue: f64, each: &RateForecast) -> Finish {
    let scale = |each: f64| each * pue / UJ_PER_KWH;
    let own = finish(projection, spent, scale(each.each), each.error_percent.unwrap_or(0.0) / 100.0);
    let Some([least, most]) = each.span else { return own };
    let [low, high] = [least, most].map(|each| finish(projection, spent, scale(each), 0.0));
    Finish { mean: own.mean, low: low.low.min(own.low), high: high.high.max(own.high), p90: high.p90.max(own.p90) }
}

/// Returns the use at the end in one unit; `scale` is the size of a microjoule in it. The relative error of the scale
/// is independent of that of the energy, so the two add as squares.
fn finish(projection: &Projection, spent: f64, scale: f64, error: f64) -> Finish {
    let own = projection.rest_error_uj;
    let both = Projection { rest_error_uj: own.hypot(projection.rest_uj * error), ..*projection };
    let at = |p: f64| spent + scale * both.rest_at(p);
    let [low, high] = INTERVAL.map(at);
    // A negative scale, as prices can be, swaps the ends.
    Finish {
        mean: spent + scale * projection.rest_uj,
        low: low.min(high),
        high: low.max(high),
        p90: at(SOFT).max(at(1.0 - SOFT)),
    }
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

    #[test]
    fn a_past_that_nothing_tests_makes_an_interval_of_all_that_was_seen() {
        let projection = Projection {
            done: 1,
            total: 2,
            warm_up: 0,
            spent_uj: 0,
            rest_uj: UJ_PER_KWH,
            rest_error_uj: 0.0,
            freedom: 1e9,
            rest_ns: 1.0,
        };
        let rest = |span| RateForecast { each: 250.0, error_percent: None, span, method: String::new() };
        let found = priced(&projection, 10.0, 2.0, &rest(Some([100.0, 400.0])));
        assert_eq!((found.mean, found.low, found.high, found.p90), (510.0, 210.0, 810.0, 810.0));
        assert_eq!(priced(&projection, 10.0, 2.0, &rest(None)).high, 510.0, "published");
    }
}

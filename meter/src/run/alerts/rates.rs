//! Compares a run with the limits per hour on its emissions, energy and cost, and makes an event when the mean rate
//! since the start of the run exceeds a limit.

use std::sync::Mutex;
use std::time::Duration;

use eco2_core::Usage;
use eco2_core::schema::EventKind;
use eco2_core::units::UJ_PER_KWH;

use crate::options::{Options, Row, opt};
use crate::sync::lock;

/// The shortest time whose mean rate is compared during a run: over a shorter one the mean is a poor estimate of an
/// hour. A run that ends earlier is compared at its end.
const SHORTEST: Duration = Duration::from_secs(5);

/// One limit per hour.
struct Rate {
    /// Kind of the event.
    kind: EventKind,
    /// The option that sets the limit.
    row: &'static Row,
    /// The limit per hour, in `unit`.
    limit: f64,
    /// Unit of the limit, for people.
    unit: &'static str,
    /// Returns the amount that the run used, in the limit's unit; `None` if it is not known.
    used: fn(&Usage) -> Option<f64>,
    /// Whether the run exceeded the limit before; each limit is reported once.
    is_reported: bool,
}

/// The limits per hour of a run.
#[derive(Default)]
pub(crate) struct Rates(Mutex<Vec<Rate>>);

impl Rates {
    /// Returns the limits per hour that the options set.
    pub(crate) fn of(options: &Options) -> Self {
        let budget = &options.budget;
        let rate = |limit: Option<f64>, kind, row, unit, used| {
            limit.map(|limit| Rate { kind, row, limit, unit, used, is_reported: false })
        };
        let rates = [
            rate(
                budget.max_co2_kg_per_hour,
                EventKind::Co2Rate,
                &opt::MAX_CO2_KG_PER_HOUR,
                "kg CO2e per hour",
                |usage| usage.amounts.grams.value.map(|grams| grams / 1_000.0),
            ),
            rate(
                budget.max_energy_kwh_per_hour,
                EventKind::EnergyRate,
                &opt::MAX_ENERGY_KWH_PER_HOUR,
                "kWh per hour",
                |usage| usage.amounts.energy_uj.value.map(|uj| uj / UJ_PER_KWH),
            ),
            rate(budget.max_cost_per_hour, EventKind::CostRate, &opt::MAX_COST_PER_HOUR, "per hour", |usage| {
                usage.amounts.money.value
            }),
        ];
        Self(Mutex::new(rates.into_iter().flatten().collect()))
    }

    /// Whether any limit per hour is set.
    pub(crate) fn is_limited(&self) -> bool {
        !lock(&self.0).is_empty()
    }

    /// Returns the kinds and texts of the events to add now: one for each limit that is exceeded and was not reported
    /// before. A limit on an amount that is not known is not exceeded.
    pub(crate) fn exceeded(&self, usage: &Usage, elapsed: Duration, closed: bool) -> Vec<(EventKind, String)> {
        if elapsed.is_zero() || (elapsed < SHORTEST && !closed) {
            return Vec::new();
        }
        let hours = elapsed.as_secs_f64() / 3_600.0;
        let mut rates = lock(&self.0);
        let exceeded = rates.iter_mut().filter_map(|rate| {
            let per_hour = (rate.used)(usage)? / hours;
            if rate.is_reported || per_hour <= rate.limit {
                return None;
            }
            rate.is_reported = true;
            let Rate { limit, unit, row, .. } = rate;
            Some((rate.kind, format!("{per_hour:.3} {unit} since the start; {} is {limit}", row.name)))
        });
        exceeded.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::{Bounded, PerUnit};

    fn usage(energy_uj: Option<f64>, grams: Option<f64>) -> Usage {
        let bounded = |value| Bounded { value, ..Bounded::unknown() };
        let amounts = PerUnit { energy_uj: bounded(energy_uj), grams: bounded(grams), ..Usage::default().amounts };
        Usage { amounts, ..Usage::default() }
    }

    #[test]
    fn each_limit_per_hour_is_reported_once_by_the_mean_since_the_start() {
        let mut options = Options::default();
        assert!(!Rates::of(&options).is_limited());
        options.budget.max_co2_kg_per_hour = Some(0.5);
        options.budget.max_energy_kwh_per_hour = Some(2.0);
        let rates = Rates::of(&options);
        assert!(rates.is_limited());
        // 100 g in 10 minutes are 0.6 kg per hour; 1/3 kWh in 10 minutes are 2 kWh per hour, which the limit allows.
        let used = usage(Some(UJ_PER_KWH / 3.0), Some(100.0));
        let ten_minutes = Duration::from_secs(600);
        assert_eq!(rates.exceeded(&usage(None, None), ten_minutes, false), [], "not known");
        assert_eq!(rates.exceeded(&used, Duration::from_secs(4), false), [], "too short");
        let [(kind, text)] = &rates.exceeded(&used, ten_minutes, false)[..] else { panic!("one event") };
        assert_eq!(*kind, EventKind::Co2Rate);
        assert_eq!(text, "0.600 kg CO2e per hour since the start; budget.max_co2_kg_per_hour is 0.5");
        assert_eq!(rates.exceeded(&used, ten_minutes, false), [], "once");
        assert_eq!(rates.exceeded(&used, Duration::from_secs(4), true)[0].0, EventKind::EnergyRate, "at the end");
    }
}

//! A budget: what may be spent, what was, what the run will have spent at its end, and what to do about it.
//!
//! Two findings make a decision. *Soft*: the forecast's 90 % quantile is over the limit, so the run will probably not
//! fit. *Hard*: what is spent, what goes by until the next look, and the reserve are more than the limit. Whoever stops on
//! a hard finding never overshoots as long as nothing between two looks is larger than the reserve.

use serde::{Deserialize, Serialize};

/// What a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Microjoules of energy.
    EnergyUj(u64),
    /// Grams of CO2e.
    Grams(f64),
    /// Money, in the price's currency.
    Money(f64),
}

/// The unit of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microjoules.
    EnergyUj,
    /// Grams CO2e.
    Grams,
    /// The price's currency.
    Money,
}

/// One reading of a budget. Amounts are in `unit` (microjoules as a float here).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// What is limited.
    pub unit: Unit,
    /// Spent so far; `None`: not known, which is never taken for nothing.
    pub spent: Option<f64>,
    /// The limit.
    pub limit: f64,
    /// Held back: what may go by until the next look, and the reserve.
    pub held: f64,
    /// What will have been spent at the end; `None` without a forecast.
    pub finish: Option<Finish>,
    /// Whether the forecast is over the limit.
    pub soft: bool,
    /// Whether what is spent and held back is over the limit; of a run that is over, what was spent.
    pub hard: bool,
    /// What to do.
    pub decision: Decision,
}

/// What will have been spent at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Finish {
    /// The estimate.
    pub mean: f64,
    /// Lower end of the 90 % interval.
    pub low: f64,
    /// Upper end of the 90 % interval.
    pub high: f64,
    /// Not exceeded in nine of ten runs: what a soft finding looks at.
    pub p90: f64,
}

/// What a budget says, from the mildest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Go on.
    Go,
    /// Most of the limit is spent, or the forecast is over it.
    Warn,
    /// Wait: for a cleaner hour, or for somebody to decide.
    Pause,
    /// Stop before the next step.
    Stop,
}

/// How findings become decisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Share of the limit at which to warn, 0 to 1.
    pub warn_at: f64,
    /// Answer to a forecast over the limit; [`Decision::Go`]: none.
    pub soft: Decision,
    /// Answer to a limit that is spent but for the reserve.
    pub hard: Decision,
    /// Share of the limit that is kept back, 0 to below 1: for a checkpoint, and for a step larger than any before.
    pub reserve: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { warn_at: 0.8, soft: Decision::Warn, hard: Decision::Stop, reserve: 0.0 }
    }
}

/// A limit with how it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What may be spent.
    pub limit: Limit,
    /// How.
    pub policy: Policy,
}

/// What a run has used, in all three units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Microjoules; `None` where nothing was measured.
    pub energy_uj: Option<u64>,
    /// Grams; `None` where nothing prices them, or nothing was measured.
    pub grams: Option<f64>,
    /// Money; `None` without a price.
    pub money: Option<f64>,
}

/// What is known of what is to come. The default knows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outlook {
    /// The most that may go by until the next look, and what has gone by unseen; where it is `None` nothing is held back
    /// for it.
    pub next: Usage,
    /// Microjoules at the end.
    pub energy: Option<Finish>,
    /// Grams at the end.
    pub grams: Option<Finish>,
    /// Money at the end.
    pub money: Option<Finish>,
}

/// Once over the limit, a forecast has to fall below this share of it: findings do not flap.
const BACK_BELOW: f64 = 0.95;

impl Budget {
    /// A budget with the usual [`Policy`]; `None` unless the limit is finite and positive.
    #[must_use]
    pub fn new(limit: Limit) -> Option<Self> {
        let value = limit.value();
        (value.is_finite() && value > 0.0).then(|| Self { limit, policy: Policy::default() })
    }

    /// Compares what was used with the limit.
    #[must_use]
    pub fn check(&self, usage: &Usage) -> Spent {
        self.decide(usage, &Outlook::default(), false)
    }

    /// The same, with what is to come; `was_soft`: what the last look found. What is not known is a warning.
    #[must_use]
    pub fn decide(&self, usage: &Usage, outlook: &Outlook, was_soft: bool) -> Spent {
        let (limit, unit) = (self.limit.value(), self.limit.unit());
        let held = outlook.next.amount(unit).unwrap_or(0.0) + self.policy.reserve.clamp(0.0, 1.0) * limit;
        let Some(spent) = usage.amount(unit) else { return self.unknown(held) };
        let finish = outlook.finish(unit);
        let over = if was_soft { limit * BACK_BELOW } else { limit };
        let soft = finish.is_some_and(|finish| finish.p90 > over);
        self.found(spent, held, finish, soft, spent >= limit || spent + held > limit)
    }

    /// The same of a run that is over: nothing is to come, so nothing is held back, and what was spent is its end.
    #[must_use]
    pub fn judge(&self, usage: &Usage) -> Spent {
        let Some(spent) = usage.amount(self.limit.unit()) else { return self.unknown(0.0) };
        let finish = Finish { mean: spent, low: spent, high: spent, p90: spent };
        let over = spent > self.limit.value();
        self.found(spent, 0.0, Some(finish), over, over)
    }

    fn found(&self, spent: f64, held: f64, finish: Option<Finish>, soft: bool, hard: bool) -> Spent {
        let (limit, unit) = (self.limit.value(), self.limit.unit());
        let near = if spent / limit >= self.policy.warn_at { Decision::Warn } else { Decision::Go };
        let by_forecast = if soft { self.policy.soft } else { Decision::Go };
        let by_limit = if hard { self.policy.hard } else { Decision::Go };
        let decision = near.max(by_forecast).max(by_limit);
        Spent { unit, spent: Some(spent), limit, held, finish, soft, hard, decision }
    }

    fn unknown(&self, held: f64) -> Spent {
        let (limit, unit) = (self.limit.value(), self.limit.unit());
        Spent { unit, spent: None, limit, held, finish: None, soft: false, hard: false, decision: Decision::Warn }
    }
}

impl Limit {
    /// The amount, in the limit's unit.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::EnergyUj(uj) => uj as f64,
            Self::Grams(amount) | Self::Money(amount) => amount,
        }
    }

    /// Its unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::EnergyUj(_) => Unit::EnergyUj,
            Self::Grams(_) => Unit::Grams,
            Self::Money(_) => Unit::Money,
        }
    }
}

impl Usage {
    fn amount(&self, unit: Unit) -> Option<f64> {
        match unit {
            Unit::EnergyUj => self.energy_uj.map(|uj| uj as f64),
            Unit::Grams => self.grams,
            Unit::Money => self.money,
        }
    }
}

impl Outlook {
    fn finish(&self, unit: Unit) -> Option<Finish> {
        match unit {
            Unit::EnergyUj => self.energy,
            Unit::Grams => self.grams,
            Unit::Money => self.money,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_budget_warns_at_four_fifths_and_stops_when_spent() {
        let budget = Budget::new(Limit::Grams(10.0)).unwrap();
        let at = |grams| budget.check(&Usage { grams: Some(grams), ..Usage::default() }).decision;
        assert_eq!(
            [at(7.9), at(8.0), at(9.99), at(10.0)],
            [Decision::Go, Decision::Warn, Decision::Warn, Decision::Stop]
        );
        assert_eq!(Budget::new(Limit::Money(f64::NAN)), None);
    }

    #[test]
    fn what_is_not_known_is_a_warning_and_not_nothing() {
        for limit in [Limit::EnergyUj(10), Limit::Grams(10.0), Limit::Money(10.0)] {
            let budget = Budget::new(limit).unwrap();
            for found in [budget.check(&Usage::default()), budget.judge(&Usage::default())] {
                assert_eq!((found.spent, found.decision, found.finish), (None, Decision::Warn, None));
            }
        }
    }

    #[test]
    fn a_run_that_is_over_is_judged_by_what_it_spent() {
        let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
        budget.policy.reserve = 0.5;
        let at = |energy| {
            let found = budget.judge(&used(energy));
            (found.held, found.hard, found.decision, found.finish.map(|finish| finish.p90))
        };
        assert_eq!(at(690), (0.0, false, Decision::Go, Some(690.0)), "no reserve is needed any more");
        assert_eq!(at(1000), (0.0, false, Decision::Warn, Some(1000.0)), "kept, to the last");
        assert_eq!(at(1001), (0.0, true, Decision::Stop, Some(1001.0)));
    }

    fn used(energy_uj: u64) -> Usage {
        Usage { energy_uj: Some(energy_uj), ..Usage::default() }
    }

    #[test]
    fn a_forecast_over_the_limit_is_a_soft_finding_and_does_not_flap() {
        let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
        let at = |budget: &Budget, p90: f64, was| {
            let finish = Finish { mean: p90 - 50.0, low: p90 - 100.0, high: p90 + 20.0, p90 };
            let found = budget.decide(&used(100), &Outlook { energy: Some(finish), ..Outlook::default() }, was);
            (found.soft, found.decision)
        };
        assert_eq!(at(&budget, 1000.0, false), (false, Decision::Go));
        assert_eq!(at(&budget, 1001.0, false), (true, Decision::Warn));
        assert_eq!(at(&budget, 960.0, true), (true, Decision::Warn), "not yet far enough below");
        assert_eq!(at(&budget, 950.0, true), (false, Decision::Go));
        budget.policy.soft = Decision::Pause;
        assert_eq!(at(&budget, 1001.0, false), (true, Decision::Pause));
    }

    #[test]
    fn a_hard_finding_keeps_a_step_and_the_reserve_back() {
        let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
        budget.policy.reserve = 0.1;
        let at = |energy| {
            let found = budget.decide(&used(energy), &Outlook { next: used(50), ..Outlook::default() }, false);
            (found.held, found.hard, found.decision)
        };
        assert_eq!(at(850), (150.0, false, Decision::Warn));
        assert_eq!(at(851), (150.0, true, Decision::Stop));
    }

    proptest! {
        #[test]
        fn a_hard_stop_never_overshoots_while_no_step_is_larger_than_the_reserve(
            limit in 1_000_u64..1_000_000,
            reserve in 0.0..0.9_f64,
            shares in prop::collection::vec(0.0..=1.0_f64, 1..400),
            wrong_guess in 0_u64..1_000,
        ) {
            let mut budget = Budget::new(Limit::EnergyUj(limit)).unwrap();
            budget.policy.reserve = reserve;
            let largest = (reserve * limit as f64).floor();
            let (mut spent, mut steps) = (0, 0);
            for share in &shares {
                // What is expected of the next step may be anything: the reserve alone is enough.
                let outlook = Outlook { next: used(wrong_guess), ..Outlook::default() };
                if budget.decide(&used(spent), &outlook, false).decision == Decision::Stop {
                    break;
                }
                spent += (share * largest) as u64;
                steps += 1;
            }
            prop_assert!(spent <= limit, "{spent} of {limit} after {steps} steps");
        }
    }
}

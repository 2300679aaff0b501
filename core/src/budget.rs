//! A budget: what may be spent, and what was.

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

/// One reading of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Spent so far, in the limit's unit (microjoules as a float here).
    pub spent: f64,
    /// The limit.
    pub limit: f64,
    /// What to do.
    pub decision: Decision,
}

/// What a budget says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Below the warning threshold.
    Go,
    /// Above the warning threshold.
    Warn,
    /// Spent.
    Stop,
}

/// A limit with a warning threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// What may be spent.
    pub limit: Limit,
    /// Share of the limit at which to warn, 0 to 1.
    pub warn_at: f64,
}

/// What a run has used, in all three units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Microjoules.
    pub energy_uj: u64,
    /// Grams; `None` where nothing prices them.
    pub grams: Option<f64>,
    /// Money; `None` without a price.
    pub money: Option<f64>,
}

impl Budget {
    /// A budget that warns at 80 % of `limit`; `None` unless the limit is finite and positive.
    #[must_use]
    pub fn new(limit: Limit) -> Option<Self> {
        let value = value(limit);
        (value.is_finite() && value > 0.0).then_some(Self { limit, warn_at: 0.8 })
    }

    /// Compares what was used with the limit; `None` where the limit's unit is not known.
    #[must_use]
    pub fn check(&self, usage: &Usage) -> Option<Spent> {
        let spent = match self.limit {
            Limit::EnergyUj(_) => usage.energy_uj as f64,
            Limit::Grams(_) => usage.grams?,
            Limit::Money(_) => usage.money?,
        };
        let limit = value(self.limit);
        let decision = match spent / limit {
            part if part >= 1.0 => Decision::Stop,
            part if part >= self.warn_at => Decision::Warn,
            _ => Decision::Go,
        };
        Some(Spent { spent, limit, decision })
    }
}

fn value(limit: Limit) -> f64 {
    match limit {
        Limit::EnergyUj(uj) => uj as f64,
        Limit::Grams(amount) | Limit::Money(amount) => amount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_warns_at_four_fifths_and_stops_when_spent() {
        let budget = Budget::new(Limit::Grams(10.0)).unwrap();
        let at = |grams| budget.check(&Usage { grams: Some(grams), ..Usage::default() }).unwrap().decision;
        assert_eq!(
            [at(7.9), at(8.0), at(9.99), at(10.0)],
            [Decision::Go, Decision::Warn, Decision::Warn, Decision::Stop]
        );
        assert_eq!(budget.check(&Usage::default()), None, "no price is not zero grams");
        assert_eq!(Budget::new(Limit::Money(f64::NAN)), None);
    }
}

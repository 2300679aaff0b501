//! Compares what a run has used, and what it will have used at its end, with a limit, and decides whether it may go on
//! ([`Budget`]).
//!
//! A *look* is one such comparison; a program makes one after each step or so. An amount is *held back* if it counts as
//! used already: what may be used until the next look, and the reserve of [`Policy::reserve`]. A look has up to three
//! findings, and the strongest answer to them is the decision:
//!
//! - *Hard*: the value plus what is held back reaches the limit, or with [`Policy::strict`] the upper bound does. A
//!   program that stops on a hard finding exceeds its limit only if more is used between two looks than is held back.
//! - *Soft*: the 90 % quantile of the forecast is over the limit, so the run will probably not fit. Once found, it
//!   remains until that quantile falls to 95 % of the limit: the decision must not change at every look.
//! - *Open*: the upper bound reaches the limit, as a missing upper bound always does. The answer is a warning at least.
//!
//! Without any finding, a value from [`Policy::warn_at`] of the limit on, or an unknown one, is a warning too.

use serde::{Deserialize, Serialize};

use crate::{Bounded, Quality};

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

/// The result of one look: what was used, the limit and the decision. Amounts are in `unit` (microjoules as a float
/// here).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// What is limited.
    pub unit: Unit,
    /// Used so far; `None`: not known, which is never taken for zero.
    pub spent: Option<f64>,
    /// Lower bound of `spent`; `None`: there is none, as of money at negative prices, or an early build of
    /// 0.1.0 wrote the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper bound of `spent`; `None`: there is none.
    #[serde(default)]
    pub high: Option<f64>,
    /// The worst quality among the parts of the energy; `None`: nothing is known.
    #[serde(default)]
    pub quality: Option<Quality>,
    /// Share of the energy with that quality, percent; `None`: nothing is known.
    #[serde(default)]
    pub quality_percent: Option<f64>,
    /// The limit.
    pub limit: f64,
    /// Amount that is held back: what may be used until the next look, and the reserve.
    pub held: f64,
    /// What will have been used at the end; `None` without a forecast.
    pub finish: Option<Finish>,
    /// Whether the forecast's 90 % quantile is over the limit; after a look that found so, whether it is still over
    /// 95 % of the limit.
    pub soft: bool,
    /// Whether the value and what is held back reach the limit, or with [`Policy::strict`] the upper bound does; of a
    /// run that is over, whether it used more than the limit.
    pub hard: bool,
    /// What the program is to do.
    pub decision: Decision,
}

/// What will have been used at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Finish {
    /// The estimate.
    pub mean: f64,
    /// Lower end of the 90 % interval.
    pub low: f64,
    /// Upper end of the 90 % interval.
    pub high: f64,
    /// Not exceeded in nine of ten runs: a soft finding compares this with the limit.
    pub p90: f64,
}

/// The answer of a budget, from the mildest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Go on.
    Go,
    /// Most of the limit is used, or the forecast or the upper bound reaches it, or the use is not known.
    Warn,
    /// Wait: for a cleaner hour, or for a person to decide.
    Pause,
    /// Stop before the next step.
    Stop,
}

/// How findings become decisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Share of the limit at which to warn, 0 to 1.
    pub warn_at: f64,
    /// Answer to a soft finding, a forecast over the limit; [`Decision::Go`]: none.
    pub soft: Decision,
    /// Answer to a hard finding: the value and what is held back reach the limit.
    pub hard: Decision,
    /// Whether an upper bound that reaches the limit is a hard finding too.
    pub strict: bool,
    /// Share of the limit that is held back, 0 to below 1: for a checkpoint, and for a step larger than any before.
    pub reserve: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { warn_at: 0.8, soft: Decision::Warn, hard: Decision::Stop, strict: false, reserve: 0.0 }
    }
}

/// A limit and its policy.
///
/// ```
/// use eco2_core::{Bounded, Budget, Decision, Limit, Usage};
///
/// let budget = Budget::new(Limit::EnergyUj(1_000)).expect("a positive limit");
/// let mut usage = Usage::default();
/// assert_eq!(budget.check(&usage).decision, Decision::Warn); // not known is not zero
/// usage.amounts.energy_uj = Bounded::exact(500.0);
/// assert_eq!(budget.check(&usage).decision, Decision::Go);
/// usage.amounts.energy_uj = Bounded::exact(1_200.0);
/// assert_eq!(budget.check(&usage).decision, Decision::Stop);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What may be used.
    pub limit: Limit,
    /// How findings become decisions.
    pub policy: Policy,
}

/// One item for each unit that can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PerUnit<T> {
    /// For a limit in microjoules.
    pub energy_uj: T,
    /// For a limit in grams.
    pub grams: T,
    /// For a limit in money.
    pub money: T,
}

/// What a run has used. The default is not known; of money not even that it is 0 or more, as a price may be negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// By unit; a lower bound that does not exist is `f64::NEG_INFINITY`.
    pub amounts: PerUnit<Bounded<f64>>,
    /// The worst quality among the parts of the energy, and its share in percent.
    pub quality: Option<(Quality, f64)>,
}

impl Default for Usage {
    fn default() -> Self {
        let unknown = Bounded::unknown();
        let money = Bounded { low: f64::NEG_INFINITY, ..unknown };
        Self { amounts: PerUnit { energy_uj: unknown, grams: unknown, money }, quality: None }
    }
}

/// What a run will use from now on, as far as it is known. The default knows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outlook {
    /// The most that may be used until the next look, and what was used since the counters' last updates; `None`:
    /// nothing is held back for it.
    pub next: PerUnit<Option<f64>>,
    /// Forecast of what will have been used at the end of the run; `None`: there is none.
    pub finish: PerUnit<Option<Finish>>,
}

/// Returns the worst quality among the parts of an energy, and its share in percent; `None` for an energy without
/// parts.
#[must_use]
pub fn worst_quality(energy: &crate::schema::Energy) -> Option<(Quality, f64)> {
    let parts = [
        (Quality::Synthetic, energy.synthetic_uj),
        (Quality::Estimated, energy.estimated_uj),
        (Quality::Derived, energy.derived_uj),
        (Quality::Measured, energy.measured_uj),
    ];
    let sum: f64 = parts.iter().map(|(_, uj)| *uj as f64).sum();
    let (quality, uj) = parts.into_iter().find(|(_, uj)| *uj > 0)?;
    Some((quality, 100.0 * uj as f64 / sum))
}

/// A soft finding remains until the forecast's quantile falls to this share of the limit. The margin of 5 % prevents
/// that it comes and goes at every look while the forecast lies near the limit.
const BACK_BELOW: f64 = 0.95;

/// The findings of a look, with the amounts that they come from.
#[derive(Debug, Clone, Copy)]
struct Findings {
    /// Amount that is held back, in the limit's unit.
    held: f64,
    finish: Option<Finish>,
    soft: bool,
    hard: bool,
}

impl Budget {
    /// Returns a budget with the default [`Policy`]; `None` unless the limit is finite and positive.
    ///
    /// ```
    /// use eco2_core::{Budget, Limit};
    ///
    /// assert!(Budget::new(Limit::Grams(2_500.0)).is_some());
    /// assert!(Budget::new(Limit::Grams(-1.0)).is_none());
    /// ```
    #[must_use]
    pub fn new(limit: Limit) -> Option<Self> {
        let value = limit.value();
        (value.is_finite() && value > 0.0).then(|| Self { limit, policy: Policy::default() })
    }

    /// Compares what was used with the limit, without a forecast and with only the reserve held back.
    #[must_use]
    pub fn check(&self, usage: &Usage) -> Spent {
        self.decide(usage, &Outlook::default(), false)
    }

    /// Compares what was used and what is to come with the limit. `was_soft`: whether the look before this one had a
    /// soft finding. The decision is [`Decision::Go`] only if the value is known and its upper bound lies below the
    /// limit.
    #[must_use]
    pub fn decide(&self, usage: &Usage, outlook: &Outlook, was_soft: bool) -> Spent {
        let (limit, unit) = (self.limit.value(), self.limit.unit());
        let amount = usage.amounts.get(unit);
        let held = outlook.next.get(unit).unwrap_or(0.0) + self.policy.reserve.clamp(0.0, 1.0) * limit;
        // If the amount used so far is unknown, a forecast of the end is unknown too.
        let finish = outlook.finish.get(unit).filter(|_| amount.value.is_some());
        let over = if was_soft { limit * BACK_BELOW } else { limit };
        let soft = finish.is_some_and(|finish| finish.p90 > over);
        let spent_out = amount.value.is_some_and(|value| value + held >= limit);
        let hard = spent_out || self.policy.strict && amount.may_have_reached(limit);
        self.found(usage, Findings { held, finish, soft, hard })
    }

    /// Compares the use of a run that is over with the limit: nothing is held back any more, and the amount used is
    /// final. Exactly the limit is not over it.
    #[must_use]
    pub fn judge(&self, usage: &Usage) -> Spent {
        let (limit, amount) = (self.limit.value(), usage.amounts.get(self.limit.unit()));
        let finish = amount.value.map(|value| Finish { mean: value, low: value, high: value, p90: value });
        let over = amount.value.is_some_and(|value| value > limit);
        let may_be_over = amount.high.is_none_or(|high| high > limit);
        let hard = over || self.policy.strict && may_be_over;
        self.found(usage, Findings { held: 0.0, finish, soft: over, hard })
    }

    /// Returns the result of a look: its decision is the strongest of the answers to the findings.
    fn found(&self, usage: &Usage, findings: Findings) -> Spent {
        let Findings { held, finish, soft, hard } = findings;
        let (limit, unit) = (self.limit.value(), self.limit.unit());
        let Bounded { value, low, high, .. } = usage.amounts.get(unit);
        let near = value.is_none_or(|value| value / limit >= self.policy.warn_at);
        let open = usage.amounts.get(unit).may_have_reached(limit);
        let at_least = if near || open { Decision::Warn } else { Decision::Go };
        let by_forecast = if soft { self.policy.soft } else { Decision::Go };
        let by_limit = if hard { self.policy.hard } else { Decision::Go };
        let decision = at_least.max(by_forecast).max(by_limit);
        let (quality, quality_percent) = usage.quality.unzip();
        Spent {
            unit,
            spent: value,
            low: Some(low).filter(|low| low.is_finite()),
            high,
            quality,
            quality_percent,
            limit,
            held,
            finish,
            soft,
            hard,
            decision,
        }
    }
}

impl<T: Copy> PerUnit<T> {
    /// Returns the item of a unit.
    fn get(&self, unit: Unit) -> T {
        match unit {
            Unit::EnergyUj => self.energy_uj,
            Unit::Grams => self.grams,
            Unit::Money => self.money,
        }
    }
}

impl Limit {
    /// Returns the amount, in the limit's unit.
    #[must_use]
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::EnergyUj(uj) => uj as f64,
            Self::Grams(amount) | Self::Money(amount) => amount,
        }
    }

    /// Returns the limit's unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::EnergyUj(_) => Unit::EnergyUj,
            Self::Grams(_) => Unit::Grams,
            Self::Money(_) => Unit::Money,
        }
    }
}

#[cfg(test)]
mod tests;

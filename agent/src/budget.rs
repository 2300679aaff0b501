//! Compares what a job has used with its limits ([`JobBudget`]). It only shows: no job is ever stopped.

use eco2_core::Decision;
use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Budget, Limit, PerUnit, Policy, Spent, Usage};
use eco2_grid::Pue;
use serde::{Deserialize, Serialize};

/// Limits of a job; they count what it used with the jobs within it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobLimits {
    /// Kilowatt-hours with the overhead of the facility; `None`: no limit.
    pub max_energy_kwh: Option<f64>,
    /// Kilograms CO2e; `None`: no limit.
    pub max_co2_kg: Option<f64>,
}

/// Whether a job keeps to its limits, from the mildest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BudgetState {
    /// The upper bounds of what it used are below the limits.
    #[default]
    Within,
    /// An upper bound reaches its limit, or there is none.
    MayExceed,
    /// What it used has reached a limit.
    Exceeded,
}

/// The limits of a job with what was used of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobBudget {
    /// The strongest of its limits' states.
    pub state: BudgetState,
    /// Every limit with what was used, as in a report's budget.
    pub limits: Vec<Spent>,
}

impl JobLimits {
    /// Whether each limit is a number above zero.
    pub(crate) fn are_valid(&self) -> bool {
        let is_valid = |limit: Option<f64>| limit.is_none_or(|limit| limit.is_finite() && limit > 0.0);
        is_valid(self.max_energy_kwh) && is_valid(self.max_co2_kg)
    }

    /// Returns the limits of both; those of `other` win.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            max_energy_kwh: other.max_energy_kwh.or(self.max_energy_kwh),
            max_co2_kg: other.max_co2_kg.or(self.max_co2_kg),
        }
    }

    /// Compares them with what was used: microjoules of the computers, and grams. `None`: there are no limits.
    pub(crate) fn check(&self, energy: &Bounded<u64>, grams: &Bounded<f64>, pue: Pue) -> Option<JobBudget> {
        let energy_limit = self.max_energy_kwh.map(|kwh| Limit::EnergyUj(((kwh * UJ_PER_KWH) as u64).max(1)));
        let limits = [energy_limit, self.max_co2_kg.map(|kg| Limit::Grams(kg * 1_000.0))];
        let energy_uj = energy.map(|uj| pue.facility_uj(uj) as f64);
        let amounts = PerUnit { energy_uj, grams: *grams, ..Usage::default().amounts };
        let usage = Usage { amounts, quality: None };
        // The agent stops no job, so that nothing is decided but a warning.
        let policy = Policy { hard: Decision::Warn, ..Policy::default() };
        let budgets = limits.into_iter().flatten().filter_map(Budget::new);
        let limits: Vec<Spent> = budgets.map(|budget| Budget { policy, ..budget }.check(&usage)).collect();
        let state = limits.iter().map(state).max()?;
        Some(JobBudget { state, limits })
    }
}

fn state(spent: &Spent) -> BudgetState {
    let may_exceed = spent.high.is_none_or(|high| high >= spent.limit);
    match (spent.hard, may_exceed) {
        (true, _) => BudgetState::Exceeded,
        (false, true) => BudgetState::MayExceed,
        (false, false) => BudgetState::Within,
    }
}

impl BudgetState {
    /// Returns its number in metrics.
    pub(crate) fn number(self) -> f64 {
        match self {
            Self::Within => 0.0,
            Self::MayExceed => 1.0,
            Self::Exceeded => 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KWH: u64 = 3_600_000_000_000;

    fn state(limits: JobLimits, energy: Bounded<u64>, grams: Bounded<f64>) -> Option<BudgetState> {
        limits.check(&energy, &grams, Pue::new(1.5).unwrap()).map(|budget| budget.state)
    }

    #[test]
    fn bounds_decide_whether_a_job_is_within_its_limit() {
        let limits = JobLimits { max_energy_kwh: Some(3.0), max_co2_kg: None };
        let state = |energy| state(limits, energy, Bounded::unknown());
        // With half as much overhead, 1 kWh of the computers is 1.5 kWh.
        assert_eq!(state(Bounded::hard(KWH, KWH, Some(KWH + KWH / 2))), Some(BudgetState::Within));
        assert_eq!(state(Bounded::hard(KWH, KWH, Some(2 * KWH))), Some(BudgetState::MayExceed));
        assert_eq!(state(Bounded::hard(2 * KWH, 0, Some(3 * KWH))), Some(BudgetState::Exceeded));
    }

    #[test]
    fn counter_that_is_not_read_is_never_within() {
        let limits = JobLimits { max_energy_kwh: Some(1_000.0), max_co2_kg: None };
        for energy in [Bounded::hard(1, 1, None), Bounded::unknown()] {
            assert_eq!(state(limits, energy, Bounded::unknown()), Some(BudgetState::MayExceed));
        }
        let limits = JobLimits { max_energy_kwh: Some(1.0), max_co2_kg: Some(0.1) };
        let unknown = state(limits, Bounded::exact(0), Bounded::unknown());
        assert_eq!(unknown, Some(BudgetState::MayExceed), "no intensity is known");
        assert_eq!(state(limits, Bounded::exact(0), Bounded::exact(100.0)), Some(BudgetState::Exceeded));
        assert_eq!(state(JobLimits::default(), Bounded::unknown(), Bounded::unknown()), None);
    }
}

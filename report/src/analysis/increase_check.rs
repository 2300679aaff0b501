//! Compares the energy of a run with that of a baseline run and a limit on the increase, for `eco2 check-budget --baseline`.
//!
//! The verdict follows from the range of the increase, in which errors that both runs have in common cancel. If the range
//! contains the limit, the result is inconclusive.

use eco2_core::schema::Report;
use eco2_core::{Quality, worst_quality};
use eco2_grid::carbon::FunctionalUnit;
use serde::Serialize;

use super::compare::{Compared, Figure, Increase, compare, increase};
use super::scope::{Scope, scope_of};

/// What is known of an increase and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncreaseVerdict {
    /// The whole range is at most the limit.
    Within,
    /// The whole range is above the limit.
    Exceeded,
    /// The range contains the limit, or an energy is not known.
    Inconclusive,
}

/// The energy of one of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunEnergy {
    /// Id of the run.
    pub run_id: String,
    /// Its name.
    pub name: String,
    /// Kilowatt-hours before PUE; `None`: not known.
    pub energy_kwh: Option<Figure>,
    /// The worst quality among the parts of the energy; `None`: not known.
    pub quality: Option<Quality>,
    /// Share of the energy that has this quality, percent.
    pub quality_percent: Option<f64>,
}

/// The comparison of a run with a baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncreaseCheck {
    /// Whose energy is compared.
    pub scope: Scope,
    /// The baseline run.
    pub baseline: RunEnergy,
    /// The run that is checked.
    pub run: RunEnergy,
    /// The limit, percent.
    pub max_increase_percent: f64,
    /// The increase; `None`: an energy is not known.
    pub increase: Option<Increase>,
    /// What follows.
    pub verdict: IncreaseVerdict,
}

/// Compares the energy of `run` with that of `baseline`. Both reports have the energy of one scope.
#[must_use]
pub fn check_increase(run: &Report, baseline: &Report, max_increase_percent: f64) -> IncreaseCheck {
    let both = [baseline.clone(), run.clone()];
    let runs = compare(&both, Some(FunctionalUnit::Run), &[]).runs;
    let energy = |place: usize| {
        let (quality, quality_percent) = worst_quality(&both[place].energy).unzip();
        let Compared { run_id, name, energy_kwh, .. } = runs[place].clone();
        RunEnergy { run_id, name, energy_kwh, quality, quality_percent }
    };
    let increase = increase(&runs[1], &runs[0]);
    let verdict = match increase.map(|found| (found.low_percent, found.high_percent)) {
        Some((_, Some(high))) if high <= max_increase_percent => IncreaseVerdict::Within,
        Some((Some(low), _)) if low > max_increase_percent => IncreaseVerdict::Exceeded,
        _ => IncreaseVerdict::Inconclusive,
    };
    IncreaseCheck { scope: scope_of(run), baseline: energy(0), run: energy(1), max_increase_percent, increase, verdict }
}

//! Marks the Pareto-optimal runs of `eco2 compare`: those that no other run dominates. A run dominates another if it is
//! at least as good in every objective and better in one.

use serde::Serialize;

use super::Compared;

/// A value to minimise, per unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Location-based emissions, grams CO2e.
    Grams,
    /// Energy, kilowatt-hours.
    Energy,
    /// Duration.
    Duration,
    /// Cost of the energy.
    Cost,
}

impl Objective {
    /// All objectives.
    pub const ALL: [Self; 4] = [Self::Grams, Self::Energy, Self::Duration, Self::Cost];

    /// Returns the name of this objective in flags and in JSON.
    #[must_use]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Grams => "grams",
            Self::Energy => "energy",
            Self::Duration => "duration",
            Self::Cost => "cost",
        }
    }

    /// Returns the value of a run for this objective; `None` if it is not known.
    fn of(self, run: &Compared) -> Option<f64> {
        match self {
            Self::Grams => run.grams.map(|grams| grams.value),
            Self::Energy => run.energy_kwh.map(|energy| energy.value),
            Self::Duration => run.seconds,
            Self::Cost => run.cost,
        }
    }
}

/// Marks the runs that no other dominates.
///
/// Runs with an unknown, synthetic or partly estimated value are left out. No run is marked if the grams are of
/// different kinds or the costs in different currencies.
pub(super) fn mark(runs: &mut [Compared], objectives: &[Objective]) {
    if objectives.is_empty() || are_mixed(runs, objectives) {
        return;
    }
    let point = |run: &Compared| -> Option<Vec<f64>> {
        objectives.iter().map(|objective| objective.of(run).filter(|_| is_measured(run))).collect()
    };
    let points: Vec<Option<Vec<f64>>> = runs.iter().map(point).collect();
    for (run, own) in runs.iter_mut().zip(&points) {
        let Some(own) = own else { continue };
        run.undominated = Some(!points.iter().flatten().any(|other| dominates(other, own)));
    }
}

/// Whether no part of the run's energy is synthetic or estimated.
fn is_measured(run: &Compared) -> bool {
    !run.synthetic && run.estimated_share.is_some_and(|share| share == 0.0)
}

/// Whether an objective has values that are not comparable: grams of several kinds of intensity, or several currencies.
fn are_mixed(runs: &[Compared], objectives: &[Objective]) -> bool {
    let measured = || runs.iter().filter(|run| is_measured(run));
    objectives.iter().any(|objective| match objective {
        Objective::Grams => differ(measured().filter(|run| run.grams.is_some()).map(|run| &run.kinds)),
        Objective::Cost => differ(measured().filter(|run| run.cost.is_some()).map(|run| &run.currency)),
        Objective::Energy | Objective::Duration => false,
    })
}

/// Whether the values are not all equal.
fn differ<T: PartialEq>(mut each: impl Iterator<Item = T>) -> bool {
    each.next().is_some_and(|first| each.any(|other| other != first))
}

/// Whether the values of `one` are nowhere larger than those of `other` and at least once smaller.
fn dominates(one: &[f64], other: &[f64]) -> bool {
    let pairs = || one.iter().zip(other);
    pairs().all(|(one, other)| one <= other) && pairs().any(|(one, other)| one < other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_points_do_not_dominate_each_other() {
        assert!(dominates(&[1.0, 2.0], &[1.0, 3.0]));
        assert!(!dominates(&[1.0, 2.0], &[1.0, 2.0]));
        assert!(!dominates(&[1.0, 3.0], &[2.0, 2.0]));
    }
}

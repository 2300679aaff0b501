//! Marks the Pareto-optimal runs of `eco2 compare`: those that no other run dominates. A run dominates another if it is
//! at least as good in every objective and better in one.

use serde::Serialize;

use super::increase::{Order, order};
use super::{Compared, Figure};

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

    /// Returns the value of a run for this objective with its range; `None` if it is not known.
    fn of(self, run: &Compared) -> Option<Figure> {
        match self {
            Self::Grams => run.grams,
            Self::Energy => run.energy_kwh,
            Self::Duration => run.seconds.map(|seconds| Figure { value: seconds, low: seconds, high: Some(seconds) }),
            // A cost has the relative range of its energy.
            Self::Cost => run.cost.zip(run.energy_kwh).map(|(cost, energy)| {
                let each = if energy.value > 0.0 { cost / energy.value } else { 0.0 };
                Figure { value: cost, low: energy.low * each, high: energy.high.map(|high| high * each) }
            }),
        }
    }
}

/// Marks the runs that no other dominates.
///
/// A run that is mostly estimated is dominated only if it is for all that the ranges permit, where errors that two runs have in common
/// cancel ([`order`]). Runs with an unknown or synthetic value are left out. No run is marked if the grams are of different kinds or the
/// costs in different currencies.
pub(super) fn mark(runs: &mut [Compared], objectives: &[Objective]) {
    if objectives.is_empty() || are_mixed(runs, objectives) {
        return;
    }
    let point = |run: &Compared| -> Option<Vec<Figure>> {
        objectives.iter().map(|objective| objective.of(run).filter(|_| is_real(run))).collect()
    };
    let points: Vec<Option<Vec<Figure>>> = runs.iter().map(point).collect();
    let is_undominated = |place: usize| {
        let own = points[place].as_ref()?;
        let others = points.iter().zip(&*runs).filter_map(|(point, run)| Some((point.as_ref()?, run)));
        Some(!others.into_iter().any(|(other, run)| dominates((run, other), (&runs[place], own))))
    };
    let marks: Vec<Option<bool>> = (0..runs.len()).map(is_undominated).collect();
    runs.iter_mut().zip(marks).for_each(|(run, mark)| run.undominated = mark);
}

/// Whether the run's energy is known and no part of it is synthetic.
fn is_real(run: &Compared) -> bool {
    !run.synthetic && run.estimated_share.is_some()
}

/// Whether an objective has values that are not comparable: grams of several kinds of intensity, or several currencies.
fn are_mixed(runs: &[Compared], objectives: &[Objective]) -> bool {
    let real = || runs.iter().filter(|run| is_real(run));
    objectives.iter().any(|objective| match objective {
        Objective::Grams => differ(real().filter(|run| run.grams.is_some()).map(|run| &run.kinds)),
        Objective::Cost => differ(real().filter(|run| run.cost.is_some()).map(|run| &run.currency)),
        Objective::Energy | Objective::Duration => false,
    })
}

/// Whether the values are not all equal.
fn differ<T: PartialEq>(mut each: impl Iterator<Item = T>) -> bool {
    each.next().is_some_and(|first| each.any(|other| other != first))
}

/// Whether the values of `one` are certainly nowhere larger than those of `other` and at least once smaller.
fn dominates(one: (&Compared, &[Figure]), other: (&Compared, &[Figure])) -> bool {
    let pairs = one.1.iter().zip(other.1);
    let orders: Vec<Order> = pairs.map(|(own, least)| order((one.0, *own), (other.0, *least))).collect();
    !orders.contains(&Order::Other) && orders.contains(&Order::Less)
}

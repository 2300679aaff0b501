//! Finds the settled part of a run: its steps without the warm-up at the start, by the rule of the forecast.

use super::cells::{Cell, warm_up};
use crate::schema::StepCurve;
use crate::{Bounded, RangeKind};

/// Fewest parts with steps from which the rule finds anything.
const LEAST_PARTS: usize = 8;

/// The settled part of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SteadyPart {
    /// Number of its steps.
    pub steps: u64,
    /// Their energy, microjoules, with bounds.
    pub energy: Bounded<u64>,
    /// Sum of their durations, nanoseconds.
    pub duration_ns: u64,
    /// When it began, nanoseconds since the start of the run.
    pub from_ns: u64,
    /// Steps before it, which were left out.
    pub warm_up_steps: u64,
    /// Their energy, microjoules.
    pub warm_up: Bounded<u64>,
    /// Parts of equal length into which the steps are divided.
    pub parts: usize,
}

/// Returns the settled part by the marginal standard error rule (White 1997): the start whose omission makes the mean energy per step
/// surest, at most half of the parts. `None` for fewer than eight parts with steps, and if an energy is not known.
///
/// ```
/// use eco2_core::schema::StepCurve;
///
/// // Ten steps a second; those of the first two seconds need 5 J each, the others 1 J.
/// let joules = |second: u64| if second < 2 { 5 } else { 1 } * 10_000_000;
/// let curve = StepCurve {
///     bin_ns: 1_000_000_000,
///     count: vec![10; 20],
///     duration_ns: vec![1_000_000_000; 20],
///     energy_uj: (0..20).map(|second| Some(joules(second))).collect(),
///     low_uj: (0..20).map(joules).collect(),
///     high_uj: (0..20).map(|second| Some(joules(second))).collect(),
///     ..StepCurve::default()
/// };
/// let steady = eco2_core::steady_part(&curve).expect("enough steps");
/// assert_eq!((steady.steps, steady.warm_up_steps, steady.from_ns), (180, 20, 2_000_000_000));
/// assert_eq!(steady.energy.value, Some(180_000_000));
/// ```
#[must_use]
pub fn steady_part(curve: &StepCurve) -> Option<SteadyPart> {
    let with_steps: Vec<usize> = (0..curve.count.len()).filter(|bin| curve.count[*bin] > 0).collect();
    let cell = |bin: &usize| -> Option<Cell> {
        let steps = curve.count[*bin] as f64;
        let (uj, ns) = ((*curve.energy_uj.get(*bin)?)? as f64, *curve.duration_ns.get(*bin)? as f64);
        Some(Cell { steps, rate: uj / steps, pace: ns / steps })
    };
    let cells: Vec<Cell> = with_steps.iter().map(cell).collect::<Option<_>>()?;
    if cells.len() < LEAST_PARTS {
        return None;
    }
    let (early, late) = with_steps.split_at(warm_up(cells.into_iter()));
    let sum = |bins: &[usize], column: &[u64]| bins.iter().filter_map(|bin| column.get(*bin)).sum::<u64>();
    let energy = |bins: &[usize]| -> Bounded<u64> {
        let one = |bin: &usize| Bounded {
            value: curve.energy_uj.get(*bin).copied().flatten(),
            low: curve.low_uj.get(*bin).copied().unwrap_or(0),
            high: curve.high_uj.get(*bin).copied().flatten(),
            kind: RangeKind::Plausible,
        };
        bins.iter().map(one).sum()
    };
    Some(SteadyPart {
        steps: sum(late, &curve.count),
        energy: energy(late),
        duration_ns: sum(late, &curve.duration_ns),
        from_ns: late.first().map_or(0, |bin| *bin as u64 * curve.bin_ns),
        warm_up_steps: sum(early, &curve.count),
        warm_up: energy(early),
        parts: with_steps.len(),
    })
}

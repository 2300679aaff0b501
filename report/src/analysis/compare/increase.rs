//! How much more of something one run needs than another, when both are known within ranges ([`Increase`]), and whether a run is
//! certainly no worse than another.
//!
//! Errors that two runs have in common cancel. The error of the model that estimates the processors and memory of a machine
//! has two factors. One belongs to the machine: if its watts are high by a tenth for one run, they are for the other. This factor
//! cancels, so such runs are compared at the same place of their ranges: lower bound with lower bound, value with value, upper bound
//! with upper bound. The other factor belongs to the run, because the model does not know the program, the temperature and the exact
//! shape between idle and full load. It does not cancel, and widens the range by [`OWN_FACTOR`] of both runs. The error of an
//! estimated GPU is that of the program, so nothing of it cancels. Nor does the error of runs on different machines: the lowest value
//! of one is compared with the highest of the other.

use std::cmp::Ordering;

use serde::Serialize;

use super::{Compared, Figure};

/// The relation of the energies of two runs, or of other values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Increase {
    /// By the estimates, percent; `None` if the base is 0.
    pub percent: Option<f64>,
    /// Lower end of its range, percent; `None`: not known.
    pub low_percent: Option<f64>,
    /// Upper end of its range, percent; `None`: there is none.
    pub high_percent: Option<f64>,
    /// Whether an error that is common to both runs was cancelled.
    pub is_common_error: bool,
}

/// The factor by which the true energy of one run may differ from its estimate, up or down, when the factor of the machine is
/// known: the least range of a calibrated estimate, 0.8 to 1.25 (`docs/estimates.md`). It is plausible (90 %).
pub(super) const OWN_FACTOR: f64 = 1.25;

/// Returns how much more energy per unit of work `run` needs than `base`; `None` if one of the energies is not known.
#[must_use]
pub fn increase(run: &Compared, base: &Compared) -> Option<Increase> {
    let (figure, other) = (run.energy_kwh?, base.energy_kwh?);
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let (low, high) = ratios((run, figure), (base, other));
    Some(Increase {
        percent: ratio(figure.value, other.value).map(percent),
        low_percent: low.map(percent),
        high_percent: high.map(percent),
        is_common_error: have_common_error(run, base),
    })
}

/// Returns the quotient of two values; `None` if the divisor is 0.
fn ratio(value: f64, base: f64) -> Option<f64> {
    (base > 0.0).then(|| value / base)
}

/// Returns the lower and the upper end of the range of a value of one run divided by that of another. `None`: not known, or no
/// upper end.
fn ratios(one: (&Compared, Figure), other: (&Compared, Figure)) -> (Option<f64>, Option<f64>) {
    let ((run, figure), (base, least)) = (one, other);
    let low = least.high.and_then(|high| ratio(figure.low, high));
    let high = figure.high.and_then(|high| ratio(high, least.low));
    if !have_common_error(run, base) {
        return (low, high);
    }
    let upper = figure.high.zip(least.high).and_then(|(high, other)| ratio(high, other));
    // A lower bound of 0 gives no ratio of the two.
    let ends: Option<Vec<f64>> =
        [ratio(figure.low, least.low), ratio(figure.value, least.value), upper].into_iter().collect();
    let Some(ends) = ends else { return (low, high) };
    let own = own_factor(run, base);
    let (least_end, greatest_end) =
        (ends.iter().copied().fold(f64::INFINITY, f64::min), ends.iter().copied().fold(0.0, f64::max));
    // Less is never known than without the common error.
    (
        low.map(|low| low.max(least_end / own)),
        Some(high.map_or(greatest_end * own, |high| high.min(greatest_end * own))),
    )
}

/// Returns the factor by which the ratio of two estimates may be off although the error of the machine cancels. The errors of the
/// two runs are independent, so the squares of their logarithms are added. Measured parts of the energy have none.
fn own_factor(one: &Compared, other: &Compared) -> f64 {
    let square = |run: &Compared| (1.0 + (OWN_FACTOR - 1.0) * run.estimated_share.unwrap_or(1.0)).ln().powi(2);
    (square(one) + square(other)).sqrt().exp()
}

/// Whether the estimates of two runs have the error of one model on one machine.
fn have_common_error(one: &Compared, other: &Compared) -> bool {
    one.is_estimated() && other.is_estimated() && one.model.is_some() && one.model == other.model
}

/// How one value relates to another, in all cases that their ranges permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Certainly smaller.
    Less,
    /// Certainly not larger.
    NotMore,
    /// Larger, or not certain.
    Other,
}

/// Returns how a value of `one` relates to that of `other`. Between measured runs, and where both values are exact, the values
/// decide; otherwise the order has to hold for all that the ranges permit.
pub(super) fn order(one: (&Compared, Figure), other: (&Compared, Figure)) -> Order {
    let is_exact = [one, other].iter().all(|(run, figure)| !run.is_estimated() || figure.is_exact());
    // The bounds may be equal, as those of two exact values are.
    let highest =
        if is_exact { Some((one.1.value, other.1.value)) } else { ratios(one, other).1.map(|high| (high, 1.0)) };
    match highest.map(|(value, least)| value.total_cmp(&least)) {
        Some(Ordering::Less) => Order::Less,
        Some(Ordering::Equal) => Order::NotMore,
        _ => Order::Other,
    }
}

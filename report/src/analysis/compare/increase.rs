//! How much more of something one run needs than another, when both are known within ranges ([`Increase`]), and whether a run is
//! certainly no worse than another.
//!
//! Errors that two runs have in common cancel. The error of the model that estimates energy is common to runs on one machine with
//! the same estimated parts: if the model is high by a tenth for one, it is for the other. So such runs are compared at
//! the same place of their ranges: lower bound with lower bound, value with value, upper bound with upper bound. The errors of other
//! runs are independent: the lowest value of one is compared with the highest of the other.

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

/// Returns how much more energy per unit of work `run` needs than `base`; `None` if one of the energies is not known.
#[must_use]
pub fn increase(run: &Compared, base: &Compared) -> Option<Increase> {
    let (figure, other) = (run.energy_kwh?, base.energy_kwh?);
    let percent = |value: f64, base: f64| (base > 0.0).then(|| (value / base - 1.0) * 100.0);
    let middle = percent(figure.value, other.value);
    let is_common_error = have_common_error(run, base);
    let (low_percent, high_percent) = if is_common_error {
        let ends = [percent(figure.low, other.low), middle];
        let high = figure.high.zip(other.high).and_then(|(high, other)| percent(high, other));
        // A lower bound of 0 gives no ratio of the two.
        let all: Option<Vec<f64>> = ends.into_iter().chain([high]).collect();
        let all = all.unwrap_or_default();
        (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max))
    } else {
        (other.high.and_then(|high| percent(figure.low, high)), figure.high.and_then(|high| percent(high, other.low)))
    };
    Some(Increase { percent: middle, low_percent, high_percent, is_common_error })
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

/// Returns how a value of `one` relates to that of `other`. Between measured runs the values decide, as their errors are small; if one is
/// estimated, the order has to hold for all that the ranges permit.
pub(super) fn order(one: (&Compared, Figure), other: (&Compared, Figure)) -> Order {
    let ((run, figure), (against, least)) = (one, other);
    let high = |figure: Figure| figure.high.unwrap_or(f64::INFINITY);
    let pairs = if !run.is_estimated() && !against.is_estimated() {
        vec![(figure.value, least.value)]
    } else if have_common_error(run, against) {
        vec![(figure.low, least.low), (figure.value, least.value), (high(figure), high(least))]
    } else {
        vec![(high(figure), least.low)]
    };
    match () {
        () if pairs.iter().any(|(one, other)| one > other) => Order::Other,
        // The bounds may be equal, as two open ones are.
        () if pairs.iter().any(|(one, other)| one < other) => Order::Less,
        () => Order::NotMore,
    }
}

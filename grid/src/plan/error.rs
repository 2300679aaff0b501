//! Defines why a plan cannot be made ([`PlanError`]), and checks the values that planning is given.
//!
//! A *window* is the time from the earliest start of a job to its deadline. A *series* holds intensities over time; a
//! *gap* is a time without one. A *profile* states throughput and power by number of workers.

use crate::{FilePlace, RangeError};

/// A plan that cannot be made. Every message ends with a remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The job is longer than its window.
    #[error(
        "the job takes {need_h} h, from {from} to {to} there are {have_h} h; give it a later deadline or a shorter duration"
    )]
    DeadlineBeforeDuration {
        /// Hours that the job takes with the most workers.
        need_h: f64,
        /// Hours in the window.
        have_h: f64,
        /// Start of the window.
        from: String,
        /// End of the window.
        to: String,
    },
    /// The window lies outside the series.
    #[error(
        "the series runs from {from} to {to}, the job from {wanted_from} to {wanted_to}; use a series of that time"
    )]
    OutsideSeries {
        /// Start of the series.
        from: String,
        /// End of the series.
        to: String,
        /// Start of the window.
        wanted_from: String,
        /// End of the window.
        wanted_to: String,
    },
    /// The job does not fit into the time whose intensity is known.
    #[error(
        "no intensity is known from {from} to {to}, and the job does not fit into the rest; fill it in, or give a later \
         deadline"
    )]
    Gap {
        /// Start of the gap.
        from: String,
        /// End of the gap.
        to: String,
        /// Place of the gap in the file of the series.
        place: FilePlace,
    },
    /// A value is out of range.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The profile has no row with a worker.
    #[error("the profile has no row with a worker; add one")]
    NoWorkers,
    /// A value of the profile decreases from a row to the next.
    #[error("{what} falls from {before} to {value} as workers grow; measure the profile again")]
    Falling {
        /// Name of the value.
        what: &'static str,
        /// The value.
        value: f64,
        /// The value with fewer workers.
        before: f64,
    },
    /// The intensities of two zones count different things.
    #[error(
        "zones {first} and {other} have different kinds of intensity ({first_kind} and {other_kind}); compare values of one kind"
    )]
    KindsDiffer {
        /// A zone.
        first: String,
        /// Another zone.
        other: String,
        /// What the first counts.
        first_kind: String,
        /// What the other counts.
        other_kind: String,
    },
    /// There are more jobs than the machines can run.
    #[error("no free time was found for job {job} on {machines} machines; add machines or time")]
    NoMachine {
        /// Index of the job, from 0.
        job: usize,
        /// Number of machines.
        machines: u32,
    },
    /// The plan is too large to be computed exactly.
    #[error("{what}: {count}, at most {most}; split the plan up")]
    TooLarge {
        /// Name of what is counted.
        what: &'static str,
        /// The count.
        count: usize,
        /// The maximum.
        most: usize,
    },
}

impl PlanError {
    /// Returns the place of the fault in the file of the series.
    #[must_use]
    pub fn place(&self) -> FilePlace {
        match self {
            Self::Gap { place, .. } => *place,
            _ => FilePlace::Whole,
        }
    }
}

/// Checks a power.
///
/// # Errors
/// [`RangeError`] unless it is finite and not negative.
pub(super) fn check_power(power_w: f64) -> Result<(), PlanError> {
    check(power_w, "power in watts", |power| power >= 0.0, "a finite number of at least 0")
}

/// Checks that a value is finite and allowed.
pub(super) fn check(
    value: f64,
    what: &'static str,
    allows: fn(f64) -> bool,
    allowed: &'static str,
) -> Result<(), PlanError> {
    if value.is_finite() && allows(value) {
        return Ok(());
    }
    Err(RangeError { what, value, allowed }.into())
}

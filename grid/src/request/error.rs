//! Why a request has no plan, and whether the request or a file is at fault.

use crate::plan::PlanError;
use crate::{FileError, FileFault, FilePlace};

/// A request without a plan. Every message ends with a remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request makes no sense.
    #[error("{0}")]
    Asked(String),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A place in the series keeps the plan from being made.
    #[error("{series}{place}: {error}")]
    Series {
        /// The series.
        series: String,
        /// Where in it.
        place: FilePlace,
        /// What is wrong there.
        error: Box<PlanError>,
    },
}

impl RequestError {
    /// Whether the request is to be mended, and not a file.
    #[must_use]
    pub fn is_of_the_request(&self) -> bool {
        match self {
            Self::Asked(_) => true,
            Self::File(FileError { fault, .. }) => {
                matches!(fault, FileFault::NoColumn { .. } | FileFault::WhichColumn { .. })
            }
            Self::Series { .. } => false,
        }
    }

    /// What a plan was refused for: the place in the series where that is at fault, else the request.
    pub(super) fn of_plan(series: &str, error: PlanError) -> Self {
        match error.place() {
            FilePlace::Whole => Self::Asked(error.to_string()),
            place => Self::Series { series: series.to_owned(), place, error: Box::new(error) },
        }
    }
}

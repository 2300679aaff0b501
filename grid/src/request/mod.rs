//! Defines the request for a plan, which `eco2 plan` and `eco2_plan()` share: intensities from files or as values,
//! durations in hours, power in watts.
//!
//! The command fills in a [`PlanRequest`] from flags, the C library by [`PlanRequest::from_json`].
//! [`PlanRequest::answer`] reads the files and plans. [`PlanAnswer::document`] is the JSON that both return.
//! Assumptions are listed as [`PlanNote`]s. No clock and no network are used.

mod answer;
mod json;
mod published;

use std::path::{Path, PathBuf};

pub use answer::{PlanAnswer, PlanNote, PlanOutcome};

use crate::plan::{ChangeCosts, IntensityCurve, PlanError};
use crate::{FileError, FileFault, FilePlace, Series};

/// Microjoules in a watt-hour.
const UJ_PER_WH: f64 = 3.6e9;

/// The request for a plan.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// Intensity over time.
    pub series: SeriesFrom,
    /// Column of the series; with `rank` the zone in which the job is now.
    pub zone: Option<String>,
    /// Duration of the job, nanoseconds; with a profile that with the fewest workers.
    pub duration_ns: Option<i64>,
    /// Time from the earliest start to the deadline, nanoseconds.
    pub within_ns: Option<i64>,
    /// Earliest start, nanoseconds since 1970 UTC; `None` for the first slot of the series.
    pub start_ns: Option<i64>,
    /// Whether the job may pause and resume.
    pub interruptible: bool,
    /// Power of the job, watts; `None` for 1000, with a [`PlanNote`].
    pub power_w: Option<f64>,
    /// Power usage effectiveness, 1 or more.
    pub pue: f64,
    /// Options for the number of workers.
    pub width: JobWidth,
    /// Whether to compare all columns of the series.
    pub rank: bool,
    /// Energy to move the job out of `zone`, kilowatt-hours.
    pub transfer_kwh: Option<f64>,
    /// Plan the jobs of this file instead of one.
    pub jobs: Option<PathBuf>,
    /// Number of machines that the jobs share; `None` for one machine each.
    pub machines: Option<u32>,
}

/// Options for the number of workers of a job, and the energy of changing it.
#[derive(Debug, Clone, Default)]
pub struct JobWidth {
    /// File of throughput and power by workers.
    pub profile: Option<PathBuf>,
    /// Whether the number of workers changes at the edges of slots only.
    pub whole_slots: bool,
    /// Energy of each start, watt-hours.
    pub start_cost_wh: Option<f64>,
    /// Energy of each change of workers, watt-hours.
    pub switch_cost_wh: Option<f64>,
}

/// The source of intensities.
#[derive(Debug, Clone)]
pub enum SeriesFrom {
    /// A CSV or JSON file.
    File(PathBuf),
    /// The contents of such a file.
    Text {
        /// Name in messages.
        name: String,
        /// CSV or JSON.
        bytes: Vec<u8>,
    },
    /// A series of one zone; the field `zone` of the request is ignored.
    Known {
        /// Name in messages.
        name: String,
        /// The series.
        series: Series,
    },
}

impl SeriesFrom {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { name, .. } | Self::Known { name, .. } => name.clone(),
        }
    }

    /// Reads the intensities of a zone; without one, those of the only column.
    fn read_column(&self, zone: Option<&str>) -> Result<IntensityCurve, FileError> {
        Ok(IntensityCurve::new(&match self {
            Self::File(path) => Series::read(path, zone)?,
            Self::Text { name, bytes } => Series::parse(bytes, name, zone)?,
            Self::Known { series, .. } => series.clone(),
        }))
    }

    /// Reads the intensities of all zones, each with its name.
    fn read_all(&self) -> Result<Vec<(String, IntensityCurve)>, FileError> {
        let series = match self {
            Self::File(path) => Series::read_all(path)?,
            Self::Text { name, bytes } => Series::parse_all(bytes, name)?,
            Self::Known { name, series } => vec![(name.clone(), series.clone())],
        };
        Ok(series.iter().map(|(name, series)| (name.clone(), IntensityCurve::new(series))).collect())
    }
}

impl PlanRequest {
    /// Returns a request for a job with nothing but a series, PUE 1.
    #[must_use]
    pub fn new(series: SeriesFrom) -> Self {
        Self {
            series,
            zone: None,
            duration_ns: None,
            within_ns: None,
            start_ns: None,
            interruptible: false,
            power_w: None,
            pue: 1.0,
            width: JobWidth::default(),
            rank: false,
            transfer_kwh: None,
            jobs: None,
            machines: None,
        }
    }

    /// Whether the number of workers changes at the edges of slots only.
    fn in_whole_slots(&self) -> bool {
        self.width.whole_slots || self.width.start_cost_wh.is_some() || self.width.switch_cost_wh.is_some()
    }

    /// Returns the energy of starts and changes at the facility, microjoules.
    fn costs(&self) -> ChangeCosts {
        let uj = |wh: Option<f64>| (wh.unwrap_or_default() * self.pue * UJ_PER_WH).round() as u64;
        ChangeCosts { start_uj: uj(self.width.start_cost_wh), switch_uj: uj(self.width.switch_cost_wh) }
    }

    /// Returns the file of the profile, if there is one.
    fn profile(&self) -> Option<&Path> {
        self.width.profile.as_deref()
    }
}

/// A request without a plan. Every message ends with a remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request is incomplete or contradicts itself.
    #[error("{0}")]
    Asked(String),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A place in the series prevents the plan.
    #[error("{series}{place}: {error}")]
    Series {
        /// Name of the series.
        series: String,
        /// Place of the fault.
        place: FilePlace,
        /// The fault.
        error: Box<PlanError>,
    },
}

impl RequestError {
    /// Whether the fault is in the request, and not in a file.
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

    /// Returns the error of planning, with the place in the series if that has the fault.
    fn from_plan(series: &str, error: PlanError) -> Self {
        match error.place() {
            FilePlace::Whole => Self::Asked(error.to_string()),
            place => Self::Series { series: series.to_owned(), place, error: Box::new(error) },
        }
    }
}

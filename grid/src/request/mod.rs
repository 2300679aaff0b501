//! A plan as people ask for it: files or series, hours, watts; what `eco2 plan` and `eco2_plan()` have in common.
//!
//! A [`PlanRequest`] is filled in by flags or by [`PlanRequest::from_json`]; [`PlanRequest::answer`] reads its files and
//! plans. [`PlanAnswer::document`] is the JSON that both print. What was assumed comes as [`PlanNote`]s. No clock, no network.

mod answer;
mod json;
mod published;

use std::path::{Path, PathBuf};

pub use answer::{PlanAnswer, PlanNote, PlanOutcome};

use crate::plan::{ChangeCosts, IntensityCurve, PlanError};
use crate::{FileError, FileFault, FilePlace, Series};

/// Microjoules in a watt-hour.
const UJ_PER_WH: f64 = 3.6e9;

/// What is to be planned.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// Intensity over time.
    pub series: SeriesFrom,
    /// Column of the series; with `rank`, where the job is now.
    pub zone: Option<String>,
    /// How long the job runs, nanoseconds; with a profile with the fewest workers.
    pub duration_ns: Option<i64>,
    /// From the start to the deadline, nanoseconds.
    pub within_ns: Option<i64>,
    /// The earliest begin, nanoseconds since 1970 UTC; `None`: the series' first slot.
    pub start_ns: Option<i64>,
    /// Whether the job may pause and resume.
    pub interruptible: bool,
    /// What the job draws, watts; `None`: 1000, and a [`PlanNote`] says so.
    pub power_w: Option<f64>,
    /// Power usage effectiveness, 1 or more; multiplied once.
    pub pue: f64,
    /// How wide the job may run.
    pub width: JobWidth,
    /// Compare all columns of the series.
    pub rank: bool,
    /// Energy to move the job out of `zone`, kilowatt-hours.
    pub transfer_kwh: Option<f64>,
    /// Plan the jobs of this file instead of one.
    pub jobs: Option<PathBuf>,
    /// How many machines the jobs share; `None`: one each.
    pub machines: Option<u32>,
}

/// How wide a job may run, and what changing that costs.
#[derive(Debug, Clone, Default)]
pub struct JobWidth {
    /// File of throughput and power by workers.
    pub profile: Option<PathBuf>,
    /// Change width at the edges of slots only.
    pub whole_slots: bool,
    /// Energy of each start, watt-hours.
    pub start_cost_wh: Option<f64>,
    /// Energy of each change of workers, watt-hours.
    pub switch_cost_wh: Option<f64>,
}

/// Where intensities come from.
#[derive(Debug, Clone)]
pub enum SeriesFrom {
    /// A CSV or JSON file.
    File(PathBuf),
    /// The same in memory.
    Text {
        /// What it is called in messages.
        name: String,
        /// CSV or JSON.
        bytes: Vec<u8>,
    },
    /// A series of one place, whatever `zone` says.
    Known {
        /// What it is called in messages.
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

    fn one(&self, zone: Option<&str>) -> Result<IntensityCurve, FileError> {
        Ok(IntensityCurve::new(&match self {
            Self::File(path) => Series::read(path, zone)?,
            Self::Text { name, bytes } => Series::parse(bytes, name, zone)?,
            Self::Known { series, .. } => series.clone(),
        }))
    }

    fn all(&self) -> Result<Vec<(String, IntensityCurve)>, FileError> {
        let series = match self {
            Self::File(path) => Series::read_all(path)?,
            Self::Text { name, bytes } => Series::parse_all(bytes, name)?,
            Self::Known { name, series } => vec![(name.clone(), series.clone())],
        };
        Ok(series.iter().map(|(name, series)| (name.clone(), IntensityCurve::new(series))).collect())
    }
}

impl PlanRequest {
    /// A request for a job with nothing but a series, PUE 1.
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

    /// Whether width changes at the edges of slots only.
    fn in_whole_slots(&self) -> bool {
        self.width.whole_slots || self.width.start_cost_wh.is_some() || self.width.switch_cost_wh.is_some()
    }

    fn costs(&self) -> ChangeCosts {
        let uj = |wh: Option<f64>| (wh.unwrap_or_default() * self.pue * UJ_PER_WH).round() as u64;
        ChangeCosts { start_uj: uj(self.width.start_cost_wh), switch_uj: uj(self.width.switch_cost_wh) }
    }

    fn profile(&self) -> Option<&Path> {
        self.width.profile.as_deref()
    }
}

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
    fn of_plan(series: &str, error: PlanError) -> Self {
        match error.place() {
            FilePlace::Whole => Self::Asked(error.to_string()),
            place => Self::Series { series: series.to_owned(), place, error: Box::new(error) },
        }
    }
}

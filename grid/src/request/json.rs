//! Reads the request for a plan from JSON, as `eco2_plan()` takes it: the flags of `eco2 plan` are the keys, with `_`
//! for `-`.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::{JobWidth, PlanRequest, RequestError, SeriesFrom};
use crate::parse_instant;
use crate::plan::duration_ns;

/// The keys of the JSON object.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestJson {
    series: Value,
    zone: Option<String>,
    duration: Option<f64>,
    within: Option<f64>,
    start: Option<String>,
    interruptible: bool,
    power: Option<f64>,
    pue: Option<f64>,
    profile: Option<PathBuf>,
    whole_slots: bool,
    start_cost: Option<f64>,
    switch_cost: Option<f64>,
    rank: bool,
    transfer: Option<f64>,
    jobs: Option<PathBuf>,
    machines: Option<u32>,
}

impl PlanRequest {
    /// Returns a request from a JSON object with the flags of `eco2 plan` as keys: `series` (a file's path, or a series
    /// of schema eco2.series/1), `duration` and `within` in hours, `start`, `power` in watts, and so on.
    ///
    /// ```
    /// use eco2_grid::request::PlanRequest;
    /// let request = PlanRequest::from_json(
    ///     r#"{"duration": 1, "within": 2, "power": 1000, "series": {"schema": "eco2.series/1", "points": [
    ///         {"time": "2026-01-01T00:00Z", "value": 300}, {"time": "2026-01-01T01:00Z", "value": 100}]}}"#,
    /// )?;
    /// assert_eq!(request.answer()?.document()["grams"], 100.0);
    /// # Ok::<(), eco2_grid::request::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// [`RequestError::Asked`] for any other text, with the name of the key.
    pub fn from_json(text: &str) -> Result<Self, RequestError> {
        let wire: RequestJson = serde_json::from_str(text).map_err(|error| RequestError::Asked(error.to_string()))?;
        wire.check()?;
        wire.request()
    }
}

impl RequestJson {
    fn check(&self) -> Result<(), RequestError> {
        let of_one_job = self.duration.is_some() && self.within.is_some();
        let may_not = [
            (self.jobs.is_none() && !of_one_job, "duration and within are needed, in hours (or jobs)"),
            (
                self.jobs.is_some() && self.is_of_one(),
                "jobs goes without duration, within, start, interruptible, profile and rank",
            ),
            (self.rank && self.is_of_width(), "rank goes without profile, whole_slots, start_cost and switch_cost"),
            (self.transfer.is_some() && !(self.rank && self.zone.is_some()), "transfer needs rank and zone"),
            (self.machines.is_some() && self.jobs.is_none(), "machines needs jobs"),
            (self.machines == Some(0), "machines is 0; allowed: 1 or more"),
        ];
        may_not.iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, text)| Err(invalid(*text)))
    }

    /// Whether the request has a key that applies only to a single job.
    fn is_of_one(&self) -> bool {
        let given = self.duration.is_some() || self.within.is_some() || self.start.is_some();
        given || self.interruptible || self.profile.is_some() || self.rank
    }

    /// Whether the request has a key about the number of workers.
    fn is_of_width(&self) -> bool {
        self.profile.is_some() || self.whole_slots || self.start_cost.is_some() || self.switch_cost.is_some()
    }

    /// Converts the JSON object to a request: hours to nanoseconds, texts to times.
    fn request(self) -> Result<PlanRequest, RequestError> {
        Ok(PlanRequest {
            zone: self.zone,
            duration_ns: self.duration.map(|figure| hours("duration", figure)).transpose()?,
            within_ns: self.within.map(|figure| hours("within", figure)).transpose()?,
            start_ns: self.start.map(|text| instant(&text)).transpose()?,
            interruptible: self.interruptible,
            power_w: figure("power", self.power)?,
            pue: figure("pue", self.pue)?.unwrap_or(1.0),
            width: JobWidth {
                profile: self.profile,
                whole_slots: self.whole_slots,
                start_cost_wh: figure("start_cost", self.start_cost)?,
                switch_cost_wh: figure("switch_cost", self.switch_cost)?,
            },
            rank: self.rank,
            transfer_kwh: figure("transfer", self.transfer)?,
            jobs: self.jobs,
            machines: self.machines,
            ..PlanRequest::new(series(self.series)?)
        })
    }
}

/// Returns the path of a file, or a series. There is no default, because no intensities are invented.
fn series(value: Value) -> Result<SeriesFrom, RequestError> {
    match value {
        Value::String(path) => Ok(SeriesFrom::File(path.into())),
        Value::Object(_) => Ok(SeriesFrom::Text { name: "series".to_owned(), bytes: value.to_string().into_bytes() }),
        _ => Err(invalid(
            "series is needed: the path of a file, or a series of schema eco2.series/1; no intensities are invented",
        )),
    }
}

fn hours(key: &str, hours: f64) -> Result<i64, RequestError> {
    duration_ns(hours).ok_or_else(|| invalid(format!("{key} is {hours}; allowed: hours above 0 and at most 876600")))
}

fn instant(text: &str) -> Result<i64, RequestError> {
    let remedy = || invalid(format!("start is {text:.40?}; allowed: a time in UTC, such as 2026-01-31T13:30Z"));
    parse_instant(text).ok_or_else(remedy)
}

fn figure(key: &str, given: Option<f64>) -> Result<Option<f64>, RequestError> {
    match given {
        Some(figure) if !(figure.is_finite() && figure >= 0.0) => {
            Err(invalid(format!("{key} is {figure}; allowed: a number of at least 0")))
        }
        fine => Ok(fine),
    }
}

fn invalid(text: impl Into<String>) -> RequestError {
    RequestError::Asked(text.into())
}

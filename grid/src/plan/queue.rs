//! Reads a queue, which is a list of jobs to plan (`eco2 plan --jobs FILE`), from CSV with the columns `id`, `arrival`,
//! `duration_h`, `deadline` and `interruptible`.

use std::path::Path;

use super::{HOUR_NS, IntensityCurve, Job, Plan, PlanError, plan};
use crate::series::rows::{TableRow, TableRows, text};
use crate::{FileError, FileFault, FilePlace};

/// The longest duration, hours: a century.
const LONGEST_H: f64 = 876_600.0;

/// A job of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedJob {
    /// Name of the job.
    pub id: String,
    /// Earliest start, nanoseconds since 1970 UTC.
    pub arrival_ns: i64,
    /// Latest end, nanoseconds since 1970 UTC.
    pub deadline_ns: i64,
    /// Duration, power, and whether it may be interrupted.
    pub job: Job,
    /// Place of the job in its file.
    pub place: FilePlace,
}

impl QueuedJob {
    /// Returns the best plan of the job on a machine of its own.
    ///
    /// A deadline after the end of the curve counts as that end, because later intensities are unknown.
    ///
    /// # Errors
    /// As for [`plan`].
    pub fn plan(&self, curve: &IntensityCurve) -> Result<Plan, PlanError> {
        let fits = self.arrival_ns.saturating_add(self.job.duration_ns) <= self.deadline_ns;
        let known = self.arrival_ns < curve.to_ns();
        let to_ns = if fits && known { self.deadline_ns.min(curve.to_ns()) } else { self.deadline_ns };
        plan(&curve.window(self.arrival_ns, to_ns)?, &self.job)
    }
}

/// Parses jobs, each with a power of `power_w` watts; `interruptible` is `true` or `false`, empty for `false`.
///
/// # Errors
/// The first fault, with its line and a remedy. A deadline that is too early is a fault.
pub fn parse_jobs(bytes: &[u8], file: &str, power_w: f64) -> Result<Vec<QueuedJob>, FileError> {
    let mut rows = TableRows::new(text(bytes, file)?, file)?;
    let names = ["id", "arrival", "duration_h", "deadline", "interruptible"];
    let columns = names.map(|name| rows.needed(name));
    let [id, arrival, duration, deadline, interruptible] = columns;
    let columns = [id?, arrival?, duration?, deadline?, interruptible?];
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(job(&row, columns, power_w)?);
    }
    if jobs.is_empty() {
        return Err(FileError::new(file, FilePlace::Whole, FileFault::Empty));
    }
    Ok(jobs)
}

/// Reads jobs from a file; see [`parse_jobs`].
///
/// # Errors
/// If the file cannot be read or has a fault.
pub(crate) fn read_jobs(path: &Path, power_w: f64) -> Result<Vec<QueuedJob>, FileError> {
    parse_jobs(&crate::series::bytes(path)?, &path.display().to_string(), power_w)
}

/// Reads a job from a row; `columns` are the indices of id, arrival, duration, deadline and interruptible.
fn job(row: &TableRow<'_>, columns: [usize; 5], power_w: f64) -> Result<QueuedJob, FileError> {
    let [id, arrival, duration, deadline, interruptible] = columns;
    let id = row.text(id).to_owned();
    let (arrival_ns, deadline_ns) = (row.instant(arrival)?, row.instant(deadline)?);
    let hours = row.number(duration, "the duration")?;
    let duration_ns = duration_ns(hours).ok_or_else(|| row.fault(of_duration(row.text(duration))))?;
    if deadline_ns.saturating_sub(arrival_ns) < duration_ns {
        let have_h = deadline_ns.saturating_sub(arrival_ns) as f64 / HOUR_NS as f64;
        let reason = format!("it takes {hours} h, from arrival to deadline there are {have_h} h; set a later deadline");
        return Err(row.fault(FileFault::Job { id, reason }));
    }
    let job = Job { duration_ns, power_w, interruptible: truth(row, interruptible)? };
    Ok(QueuedJob { id, arrival_ns, deadline_ns, job, place: row.place() })
}

/// Returns the nanoseconds of a number of hours; `None` unless the number is above 0 and at most a century.
#[must_use]
pub fn duration_ns(hours: f64) -> Option<i64> {
    let ns = (hours * HOUR_NS as f64).round();
    (hours <= LONGEST_H && ns >= 1.0).then_some(ns as i64)
}

/// Returns the fault of a duration that is out of range.
fn of_duration(text: &str) -> FileFault {
    let allowed = "hours above 0 and at most 876600";
    FileFault::Figure { what: "the duration", text: text.to_owned(), allowed }
}

/// Reads `true` or `false`, for which `yes`, `no`, `1` and `0` are accepted too; an empty field is `false`.
fn truth(row: &TableRow<'_>, column: usize) -> Result<bool, FileError> {
    match row.text(column).to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" | "" => Ok(false),
        other => {
            let allowed = "true, false".to_owned();
            Err(row.fault(FileFault::Word { what: "interruptible", text: crate::series::shown(other), allowed }))
        }
    }
}

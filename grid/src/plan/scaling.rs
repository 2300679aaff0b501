//! Reads how throughput and power of a job grow with its number of workers (the *profile*, `eco2 plan --profile`), and
//! finds which numbers of workers are worth their power.
//!
//! A *level* is a row of the profile: a number of workers with throughput and power. The *hull* is the lower convex
//! hull of power over throughput: the least power for every throughput, reached by sharing a slot (a period with one
//! intensity) between two levels. A level above the hull is never worth its power. A *step* of the hull leads from one
//! of its levels to the next. Power per throughput rises from step to step, so that the cheapest step can be taken
//! first.

use std::path::Path;

use super::error::check;
use super::{HOUR_NS, PlanError};
use crate::series::rows::{TableRow, TableRows, text};
use crate::{FileError, FileFault, FilePlace};

/// Maximum number of rows of a profile, far more than anyone measures. It bounds the time of planning.
const MOST: usize = 4096;

/// A measured profile: throughput and power by number of workers. Neither decreases with more workers. A paused job
/// uses no power.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    levels: Vec<WorkerLevel>,
    hull: Vec<HullStep>,
    /// Whether the power was measured: stated by the profile, not assumed by worker.
    pub has_power: bool,
}

impl Scaling {
    /// Returns a profile of rows that are sorted by workers.
    ///
    /// # Errors
    /// [`PlanError`] for a profile without workers, an unsorted one, or one whose values decrease.
    pub fn new(levels: Vec<WorkerLevel>) -> Result<Self, PlanError> {
        if levels.is_empty() {
            return Err(PlanError::NoWorkers);
        }
        for level in &levels {
            let above_0 = "a finite number above 0";
            check(f64::from(level.workers), "workers", |workers| workers > 0.0, "a whole number above 0")?;
            check(level.throughput, "throughput", |throughput| throughput > 0.0, above_0)?;
            check(level.power_w, "power in watts", |power| power > 0.0, above_0)?;
        }
        match levels.windows(2).find_map(falls) {
            Some((what, value, before)) => Err(PlanError::Falling { what, value, before }),
            None => Ok(Self { hull: hull(&levels), levels, has_power: true }),
        }
    }

    /// Returns the profile of a job that runs with one worker or pauses.
    ///
    /// # Errors
    /// For power that is not a finite number above 0.
    pub fn one_worker(power_w: f64) -> Result<Self, PlanError> {
        Self::new(vec![WorkerLevel { workers: 1, throughput: 1.0, power_w }])
    }

    /// Parses a profile from CSV with the columns `workers` (or `nodes`, which wins where both are there),
    /// `throughput`, and `power` (or `power_w`, where there is no `power`), the watts of all workers. Without a column
    /// of power, each worker uses `worker_w`. A row of 0 workers must be all 0.
    ///
    /// # Errors
    /// The first fault, with its line and a remedy.
    pub fn parse(bytes: &[u8], file: &str, worker_w: f64) -> Result<Self, FileError> {
        let mut rows = TableRows::new(text(bytes, file)?, file)?;
        let columns = ProfileColumns::of(&rows)?;
        let mut read: Vec<(WorkerLevel, FilePlace)> = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(level) = columns.level(&row, worker_w)? else { continue };
            if let Some((what, value, before)) = read.last().and_then(|(before, _)| falls(&[*before, level])) {
                return Err(row.fault(FileFault::Falling { what, value, before }));
            }
            if read.len() == MOST {
                return Err(row.fault(FileFault::Syntax(format!("more than {MOST} rows"))));
            }
            read.push((level, row.place()));
        }
        let levels: Vec<WorkerLevel> = read.into_iter().map(|(level, _)| level).collect();
        let scaling =
            Self::new(levels).map_err(|error| FileError::new(file, FilePlace::Whole, profile_fault(&error)))?;
        Ok(Self { has_power: columns.power.is_some(), ..scaling })
    }

    /// Reads a profile from a file; see [`Scaling::parse`].
    ///
    /// # Errors
    /// If the file cannot be read or has a fault.
    pub(crate) fn read(path: &Path, worker_w: f64) -> Result<Self, FileError> {
        Self::parse(&crate::series::bytes(path)?, &path.display().to_string(), worker_w)
    }

    /// Returns the same profile with all powers multiplied by `factor`, such as PUE.
    ///
    /// # Errors
    /// For a factor that is not a finite number above 0.
    pub(crate) fn with_power_times(&self, factor: f64) -> Result<Self, PlanError> {
        let times = |level: &WorkerLevel| WorkerLevel { power_w: level.power_w * factor, ..*level };
        let scaling = Self::new(self.levels.iter().map(times).collect())?;
        Ok(Self { has_power: self.has_power, ..scaling })
    }

    /// Returns the rows, by workers.
    #[must_use]
    pub fn levels(&self) -> &[WorkerLevel] {
        &self.levels
    }

    /// Returns the work of a job that takes `duration_ns` with the fewest workers: throughput times hours.
    #[must_use]
    pub fn work(&self, duration_ns: i64) -> f64 {
        self.levels.first().map_or(0.0, |level| level.throughput) * duration_ns as f64 / HOUR_NS as f64
    }

    /// Returns the work per hour with the most workers.
    pub(super) fn fastest(&self) -> f64 {
        self.levels.last().map_or(0.0, |level| level.throughput)
    }

    /// Returns the steps of the hull, from rest to the most workers.
    pub(super) fn hull(&self) -> &[HullStep] {
        &self.hull
    }
}

/// Indices of the columns of a profile's file.
struct ProfileColumns {
    workers: usize,
    throughput: usize,
    power: Option<usize>,
}

impl ProfileColumns {
    fn of(rows: &TableRows<'_>) -> Result<Self, FileError> {
        let workers = match rows.column("nodes")? {
            Some(column) => column,
            None => rows.needed("workers")?,
        };
        let power = rows.column("power")?.or(rows.column("power_w")?);
        Ok(Self { workers, throughput: rows.needed("throughput")?, power })
    }

    /// Returns the values of a row; `None` for the row of 0 workers.
    fn level(&self, row: &TableRow<'_>, worker_w: f64) -> Result<Option<WorkerLevel>, FileError> {
        let allowed = "a whole number";
        let fault = |text: &str| FileFault::Figure { what: "the number of workers", text: text.to_owned(), allowed };
        let workers = row.number(self.workers, "the number of workers")?;
        let whole = workers.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&workers);
        let workers = if whole { workers as u32 } else { return Err(row.fault(fault(&workers.to_string()))) };
        let throughput = positive(row, self.throughput, "the throughput", workers)?;
        let power_w = match self.power {
            Some(column) => positive(row, column, "the power", workers)?,
            None => f64::from(workers) * worker_w,
        };
        Ok((workers > 0).then_some(WorkerLevel { workers, throughput, power_w }))
    }
}

/// Returns the fault of a file whose rows make no profile: there are none, or the power of a worker, which is not in
/// the file, is wrong.
fn profile_fault(error: &PlanError) -> FileFault {
    match error {
        PlanError::NoWorkers => FileFault::Empty,
        error => FileFault::Syntax(error.to_string()),
    }
}

/// Reads a value above 0; for 0 workers it must be 0.
fn positive(row: &TableRow<'_>, column: usize, what: &'static str, workers: u32) -> Result<f64, FileError> {
    let value = row.number(column, what)?;
    let allowed = if workers == 0 { "0 without workers; leave the row out" } else { "a number above 0" };
    if (workers == 0 && value == 0.0) || (workers > 0 && value > 0.0) {
        return Ok(value);
    }
    Err(row.fault(FileFault::Figure { what, text: value.to_string(), allowed }))
}

/// Returns the first value that decreases from the first row of `pair` to the second: its name, the value of the second
/// row, and that of the first. `None` if neither decreases.
fn falls(pair: &[WorkerLevel]) -> Option<(&'static str, f64, f64)> {
    let [before, level] = pair else { return None };
    let (workers, fewer) = (f64::from(level.workers), f64::from(before.workers));
    if workers <= fewer {
        return Some(("the number of workers", workers, fewer));
    }
    if level.throughput < before.throughput {
        return Some(("the throughput", level.throughput, before.throughput));
    }
    (level.power_w < before.power_w).then_some(("the power", level.power_w, before.power_w))
}

/// Throughput and power of a number of workers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkerLevel {
    /// Workers; at least 1.
    pub workers: u32,
    /// Work per hour in any unit; above 0. Only ratios matter.
    pub throughput: f64,
    /// Power of all of them, watts; above 0.
    pub power_w: f64,
}

/// One step along the hull.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HullStep {
    /// Workers before the step; 0 at rest.
    pub(super) from: u32,
    /// Workers after it.
    pub(super) to: u32,
    /// Throughput that the step adds.
    pub(super) throughput: f64,
    /// Power that the step adds, watts.
    pub(super) power_w: f64,
}

impl HullStep {
    /// Returns the power per throughput of the step; it increases from step to step.
    pub(super) fn slope(&self) -> f64 {
        self.power_w / self.throughput
    }
}

/// Returns the hull from rest, through levels whose throughput and power do not decrease.
pub(super) fn hull(levels: &[WorkerLevel]) -> Vec<HullStep> {
    let rest = WorkerLevel { workers: 0, throughput: 0.0, power_w: 0.0 };
    let mut corners = vec![rest];
    for level in levels {
        // Of levels with equal throughput the first needs the least power.
        if corners.last().is_some_and(|last| last.throughput >= level.throughput) {
            continue;
        }
        while corners.len() > 1 && is_above(corners[corners.len() - 2], corners[corners.len() - 1], *level) {
            corners.pop();
        }
        corners.push(*level);
    }
    corners.windows(2).map(|pair| step(pair[0], pair[1])).collect()
}

/// Whether `middle` lies on or above the line from `first` to `last`.
fn is_above(first: WorkerLevel, middle: WorkerLevel, last: WorkerLevel) -> bool {
    step(first, middle).slope() >= step(middle, last).slope()
}

/// Returns the step from one level to another: the added throughput and power.
fn step(before: WorkerLevel, after: WorkerLevel) -> HullStep {
    let (throughput, power_w) = (after.throughput - before.throughput, after.power_w - before.power_w);
    HullStep { from: before.workers, to: after.workers, throughput, power_w }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(rows: &[(f64, f64)]) -> Vec<WorkerLevel> {
        (1..).zip(rows).map(|(workers, &(throughput, power_w))| WorkerLevel { workers, throughput, power_w }).collect()
    }

    #[test]
    fn counts_above_the_line_are_left_out() {
        // 2 workers: 11 units for 25 W; half of 0 and half of 3 gives 15 for 15 W.
        let steps = hull(&levels(&[(10.0, 10.0), (11.0, 25.0), (30.0, 30.0), (31.0, 60.0)]));
        let workers: Vec<(u32, u32)> = steps.iter().map(|step| (step.from, step.to)).collect();
        assert_eq!(workers, [(0, 3), (3, 4)]);
        assert!(steps.windows(2).all(|pair| pair[0].slope() < pair[1].slope()));
    }

    #[test]
    fn profile_without_a_power_column_has_no_power_after_scaling_either() {
        let profile = Scaling::parse(b"workers,throughput\n1,10\n2,18\n", "p.csv", 300.0).unwrap();
        assert!(!profile.has_power && !profile.with_power_times(1.2).unwrap().has_power);
    }

    #[test]
    fn wrong_power_of_a_worker_is_not_reported_as_an_empty_file() {
        let parse = |text: &str, worker_w| Scaling::parse(text.as_bytes(), "p.csv", worker_w).unwrap_err().to_string();
        let wrong = parse("workers,throughput\n1,10\n", -1.0);
        assert!(wrong.contains("power in watts"), "{wrong}");
        assert_ne!(wrong, parse("workers,throughput\n", 1.0));
    }

    #[test]
    fn a_worker_that_adds_nothing_is_never_used() {
        let steps = hull(&levels(&[(10.0, 10.0), (10.0, 20.0)]));
        assert_eq!(steps.iter().map(|step| step.to).collect::<Vec<_>>(), [1]);
    }
}

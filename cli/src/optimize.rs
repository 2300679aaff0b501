//! Runs `eco2 optimize`, which suggests how to reduce a run's energy use, or measures the effect of power limits in a
//! *sweep*: the same command once per limit.

mod sweep;
mod table;

use std::path::{Path, PathBuf};

use eco2::Unrelated;
use eco2_core::schema::Report;
use eco2_grid::{FileError, FileFault, Pue, Series};
use eco2_report::Calibration;
use eco2_report::advice::{AdviceInputs, Hours, Region, advise};

use crate::args::OptimizeArgs;
use crate::failure::UsageError;
use crate::{out, settings};

/// Prints suggestions for a run, or measures a command under several power limits; returns the exit code.
///
/// # Errors
/// For a run, series or zone that cannot be used, and for limits that cannot be set.
pub(crate) fn optimize(args: &OptimizeArgs) -> anyhow::Result<u8> {
    if args.sweep.sweep_power_limit {
        // Clap accepts RUN here, because an argument that conflicts with another is not required: this file must refuse
        // it.
        if let Some(run) = &args.run {
            return Err(UsageError(format!(
                "a sweep takes a command instead of RUN: did you mean `-- {}`?",
                Path::new(run).display()
            ))
            .into());
        }
        return sweep::sweep(args);
    }
    let options = settings::resolve(args.layer()?)?;
    let run = args
        .run
        .as_deref()
        .ok_or_else(|| UsageError("RUN is missing: give a file, an ID or name of `eco2 runs`, or `last`".into()))?;
    let mut report = eco2::read_whole(run, &options, Unrelated::Refused)?;
    if args.run_zone.is_some() {
        report = eco2::reprice(report, &options)?;
    }
    let columns = columns(args)?;
    let calibration = eco2::calibration_of(&report, &options);
    let text = suggestions(args, &report, columns.as_ref(), calibration.as_ref())?;
    out::data(&text)?;
    Ok(0)
}

/// Returns the suggestions as JSON or text.
fn suggestions(
    args: &OptimizeArgs,
    report: &Report,
    columns: Option<&RegionSeries>,
    calibration: Option<&Calibration>,
) -> anyhow::Result<String> {
    let profile = report.curve();
    let pue = Pue::new(report.energy.pue.max(1.0))?;
    let inputs = AdviceInputs {
        run: &args.run.as_deref().unwrap_or_default().to_string_lossy(),
        course: Some(eco2_grid::EnergyProfile { lasted_ns: report.run.duration_ns, energy: &profile, pue }),
        hours: columns.map(|columns| columns.hours(args.within)),
        regions: args.regions.iter().map(|name| region(name, columns)).collect::<anyhow::Result<_>>()?,
        calibration,
    };
    let advice = advise(report, &inputs);
    Ok(if args.json { advice.json() } else { advice.text(&out::data_style()) })
}

/// The intensity series of `--series`: the column of the run's place, and all columns by name.
struct RegionSeries {
    file: PathBuf,
    name: String,
    own: Series,
    all: Vec<(String, Series)>,
}

impl RegionSeries {
    fn hours(&self, within_ns: i64) -> Hours<'_> {
        Hours { series: &self.own, file: &self.file, column: &self.name, within_ns }
    }
}

/// Reads the file of `--series`; `None` without one. All columns are read only if `--region` needs them.
fn columns(args: &OptimizeArgs) -> anyhow::Result<Option<RegionSeries>> {
    let Some(file) = &args.series else { return Ok(None) };
    let own = Series::read(file, args.column.as_deref()).map_err(column_error)?;
    let all = if args.regions.is_empty() { Vec::new() } else { Series::read_all(file)? };
    let name = args.column.clone().unwrap_or_default();
    Ok(Some(RegionSeries { file: file.clone(), name, own, all }))
}

/// Returns the error with the flag `--column` in place of the option that names the column of other files.
fn column_error(error: FileError) -> anyhow::Error {
    match error.fault {
        FileFault::NoColumn { .. } | FileFault::WhichColumn { .. } => {
            UsageError(error.naming("--column").to_string()).into()
        }
        _ => error.into(),
    }
}

/// Returns a region to compare with: a column of the series if it has this exact name, else a zone of the yearly table.
fn region<'a>(name: &'a str, columns: Option<&'a RegionSeries>) -> anyhow::Result<Region<'a>> {
    let column = columns.and_then(|columns| columns.all.iter().find(|(column, _)| column == name));
    match column {
        Some((column, series)) => Ok(Region::Column(column, series)),
        None => Ok(Region::Yearly(Box::new(eco2_grid::lookup(name)?))),
    }
}

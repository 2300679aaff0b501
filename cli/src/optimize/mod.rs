//! `eco2 optimize`: what to change about a run, and what a power limit is worth.

mod sweep;
mod table;

use std::path::PathBuf;

use eco2_core::schema::Report;
use eco2_grid::{FileError, FileFault, Pue, Series};
use eco2_report::advice::{AdviceInputs, Hours, Region, advise};

use crate::args::OptimizeArgs;
use crate::failure::Usage;
use crate::{out, settings};

/// Says what to change about a run, or sweeps power limits.
///
/// # Errors
/// For a run, series or zone that cannot be used, and for limits that cannot be set.
pub(crate) fn optimize(args: &OptimizeArgs) -> anyhow::Result<u8> {
    if args.sweep.sweep_power_limit {
        // Clap forgives a requirement that conflicts with what is there, so this conflict is ours to refuse.
        if let Some(run) = &args.run {
            return Err(Usage(format!("a sweep takes no RUN: did you mean `-- {}`?", run.display())).into());
        }
        return sweep::sweep(args);
    }
    let options = settings::resolve(args.layer()?)?;
    let run = args.run.as_deref().ok_or_else(|| Usage("no RUN was given, such as `eco2 optimize last`".into()))?;
    let mut report = eco2::read_whole(run, &options)?;
    if args.run_zone.is_some() {
        report = eco2::reprice(report, &options)?;
    }
    let columns = columns(args)?;
    let text = told(args, &report, columns.as_ref())?;
    out::data(&text)?;
    Ok(0)
}

fn told(args: &OptimizeArgs, report: &Report, columns: Option<&Columns>) -> anyhow::Result<String> {
    let course = report.curve();
    let pue = Pue::new(report.energy.pue.max(1.0))?;
    let inputs = AdviceInputs {
        run: &args.run.as_deref().unwrap_or_default().to_string_lossy(),
        course: Some(eco2_grid::EnergyProfile { lasted_ns: report.run.duration_ns, energy: &course, pue }),
        hours: columns.map(|columns| columns.hours(args.within)),
        regions: args.regions.iter().map(|name| region(name, columns)).collect::<anyhow::Result<_>>()?,
    };
    let suggestions = advise(report, &inputs);
    Ok(if args.json { suggestions.json() } else { suggestions.text(&out::data_style()) })
}

/// The series of a file: the run's own, and all by name.
struct Columns {
    file: PathBuf,
    name: String,
    own: Series,
    all: Vec<(String, Series)>,
}

impl Columns {
    fn hours(&self, within_ns: i64) -> Hours<'_> {
        Hours { series: &self.own, file: &self.file, column: &self.name, within_ns }
    }
}

fn columns(args: &OptimizeArgs) -> anyhow::Result<Option<Columns>> {
    let Some(file) = &args.series else { return Ok(None) };
    let own = Series::read(file, args.column.as_deref()).map_err(of_column)?;
    let all = if args.regions.is_empty() { Vec::new() } else { Series::read_all(file)? };
    let name = args.column.clone().unwrap_or_default();
    Ok(Some(Columns { file: file.clone(), name, own, all }))
}

fn of_column(error: FileError) -> anyhow::Error {
    match error.fault {
        FileFault::NoColumn { .. } | FileFault::WhichColumn { .. } => {
            Usage(error.naming("--column").to_string()).into()
        }
        _ => error.into(),
    }
}

/// A column of the series by its literal name, else a zone of the table.
fn region<'a>(name: &'a str, columns: Option<&'a Columns>) -> anyhow::Result<Region<'a>> {
    let column = columns.and_then(|columns| columns.all.iter().find(|(column, _)| column == name));
    match column {
        Some((column, series)) => Ok(Region::Column(column, series)),
        None => Ok(Region::Yearly(Box::new(eco2_grid::lookup(name)?))),
    }
}

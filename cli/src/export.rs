//! Runs `eco2 export`, which writes stored runs as tables for databases.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eco2::Unrelated;
use eco2::options::{Layer, Options};
use eco2_core::schema::Report;
use eco2_report::{Exported, INTERVAL_SECONDS, Lake, RunFilter};

use crate::args::ExportArgs;
use crate::failure::{FAILED, UsageError};
use crate::{out, settings};

/// How often a terminal shows how far the export is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Writes the tables, prints what was written, and returns the exit code.
///
/// # Errors
/// If the folder cannot be written to, a run is not found, or a file cannot be written.
pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<u8> {
    let lake = Lake::open(&args.parquet).map_err(|error| UsageError(format!("--parquet: {error}")))?;
    let mut export = Export {
        lake: lake.interval_seconds(args.every.unwrap_or(INTERVAL_SECONDS)),
        done: Exported::default(),
        records: 0,
        failed: 0,
        shown: Instant::now(),
    };
    let options = settings::resolve(Layer::default())?;
    if args.runs.is_empty() {
        export.stored_runs(&options)?;
    } else {
        export.named_runs(&args.runs, &options)?;
    }
    let Export { done, records, failed, .. } = export;
    out::page(&format!(
        "Exported {}, {}: {} ({:.1} MiB), {} were there already.\n",
        counted(records, "record"),
        counted(done.rows, "row"),
        counted(done.written, "new file"),
        done.bytes as f64 / f64::from(1 << 20),
        done.present,
    ))?;
    Ok(if failed > 0 { FAILED } else { 0 })
}

/// An export that is going on.
struct Export {
    lake: Lake,
    done: Exported,
    /// Number of records that were exported.
    records: u64,
    /// Number of records that could not be.
    failed: u64,
    /// When the progress was shown last.
    shown: Instant,
}

impl Export {
    /// Exports all stored runs, one record in memory at a time.
    fn stored_runs(&mut self, options: &Options) -> anyhow::Result<()> {
        let folder = eco2::runs::runs_folder(options)?;
        let listed = eco2_report::list_runs(&folder, &RunFilter::default(), None);
        listed.notice.iter().for_each(|notice| out::talk(&format!("eco2: {notice}\n")));
        let records = || listed.list.runs.iter().flat_map(|run| &run.records);
        let paths: Vec<PathBuf> = records().map(|record| folder.join(record)).collect();
        for path in &paths {
            match eco2::read_run(path, options) {
                Ok(report) => self.add(&report)?,
                Err(error) => self.leave_out(&error),
            }
            self.show_progress(paths.len());
        }
        Ok(())
    }

    /// Exports the runs of the command line.
    fn named_runs(&mut self, runs: &[OsString], options: &Options) -> anyhow::Result<()> {
        for run in runs {
            let records = eco2::read_records(run, options, Unrelated::Summed)?;
            let found = records.reports.len();
            for report in &records.reports {
                self.add(report)?;
                self.show_progress(found);
            }
            records.unreadable.iter().for_each(|error| self.leave_out(error));
        }
        Ok(())
    }

    /// Exports a record. A merged report, and one with too many intervals, is left out with a message.
    fn add(&mut self, report: &Report) -> anyhow::Result<()> {
        match self.lake.add(report) {
            Ok(exported) => {
                self.done.add(exported);
                self.records += 1;
                Ok(())
            }
            Err(error @ (eco2_report::Error::MergedExport { .. } | eco2_report::Error::TooManyIntervals { .. })) => {
                self.leave_out(&error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn leave_out(&mut self, error: &dyn std::fmt::Display) {
        self.failed += 1;
        out::talk(&format!("eco2: left out: {error}\n"));
    }

    fn show_progress(&mut self, all: usize) {
        if self.shown.elapsed() >= PROGRESS_EVERY && std::io::stderr().is_terminal() {
            self.shown = Instant::now();
            out::talk(&format!("eco2: {} of {all} records exported\n", self.records));
        }
    }
}

/// Returns a number with its noun.
fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

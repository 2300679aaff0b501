//! Flags of `eco2 export`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

const EXPORT: &str = "\
Writes the tables runs, spans, counters, intervals and days as files
TABLE/day=DAY/node=NODE/HASH.parquet.
A file's name is the hash of its content: exporting again writes nothing, and a later version of a
record gets further files. Several machines may write to one folder. Energies are whole microjoules,
and what is not known is NULL. Columns: docs/lake.md; queries for DuckDB and others: deploy/lake.
Exit codes: 0 ok, 1 a record could not be exported (the others were), 2 usage.

Examples:
  eco2 export --parquet lake                    all stored runs of this user
  eco2 export --parquet lake slurm-4711.0 last
  eco2 export --parquet lake --every 1 last     a row per second and counter
  duckdb -c \"SELECT sum(total_uj) FROM 'lake/runs/*/*/*.parquet'\"";

/// Flags of `eco2 export`.
#[derive(Debug, Args)]
#[command(after_long_help = EXPORT)]
pub(crate) struct ExportArgs {
    /// Log, report, folder of them, ID or name of a run, `last` or `last~1` [default: all stored runs]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<OsString>,
    /// Folder of the tables; created if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) parquet: PathBuf,
    /// Length of the rows of the table intervals, seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) every: Option<u32>,
}

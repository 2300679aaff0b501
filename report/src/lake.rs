//! A *lake*: tables of many runs in one folder of Parquet files, for databases such as DuckDB.
//!
//! - `table`: a table as columns in memory.
//! - `rows`: the rows of one record, from its report.
//! - `intervals`: the energy of each counter over time, from the same stretches that merging uses.
//! - `encode`: a table as the bytes of a Parquet file.
//! - `runs`: the bytes of columns of which only runs of rows are kept.
//! - `folder`: files named by their content in partitions by day and node.
//!
//! A *record* is the report of one process of a run. Each record has files of its own, and a file never changes: exporting a record again
//! writes nothing, and a later version of it gets further files. Queries take the union (`deploy/lake`, docs/lake.md).

mod encode;
mod folder;
mod intervals;
mod rows;
mod runs;
mod table;

pub use folder::{Exported, INTERVAL_SECONDS, Lake};

//! The folder of a lake: `TABLE/day=DAY/node=NODE/HASH.parquet`, where HASH is that of the file's content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eco2_core::schema::Report;
use eco2_grid::Sha256;

use super::rows::Identity;
use super::table::Table;
use super::{encode, intervals, rows};
use crate::Error;
use crate::store::{check_output_folder, write_file};

/// Default length of the rows of the table `intervals`, seconds.
pub const INTERVAL_SECONDS: u32 = 60;
/// Digits of the hash in a file's name: of a million files of one partition, two have one name with a probability of 3 in 10^8.
const HASH_DIGITS: usize = 16;
/// Longest name of a node that a partition has in clear.
const MAX_NODE: usize = 64;
/// The value of a partition that is not known, as Hive writes it; databases read it as NULL.
const UNKNOWN: &str = "__HIVE_DEFAULT_PARTITION__";

/// What was written for one record or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Number of files that were written.
    pub written: u64,
    /// Number of files that the folder had already.
    pub present: u64,
    /// Number of rows, in new files and in those that the folder had.
    pub rows: u64,
    /// Bytes of the new files.
    pub bytes: u64,
}

impl Exported {
    /// Adds what was written for other records.
    pub fn add(&mut self, other: Self) {
        self.written += other.written;
        self.present += other.present;
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// A folder of tables for databases.
///
/// Several processes may write to one folder at the same time. A file is complete when it has its name.
#[derive(Debug, Clone)]
pub struct Lake {
    folder: PathBuf,
    interval_ns: u64,
}

impl Lake {
    /// Opens a folder, which the first file creates.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be created or written to.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        check_output_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), interval_ns: u64::from(INTERVAL_SECONDS) * 1_000_000_000 })
    }

    /// Sets the length of the rows of `intervals`, at least one second [default: [`INTERVAL_SECONDS`]].
    #[must_use]
    pub fn interval_seconds(self, seconds: u32) -> Self {
        Self { interval_ns: u64::from(seconds.max(1)) * 1_000_000_000, ..self }
    }

    /// Writes the rows of one record. What the folder has already is not written again.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::MergedExport`] for a merged report, whose records are to be exported instead,
    /// and [`Error::TooManyIntervals`] for a record that is too long for the length of the intervals.
    pub fn add(&self, report: &Report) -> Result<Exported, Error> {
        if report.merge.is_some() {
            return Err(Error::MergedExport { run: report.run.id.clone() });
        }
        let id = Identity::of(report, self.interval_ns);
        let node = partition(&id.node);
        let mut exported = Exported::default();
        let intervals = intervals::tables(&id, self.interval_ns)?;
        for table in rows::tables(&id).into_iter().chain(intervals) {
            exported.add(self.write(&table, &node)?);
        }
        Ok(exported)
    }

    fn write(&self, table: &Table, node: &str) -> Result<Exported, Error> {
        let day = table.day.as_deref().unwrap_or(UNKNOWN);
        let partition = self.folder.join(table.name).join(format!("day={day}")).join(format!("node={node}"));
        let bytes = encode::encode(table).map_err(|cause| Error::io("write", &partition, io::Error::other(cause)))?;
        let path = partition.join(format!("{}.parquet", digits(&bytes)));
        let rows = table.rows() as u64;
        if fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64) {
            return Ok(Exported { present: 1, rows, ..Exported::default() });
        }
        fs::create_dir_all(&partition).map_err(|cause| Error::io("create", &partition, cause))?;
        write_file(&path, &bytes)?;
        Ok(Exported { written: 1, rows, bytes: bytes.len() as u64, ..Exported::default() })
    }
}

/// Returns the first digits of the hash of bytes.
fn digits(bytes: &[u8]) -> String {
    Sha256::of(bytes).to_string().chars().take(HASH_DIGITS).collect()
}

/// Returns a node's name as a part of a path: itself where it is short and of letters, digits and `-`, as boot ids are, else its hash.
fn partition(node: &str) -> String {
    let is_plain = node.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if is_plain && (1..=MAX_NODE).contains(&node.len()) { node.to_owned() } else { digits(node.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_no_boot_id_has_a_hash_in_the_path() {
        let boot_id = "0b6c9f6e-6c1d-4c1e-9d0e-3a5b2c1d0e9f";
        assert_eq!(partition(boot_id), boot_id);
        for other in ["", "../../etc", "unknown:a b", &"a".repeat(65)] {
            let found = partition(other);
            assert!(found.len() == HASH_DIGITS && found.chars().all(|digit| digit.is_ascii_hexdigit()), "{found}");
        }
    }
}
